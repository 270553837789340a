/* Property: whatever a vendor streams, what goes to the caller is JSON again, nothing but restored text and hidden
 * usage differs, and hidden usage is hidden.
 *
 * First byte: bit 0 hide usage, bit 1 restore. Events are lines. */
#include <assert.h>

#include "dialect/openai_event.h"
#include "support/fake_restoring.h"

enum : uint16_t { ID_USAGE = 1 };

static void must_be_json(view doc, arena *a, bool no_usage)
{
        static const json_path_row rows[] = {{"usage", ID_USAGE}};
        static const json_paths *paths;
        if (paths == nullptr)
                paths = json_paths_compile(rows, 1);
        json_scan *s = json_scan_begin(doc, paths, a);
        json_token t = {};
        assert(s != nullptr);
        while (t.kind != JSON_DONE) {
                size_t budget = SIZE_MAX;
                err e = json_scan_next(s, &budget, &t);
                assert(!failed(e));
                assert(!no_usage || t.kind == JSON_DONE || t.path != ID_USAGE);
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
                assert(ev.extra.len == 0);
                return;
        }
        if (ev.extra.len > 0)
                must_be_json(ev.extra, turn, true);
        size_t len = edits_length(&e, data.len);
        uint8_t *edited = arena_alloc(turn, len + 1);
        edit_cursor at = {};
        view piece;
        assert(edited != nullptr);
        emit out = emit_into(edited, len);
        while (edit_next(&e, data, &at, SIZE_MAX, &piece))
                emit_view(&out, piece);
        assert(!out.full && out.len == len);
        must_be_json((view){edited, len}, turn, hide);
        assert(e.count == 0 || hide || s->restoring != nullptr);
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
        for (view rest = {data + 1, size - 1}; rest.len > 0;) {
                const uint8_t *end = memchr(rest.data, '\n', rest.len);
                size_t len = end == nullptr ? rest.len : (size_t)(end - rest.data);
                one(&s, view_slice(rest, 0, len), hide, &turn);
                arena_end(&turn);
                rest = view_slice(rest, len + 1, rest.len);
        }
        arena_end(&a);
        return 0;
}
