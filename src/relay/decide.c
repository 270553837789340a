#include <assert.h>

#include "base/clock.h"
#include "relay/exchange.h"
#include "base/secret.h"

/* ---- what the dialect needs of policy, bound here because the two folders stand side by side ---- */

static void lane_begin(void *ctx, void *state, bool json_source)
{
        (void)ctx;
        restore_begin(state, json_source ? RESTORE_JSON_SOURCE : RESTORE_TEXT);
}

static void lane_feed(void *ctx, void *state, view delta, emit *out)
{
        exchange     *x = ctx;
        restore_lane *l = state;
        uint32_t      before = l->restored;
        restore_feed(&x->table, l, delta, out);
        x->restored += l->restored - before;
}

static void lane_flush(void *ctx, void *state, emit *out)
{
        exchange     *x = ctx;
        restore_lane *l = state;
        uint32_t      before = l->restored;
        restore_flush(&x->table, l, out);
        x->restored += l->restored - before;
}

static size_t lane_room(void *ctx, const void *state, size_t delta_len)
{
        exchange *x = ctx;
        return restore_room(&x->table, state, delta_len);
}

static void restoring_bind(exchange *x)
{
        x->restoring = (restoring){x, sizeof(restore_lane), lane_begin, lane_feed, lane_flush, lane_room};
}

/* ---- the walk ---- */

static uint8_t from_role(openai_role role)
{
        switch (role) {
        case OPENAI_USER:
                return FROM_USER;
        case OPENAI_ASSISTANT:
                return FROM_ASSISTANT;
        case OPENAI_TOOL:
                return FROM_TOOL;
        case OPENAI_SYSTEM:
                return FROM_SYSTEM;
        case OPENAI_OTHER:
                break;
        }
        return FROM_OTHER;
}

/* What a person would call the text's length: code points, an escape for one. */
static uint32_t chars_of(view raw)
{
        uint32_t n = 0;
        for (size_t i = 0; i < raw.len; i++) {
                n += (raw.data[i] & 0xc0) != 0x80;
                if (raw.data[i] == '\\')
                        i += i + 1 < raw.len && raw.data[i + 1] == 'u' ? 5 : 1;
        }
        return n;
}

/* Prompts that begin alike go the same way, where vendors keep caches: the first text of a request, most often the
 * system's, with the key it came by. The hash lives as long as the exchange. */
static void sticky_note(exchange *x, view raw)
{
        enum : size_t { BEGINNING = 1024 };
        const catalog_key *key = &x->relay->setup.catalog->keys[x->key];
        /* The same in every process and generation, or a conversation would wander between them. */
        uint64_t parts[2] = {secret_key_number(view_slice(raw, 0, BEGINNING)),
                             secret_key_number(view_of_text(key->id))};
        x->sticky = secret_key_number((view){(const uint8_t *)parts, sizeof parts});
}

static err on_token(exchange *x, const json_token *t)
{
        view        doc = region_view(&x->body);
        openai_text text;
        TRY(openai_request_token(&x->request, doc, t, &text));
        if (text == OPENAI_MESSAGE_END)
                redact_message_role(x->redactor, from_role(x->request.role));
        if (text != OPENAI_SCAN && text != OPENAI_KEY)
                return OK;
        bool plain = t->ascii && !t->escaped;
        x->chars += plain ? (uint32_t)(t->end - t->start) : chars_of(view_slice(doc, t->start, t->end));
        if (x->relay->sticky && x->sticky == 0 && text == OPENAI_SCAN)
                sticky_note(x, view_slice(doc, t->start, t->end));
        redact_string(x->redactor, doc, t->start, t->end, x->request.in_message ? 0 : FROM_OTHER);
        x->in_string = true;
        return OK;
}

/* Works until the body is walked or this turn's steps are used up. */
static err walk(exchange *x, bool *done)
{
        size_t steps = LIMIT_STEP_BYTES;
        *done = false;
        while (steps > 0) {
                if (x->in_string) {
                        bool finished;
                        TRY(redact_step(x->redactor, &steps, &finished));
                        x->in_string = !finished;
                        continue;
                }
                json_token t;
                TRY(json_scan_next(x->scan, &steps, &t));
                if (t.kind == JSON_YIELD)
                        return OK;
                TRY(on_token(x, &t));
                if (t.kind == JSON_DONE) {
                        *done = true;
                        return OK;
                }
        }
        return OK;
}

static err find_model(exchange *x)
{
        const catalog *c = x->relay->setup.catalog;
        view           raw = view_slice(region_view(&x->body), x->request.model_start, x->request.model_end);
        uint8_t       *room = arena_alloc(&x->arena, raw.len + 1);
        if (room == nullptr)
                return FAIL(NO_ROOM);
        emit name = emit_into(room, raw.len + 1);
        json_unescape(raw, &name);
        int m = catalog_find_model(c, (view){room, name.len});
        if (m < 0)
                return FAIL(NO_MODEL);
        const catalog_key *k = &c->keys[x->key];
        if (!k->any_model && (k->models[m / 32] >> (m % 32) & 1) == 0)
                return FAIL(FORBIDDEN);
        x->model = m;
        return OK;
}

static err finish(exchange *x)
{
        TRY(openai_request_finish(&x->request, &x->edits));
        TRY(redact_finish(x->redactor, &x->table));
        TRY(find_model(x));
        TRY(edits_insert(&x->edits, x->request.model_start, x->request.model_end, VIEW("?")));
        const uint32_t *counts = redact_counts(x->redactor);
        for (int i = 0; i < ENTITY_COUNT; i++)
                x->redacted += counts[i];
        if (x->redacted > 0)
                count(x->relay, COUNTER_redactions, x->redacted);
        if (x->table.count > 0)
                restoring_bind(x);
        x->streaming = x->request.stream;
        return OK;
}

static void refuse(exchange *x, err e)
{
        view detail = {};
        if (e.code == ERR_PII_BLOCKED)
                detail = view_of_text(entity_describe(redact_blocked(x->redactor))->name);
        reply_error(x, e.code, detail);
}

static void on_work(void *ctx)
{
        exchange *x = ctx;
        bool      done;
        err       e = walk(x, &done);
        if (!failed(e) && !admit_bytes(x, 0))
                e = FAIL(OVERLOADED);
        if (!failed(e) && done)
                e = finish(x);
        if (failed(e)) {
                refuse(x, e);
                return;
        }
        if (!done) {
                net_task_queue(x->relay->setup.loop, &x->work);
                return;
        }
        x->decided_us = clock_us();
        forward_first(x);
}

static err prepare(exchange *x)
{
        const catalog *c = x->relay->setup.catalog;
        uint8_t        master[32];
        TRY(lease_copy_pseudonym_key(x->relay->setup.lease, master));
        uint16_t project = c->keys[x->key].project;
        uint64_t number = relay_number(&x->relay->project_numbers[project], c->projects[project]);
        secret_derive(x->pseudonym_key, number, "piitoken", master);
        wipe(master, sizeof master);
        edits_init(&x->edits, &x->arena);
        openai_request_begin(&x->request, x->route == ROUTE_CHAT ? OPENAI_CHAT : OPENAI_EMBEDDINGS);
        x->redactor = redact_begin(x->relay->setup.policy, x->pseudonym_key, &x->arena, &x->edits);
        x->scan = json_scan_begin(region_view(&x->body), openai_request_paths(), &x->arena);
        return x->redactor == nullptr || x->scan == nullptr ? FAIL(NO_ROOM) : OK;
}

void decide_begin(exchange *x)
{
        x->state = EXCHANGE_DECIDE;
        x->work = (net_task){.run = on_work, .ctx = x};
        err e = prepare(x);
        if (failed(e))
                reply_error(x, e.code, (view){});
        else
                on_work(x);
}
