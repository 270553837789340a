#include <assert.h>

#include "base/event.h"
#include "dialect/openai_error.h"
#include "relay/exchange.h"

enum : size_t { PIECE_BYTES = 16 * 1024 };

static const catalog_model *model_of(const exchange *x) { return &x->relay->setup.catalog->models[x->model]; }

/* ---- sending ---- */

static void send_more(exchange *x)
{
        view doc = region_view(&x->body);
        for (;;) {
                if (x->piece.len == 0 && !edit_next(&x->edits, doc, &x->cursor, PIECE_BYTES, &x->piece))
                        return;
                size_t room = upstream_room(x->attempt);
                if (room == 0)
                        return;
                view now = view_slice(x->piece, 0, room);
                upstream_body(x->attempt, now);
                x->piece = view_slice(x->piece, now.len, x->piece.len);
        }
}

static void attempt_state_reset(exchange *x)
{
        x->have_head = false;
        x->head = (attempt_head){};
        x->cursor = (edit_cursor){};
        x->piece = (view){};
        x->stream = (openai_stream){};
        x->whole = (openai_answer){};
        region_clear(&x->answer);
        region_clear(&x->out);
        sse_end(&x->sse);
}

static bool attempt_start(exchange *x, int target)
{
        static const char *const paths[] = {[ROUTE_CHAT] = "/chat/completions", [ROUTE_EMBEDDINGS] = "/embeddings"};
        const catalog_target    *t = &model_of(x)->targets[target];
        size_t   room = strlen(t->model) * 6 + 1;
        uint8_t *name = arena_alloc(&x->arena, room);
        if (name == nullptr)
                return false;
        emit e = emit_into(name, room);
        emit_json_inner(&e, view_of_text(t->model));
        edits_change(&x->edits, x->request.model_start, (view){name, e.len});
        attempt_state_reset(x);
        const attempt_order order = {.upstream = t->upstream, .path = paths[x->route],
                                     .body_bytes = edits_length(&x->edits, x->body.len),
                                     .events = x->streaming, .fresh = x->fresh};
        x->target = target;
        x->attempt = upstream_open(x->relay->upstreams, &order, &forward_user, x);
        if (x->attempt == nullptr)
                return false;
        upstream_decided(x->attempt, order.body_bytes);
        x->state = EXCHANGE_SEND;
        return true;
}

static void start(exchange *x, int target)
{
        if (!attempt_start(x, target))
                reply_error(x, ERR_NO_ROOM, (view){});
}

void forward_first(exchange *x)
{
        x->retry.deadline_ms = x->relay->setup.catalog->settings.stream_ms;
        int target = retry_first(model_of(x), &x->retry);
        if (target < 0)
                reply_error(x, ERR_NO_TARGET, (view){});
        else
                start(x, target);
}

void forward_failed(exchange *x, fault_class fault, view vendor_body)
{
        assert(x->attempt == nullptr);
        const fault_row *row = fault_describe(fault);
        uint16_t upstream = model_of(x)->targets[x->target].upstream;
        event(fault == FAULT_AUTH ? EVENT_UPSTREAM_KEY_REFUSED : EVENT_UPSTREAM_FAILED, upstream,
              fault == FAULT_AUTH ? x->head.status : fault);
        x->retry.committed = x->committed;
        x->retry.elapsed_ms = (net_now_ms(x->relay->setup.loop) - x->begun_us / 1000);
        int next = retry_next(model_of(x), &x->retry, fault);
        if (next >= 0) {
                count(x->relay, COUNTER_failovers, 1);
                x->fresh = x->stale_retried = false;
                start(x, next);
                return;
        }
        x->ending = fault == FAULT_TIMEOUT ? ENDING_TIMEOUT
                    : fault == FAULT_CUT   ? ENDING_UPSTREAM_CUT
                                           : ENDING_UPSTREAM_ERROR;
        if (x->committed_head)
                stream_fail(x, x->committed ? ERR_UPSTREAM_CUT : row->answer, (view){});
        else if (row->callers && vendor_body.len > 0)
                reply_vendor_error(x, x->head.status, row->answer, vendor_body);
        else
                reply_error(x, row->answer, (view){});
}

/* ---- what comes back ---- */

static void on_credit(void *ctx) { send_more(ctx); }

static bool is_event_stream(const exchange *x)
{
        return x->streaming && x->head.status == 200 && x->head.body == ATTEMPT_EVENTS;
}

static void on_head(void *ctx, const attempt_head *h)
{
        exchange *x = ctx;
        x->head = *h;
        x->have_head = true;
        x->retry_after_s = h->limits.after_ms == RETRY_AFTER_NONE ? 0 : (uint32_t)(h->limits.after_ms / 1000);
        x->state = EXCHANGE_RELAY;
        client_wait_for(x->client, WAIT_WRITE);
        if (is_event_stream(x))
                stream_begin(x);
}

static void abandon_attempt(exchange *x, fault_class fault)
{
        attempt_facts facts;
        upstream_cancel(x->attempt, &facts);
        x->attempt = nullptr;
        account_attempt(x, fault, false, &facts);
        forward_failed(x, fault, (view){});
}

static void on_data(void *ctx, view bytes)
{
        exchange *x = ctx;
        if (is_event_stream(x)) {
                stream_data(x, bytes);
                return;
        }
        if (x->head.status != 200) {
                size_t room = LIMIT_ERROR_BODY_BYTES - x->answer.len;
                bytes = view_slice(bytes, 0, room);
        }
        if (!admit_bytes(x, bytes.len)) {
                attempt_facts facts;
                upstream_cancel(x->attempt, &facts);
                x->attempt = nullptr;
                account_attempt(x, FAULT_CUT, false, &facts);
                reply_error(x, ERR_OVERLOADED, (view){});
        } else if (failed(region_append(&x->answer, bytes)))
                abandon_attempt(x, FAULT_BROKEN);
}

static fault_class fault_of_end(attempt_end why)
{
        switch (why) {
        case ATTEMPT_CERTIFICATE:
                return FAULT_CERTIFICATE;
        case ATTEMPT_TIMEOUT:
                return FAULT_TIMEOUT;
        case ATTEMPT_CUT:
                return FAULT_CUT;
        case ATTEMPT_NO_KEY:
                return FAULT_AUTH;
        case ATTEMPT_DONE:
        case ATTEMPT_BROKEN:
                return FAULT_BROKEN;
        case ATTEMPT_NETWORK:
        case ATTEMPT_STALE:
                break;
        }
        return FAULT_NETWORK;
}

static void on_refusal(exchange *x, const attempt_facts *f)
{
        openai_error error;
        view         body = region_view(&x->answer);
        openai_error_read(body, &x->arena, &error);
        fault_class fault = fault_of(&(fault_said){.status = x->head.status, .code = error.code, .type = error.type});
        account_attempt(x, fault, false, f);
        forward_failed(x, fault, body);
}

static void on_end(void *ctx, attempt_end why, const attempt_facts *f)
{
        exchange *x = ctx;
        x->attempt = nullptr;
        x->dial_us += f->dial_us;
        if (why == ATTEMPT_STALE && !x->stale_retried) {
                account_attempt(x, FAULT_NETWORK, false, f);
                x->stale_retried = x->fresh = true;
                start(x, x->target);
                return;
        }
        if (why == ATTEMPT_DONE && x->head.status >= 400) {
                on_refusal(x, f);
                return;
        }
        if (is_event_stream(x)) {
                stream_done(x, why == ATTEMPT_DONE, fault_of_end(why), f);
                return;
        }
        if (why == ATTEMPT_DONE && x->head.status == 200 && !x->streaming) {
                answer_begin(x, f);
                return;
        }
        fault_class fault = fault_of_end(why);
        account_attempt(x, fault, false, f);
        forward_failed(x, fault, (view){});
}

const attempt_user forward_user = {on_credit, on_head, on_data, on_end};
