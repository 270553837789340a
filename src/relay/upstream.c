#include "relay/upstream.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/emit.h"
#include "base/event.h"
#include "relay/upstream_int.h"

enum : size_t { HEAD_BYTES = 4096 };

upstreams *upstreams_new(const upstreams_setup *s)
{
        upstreams *u = calloc(1, sizeof *u);
        if (u == nullptr)
                return nullptr;
        u->setup = *s;
        graveyard_begin(&u->graves, s->loop);
        for (uint16_t i = 0; i < LIMIT_UPSTREAMS; i++)
                u->ways[i] = (way){.side = u, .upstream = i};
        return u;
}

static const catalog_upstream *row_of(const attempt *a)
{
        return &a->side->setup.catalog->upstreams[a->order.upstream];
}

static void count(attempt *a, counter_id c)
{
        board_add(&a->side->setup.column->counters[c], 1);
}

/* ---- endings ---- */

static void detach(attempt *a, bool reuse)
{
        net_timer_clear(a->side->setup.loop, &a->timer);
        if (a->dialing != nullptr)
                dialing_cancel(a->dialing);
        a->dialing = nullptr;
        if (a->link != nullptr) {
                a->link->attempt = nullptr;
                if (reuse)
                        pool_give(a->link);
                else
                        link_close(a->link);
                a->link = nullptr;
        }
        a->over = true;
        graveyard_bury(&a->side->graves, &a->grave);
}

static void finish(attempt *a, attempt_end why, bool reuse)
{
        if (a->over)
                return;
        attempt_facts facts = a->facts;
        detach(a, reuse);
        a->user.end(a->ctx, why, &facts);
}

void upstream_cancel(attempt *a, attempt_facts *f)
{
        assert(!a->over);
        *f = a->facts;
        detach(a, false);
}

static void on_late(void *ctx) { finish(ctx, ATTEMPT_TIMEOUT, false); }

static void deadline(attempt *a, uint64_t ms) { net_timer_set(a->side->setup.loop, &a->timer, ms); }

/* ---- the request ---- */

static void emit_host(emit *e, const catalog_upstream *row)
{
        bool v6 = strchr(row->host, ':') != nullptr;
        if (v6)
                emit_byte(e, '[');
        emit_text(e, row->host);
        if (v6)
                emit_byte(e, ']');
        if (row->port != (row->tls ? 443 : 80)) {
                emit_byte(e, ':');
                emit_u64(e, row->port);
        }
}

/* The head is built anew: no field of the caller's goes to a vendor. */
static bool write_head(attempt *a, const lease_credential *credential)
{
        const catalog_upstream *row = row_of(a);
        __attribute__((uninitialized)) uint8_t bytes[HEAD_BYTES]; /* what was written is read, and wiped below */
        emit e = emit_into(bytes, sizeof bytes);
        emit_text(&e, a->order.get ? "GET " : "POST ");
        emit_text(&e, row->path);
        emit_text(&e, a->order.path);
        emit_text(&e, " HTTP/1.1\r\nHost: ");
        emit_host(&e, row);
        if (credential != nullptr) {
                emit_text(&e, "\r\nAuthorization: Bearer ");
                emit_view(&e, (view){credential->secret, credential->len});
        }
        if (!a->order.get)
                emit_text(&e, "\r\nContent-Type: application/json");
        emit_text(&e, "\r\nAccept: ");
        emit_text(&e, a->order.events ? "text/event-stream" : "application/json");
        emit_text(&e, "\r\nAccept-Encoding: identity\r\nUser-Agent: lethe/1");
        if (!a->order.get) {
                emit_text(&e, "\r\nContent-Length: ");
                emit_u64(&e, a->order.body_bytes);
        }
        emit_text(&e, "\r\n\r\n");
        view head;
        bool good = !failed(emit_done(&e, &head));
        if (good)
                net_write(a->link->conn, head);
        wipe(bytes, e.len);
        return good;
}

static bool credential_for(attempt *a, lease_credential *out)
{
        const catalog_upstream *row = row_of(a);
        if (failed(lease_copy_credential(a->side->setup.lease, view_of_text(row->credentials[a->order.credential].name),
                                         out)))
                return false;
        if (strcmp(out->host, row->host) == 0)
                return true;
        event(EVENT_HOST_UNBOUND, a->order.upstream, 0);
        return false;
}

/* Nothing is left to send: from here on the vendor is waited for. */
static void all_sent(attempt *a)
{
        a->phase = PHASE_WAIT;
        a->sent_us = clock_us();
}

/* The connection stands. The key is looked up now and forgotten when it is written. */
static void begin_sending(attempt *a)
{
        bool good = true;
        if (row_of(a)->credentials[a->order.credential].name[0] == '\0') {
                good = write_head(a, nullptr);
        } else {
                lease_credential credential = {};
                good = credential_for(a, &credential) && write_head(a, &credential);
                wipe(&credential, sizeof credential);
        }
        if (!good) {
                finish(a, ATTEMPT_NO_KEY, false);
                return;
        }
        a->facts.sent = true;
        a->phase = PHASE_SEND;
        deadline(a, a->side->setup.catalog->settings.first_byte_ms);
        if (a->order.body_bytes == 0)
                all_sent(a);
        else
                a->user.credit(a->ctx);
}

void upstream_decided(attempt *a, uint64_t bytes)
{
        assert(bytes >= a->decided && bytes <= a->order.body_bytes);
        a->decided = bytes;
}

size_t upstream_room(const attempt *a)
{
        if (a->over || a->phase != PHASE_SEND)
                return 0;
        size_t unsent = net_unsent(a->link->conn);
        return unsent >= LIMIT_QUEUE_HIGH_BYTES ? 0 : LIMIT_QUEUE_HIGH_BYTES - unsent;
}

void upstream_body(attempt *a, view bytes)
{
        assert(a->phase == PHASE_SEND);
        /* Promise P3: no byte leaves that policy has not passed. */
        assert(a->sent + bytes.len <= a->decided);
        net_write(a->link->conn, bytes);
        a->sent += bytes.len;
        deadline(a, a->side->setup.catalog->settings.first_byte_ms);
        if (a->sent == a->order.body_bytes)
                all_sent(a);
}

void upstream_pause(attempt *a)
{
        a->paused = true;
        if (a->link != nullptr && a->link->conn != nullptr)
                net_pause(a->link->conn);
        /* A caller that reads slowly is not the vendor's silence. */
        net_timer_clear(a->side->setup.loop, &a->timer);
}

void upstream_resume(attempt *a)
{
        a->paused = false;
        if (a->link != nullptr && a->link->conn != nullptr)
                net_resume(a->link->conn);
        deadline(a, a->side->setup.catalog->settings.gap_ms);
}

/* ---- the answer ---- */

static attempt_body body_of(const http1_head *h)
{
        view type = http1_get(h, VIEW("content-type"));
        if (type.len >= 17 && view_equal_nocase(view_slice(type, 0, 17), VIEW("text/event-stream")))
                return ATTEMPT_EVENTS;
        if (type.len >= 16 && view_equal_nocase(view_slice(type, 0, 16), VIEW("application/json")))
                return ATTEMPT_JSON;
        return ATTEMPT_OTHER;
}

static void on_piece(void *ctx, view piece)
{
        link *l = ctx;
        if (l->attempt != nullptr)
                l->attempt->user.data(l->attempt->ctx, piece);
}

static void answer_head(attempt *a, const http1_head *h)
{
        attempt_head head = {
                .status = h->status, .body = body_of(h), .came_ms = net_now_ms(a->side->setup.loop)};
        vendor_limits_reader reader;
        vendor_limits_begin(&reader);
        for (size_t i = 0; i < h->count; i++)
                vendor_limits_field(&reader, h->fields[i].name, h->fields[i].value);
        vendor_limits_end(&reader, &head.limits);
        a->phase = PHASE_ANSWER;
        a->user.head(a->ctx, &head);
}

static void answer_done(link *l, size_t leftover)
{
        attempt *a = l->attempt;
        const http1_head *h = l->parser.head;
        bool whole_request = a->sent == a->order.body_bytes && net_unsent(l->conn) == 0;
        finish(a, ATTEMPT_DONE, h->keep_alive && !h->until_close && leftover == 0 && whole_request);
}

static void note_first_byte(attempt *a)
{
        if (a->facts.answered)
                return;
        a->facts.answered = true;
        uint64_t now = clock_us();
        if (a->sent_us != 0)
                a->facts.first_us = now > a->sent_us ? now - a->sent_us : 1;
}

static void on_data(void *ctx, view plain)
{
        link *l = ctx;
        while (l->attempt != nullptr) {
                attempt *a = l->attempt;
                size_t used = 0;
                http1_event ev = HTTP1_MORE;
                /* A warm connection that speaks before it was asked: as in the pool, it is not to be used. */
                if (a->phase < PHASE_SEND) {
                        finish(a, ATTEMPT_STALE, false);
                        return;
                }
                note_first_byte(a);
                if (!a->paused)
                        deadline(a, a->side->setup.catalog->settings.gap_ms);
                l->feeding = true;
                err e = http1_feed(&l->parser, plain, &used, &ev);
                l->feeding = false;
                if (l->side == nullptr)
                        arena_end(&l->memory);
                if (l->attempt != a)
                        return;
                if (failed(e)) {
                        finish(a, ATTEMPT_BROKEN, false);
                        return;
                }
                plain = view_slice(plain, used, plain.len);
                if (ev == HTTP1_HEAD)
                        answer_head(a, l->parser.head);
                else if (ev == HTTP1_DONE) {
                        answer_done(l, plain.len);
                        return;
                } else
                        return;
        }
}

static attempt_end end_of(const attempt *a, net_end why)
{
        if (a->facts.reused && !a->facts.answered)
                return ATTEMPT_STALE;
        switch (why) {
        case NET_CERTIFICATE:
                return ATTEMPT_CERTIFICATE;
        case NET_UNREACHABLE:
                return ATTEMPT_NETWORK;
        case NET_TIMEOUT:
                return ATTEMPT_TIMEOUT;
        case NET_CLEAN:
        case NET_CUT:
        case NET_TLS_FAILED:
                break;
        }
        return ATTEMPT_CUT;
}

static void on_closed(void *ctx, net_end why)
{
        link *l = ctx;
        attempt *a = l->attempt;
        l->conn = nullptr;
        if (a == nullptr) {
                link_close(l);
                return;
        }
        bool done = false;
        if (a->phase >= PHASE_WAIT && !failed(http1_eof(&l->parser, why == NET_CLEAN, &done)) && done)
                finish(a, ATTEMPT_DONE, false);
        else
                finish(a, end_of(a, why), false);
}

static void on_drained(void *ctx)
{
        link *l = ctx;
        if (l->attempt != nullptr && l->attempt->phase == PHASE_SEND)
                l->attempt->user.credit(l->attempt->ctx);
}

static const net_user link_user = {.data = on_data, .drained = on_drained, .closed = on_closed};

static bool parser_begin(link *l)
{
        l->setup =
                (http1_setup){.side = HTTP1_RESPONSE, .body = on_piece, .ctx = l, .body_limit = LIMIT_RESPONSE_BYTES};
        if (l->attempt->order.events)
                l->setup.body_limit = UINT64_MAX;
        return !failed(http1_begin(&l->parser, &l->setup, &l->memory));
}

/* ---- the way there ---- */

static void link_use(attempt *a, link *l)
{
        l->attempt = a;
        a->link = l;
        net_own(l->conn, &link_user, l);
}

static void request_begin(attempt *a)
{
        if (parser_begin(a->link))
                begin_sending(a);
        else
                finish(a, ATTEMPT_NETWORK, false);
}

static void on_dialled(void *ctx, net_conn *c)
{
        attempt *a = ctx;
        upstreams *u = a->side;
        uint16_t upstream = a->order.upstream;
        link *l = link_new(u, upstream, c);
        a->dialing = nullptr;
        a->facts.dial_us = (uint32_t)(clock_us() - a->begun_us);
        if (l == nullptr) {
                finish(a, ATTEMPT_NETWORK, false);
                return;
        }
        link_use(a, l);
        if (a->paused)
                net_pause(c);
        request_begin(a);
        pool_warm(u, upstream);
}

static void on_not_dialled(void *ctx, attempt_end why)
{
        attempt *a = ctx;
        a->dialing = nullptr;
        finish(a, why, false);
}

static void on_begin(void *ctx)
{
        static const dialing_user dialling = {on_dialled, on_not_dialled};
        attempt *a = ctx;
        a->timer.fire = on_late;
        if (a->link != nullptr && a->link->conn != nullptr) {
                request_begin(a);
                return;
        }
        a->dialing = dialing_begin(a->side, a->order.upstream, &dialling, a);
        if (a->dialing == nullptr)
                finish(a, ATTEMPT_NETWORK, false);
}

attempt *upstream_open(upstreams *u, const attempt_order *o, const attempt_user *user, void *ctx)
{
        attempt *a = calloc(1, sizeof *a);
        if (a == nullptr)
                return nullptr;
        assert(o->credential < u->setup.catalog->upstreams[o->upstream].credential_count);
        assert(!o->get || o->body_bytes == 0);
        a->side = u;
        a->order = *o;
        a->user = *user;
        a->ctx = ctx;
        a->begun_us = clock_us();
        link *warm = o->fresh ? nullptr : pool_take(u, o->upstream);
        if (warm != nullptr) {
                link_use(a, warm);
                a->facts.reused = true;
                count(a, COUNTER_upstream_reused);
        }
        if (!o->get) {
                count(a, COUNTER_attempts);
                pool_used(u, o->upstream);
        }
        /* Everything that may fail happens in a turn of its own, so that no callback comes from inside this call. */
        a->timer = (net_timer){.fire = on_begin, .ctx = a};
        net_timer_set(u->setup.loop, &a->timer, 0);
        return a;
}
