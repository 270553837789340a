/* The vendor side of a relay, and vendors, proxies and holes at several addresses of this machine, all at one port: in
 * one process and one loop. A place is one address where somebody may listen. */
#ifndef TESTS_UNIT_RELAY_VENDOR_SIDE_H
#define TESTS_UNIT_RELAY_VENDOR_SIDE_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/event.h"
#include "base/secret.h"
#include "relay/upstream.h"
#include "support/tap.h"
#include "unit/net/certs.h"

/* The C library has a link of its own. */
#define link vendor_link
#include "relay/upstream_int.h"
#undef link

enum : size_t { PLACES = 8, PLACE_CONNS = 128 };

static struct {
        net_loop *loop;
        net_resolver *resolver;
        int names; /* our end of the channel to the resolver */
        catalog *catalog;
        lease *lease;
        board *board;
        upstreams *up;
        uint16_t port;
        cert root, other_root, host;
        tls_server *server;
        tls_client *tls[LIMIT_UPSTREAMS];
} vs;

/* ---- running ---- */

typedef struct vs_watcher {
        net_timer timer;
        bool (*good)(void *ctx);
        void *ctx;
        bool reached;
        uint64_t until_ms;
} vs_watcher;

static void vs_look(void *ctx)
{
        vs_watcher *w = ctx;
        w->reached = w->good(w->ctx);
        if (w->reached || net_now_ms(vs.loop) >= w->until_ms)
                net_loop_stop(vs.loop);
        else
                net_timer_set(vs.loop, &w->timer, 1);
}

static inline bool run_until(bool (*good)(void *ctx), void *ctx, uint64_t ms)
{
        vs_watcher w = {.timer.fire = vs_look, .good = good, .ctx = ctx, .until_ms = net_now_ms(vs.loop) + ms};
        w.timer.ctx = &w;
        net_timer_set(vs.loop, &w.timer, 0);
        net_loop_run(vs.loop);
        return w.reached;
}

static bool vs_never(void *) { return false; }

static inline void run_for(uint64_t ms) { run_until(vs_never, nullptr, ms); }

/* ---- places ---- */

typedef struct place_conn {
        struct place *place;
        net_conn *conn;
        size_t len;
        char in[8192];
        void *ctx; /* the test's */
} place_conn;

typedef struct place {
        catalog_address address;
        int fd;      /* of a hole */
        int fill[4]; /* those who fill it */
        net_listener *listener;
        const char *answer;                      /* to each whole head; null: silence */
        void (*said)(place_conn *c, view bytes); /* instead */
        size_t arrived;
        place_conn *conns[PLACE_CONNS];
} place;

static place places[PLACES];

static inline catalog_address v4(uint8_t last) { return (catalog_address){4, {127, 0, 0, last}}; }
static inline catalog_address v6_loopback(void) { return (catalog_address){6, {[15] = 1}}; }

static void place_data(void *ctx, view bytes)
{
        place_conn *c = ctx;
        if (c->place->said != nullptr) {
                c->place->said(c, bytes);
                return;
        }
        if (c->len + bytes.len >= sizeof c->in)
                abort();
        memcpy(c->in + c->len, bytes.data, bytes.len);
        c->len += bytes.len;
        c->in[c->len] = '\0';
        if (strstr(c->in, "\r\n\r\n") != nullptr && c->place->answer != nullptr) {
                net_write(c->conn, view_of_text(c->place->answer));
                c->len = 0;
        }
}

static void place_closed(void *ctx, net_end) { ((place_conn *)ctx)->conn = nullptr; }

static const net_user place_user = {.data = place_data, .closed = place_closed};

static void *place_arrived(void *ctx, net_conn *conn, const net_user **user)
{
        place *p = ctx;
        place_conn *c = calloc(1, sizeof *c);
        if (c == nullptr || p->arrived == PLACE_CONNS)
                abort();
        *c = (place_conn){.place = p, .conn = conn};
        p->conns[p->arrived++] = c;
        *user = &place_user;
        return c;
}

static inline int vs_bind(const catalog_address *a, uint16_t at_port)
{
        union {
                struct sockaddr any;
                struct sockaddr_in v4;
                struct sockaddr_in6 v6;
        } at = {};
        socklen_t len = a->family == 4 ? sizeof at.v4 : sizeof at.v6;
        int on = 1, fd = socket(a->family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (a->family == 4) {
                at.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(at_port)};
                memcpy(&at.v4.sin_addr, a->bytes, 4);
        } else {
                at.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(at_port)};
                memcpy(&at.v6.sin6_addr, a->bytes, 16);
        }
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 || bind(fd, &at.any, len) != 0) {
                if (fd >= 0)
                        close(fd);
                return -1;
        }
        return fd;
}

/* A listener at this address, with TLS or without. */
static inline place *place_open(size_t i, catalog_address a, tls_server *tls, const char *answer)
{
        place *p = &places[i];
        *p = (place){.address = a, .fd = -1, .answer = answer};
        int fd = vs_bind(&a, vs.port);
        const net_accept accept = {.arrived = place_arrived,
                                   .ctx = p,
                                   .tls = tls,
                                   .handshake_ms = 10000,
                                   .max_connections = PLACE_CONNS,
                                   .max_handshakes = PLACE_CONNS};
        p->listener = fd < 0 ? nullptr : net_listen(vs.loop, fd, &accept);
        if (p->listener == nullptr)
                abort();
        return p;
}

/* A listener whose queue is full: the system drops whoever knocks, as a dead network would. */
static inline place *place_hole(size_t i, catalog_address a)
{
        place *p = &places[i];
        *p = (place){.address = a, .fd = vs_bind(&a, vs.port)};
        if (p->fd < 0 || listen(p->fd, 0) != 0)
                abort();
        struct sockaddr_storage at;
        socklen_t len = sizeof at;
        if (getsockname(p->fd, (struct sockaddr *)&at, &len) != 0)
                abort();
        for (size_t k = 0; k < 4; k++) {
                p->fill[k] = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                (void)!connect(p->fill[k], (const struct sockaddr *)&at, len);
        }
        run_for(20);
        return p;
}

static inline void place_shut(place *p)
{
        if (p->fd >= 0) {
                for (size_t k = 0; k < 4; k++)
                        close(p->fill[k]);
                close(p->fd);
        }
        if (p->listener != nullptr)
                net_listener_stop(p->listener);
        for (size_t k = 0; k < p->arrived; k++) {
                if (p->conns[k]->conn != nullptr)
                        net_abort(p->conns[k]->conn, false);
                free(p->conns[k]);
        }
        *p = (place){.fd = -1};
        run_for(5);
}

static inline size_t place_live(const place *p)
{
        size_t n = 0;
        for (size_t k = 0; k < p->arrived; k++)
                n += p->conns[k]->conn != nullptr;
        return n;
}

/* ---- the side ---- */

static inline catalog_upstream *row(size_t i) { return &vs.catalog->upstreams[i]; }

/* Nothing is known of the ways any more, and nothing is warm. */
static inline void ways_forget(void)
{
        upstreams_close_idle(vs.up);
        vs.up->closing = false;
        for (uint16_t i = 0; i < LIMIT_UPSTREAMS; i++)
                vs.up->ways[i] = (way){.side = vs.up, .upstream = i};
}

static inline void row_addresses(size_t i, const catalog_address *a, size_t count)
{
        for (size_t k = 0; k < count; k++)
                row(i)->addresses[k] = a[k];
        row(i)->address_count = (uint8_t)count;
}

static inline uint64_t vs_counted(counter_id c) { return vs.board->columns[0].counters[c]; }

static inline void *vs_map(size_t bytes)
{
        void *p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
                abort();
        return p;
}

static inline tls_client *vs_client(const cert *root, const char *host)
{
        static tls_client *kept[8]; /* they live as long as the process */
        static size_t made;
        const tls_client_setup setup = {.ca_pem = view_of_text(root->pem), .host = host};
        if (made == 8 || failed(tls_client_new(&setup, &kept[made], nullptr)))
                abort();
        return kept[made++];
}

static inline void vs_lease(void)
{
        vs.lease = vs_map(sizeof(lease));
        lease_write_begin(vs.lease);
        vs.lease->credential_count = 4;
        vs.lease->credentials[0] =
                (lease_credential){.name = "first", .host = "localhost", .len = 8, .secret = "sk-first"};
        vs.lease->credentials[1] =
                (lease_credential){.name = "second", .host = "localhost", .len = 9, .secret = "sk-second"};
        vs.lease->credentials[2] =
                (lease_credential){.name = "proxy", .host = "proxy.example", .len = 12, .secret = "usr:password"};
        vs.lease->credentials[3] =
                (lease_credential){.name = "astray", .host = "elsewhere.example", .len = 3, .secret = "a:b"};
        lease_write_end(vs.lease, true);
}

/* Upstreams 0 to 2: plain, TLS, and TLS with another root; all called "localhost", reached at places. */
static inline void vs_begin(void)
{
        if (failed(secret_setup()) || failed(tls_setup()))
                abort();
        event_setup("relay", -1);
        vs.loop = net_loop_new();
        vs.resolver = net_resolver_new(vs.loop);
        vs.catalog = calloc(1, sizeof *vs.catalog);
        vs.board = vs_map(sizeof(board));
        board_format(vs.board);
        vs_lease();
        vs.root = cert_make(nullptr, "root", "20991231235959");
        vs.other_root = cert_make(nullptr, "root", "20991231235959");
        vs.host = cert_make(&vs.root, "localhost", "20991231235959");
        if (failed(tls_server_new(view_of_text(vs.host.pem), view_of_text(vs.host.key_pem), &vs.server, nullptr)))
                abort();
        vs.tls[1] = vs_client(&vs.root, "localhost");
        vs.tls[2] = vs_client(&vs.other_root, "localhost");
        catalog_address any = v4(1);
        struct sockaddr_in at;
        socklen_t len = sizeof at;
        int fd = vs_bind(&any, 0);
        if (fd < 0 || getsockname(fd, (struct sockaddr *)&at, &len) != 0)
                abort();
        close(fd);
        vs.port = ntohs(at.sin_port);
        vs.catalog->upstream_count = 3;
        for (size_t i = 0; i < 3; i++) {
                *row(i) = (catalog_upstream){.host = "localhost",
                                             .path = "/v1",
                                             .credential_count = 1,
                                             .port = vs.port,
                                             .tls = i > 0,
                                             .local_count = 2,
                                             .local = {{4, 8, {127}}, {6, 128, {[15] = 1}}}};
                snprintf(row(i)->name, sizeof row(i)->name, "up%zu", i);
        }
        vs.catalog->settings.connect_ms = 2000;
        vs.catalog->settings.first_byte_ms = 2000;
        vs.catalog->settings.gap_ms = 2000;
        const upstreams_setup setup = {vs.loop, vs.resolver, vs.catalog, vs.lease, &vs.board->columns[0], vs.tls};
        vs.up = upstreams_new(&setup);
        if (vs.loop == nullptr || vs.resolver == nullptr || vs.up == nullptr)
                abort();
        for (size_t i = 0; i < PLACES; i++)
                places[i].fd = -1;
}

static inline int vs_end(void)
{
        upstreams_close_idle(vs.up);
        for (size_t i = 0; i < PLACES; i++)
                place_shut(&places[i]);
        run_for(5);
        return tap_done();
}

/* ---- one attempt ---- */

typedef struct tried {
        attempt *attempt;
        int heads, ends;
        attempt_head head;
        attempt_end why;
        attempt_facts facts;
        size_t sent;
        char text[256];
        size_t got;
} tried;

static tried t;

static void tried_credit(void *)
{
        static const char body[] = "{}";
        if (t.sent == 0) {
                upstream_body(t.attempt, view_of_text(body));
                t.sent = 2;
        }
}

static void tried_head(void *, const attempt_head *h)
{
        t.heads++;
        t.head = *h;
}

static void tried_data(void *, view bytes)
{
        for (size_t i = 0; i < bytes.len && t.got < sizeof t.text - 1; i++)
                t.text[t.got++] = (char)bytes.data[i];
}

static void tried_end(void *, attempt_end why, const attempt_facts *f)
{
        t.ends++;
        t.why = why;
        t.facts = *f;
        t.attempt = nullptr;
}

static const attempt_user tried_user = {tried_credit, tried_head, tried_data, tried_end};

static inline void try_begin(uint16_t upstream, bool fresh)
{
        t = (tried){};
        const attempt_order order = {.upstream = upstream, .path = "/p", .body_bytes = 2, .fresh = fresh};
        t.attempt = upstream_open(vs.up, &order, &tried_user, nullptr);
        if (t.attempt == nullptr)
                abort();
        upstream_decided(t.attempt, 2);
}

static bool try_over(void *) { return t.ends > 0; }

enum : int { NEVER_ENDED = -1 };

static inline int try_ended(uint16_t upstream, bool fresh)
{
        try_begin(upstream, fresh);
        return run_until(try_over, nullptr, 5000) ? (int)t.why : NEVER_ENDED;
}

#define VS_ANSWER "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

#endif
