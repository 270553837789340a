#include <assert.h>

#include "base/clock.h"
#include "dialect/openai_error.h"
#include "relay/exchange.h"

/* The chunk's size line is written over this when the chunk is complete. */
static const char size_line[] = "00000000\r\n";
enum : size_t { SIZE_LINE = sizeof size_line - 1, SIZE_DIGITS = 8 };

/* ---- out ---- */

static err out_append(exchange *x, view v)
{
        if (x->out.len == 0)
                TRY(region_append(&x->out, VIEW(size_line)));
        /* With room for the chunk's end, so that sending it cannot fail. */
        TRY(region_reserve(&x->out, v.len + sizeof "\r\n"));
        return region_append(&x->out, v);
}

/* White space between tokens may hold line ends; inside an SSE data line they may not stand. */
static err out_append_line(exchange *x, view v)
{
        size_t from = x->out.len;
        TRY(out_append(x, v));
        for (size_t i = from; i < x->out.len; i++)
                if (x->out.bytes[i] == '\n' || x->out.bytes[i] == '\r')
                        x->out.bytes[i] = ' ';
        return OK;
}

static void hold_set(exchange *x) { net_timer_set(x->relay->setup.loop, &x->hold, LIMIT_COMMIT_MS); }

static void head_send(exchange *x)
{
        enum : size_t { HEAD_ROOM = 1024 };
        uint8_t bytes[HEAD_ROOM];
        emit    e = emit_into(bytes, sizeof bytes);
        reply_head(x, 200, VIEW("text/event-stream; charset=utf-8"), UINT64_MAX, &e);
        assert(!e.full);
        net_write(x->client->conn, (view){e.bytes, e.len});
        x->committed_head = true;
}

static void chunk_send(exchange *x)
{
        if (x->out.len == 0)
                return;
        uint8_t digits[SIZE_DIGITS];
        size_t  size = x->out.len - SIZE_LINE;
        for (size_t i = SIZE_DIGITS; i-- > 0; size >>= 4)
                digits[i] = (uint8_t)"0123456789abcdef"[size & 15];
        memcpy(x->out.bytes, digits, SIZE_DIGITS);
        count(x->relay, COUNTER_bytes_out, x->out.len - SIZE_LINE);
        err e = region_append(&x->out, VIEW("\r\n"));
        assert(!failed(e));
        if (!x->committed_head)
                head_send(x);
        net_write(x->client->conn, region_view(&x->out));
        if (x->out.mapped > LIMIT_STEP_BYTES)
                region_end(&x->out);
        else
                region_clear(&x->out);
        hold_set(x);
        if (x->attempt != nullptr && net_unsent(x->client->conn) > LIMIT_QUEUE_HIGH_BYTES)
                upstream_pause(x->attempt);
}

/* The end of a chunked answer; the trailer says how it ended. */
static void last_chunk_send(exchange *x, ending why)
{
        uint8_t bytes[64];
        emit    e = emit_into(bytes, sizeof bytes);
        emit_text(&e, "0\r\nx-lethe-end: ");
        emit_text(&e, ending_code(why));
        emit_text(&e, "\r\n\r\n");
        net_write(x->client->conn, (view){e.bytes, e.len});
}

static void finish(exchange *x, ending why, bool close)
{
        client *c = x->client;
        close = close || x->close_after;
        last_chunk_send(x, why);
        exchange_end(x, why);
        client_answered(c, close);
}

void stream_fail(exchange *x, err_code code, view detail)
{
        assert(x->attempt == nullptr && x->committed_head);
        enum : size_t { EVENT_ROOM = 1024 };
        uint8_t bytes[EVENT_ROOM];
        emit    e = emit_into(bytes, sizeof bytes);
        emit_text(&e, "data: ");
        openai_error_write_own(code, detail, &e);
        emit_text(&e, "\n\n");
        if (!x->committed)
                region_clear(&x->out);
        ending why = x->ending == ENDING_WHOLE ? ENDING_UPSTREAM_CUT : x->ending;
        if (failed(out_append(x, (view){e.bytes, e.len}))) {
                client *c = x->client;
                exchange_end(x, why);
                client_cut(c);
                return;
        }
        chunk_send(x);
        finish(x, why, true);
}

/* A caller behind a proxy loses a silent connection: a comment keeps it. It commits to nothing. */
static void on_hold(void *ctx)
{
        exchange *x = ctx;
        if (!x->committed_head)
                head_send(x);
        net_write(x->client->conn, VIEW("00000008\r\n: ping\n\n\r\n"));
        hold_set(x);
}

/* ---- in ---- */

void stream_begin(exchange *x)
{
        sse_begin(&x->sse, LIMIT_SSE_EVENT_BYTES);
        /* One allocation that stays keeps the arena's first mapping from event to event. */
        (void)arena_alloc(&x->turn, 1);
        openai_stream_begin(&x->stream, &x->arena, x->table.count > 0 ? &x->restoring : nullptr,
                            !x->request.usage_wanted);
        if (x->hold.fire == nullptr) {
                x->hold = (net_timer){.fire = on_hold, .ctx = x};
                hold_set(x);
        }
}

static err event_write(exchange *x, view data, const edits *e, const openai_event *ev)
{
        if (ev->extra.len > 0) {
                TRY(out_append(x, VIEW("data: ")));
                TRY(out_append_line(x, ev->extra));
                TRY(out_append(x, VIEW("\n\n")));
        }
        TRY(out_append(x, VIEW("data: ")));
        edit_cursor c = {};
        view        piece;
        while (edit_next(e, data, &c, SIZE_MAX, &piece))
                TRY(out_append_line(x, piece));
        return out_append(x, VIEW("\n\n"));
}

static err event_take(exchange *x, view data, bool *error)
{
        openai_event ev;
        edits        e;
        edits_init(&e, &x->turn);
        TRY(openai_stream_event(&x->stream, data, &x->turn, &e, &ev));
        count(x->relay, COUNTER_stream_events, 1);
        *error = ev.error;
        if (ev.error || ev.drop)
                return OK;
        if (ev.done) {
                /* Without a finish it is no end, whatever the vendor says. */
                return x->stream.finished ? out_append(x, VIEW("data: [DONE]\n\n")) : OK;
        }
        if (ev.content && !x->committed) {
                x->committed = true;
                x->first_us = clock_us();
        }
        return event_write(x, data, &e, &ev);
}

static void attempt_drop(exchange *x, fault_class fault)
{
        attempt_facts facts;
        upstream_cancel(x->attempt, &facts);
        x->attempt = nullptr;
        account_attempt(x, fault, false, &facts);
        if (x->committed)
                chunk_send(x);
        forward_failed(x, fault, (view){});
}

static void overloaded(exchange *x)
{
        attempt_facts facts;
        upstream_cancel(x->attempt, &facts);
        x->attempt = nullptr;
        account_attempt(x, FAULT_CUT, false, &facts);
        reply_error(x, ERR_OVERLOADED, (view){});
}

/* One event, its memory given back. True: the stream goes on. */
static bool event_pass(exchange *x, fault_class *fault)
{
        arena_mark mark = arena_here(&x->turn);
        bool       error = false;
        err        e = event_take(x, sse_data(&x->sse), &error);
        arena_back(&x->turn, mark);
        *fault = error ? FAULT_SERVER : FAULT_BROKEN;
        return !failed(e) && !error;
}

void stream_data(exchange *x, view bytes)
{
        while (bytes.len > 0) {
                size_t      used;
                bool        event;
                fault_class fault = FAULT_BROKEN;
                err         e = sse_feed(&x->sse, bytes, &used, &event);
                if (failed(e) || (event && !x->stream.done && !event_pass(x, &fault))) {
                        attempt_drop(x, fault);
                        return;
                }
                bytes = view_slice(bytes, used, bytes.len);
        }
        /* Held back for the sake of another target, but not without bound. */
        if (x->out.len > LIMIT_QUEUE_HIGH_BYTES)
                x->committed = true;
        if (x->committed)
                chunk_send(x);
        if (!admit_bytes(x, 0))
                overloaded(x);
}

void stream_done(exchange *x, bool whole, fault_class fault, const attempt_facts *f)
{
        bool event = false;
        fault_class other;
        if (whole && !failed(sse_eof(&x->sse, &event)) && event && !x->stream.done)
                event_pass(x, &other);
        if (x->committed)
                chunk_send(x);
        if (x->stream.finished && x->stream.done) {
                account_attempt(x, FAULT_CLASSES, true, f);
                finish(x, ENDING_WHOLE, false);
                return;
        }
        fault = whole ? FAULT_CUT : fault;
        account_attempt(x, fault, false, f);
        forward_failed(x, fault, (view){});
}
