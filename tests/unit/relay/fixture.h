/* A relay before a vendor that does as it is told, and a caller: all in one process and one loop, in plain text. */
#ifndef TESTS_UNIT_RELAY_FIXTURE_H
#define TESTS_UNIT_RELAY_FIXTURE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/event.h"
#include "base/secret.h"
#include "relay/exchange.h"
#include "support/tap.h"
#include "vault/client_key.h"

static struct {
        net_loop *loop;
        net_resolver *resolver;
        catalog *catalog;
        policy policy;
        lease *lease;
        board *board;
        usage_ring *ring;
        void *ring_memory;
        relay *relay;
        uint16_t port, vendor_port;
        uint64_t records; /* read so far */
        int drained;
        char key[3][CLIENT_KEY_BYTES + 1]; /* may all; may "small" only; has expired */
        tls_client *tls[LIMIT_UPSTREAMS];
} fx;

/* ---- running ---- */

typedef struct fx_watcher {
        net_timer timer;
        bool (*good)(void *ctx);
        void *ctx;
        bool reached;
        uint64_t until_ms;
} fx_watcher;

static void fx_look(void *ctx)
{
        fx_watcher *w = ctx;
        w->reached = w->good(w->ctx);
        if (w->reached || net_now_ms(fx.loop) >= w->until_ms)
                net_loop_stop(fx.loop);
        else
                net_timer_set(fx.loop, &w->timer, 1);
}

static inline bool run_until(bool (*good)(void *ctx), void *ctx, uint64_t ms)
{
        fx_watcher w = {.timer.fire = fx_look, .good = good, .ctx = ctx, .until_ms = net_now_ms(fx.loop) + ms};
        w.timer.ctx = &w;
        net_timer_set(fx.loop, &w.timer, 0);
        net_loop_run(fx.loop);
        return w.reached;
}

static inline bool fx_never(void *ctx)
{
        (void)ctx;
        return false;
}

static inline void run_for(uint64_t ms) { run_until(fx_never, nullptr, ms); }

/* ---- the vendor: one step of its script for each request it has read whole ---- */

typedef enum vendor_act : uint8_t { VENDOR_KEEP, VENDOR_CLOSE, VENDOR_RESET, VENDOR_SILENT } vendor_act;

typedef struct vendor_step {
        const char *answer; /* raw; null: nothing */
        vendor_act then;
} vendor_step;

typedef struct vendor_conn {
        net_conn *conn;
        size_t len;
        int served; /* requests on this connection */
        char in[256 * 1024];
} vendor_conn;

static struct {
        vendor_step script[8];
        size_t steps, next; /* the last step is repeated */
        size_t connections, requests;
        char last[256 * 1024]; /* the last request, raw */
        vendor_conn *conns[64];
        vendor_step first_of_conn; /* with an answer: what every first request of a connection gets instead */
} vendor;

static void vendor_act_on(vendor_conn *c, const vendor_step *s)
{
        /* "Content-Length: @" is told by what follows the head. */
        static char text[512 * 1024];
        const char *at = s->answer == nullptr ? nullptr : strstr(s->answer, "Content-Length: @");
        if (at != nullptr) {
                snprintf(text, sizeof text, "%.*s%zu%s", (int)(at + 16 - s->answer), s->answer,
                         strlen(strstr(at, "\r\n\r\n") + 4), at + 17);
                net_write(c->conn, view_of_text(text));
        } else if (s->answer != nullptr) {
                net_write(c->conn, view_of_text(s->answer));
        }
        if (s->then == VENDOR_CLOSE)
                net_close(c->conn);
        else if (s->then == VENDOR_RESET)
                net_abort(c->conn, true);
        if (s->then == VENDOR_CLOSE || s->then == VENDOR_RESET)
                c->conn = nullptr;
}

static void vendor_data(void *ctx, view plain)
{
        vendor_conn *c = ctx;
        if (c->len + plain.len >= sizeof c->in)
                abort();
        memcpy(c->in + c->len, plain.data, plain.len);
        c->len += plain.len;
        c->in[c->len] = '\0';
        const char *end = strstr(c->in, "\r\n\r\n"), *length = strstr(c->in, "Content-Length: ");
        if (end == nullptr || length == nullptr)
                return;
        size_t whole = (size_t)(end - c->in) + 4 + strtoul(length + 16, nullptr, 10);
        if (c->len < whole)
                return;
        memcpy(vendor.last, c->in, whole);
        vendor.last[whole] = '\0';
        vendor.requests++;
        c->len = 0;
        size_t at = vendor.next < vendor.steps ? vendor.next : vendor.steps - 1;
        const vendor_step *step = &vendor.script[at];
        if (c->served++ == 0 && vendor.first_of_conn.answer != nullptr)
                step = &vendor.first_of_conn;
        else
                vendor.next++;
        vendor_act_on(c, step);
}

static void vendor_closed(void *ctx, net_end why)
{
        (void)why;
        ((vendor_conn *)ctx)->conn = nullptr;
}

static const net_user vendor_user = {.data = vendor_data, .closed = vendor_closed};

static void *vendor_arrived(void *ctx, net_conn *conn, const net_user **user)
{
        (void)ctx;
        if (vendor.connections == 64)
                return nullptr;
        vendor_conn *c = calloc(1, sizeof *c);
        vendor.conns[vendor.connections++] = c;
        c->conn = conn;
        *user = &vendor_user;
        return c;
}

/* Nothing is held against any vendor any more. */
static inline void vendor_forgiven(void)
{
        for (uint32_t i = 0; i < BOARD_CELLS; i++)
                memset(fx.board->cells[i].bytes, 0, BOARD_CELL_BYTES);
}

/* Forgets what was; `script` is what comes. */
static inline void vendor_does(const vendor_step *script, size_t steps)
{
        if (steps > 8)
                abort();
        vendor_forgiven();
        memcpy(vendor.script, script, steps * sizeof *script);
        vendor.steps = steps;
        vendor.next = vendor.requests = 0;
        vendor.first_of_conn = (vendor_step){};
}

#define JSON_HEAD           "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: @\r\n\r\n"
#define FAULT(status, json) "HTTP/1.1 " status " X\r\nContent-Type: application/json\r\nContent-Length: @\r\n\r\n" json
#define STREAM_HEAD         "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"

/* ---- the caller ---- */

typedef struct caller {
        net_conn *conn;
        int opened, closed;
        net_end why;
        size_t len, body_at, body_len;
        unsigned status;
        char in[1024 * 1024];
        char body[1024 * 1024]; /* of the first answer, chunks joined, trailers left out */
} caller;

static caller me;

static void caller_opened(void *ctx) { ((caller *)ctx)->opened++; }

static void caller_data(void *ctx, view plain)
{
        caller *c = ctx;
        if (c->len + plain.len >= sizeof c->in)
                abort();
        memcpy(c->in + c->len, plain.data, plain.len);
        c->len += plain.len;
        c->in[c->len] = '\0';
}

static void caller_closed(void *ctx, net_end why)
{
        caller *c = ctx;
        c->conn = nullptr;
        c->closed++;
        c->why = why;
}

static const net_user caller_user = {.opened = caller_opened, .data = caller_data, .closed = caller_closed};

/* Joins chunks; true when the last one has come. */
static bool unchunk(caller *c, const char *at)
{
        c->body_len = 0;
        for (;;) {
                char *after;
                size_t size = strtoul(at, &after, 16);
                if (after == at || strncmp(after, "\r\n", 2) != 0)
                        return false;
                if (size == 0)
                        return strstr(after, "\r\n\r\n") != nullptr;
                if ((size_t)(c->in + c->len - after) < size + 4)
                        return false;
                memcpy(c->body + c->body_len, after + 2, size);
                c->body_len += size;
                c->body[c->body_len] = '\0';
                at = after + 2 + size + 2;
        }
}

/* The first answer that is in the buffer is whole. */
static bool caller_whole(void *ctx)
{
        caller *c = ctx;
        char *end = strstr(c->in, "\r\n\r\n");
        while (end != nullptr && strncmp(c->in, "HTTP/1.1 100", 12) == 0) {
                size_t gone = (size_t)(end + 4 - c->in);
                memmove(c->in, c->in + gone, c->len - gone + 1);
                c->len -= gone;
                end = strstr(c->in, "\r\n\r\n");
        }
        c->body_len = 0;
        c->body[0] = '\0';
        if (end == nullptr)
                return c->closed > 0;
        c->status = (unsigned)strtoul(c->in + 9, nullptr, 10);
        char *length = strstr(c->in, "\r\ncontent-length: ");
        if (length == nullptr || length > end)
                return unchunk(c, end + 4) || c->closed > 0;
        size_t want = strtoul(length + 18, nullptr, 10), have = c->len - (size_t)(end + 4 - c->in);
        if (have < want)
                return c->closed > 0;
        memcpy(c->body, end + 4, want);
        c->body[want] = '\0';
        c->body_len = want;
        c->body_at = (size_t)(end + 4 - c->in) + want;
        return true;
}

static inline void caller_leave(void)
{
        if (me.conn != nullptr)
                net_abort(me.conn, false);
        me = (caller){};
        run_for(5);
}

static inline bool caller_settled(void *ctx)
{
        return ((const caller *)ctx)->opened > 0 || ((const caller *)ctx)->closed > 0;
}

static inline bool caller_gone(void *ctx) { return ((const caller *)ctx)->closed > 0; }

static inline void caller_dial(void)
{
        net_target to = {.family = 4, .address = {127, 0, 0, 1}, .port = fx.port};
        caller_leave();
        me.conn = net_dial(fx.loop, &to, &caller_user, &me);
        run_until(caller_settled, &me, 2000);
}

static inline void say(const char *text) { net_write(me.conn, view_of_text(text)); }

/* One request on the caller's connection (dialled anew when there is none). `fields` end in CRLF each. */
static inline void say_request(const char *line, const char *fields, const char *body)
{
        static char text[300 * 1024];
        if (me.conn == nullptr)
                caller_dial();
        if (body == nullptr)
                snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", line, fields);
        else
                snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n%s", line,
                         fields, strlen(body), body);
        me.len = 0;
        me.in[0] = '\0';
        say(text);
}

static inline bool answered(void) { return run_until(caller_whole, &me, 3000); }

/* Asks with key 0 and tells the status; 0: no answer. */
static inline unsigned ask(const char *line, const char *body)
{
        char fields[200];
        snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\nContent-Type: application/json\r\n", fx.key[0]);
        me.status = 0;
        say_request(line, fields, body);
        return answered() ? me.status : 0;
}

static inline unsigned ask_chat(const char *body) { return ask("POST /v1/chat/completions", body); }

static inline bool head_has(const char *text)
{
        const char *end = strstr(me.in, "\r\n\r\n"), *at = strstr(me.in, text);
        return at != nullptr && end != nullptr && at < end;
}

static inline bool body_is(const char *want)
{
        return strlen(want) == me.body_len && memcmp(want, me.body, me.body_len) == 0;
}

static inline bool body_has(const char *text) { return strstr(me.body, text) != nullptr; }

/* ---- what was told to the keeper ---- */

static inline bool next_record(usage_record *r)
{
        if (!usage_ring_read(fx.ring, fx.records + 1, r))
                return false;
        usage_ring_consumed(fx.ring, ++fx.records);
        return true;
}

static inline void forget_records(void)
{
        usage_record r;
        while (next_record(&r))
                continue;
}

static inline uint64_t counted(counter_id c) { return fx.board->columns[0].counters[c]; }

/* Nothing is left of any exchange. */
static inline bool all_over(void *ctx)
{
        (void)ctx;
        return fx.relay->exchanges == 0 && fx.relay->body_bytes == 0 && board_running(fx.board, 0) == 0;
}

/* ---- setting up ---- */

static inline int fx_bind(uint16_t *port)
{
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof at;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof at) != 0
            || getsockname(fd, (struct sockaddr *)&at, &len) != 0)
                abort();
        *port = ntohs(at.sin_port);
        return fd;
}

static inline void fx_map(void **out, size_t bytes)
{
        *out = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (*out == MAP_FAILED)
                abort();
}

static inline void fx_lease(void)
{
        void *memory;
        fx_map(&memory, sizeof(lease));
        fx.lease = memory;
        lease_write_begin(fx.lease);
        memset(fx.lease->pepper, 3, 32);
        memset(fx.lease->pseudonym_key, 4, 32);
        fx.lease->credential_count = 2;
        fx.lease->credentials[0] =
                (lease_credential){.name = "cred", .host = "127.0.0.1", .len = 9, .secret = "sk-vendor"};
        fx.lease->credentials[1] =
                (lease_credential){.name = "astray", .host = "elsewhere.example", .len = 9, .secret = "sk-astray"};
        lease_write_end(fx.lease, true);
}

/* Upstreams: one and two and three the vendor; astray has a key of another host; far may not be reached; gone nobody
 * listens. */
static inline void fx_catalog(void)
{
        static char text[8192];
        uint8_t hash[3][32], hex[3][65] = {}, id[3][9];
        config_fault fault;
        fx.catalog = calloc(1, sizeof *fx.catalog);
        for (int i = 0; i < 3; i++) {
                emit key = emit_into((uint8_t *)fx.key[i], sizeof fx.key[i]), h = emit_into(hex[i], 64);
                client_key_make(fx.lease->pepper, &key, (char *)id[i], hash[i]);
                emit_hex(&h, (view){hash[i], 32});
        }
        unsigned p = fx.vendor_port;
        snprintf(text, sizeof text,
                 "{\"lethe\":\"config/1\",\"hosts\":[\"localhost\"],\"upstreams\":["
                 "{\"name\":\"one\",\"vendor\":\"v1\",\"base_url\":\"http://127.0.0.1:%u/"
                 "v1\",\"plain_http\":true,\"local\":[\"127.0.0.0/8\"],\"credential\":\"cred\"},"
                 "{\"name\":\"two\",\"vendor\":\"v2\",\"base_url\":\"http://127.0.0.1:%u/"
                 "v2\",\"plain_http\":true,\"local\":[\"127.0.0.0/8\"]},"
                 "{\"name\":\"three\",\"vendor\":\"v3\",\"base_url\":\"http://127.0.0.1:%u/"
                 "v3\",\"plain_http\":true,\"local\":[\"127.0.0.0/8\"]},"
                 "{\"name\":\"astray\",\"vendor\":\"v4\",\"base_url\":\"http://127.0.0.1:%u/"
                 "v4\",\"plain_http\":true,\"local\":[\"127.0.0.0/8\"],\"credential\":\"astray\"},"
                 "{\"name\":\"keyless\",\"vendor\":\"v5\",\"base_url\":\"http://127.0.0.1:%u/"
                 "v5\",\"plain_http\":true,\"local\":[\"127.0.0.0/8\"],\"credential\":\"none\"},"
                 "{\"name\":\"gone\",\"vendor\":\"v6\",\"base_url\":\"http://127.0.0.1:1/"
                 "v6\",\"plain_http\":true,\"local\":[\"127.0.0.0/8\"]}],"
                 "\"models\":[{\"name\":\"m\",\"targets\":[{\"upstream\":\"one\",\"model\":\"vendor-m\"}]},"
                 "{\"name\":\"small\",\"targets\":[{\"upstream\":\"two\",\"model\":\"vendor-s\"}]},"
                 "{\"name\":\"three\",\"targets\":[{\"upstream\":\"one\",\"model\":\"a\"},{\"upstream\":\"two\","
                 "\"model\":\"b\"},{\"upstream\":\"three\",\"model\":\"c\"}]},"
                 "{\"name\":\"astray\",\"targets\":[{\"upstream\":\"astray\",\"model\":\"x\"}]},"
                 "{\"name\":\"keyless\",\"targets\":[{\"upstream\":\"keyless\",\"model\":\"x\"}]},"
                 "{\"name\":\"gone\",\"targets\":[{\"upstream\":\"gone\",\"model\":\"x\"}]}],"
                 "\"keys\":[{\"id\":\"%s\",\"hash\":\"%s\",\"project\":\"p0\",\"models\":[\"*\"]},"
                 "{\"id\":\"%s\",\"hash\":\"%s\",\"project\":\"p1\",\"models\":[\"small\"]},"
                 "{\"id\":\"%s\",\"hash\":\"%s\",\"project\":\"p2\",\"models\":[\"*\"]}]}",
                 p, p, p, p, p, (char *)id[0], (char *)hex[0], (char *)id[1], (char *)hex[1], (char *)id[2],
                 (char *)hex[2]);
        if (failed(catalog_compile(view_of_text(text), fx.catalog, &fault))) {
                printf("# %s %s\n", fault.pointer, fault.text);
                abort();
        }
        /* Connections at the vendor are counted here: none is made ahead of its time. */
        fx.catalog->settings.warm_connections = 0;
        fx.catalog->keys[2].expires_s = 1000;
}

static inline void fx_policy(void)
{
        static uint8_t text[16 * 1024];
        config_fault fault;
        FILE *f = fopen("policy/default.json", "rb");
        if (f == nullptr)
                abort();
        view v = {text, fread(text, 1, sizeof text, f)};
        fclose(f);
        if (failed(policy_compile(v, &fx.policy, &fault)))
                abort();
}

static inline void fx_drained(void *ctx)
{
        (void)ctx;
        fx.drained++;
}

static inline void fx_begin(void)
{
        void *memory;
        if (failed(secret_setup()))
                abort();
        event_setup("relay", -1);
        fx.loop = net_loop_new();
        fx.resolver = net_resolver_new(fx.loop);
        int vendor_fd = fx_bind(&fx.vendor_port), fd = fx_bind(&fx.port);
        const net_accept accept = {
                .arrived = vendor_arrived, .handshake_ms = 1000, .max_connections = 64, .max_handshakes = 64};
        if (net_listen(fx.loop, vendor_fd, &accept) == nullptr)
                abort();
        fx_map(&memory, sizeof(board));
        fx.board = memory;
        board_format(fx.board);
        fx.board->columns[0].in_use = 1;
        fx.board->keeper = KEEPER_OPEN;
        fx_map(&fx.ring_memory, usage_ring_bytes());
        if (failed(usage_ring_format(fx.ring_memory, usage_ring_bytes(), &fx.ring)))
                abort();
        fx_lease();
        fx_catalog();
        fx_policy();
        const relay_setup setup = {.loop = fx.loop,
                                   .resolver = fx.resolver,
                                   .catalog = fx.catalog,
                                   .policy = &fx.policy,
                                   .lease = fx.lease,
                                   .board = fx.board,
                                   .column = &fx.board->columns[0],
                                   .ring = fx.ring,
                                   .ring_wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
                                   .generation = 7,
                                   .clients = fx.tls,
                                   .listen_fd = fd,
                                   .drained = fx_drained};
        fx.relay = relay_new(&setup);
        if (fx.relay == nullptr)
                abort();
        relay_start(fx.relay);
}

/* The last rows of every test: nothing is held any more. The vendor's ends stay until the process ends. */
static inline int fx_end(void)
{
        caller_leave();
        tap_ok(run_until(all_over, nullptr, 2000), "relay", "in the end nothing of any exchange is held");
        for (size_t i = 0; i < vendor.connections; i++) {
                if (vendor.conns[i]->conn != nullptr)
                        net_abort(vendor.conns[i]->conn, false);
                free(vendor.conns[i]);
        }
        run_for(2);
        return tap_done();
}

#endif
