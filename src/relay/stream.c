#include <assert.h>

#include "base/clock.h"
#include "dialect/openai_error.h"
#include "relay/exchange.h"

/* The chunk's size line is written over this when the chunk is complete. */
static const char size_line[] = "00000000\r\n";
enum : size_t { SIZE_LINE = sizeof size_line - 1, SIZE_DIGITS = 8 };

/* ---- out ---- */

static err out_append(run *r, view v)
{
        if (r->out.len == 0)
                TRY(region_append(&r->out, VIEW(size_line)));
        /* With room for the chunk's end, so that sending it cannot fail. */
        TRY(region_reserve(&r->out, v.len + sizeof "\r\n"));
        return region_append(&r->out, v);
}

/* White space between tokens may hold line ends; inside an SSE data line they may not stand. */
static err out_append_line(run *r, view v)
{
        size_t from = r->out.len;
        TRY(out_append(r, v));
        for (size_t i = from; i < r->out.len; i++)
                if (r->out.bytes[i] == '\n' || r->out.bytes[i] == '\r')
                        r->out.bytes[i] = ' ';
        return OK;
}

static void hold_set(exchange *x)
{
        net_timer_set(x->relay->setup.loop, &x->hold, x->relay->setup.catalog->settings.ping_ms);
}

static void head_send(exchange *x)
{
        enum : size_t { HEAD_ROOM = 2048 };
        uint8_t bytes[HEAD_ROOM];
        emit    e = emit_into(bytes, sizeof bytes);
        reply_head(x, 200, VIEW("text/event-stream; charset=utf-8"), UINT64_MAX, &e);
        assert(!e.full);
        net_write(x->client->conn, (view){e.bytes, e.len});
        x->committed_head = true;
}

static void region_send(exchange *x, region *out)
{
        if (out->len == 0)
                return;
        uint8_t digits[SIZE_DIGITS];
        size_t  size = out->len - SIZE_LINE;
        for (size_t i = SIZE_DIGITS; i-- > 0; size >>= 4)
                digits[i] = (uint8_t)"0123456789abcdef"[size & 15];
        memcpy(out->bytes, digits, SIZE_DIGITS);
        count(x->relay, COUNTER_bytes_out, out->len - SIZE_LINE);
        err e = region_append(out, VIEW("\r\n"));
        assert(!failed(e));
        if (!x->committed_head)
                head_send(x);
        net_write(x->client->conn, region_view(out));
        if (out->mapped > LIMIT_STEP_BYTES)
                region_end(out);
        else
                region_clear(out);
        hold_set(x);
}

static void chunk_send(run *r)
{
        exchange *x = r->x;
        region_send(x, &r->out);
        if (r->attempt != nullptr && net_unsent(x->client->conn) > LIMIT_QUEUE_HIGH_BYTES)
                upstream_pause(r->attempt);
}

/* The end of a chunked answer; the trailer says how it ended. */
static void last_chunk_send(exchange *x, ending why)
{
        uint8_t bytes[64];
        emit    e = emit_into(bytes, sizeof bytes);
        emit_text(&e, "0\r\nx-lethe-end: ");
        bool mended = why == ENDING_WHOLE && x->run != nullptr && x->run->skipped;
        emit_text(&e, mended ? ending_mended : x->resumed && why == ENDING_WHOLE ? ending_continued : ending_code(why));
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
        assert(x->run == nullptr && x->copy == nullptr && x->committed_head);
        enum : size_t { EVENT_ROOM = 1024 };
        uint8_t bytes[EVENT_ROOM];
        emit    e = emit_into(bytes, sizeof bytes);
        emit_text(&e, size_line);
        emit_text(&e, "data: ");
        openai_error_write_own(code, detail, &e);
        emit_text(&e, "\n\n");
        assert(!e.full);
        ending why = x->ending == ENDING_WHOLE ? ENDING_UPSTREAM_CUT : x->ending;
        region_clear(&x->out);
        if (failed(region_append(&x->out, (view){e.bytes, e.len})) || failed(region_reserve(&x->out, sizeof "\r\n"))) {
                client *c = x->client;
                exchange_end(x, why);
                client_cut(c);
                return;
        }
        region_send(x, &x->out);
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

static void run_drop(run *r, fault_class fault)
{
        forward_drop(r, fault);
        if (r->x->committed && r == r->x->run)
                chunk_send(r);
        forward_failed(r, fault, (view){});
}

static void on_quiet(void *ctx)
{
        run *r = ctx;
        /* A caller that does not read has stopped its vendor: that is not the vendor's silence. */
        if (r->attempt != nullptr && net_unsent(r->x->client->conn) == 0)
                run_drop(r, FAULT_TIMEOUT);
}

static void quiet_set(run *r)
{
        net_timer_set(r->x->relay->setup.loop, &r->quiet, r->x->relay->setup.catalog->settings.comments_ms);
}

void stream_begin(run *r)
{
        exchange *x = r->x;
        r->quiet = (net_timer){.fire = on_quiet, .ctx = r};
        quiet_set(r);
        sse_begin(&r->sse, LIMIT_SSE_EVENT_BYTES);
        /* One allocation that stays keeps the arena's first mapping from event to event. */
        (void)arena_alloc(&r->turn, 1);
        openai_stream_begin(&r->stream, &x->arena, x->table.count > 0 ? &x->restoring : nullptr,
                            !x->request.usage_wanted);
        if (x->said.cap > 0)
                openai_stream_keep(&r->stream);
        if (x->resumed)
                openai_stream_resume(&r->stream, &x->cut, region_view(&x->said));
        if (x->hold.fire == nullptr) {
                x->hold = (net_timer){.fire = on_hold, .ctx = x};
                hold_set(x);
        }
}

static err event_write(run *r, view data, const edits *e, const openai_event *ev)
{
        if (ev->extra.len > 0) {
                TRY(out_append(r, VIEW("data: ")));
                TRY(out_append_line(r, ev->extra));
                TRY(out_append(r, VIEW("\n\n")));
        }
        TRY(out_append(r, VIEW("data: ")));
        edit_cursor c = {};
        view        piece;
        while (edit_next(e, data, &c, SIZE_MAX, &piece))
                TRY(out_append_line(r, piece));
        return out_append(r, VIEW("\n\n"));
}

/* The first content: from here on this answer is the caller's, and no other will be. */
static void commit(run *r)
{
        exchange *x = r->x;
        race_won(r);
        if (x->committed)
                return;
        x->committed = true;
        x->first_us = clock_us();
}

static err event_take(run *r, view data, bool *error)
{
        exchange    *x = r->x;
        openai_event ev;
        edits        e;
        edits_init(&e, &r->turn);
        TRY(openai_stream_event(&r->stream, data, &r->turn, &e, &ev));
        count(x->relay, COUNTER_stream_events, 1);
        quiet_set(r);
        *error = ev.error;
        if (ev.error || ev.drop)
                return OK;
        if (ev.done) {
                /* Without a finish it is no end, whatever the vendor says. */
                return r->stream.finished ? out_append(r, VIEW("data: [DONE]\n\n")) : OK;
        }
        if (ev.content && r->content_us == 0) {
                r->content_us = clock_us();
                commit(r);
                if (x->resumed)
                        count(x->relay, COUNTER_continuations, 1);
        }
        resume_note(r, ev.text);
        err written = event_write(r, data, &e, &ev);
        /* Noted, and the caller does not have it. */
        if (failed(written))
                r->stream.odd = true;
        return written;
}

/* An error in the place of an event: what it says decides whether and where to go on. */
static fault_class error_fault(run *r, view data)
{
        openai_error error;
        openai_error_read(data, &r->turn, &error);
        const fault_said said = {.status = 200,
                                 .vendor = r->x->relay->setup.catalog->upstreams[r->choice.upstream].vendor,
                                 .code = error.code, .type = error.type, .message = error.message};
        return fault_of(&said);
}

/* Half an event must not stand before what follows it. */
static void out_cut(run *r, size_t len)
{
        if (r->out.len > len)
                wipe(r->out.bytes + len, r->out.len - len);
        if (r->out.len > len)
                r->out.len = len;
}

/* Something on the way wrote half an event into a stream the caller is reading. One is left out, and the end code says
 * so; not where placeholders are put back, since nobody knows what it would have been, nor where another vendor can be
 * asked for exactly the rest. */
static bool may_skip(const run *r, err e)
{
        return e.code == ERR_UPSTREAM_BROKEN && r->x->committed && r == r->x->run && !r->skipped
               && r->stream.restoring == nullptr && !r->stream.finished && r->x->said.len == 0;
}

static void skip(run *r)
{
        r->skipped = true;
        r->stream.odd = true;
        count(r->x->relay, COUNTER_events_skipped, 1);
}

/* One event, its memory given back. True: the stream goes on. */
static bool event_pass(run *r, fault_class *fault)
{
        arena_mark mark = arena_here(&r->turn);
        size_t     before = r->out.len;
        bool       error = false;
        view       data = sse_data(&r->sse);
        err        e = event_take(r, data, &error);
        *fault = error ? error_fault(r, data) : FAULT_BROKEN;
        arena_back(&r->turn, mark);
        if (!failed(e))
                return !error;
        out_cut(r, before);
        if (!may_skip(r, e))
                return false;
        skip(r);
        return true;
}

/* It is whole: a finish was seen, and [DONE] or the proper end of the message, which some vendors think enough. */
static void end_whole(run *r, const attempt_facts *f)
{
        exchange *x = r->x;
        bool      told = r->stream.done || !failed(out_append(r, VIEW("data: [DONE]\n\n")));
        commit(r);
        chunk_send(r);
        account_attempt(r, FAULT_CLASSES, true, f);
        finish(x, ENDING_WHOLE, !told);
}

static void on_tail(void *ctx)
{
        exchange *x = ctx;
        run      *r = x->run;
        if (r == nullptr || r->attempt == nullptr)
                return;
        /* A caller that does not read has stopped its vendor, which may have said it all. */
        if (net_unsent(x->client->conn) > 0) {
                net_timer_set(x->relay->setup.loop, &x->tail, LIMIT_TAIL_MS);
                return;
        }
        attempt_facts facts;
        upstream_cancel(r->attempt, &facts);
        r->attempt = nullptr;
        end_whole(r, &facts);
}

/* The finish has come: usage and [DONE] may follow for a while; a vendor that forgets them is not waited for. */
static void tail_watch(run *r)
{
        exchange *x = r->x;
        if (!r->stream.finished || !x->committed || r != x->run || x->tail.fire != nullptr)
                return;
        x->tail = (net_timer){.fire = on_tail, .ctx = x};
        net_timer_set(x->relay->setup.loop, &x->tail, LIMIT_TAIL_MS);
}

void stream_data(run *r, view bytes)
{
        exchange *x = r->x;
        while (bytes.len > 0) {
                size_t      used;
                bool        event;
                fault_class fault = FAULT_BROKEN;
                err         e = sse_feed(&r->sse, bytes, &used, &event);
                if (failed(e) || (event && !r->stream.done && !event_pass(r, &fault))) {
                        run_drop(r, fault);
                        return;
                }
                bytes = view_slice(bytes, used, bytes.len);
        }
        /* Held back for the sake of another target, but not without bound. */
        if (r->out.len > LIMIT_QUEUE_HIGH_BYTES)
                commit(r);
        if (x->committed)
                chunk_send(r);
        tail_watch(r);
        if (!admit_bytes(x, 0))
                pressure_shed(x);
}

void stream_done(run *r, bool whole, fault_class fault, const attempt_facts *f)
{
        exchange   *x = r->x;
        bool        event = false;
        fault_class other;
        if (whole && !failed(sse_eof(&r->sse, &event)) && event && !r->stream.done)
                event_pass(r, &other);
        if (r->stream.finished && (r->stream.done || whole || fault == FAULT_TIMEOUT)) {
                end_whole(r, f);
                return;
        }
        if (x->committed && r == x->run)
                chunk_send(r);
        fault = whole ? FAULT_CUT : fault;
        account_attempt(r, fault, false, f);
        forward_failed(r, fault, (view){});
}
