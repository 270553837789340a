/* Both ends of connections in one process and one loop, over loopback. */
#ifndef TESTS_UNIT_NET_PAIR_H
#define TESTS_UNIT_NET_PAIR_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limit.h"
#include "base/secret.h"
#include "net/conn.h"
#include "support/tap.h"
#include "unit/net/certs.h"

static net_loop *loop;

/* ---- one end ---- */

typedef struct end {
        net_conn *conn; /* null once it is gone */
        int opened, drained, closed;
        net_end why;
        size_t got;          /* bytes */
        uint64_t digest;     /* of them */
        size_t largest;      /* most bytes of one call */
        char text[64];       /* the first of them */
        const uint8_t *last; /* where the last piece lay */
        size_t last_len;
        void (*on_data)(struct end *e);
} end;

static uint64_t digest_of(uint64_t digest, view v)
{
        for (size_t i = 0; i < v.len; i++)
                digest = (digest ^ v.data[i]) * 0x100000001B3u;
        return digest;
}

static void end_opened(void *ctx) { ((end *)ctx)->opened++; }

static void end_data(void *ctx, view plain)
{
        end *e = ctx;
        for (size_t i = 0; i < plain.len && e->got + i < sizeof e->text - 1; i++)
                e->text[e->got + i] = (char)plain.data[i];
        e->got += plain.len;
        e->digest = digest_of(e->digest, plain);
        e->largest = plain.len > e->largest ? plain.len : e->largest;
        e->last = plain.data;
        e->last_len = plain.len;
        if (e->on_data != nullptr)
                e->on_data(e);
}

static void end_drained(void *ctx) { ((end *)ctx)->drained++; }

static void end_closed(void *ctx, net_end why)
{
        end *e = ctx;
        e->closed++;
        e->why = why;
        e->conn = nullptr;
}

static const net_user end_user = {end_opened, end_data, end_drained, end_closed};

/* ---- running ---- */

typedef struct watcher {
        net_timer timer;
        bool (*good)(void *ctx);
        void *ctx;
        bool reached;
        uint64_t until_ms;
} watcher;

static void watcher_look(void *ctx)
{
        watcher *w = ctx;
        w->reached = w->good(w->ctx);
        if (w->reached || net_now_ms(loop) >= w->until_ms)
                net_loop_stop(loop);
        else
                net_timer_set(loop, &w->timer, 1);
}

/* Runs the loop until `good`; false when it does not come in time. */
static inline bool run_until(bool (*good)(void *ctx), void *ctx, uint64_t ms)
{
        watcher w = {.timer.fire = watcher_look, .good = good, .ctx = ctx, .until_ms = net_now_ms(loop) + ms};
        w.timer.ctx = &w;
        net_timer_set(loop, &w.timer, 0);
        net_loop_run(loop);
        return w.reached;
}

static inline bool never(void *ctx)
{
        (void)ctx;
        return false;
}

static inline void run_for(uint64_t ms) { run_until(never, nullptr, ms); }

static inline bool is_open(void *ctx) { return ((const end *)ctx)->opened > 0; }

static inline bool is_closed(void *ctx) { return ((const end *)ctx)->closed > 0; }

/* ---- a listener and who dials it ---- */

static net_listener *listener, *listeners[64]; /* they live as long as their loop */
static size_t listener_count;
static uint16_t port;
static end server[8];
static size_t arrived;
static int failures;
static int refusals;
static bool refuse_all;
static net_accept accept_more; /* what the next listener has beside the arguments of listen_begin */
static void (*server_on_data)(end *e); /* what the next arrivals do with their first bytes */

static void *on_arrived(void *ctx, net_conn *c, const net_user **user)
{
        (void)ctx;
        if (refuse_all || arrived == 8)
                return nullptr;
        end *e = &server[arrived++];
        *e = (end){.conn = c, .on_data = server_on_data};
        *user = &end_user;
        return e;
}

static void on_failed(void *ctx)
{
        (void)ctx;
        failures++;
}

static void on_source_refused(void *ctx)
{
        (void)ctx;
        refusals++;
}

/* Loopback is the balancer. */
static inline bool everybody(void *ctx, const net_peer *from)
{
        (void)ctx;
        return from->family == 4 && from->address[0] == 127;
}

/* `fd` is bound to `port`. */
static inline void listen_begin_on(int fd, tls_server *tls, uint64_t handshake_ms, size_t max_connections,
                                   size_t max_handshakes)
{
        net_accept a = accept_more;
        a.arrived = on_arrived;
        a.failed = on_failed;
        a.refused = on_source_refused;
        a.tls = tls;
        a.handshake_ms = handshake_ms;
        a.max_connections = max_connections;
        a.max_handshakes = max_handshakes;
        listener = net_listen(loop, fd, &a);
        if (listener == nullptr || listener_count == 64)
                abort();
        listeners[listener_count++] = listener;
        arrived = 0;
        failures = refusals = 0;
        refuse_all = false;
        server_on_data = nullptr;
}

static inline void listen_begin(tls_server *tls, uint64_t handshake_ms, size_t max_connections, size_t max_handshakes)
{
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof at;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof at) != 0
            || getsockname(fd, (struct sockaddr *)&at, &len) != 0)
                abort();
        port = ntohs(at.sin_port);
        listen_begin_on(fd, tls, handshake_ms, max_connections, max_handshakes);
}

static inline void listen_end(void)
{
        net_listener_stop(listener);
        for (size_t i = 0; i < arrived; i++)
                if (server[i].conn != nullptr && server[i].closed == 0)
                        net_abort(server[i].conn, false);
        arrived = 0;
        run_for(5);
}

static inline bool dial(end *e, tls_client *tls)
{
        net_target to = {.family = 4, .address = {127, 0, 0, 1}, .port = port, .tls = tls};
        *e = (end){};
        e->conn = net_dial(loop, &to, &end_user, e);
        return e->conn != nullptr;
}

/* A caller that is no connection of ours. */
static inline int raw_dial(void)
{
        struct sockaddr_in to = {
                .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) != 0)
                abort();
        return fd;
}

static inline bool both_open(void *ctx)
{
        return ((const end *)ctx)->opened > 0 && arrived > 0 && server[arrived - 1].opened > 0;
}

/* ---- what they speak ---- */

static tls_server *tls_side;
static tls_server *sides[16];
static size_t side_count;
static tls_client *tls_caller;
static cert root_cert, host_cert, other_root;

static inline view pem_of(const char *pem) { return view_of_text(pem); }

static inline tls_client *caller_with(const cert *root, const char *host, const uint8_t (*pins)[32], size_t count)
{
        static tls_client *kept[16]; /* like those of an upstream, they live as long as the process */
        static size_t made;
        const tls_client_setup setup = {.ca_pem = pem_of(root->pem), .host = host, .pins = pins, .pin_count = count};
        if (made == 16 || failed(tls_client_new(&setup, &kept[made], nullptr)))
                abort();
        return kept[made++];
}

static inline tls_server *side_with(const cert *shown)
{
        if (side_count == 16
            || failed(tls_server_new(pem_of(shown->pem), pem_of(shown->key_pem), &sides[side_count], nullptr)))
                abort();
        return sides[side_count++];
}

static inline void pair_setup(void)
{
        if (failed(secret_setup()) || failed(tls_setup()))
                abort();
        loop = net_loop_new();
        root_cert = cert_make(nullptr, "root", "20991231235959");
        other_root = cert_make(nullptr, "root", "20991231235959");
        host_cert = cert_make(&root_cert, "localhost", "20991231235959");
        if (loop == nullptr)
                abort();
        tls_side = side_with(&host_cert);
        tls_caller = caller_with(&root_cert, "localhost", nullptr, 0);
}

#endif
