#include "dialect/openai_prefill.h"
#include "policy/token.h"
#include "relay/exchange.h"

/* Scratch memory of the policy, for the text so far and nothing else. */
enum : size_t { POLICY_BYTES = 16 * 1024 * 1024 };

/* ---- what was said ---- */

void resume_note(run *r, view text)
{
        exchange *x = r->x;
        if (text.len == 0 || x->said.cap == 0 || r->stream.odd)
                return;
        if (!failed(region_append(&x->said, text)))
                return;
        r->stream.odd = true;
        region_end(&x->said);
}

/* ---- may it leave? ---- */

/* The range holds a placeholder of this request, which the vendor repeats. */
static bool is_ours(const exchange *x, view range)
{
        for (size_t i = 0; i < x->table.count; i++)
                if (token_compare(x->table.entries[i].token, range) == 0)
                        return true;
        return false;
}

/* The text goes to a vendor that did not write it: policy looks at it as at a caller's. Nothing of it can be replaced,
 * for the caller has it as it is, and the rest must follow that. */
static bool policy_passes(const exchange *x)
{
        arena a;
        edits found;
        bool  done = false;
        view  text = region_view(&x->said);
        arena_init(&a, POLICY_BYTES);
        edits_init(&found, &a);
        redactor *scan = redact_begin(x->relay->setup.policy, x->pseudonym_key, &a, &found);
        bool      good = scan != nullptr;
        if (good) {
                size_t steps = SIZE_MAX / 2;
                redact_string(scan, text, 0, text.len, FROM_ASSISTANT);
                good = !failed(redact_step(scan, &steps, &done)) && done;
        }
        for (size_t i = 0; good && i < found.count; i++)
                good = is_ours(x, view_slice(text, found.list[i].start, found.list[i].end));
        arena_end(&a);
        return good;
}

/* ---- going on ---- */

/* Events say little where a vendor puts many tokens into one, bytes little where a token is a byte: the larger. */
static uint64_t tokens_of(const exchange *x)
{
        enum : uint64_t { BYTES_PER_TOKEN = 4 };
        uint64_t bytes = x->said.len / BYTES_PER_TOKEN;
        return x->said_tokens > bytes ? x->said_tokens : bytes;
}

bool resume_prepare(run *r)
{
        exchange            *x = r->x;
        const openai_stream *s = &r->stream;
        if (x->said.len == 0)
                return false;
        if (s->keep) {
                if (s->odd || s->finished)
                        return false;
                x->cut = *s;
                x->said_tokens += s->content_events;
        }
        if (!openai_request_resumable(&x->request, tokens_of(x)) || !policy_passes(x))
                return false;
        x->resumed = true;
        return true;
}

fault_where resume_where(const exchange *x, fault_class fault)
{
        const fault_row *row = fault_describe(fault);
        if (!x->resumed)
                return row->where;
        /* Of the request it refuses the caller made only a part: another may take the whole. */
        if (row->callers && row->where == WHERE_NOWHERE)
                return WHERE_TARGET;
        /* The caller has waited once: not again where it broke, while there is another. */
        return row->where == WHERE_ANYWHERE ? WHERE_ELSEWHERE : row->where;
}

bool resume_bind(exchange *x, const catalog_target *t)
{
        static const view flags[] = {[PREFILL_PLAIN] = VIEW_INIT(""),
                                     [PREFILL_PREFIX] = VIEW_INIT("prefix"),
                                     [PREFILL_PARTIAL] = VIEW_INIT("partial")};
        view     said = region_view(&x->said), flag = flags[t->prefill], message;
        size_t   room = openai_prefill_room(said, flag);
        uint8_t *bytes = arena_alloc(&x->arena, room);
        if (bytes == nullptr)
                return false;
        emit e = emit_into(bytes, room);
        openai_prefill_write(said, flag, x->request.messages_empty, &e);
        return !failed(emit_done(&e, &message))
               && !failed(openai_request_resume(&x->request, message, tokens_of(x), &x->edits));
}
