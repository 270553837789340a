#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "relay/exchange.h"

/* A refused body of at most this size is read and dropped, so that the connection can go on. */
enum : uint64_t { ABSORB_BYTES = 64 * 1024 };

static bool host_allowed(void *ctx, view host)
{
        const client *c = ctx;
        return catalog_host_allowed(c->relay->setup.catalog, host);
}

static void on_body(void *ctx, view piece)
{
        client   *c = ctx;
        exchange *x = c->exchange;
        if (x->refused != ERR_NONE)
                return;
        if (!admit_bytes(x, piece.len))
                x->refused = ERR_OVERLOADED;
        else if (failed(region_append(&x->body, piece)))
                x->refused = ERR_NO_ROOM;
        count(c->relay, COUNTER_bytes_in, piece.len);
}

/* ---- deadlines ---- */

static uint64_t wait_ms(const client *c)
{
        const catalog_settings *s = &c->relay->setup.catalog->settings;
        enum : uint64_t { DRAIN_IDLE_MS = 2000 };
        switch (c->wait) {
        case WAIT_IDLE:
                return c->relay->draining && s->idle_ms > DRAIN_IDLE_MS ? DRAIN_IDLE_MS : s->idle_ms;
        case WAIT_HEAD:
                return s->head_ms;
        case WAIT_BODY:
                return s->body_ms;
        case WAIT_WRITE:
                return s->write_stall_ms;
        case WAIT_NOTHING:
                break;
        }
        return 0;
}

void client_wait_for(client *c, client_wait wait)
{
        c->wait = wait;
        if (c->conn == nullptr || wait == WAIT_NOTHING) {
                net_timer_clear(c->relay->setup.loop, &c->timer);
                return;
        }
        c->taken = net_taken(c->conn);
        net_timer_set(c->relay->setup.loop, &c->timer, wait_ms(c));
}

static void on_late(void *ctx)
{
        client *c = ctx;
        switch (c->wait) {
        case WAIT_IDLE:
                client_answered(c, true);
                return;
        case WAIT_HEAD:
        case WAIT_BODY:
                c->exchange->close_after = true;
                reply_error(c->exchange, ERR_TIMEOUT_CLIENT, (view){});
                return;
        case WAIT_WRITE:
                if (net_unsent(c->conn) == 0 || net_taken(c->conn) != c->taken) {
                        client_wait_for(c, WAIT_WRITE);
                        return;
                }
                if (c->exchange != nullptr)
                        exchange_end(c->exchange, ENDING_CLIENT_STALL);
                client_cut(c);
                return;
        case WAIT_NOTHING:
                return;
        }
}

/* ---- life ---- */

static void on_resume(void *ctx);

client *client_new(relay *r, net_conn *conn)
{
        client *c = calloc(1, sizeof *c);
        if (c == nullptr)
                return nullptr;
        c->relay = r;
        c->conn = conn;
        c->timer = (net_timer){.fire = on_late, .ctx = c};
        c->resume = (net_task){.run = on_resume, .ctx = c};
        c->setup = (http1_setup){.side = HTTP1_REQUEST, .host_allowed = host_allowed, .body = on_body, .ctx = c,
                                 .body_limit = r->setup.catalog->settings.body_bytes};
        region_init(&c->held, LIMIT_READ_BYTES * 4);
        c->older = r->clients;
        if (r->clients != nullptr)
                r->clients->newer = c;
        r->clients = c;
        count(r, COUNTER_connections, 1);
        gauge(r, COUNTER_connections_now, ++r->client_count);
        return c;
}

static void client_end(client *c)
{
        relay *r = c->relay;
        net_timer_clear(r->setup.loop, &c->timer);
        net_task_cancel(r->setup.loop, &c->resume);
        region_end(&c->held);
        if (c->newer != nullptr)
                c->newer->older = c->older;
        else
                r->clients = c->older;
        if (c->older != nullptr)
                c->older->newer = c->newer;
        c->conn = nullptr;
        gauge(r, COUNTER_connections_now, --r->client_count);
        graveyard_bury(&r->graves, &c->grave);
        relay_left(r);
        if (r->draining && r->clients == nullptr)
                net_timer_set(r->setup.loop, &r->housekeeping, 0);
}

void client_cut(client *c)
{
        net_abort(c->conn, true);
        client_end(c);
}

static void on_closed(void *ctx, net_end why)
{
        (void)why;
        client *c = ctx;
        c->conn = nullptr;
        if (c->exchange != nullptr)
                exchange_abandon(c->exchange);
        client_end(c);
}

/* ---- bytes ---- */

/* A client with a bug is answered; a source that does nothing else has to come back later. */
static void blame(client *c, err_code code)
{
        uint32_t ms = code == ERR_NO_KEY                        ? NET_PENALTY_NO_KEY_MS
                    : code == ERR_BAD_HTTP || code == ERR_GONE ? NET_PENALTY_BAD_HTTP_MS
                                                               : 0;
        if (ms > 0 && net_penalise(c->conn, ms))
                c->exchange->close_after = true;
}

static void refuse(client *c, err_code code)
{
        blame(c, code);
        if (code == ERR_GONE) {
                exchange_end(c->exchange, ENDING_REJECTED_INPUT);
                client_cut(c);
                return;
        }
        c->exchange->close_after = true;
        reply_error(c->exchange, code, (view){});
}

static bool has_body(const http1_head *h) { return h->chunked || (h->sized && h->length > 0); }

/* True when the exchange was answered at its head. */
static bool head_judged(client *c)
{
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        exchange         *x = c->exchange;
        const http1_head *h = c->parser.head;
        if (x->refused != ERR_NONE && has_body(h) && (h->chunked || h->expect || h->length > ABSORB_BYTES)) {
                refuse(c, x->refused);
                return true;
        }
        if (h->expect && has_body(h))
                net_write(c->conn, VIEW(go_on));
        client_wait_for(c, WAIT_BODY);
        return false;
}

/* True when the exchange was answered at its head. */
static bool on_head(client *c)
{
        exchange *x = c->exchange;
        x->state = EXCHANGE_BODY;
        x->close_after = !c->parser.head->keep_alive || c->relay->draining;
        admit_head(x);
        if (!x->queued)
                return head_judged(c);
        client_wait_for(c, WAIT_NOTHING);
        return false;
}

void client_judged(client *c)
{
        c->exchange->close_after = c->exchange->close_after || c->relay->draining;
        if (!head_judged(c))
                net_task_queue(c->relay->setup.loop, &c->resume);
}

static void on_request(client *c)
{
        exchange *x = c->exchange;
        client_wait_for(c, WAIT_NOTHING);
        x->complete_us = clock_us();
        if (x->refused != ERR_NONE) {
                blame(c, x->refused);
                reply_error(x, x->refused, (view){});
        } else if (x->route == ROUTE_MODELS || x->route == ROUTE_MODEL) {
                reply_models(x);
        } else {
                decide_begin(x);
        }
}

static bool request_begin(client *c)
{
        c->exchange = exchange_new(c);
        if (c->exchange == nullptr || failed(http1_begin(&c->parser, &c->setup, &c->exchange->arena))) {
                if (c->exchange != nullptr)
                        exchange_end(c->exchange, ENDING_SHED);
                net_write(c->conn, view_of_text(reply_overloaded(true, 1)));
                client_answered(c, true);
                return false;
        }
        client_wait_for(c, WAIT_HEAD);
        return true;
}

/* Keeps what comes before its turn. */
static void hold(client *c, view bytes)
{
        bool kept = !failed(region_append(&c->held, bytes));
        if (!kept || (c->exchange != nullptr && !admit_bytes(c->exchange, 0))) {
                if (kept && c->exchange->queued) {
                        queue_leave(c->exchange);
                        refuse(c, ERR_OVERLOADED);
                        return;
                }
                if (c->exchange != nullptr)
                        exchange_abandon(c->exchange);
                client_cut(c);
                return;
        }
        /* Not before it is much: a paused connection would hide that its caller has left. */
        if (c->held.len > LIMIT_QUEUE_LOW_BYTES)
                net_pause(c->conn);
}

/* Feeds bytes until one request is complete; what follows it is held back: answers go out in order. */
static void feed(client *c, view in)
{
        if (c->exchange == nullptr && !request_begin(c))
                return;
        exchange *x = c->exchange;
        for (;;) {
                size_t      used = 0;
                http1_event ev = HTTP1_MORE;
                bool        refused = x->refused != ERR_NONE;
                err         e = http1_feed(&c->parser, in, &used, &ev);
                if (e.code == ERR_BAD_METHOD && c->parser.head != nullptr && c->parser.head->keep_alive) {
                        (void)!failed(region_append(&c->held, view_slice(in, used, in.len)));
                        x->close_after = c->relay->draining;
                        reply_error(x, ERR_BAD_METHOD, (view){});
                        return;
                }
                if (failed(e)) {
                        refuse(c, e.code);
                        return;
                }
                in = view_slice(in, used, in.len);
                /* In the middle of a body; at the head it has been looked at whether the rest is worth reading. */
                if (!refused && (x->refused == ERR_OVERLOADED || x->refused == ERR_NO_ROOM)) {
                        refuse(c, x->refused);
                        return;
                }
                if (ev == HTTP1_MORE) {
                        /* Who sends a head in pieces holds memory that no limit of exchanges counts. */
                        if (x->state == EXCHANGE_HEAD && !admit_bytes(x, 0))
                                refuse(c, ERR_OVERLOADED);
                        return;
                }
                if (ev == HTTP1_HEAD) {
                        if (on_head(c))
                                return;
                        if (x->queued) {
                                hold(c, in);
                                return;
                        }
                        continue;
                }
                if (in.len > 0 && !x->close_after && failed(region_append(&c->held, in)))
                        x->close_after = true;
                on_request(c);
                return;
        }
}

static bool answering(const client *c) { return c->exchange != nullptr && c->exchange->state > EXCHANGE_BODY; }

static void on_data(void *ctx, view plain)
{
        client *c = ctx;
        bool    queued = c->exchange != nullptr && c->exchange->queued;
        if (!answering(c) && !queued && c->held.len == 0)
                feed(c, plain);
        else if (!answering(c) || !c->exchange->close_after) /* nothing after such a one will be answered */
                hold(c, plain);
}

static void on_resume(void *ctx)
{
        client *c = ctx;
        if (c->conn == nullptr || answering(c) || (c->exchange != nullptr && c->exchange->queued))
                return;
        if (c->held.len > 0) {
                region bytes = c->held;
                region_init(&c->held, bytes.cap);
                feed(c, region_view(&bytes));
                region_end(&bytes);
        }
        /* While something is held back nothing more is read: what came before it would soon not fit. */
        if (c->conn != nullptr && c->held.len == 0)
                net_resume(c->conn);
}

void client_answered(client *c, bool close)
{
        if (close) {
                net_close(c->conn);
                client_end(c);
                return;
        }
        client_wait_for(c, WAIT_IDLE);
        net_task_queue(c->relay->setup.loop, &c->resume);
}

static void on_opened(void *ctx)
{
        client *c = ctx;
        c->opened = true;
        count(c->relay, COUNTER_handshakes, 1);
        if (net_resumed(c->conn))
                count(c->relay, COUNTER_handshakes_resumed, 1);
        client_wait_for(c, WAIT_HEAD);
        c->wait = WAIT_IDLE;
}

static void on_drained(void *ctx)
{
        client   *c = ctx;
        exchange *x = c->exchange;
        if (x == nullptr || x->state != EXCHANGE_RELAY)
                return;
        if (x->run != nullptr && x->run->attempt != nullptr)
                upstream_resume(x->run->attempt);
        else if (x->piece.len > 0)
                reply_continue(x);
}

const net_user client_user = {on_opened, on_data, on_drained, on_closed};
