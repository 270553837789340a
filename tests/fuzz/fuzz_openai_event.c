/* Property: whatever a vendor streams, what goes to the caller is JSON again, nothing but restored text and hidden
 * usage differs, and hidden usage is hidden. Where one stream goes on with another, what is kept as said is what the
 * caller got, and every chunk has the first one's envelope.
 *
 * First byte: bit 0 hide usage, bit 1 restore, bit 2 keep. Events are lines; "!" cuts a stream that is kept, and what
 * follows goes on with it. */
#include <assert.h>

#include "dialect/openai_event.h"
#include "support/fake_restoring.h"

enum : uint16_t { ID_USAGE = 1, ID_TEXT, ID_ENVELOPE };

enum : size_t { SAID_BYTES = 1 << 20 };

/* What the caller got, and what the relay keeps of it. */
static struct {
        uint8_t got[SAID_BYTES], said[SAID_BYTES];
        size_t got_len, said_len;
        view envelope[4];
} tale;

static void tell(uint8_t *where, size_t *len, view text)
{
        assert(*len + text.len <= SAID_BYTES);
        if (text.len > 0)
                memcpy(where + *len, text.data, text.len);
        *len += text.len;
}

/* A chunk that goes to the caller. */
static void must_be_json(view doc, arena *a, bool no_usage, bool resumed)
{
        static const json_path_row rows[] = {{"usage", ID_USAGE},
                                             {"choices[].delta.content", ID_TEXT},
                                             {"choices[].text", ID_TEXT},
                                             {"id", ID_ENVELOPE},
                                             {"created", ID_ENVELOPE + 1},
                                             {"model", ID_ENVELOPE + 2},
                                             {"system_fingerprint", ID_ENVELOPE + 3}};
        static const json_paths *paths;
        if (paths == nullptr)
                paths = json_paths_compile(rows, sizeof rows / sizeof *rows);
        json_scan *s = json_scan_begin(doc, paths, a);
        json_token t = {};
        assert(s != nullptr);
        while (t.kind != JSON_DONE) {
                size_t budget = SIZE_MAX;
                err e = json_scan_next(s, &budget, &t);
                assert(!failed(e));
                if (t.kind == JSON_DONE || t.kind == JSON_KEY)
                        continue;
                assert(!no_usage || t.path != ID_USAGE);
                if (t.path == ID_TEXT && t.kind == JSON_STRING)
                        tell(tale.got, &tale.got_len, view_slice(doc, t.start, t.end));
                if (!resumed || t.path < ID_ENVELOPE || (t.kind != JSON_STRING && t.kind != JSON_NUMBER))
                        continue;
                size_t quote = t.kind == JSON_STRING ? 1 : 0;
                assert(view_equal(view_slice(doc, t.start - quote, t.end + quote),
                                  tale.envelope[t.path - ID_ENVELOPE]));
        }
}

static void one(openai_stream *s, view data, bool hide, arena *turn)
{
        edits e;
        openai_event ev;
        edits_init(&e, turn);
        if (failed(openai_stream_event(s, data, turn, &e, &ev)))
                return;
        if (ev.done || ev.drop) {
                assert(ev.extra.len == 0 && ev.text.len == 0);
                return;
        }
        memcpy(tale.envelope, s->envelope.value, sizeof tale.envelope);
        if (ev.extra.len > 0)
                must_be_json(ev.extra, turn, true, s->resumed);
        size_t len = edits_length(&e, data.len);
        uint8_t *edited = arena_alloc(turn, len + 1);
        edit_cursor at = {};
        view piece;
        assert(edited != nullptr);
        emit out = emit_into(edited, len);
        while (edit_next(&e, data, &at, SIZE_MAX, &piece))
                emit_view(&out, piece);
        assert(!out.full && out.len == len);
        must_be_json((view){edited, len}, turn, hide, s->resumed);
        assert(e.count == 0 || hide || s->restoring != nullptr || s->resumed);
        tell(tale.said, &tale.said_len, ev.text);
        if (s->keep && !s->odd && s->restoring == nullptr)
                assert(view_equal((view){tale.got, tale.got_len}, (view){tale.said, tale.said_len}));
}

/* The stream is cut; what follows is another vendor's. False: none can go on with it. */
static bool cut(openai_stream *s, arena *a, bool hide)
{
        const openai_stream before = *s;
        if (!s->keep || s->odd || s->finished || tale.said_len == 0)
                return false;
        openai_stream_begin(s, a, before.restoring, hide);
        openai_stream_resume(s, &before, (view){tale.said, tale.said_len});
        return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 1)
                return 0;
        bool hide = (data[0] & 1) != 0;
        arena a, turn;
        openai_stream s;
        arena_init(&a, 16 << 20);
        arena_init(&turn, 64 << 20);
        openai_stream_begin(&s, &a, (data[0] & 2) != 0 ? &fake : nullptr, hide);
        if ((data[0] & 4) != 0)
                openai_stream_keep(&s);
        tale.got_len = tale.said_len = 0;
        for (view rest = {data + 1, size - 1}; rest.len > 0;) {
                const uint8_t *end = memchr(rest.data, '\n', rest.len);
                size_t len = end == nullptr ? rest.len : (size_t)(end - rest.data);
                view line = view_slice(rest, 0, len);
                if (!view_equal(line, VIEW("!")))
                        one(&s, line, hide, &turn);
                else if (!cut(&s, &a, hide))
                        break;
                arena_end(&turn);
                rest = view_slice(rest, len + 1, rest.len);
        }
        arena_end(&a);
        return 0;
}
