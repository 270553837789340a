/* Property: what is decided does not depend on how the work is cut; the edited body is as good JSON as the caller's,
 * and a stream asks for usage in it. Made again with an answer's beginning it is as good, and ends in that.
 *
 * First byte: bit 0 the endpoint, the rest the size of the steps. */
#include <assert.h>
#include <stdlib.h>

#include "dialect/openai_prefill.h"
#include "dialect/openai_request.h"

typedef struct course {
        err code;
        openai_request request;
        uint64_t digest; /* of the strings to be scanned */
} course;

static err walk(view doc, size_t step, arena *a, course *c)
{
        json_scan *s = json_scan_begin(doc, openai_request_paths(), a);
        json_token t = {};
        if (s == nullptr)
                return FAIL(NO_ROOM);
        while (t.kind != JSON_DONE) {
                size_t budget = step;
                openai_text text;
                TRY(json_scan_next(s, &budget, &t));
                if (t.kind == JSON_YIELD)
                        continue;
                TRY(openai_request_token(&c->request, doc, &t, &text));
                if (text == OPENAI_NO_TEXT)
                        continue;
                assert(t.end <= doc.len);
                c->digest = (c->digest ^ t.start ^ (t.end << 20) ^ ((uint64_t)c->request.role << 40)) * 0x100000001B3u;
        }
        return OK;
}

static course run(view doc, openai_endpoint endpoint, size_t step, arena *a, edits *e)
{
        course c = {};
        edits_init(e, a);
        openai_request_begin(&c.request, endpoint);
        c.code = walk(doc, step, a, &c);
        if (!failed(c.code))
                c.code = openai_request_finish(&c.request, e);
        return c;
}

static view edited(view doc, const edits *e, arena *a)
{
        size_t len = edits_length(e, doc.len);
        uint8_t *bytes = arena_alloc(a, len + 1);
        edit_cursor at = {};
        view piece;
        assert(bytes != nullptr);
        emit out = emit_into(bytes, len);
        while (edit_next(e, doc, &at, SIZE_MAX, &piece))
                emit_view(&out, piece);
        assert(!out.full && out.len == len);
        return (view){bytes, len};
}

static void made_again(view doc, const openai_request *r, edits *e, arena *a)
{
        static const view flags[] = {VIEW_INIT(""), VIEW_INIT("prefix")};
        edits other;
        if (!openai_request_resumable(r, 5))
                return;
        for (size_t i = 0; i < 2; i++) {
                uint8_t bytes[128];
                emit message = emit_into(bytes, sizeof bytes);
                openai_prefill_write(VIEW("so far"), flags[i], r->messages_empty, &message);
                assert(!failed(openai_request_resume(r, (view){bytes, message.len}, 5, e)));
                course c = run(edited(doc, e, a), OPENAI_CHAT, SIZE_MAX, a, &other);
                assert(!failed(c.code) || c.code.code == ERR_JSON_LIMIT);
                assert(failed(c.code) || (c.request.role == OPENAI_ASSISTANT && !c.request.messages_empty));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 1)
                return 0;
        view doc = {data + 1, size - 1};
        openai_endpoint endpoint = (data[0] & 1) != 0 ? OPENAI_EMBEDDINGS : OPENAI_CHAT;
        arena a;
        edits e, again;
        arena_init(&a, 64 << 20);
        course whole = run(doc, endpoint, SIZE_MAX, &a, &e), cut = run(doc, endpoint, 1u + (data[0] >> 1), &a, &again);
        assert(whole.code.code == cut.code.code && (failed(whole.code) || whole.digest == cut.digest));
        if (!failed(whole.code)) {
                course second = run(edited(doc, &e, &a), endpoint, SIZE_MAX, &a, &again);
                /* Only a number's limit of keys may say no to what was added. */
                assert(!failed(second.code) || second.code.code == ERR_JSON_LIMIT);
                assert(failed(second.code) || second.request.usage_wanted || !second.request.stream);
                made_again(doc, &whole.request, &e, &a);
        }
        arena_end(&a);
        return 0;
}
