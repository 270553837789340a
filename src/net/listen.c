#include <assert.h>
#include <stdlib.h>

#include "net/conn_int.h"

enum : int { BACKLOG = 1024 };

struct net_listener {
        net_loop  *loop;
        net_accept setup;
        uv_tcp_t   tcp;
        size_t     connections, handshakes;
        bool       waiting; /* libuv holds one connection that we have not taken: it polls no more until we do */
        bool       stopped;
};

static void on_handshake_late(void *ctx)
{
        net_conn *c = ctx;
        conn_end(c, NET_TIMEOUT);
}

static bool has_room(const net_listener *n)
{
        return n->connections < n->setup.max_connections && n->handshakes < n->setup.max_handshakes;
}

static void accept_one(net_listener *n)
{
        net_conn *c = conn_new(n->loop);
        if (c == nullptr)
                return;
        if (uv_accept((uv_stream_t *)&n->tcp, (uv_stream_t *)&c->tcp) != 0) {
                conn_destroy(c);
                return;
        }
        const net_user *user = nullptr;
        void           *ctx = n->setup.arrived(n->setup.ctx, c, &user);
        if (ctx == nullptr) {
                net_abort(c, true);
                return;
        }
        c->listener = n;
        c->handshaking = c->counted = true;
        n->connections++;
        n->handshakes++;
        net_own(c, user, ctx);
        c->timer.fire = on_handshake_late;
        net_timer_set(n->loop, &c->timer, n->setup.handshake_ms);
        conn_begin(c, n->setup.tls, nullptr);
}

static void on_connection(uv_stream_t *stream, int status)
{
        net_listener *n = stream->data;
        if (status != 0)
                return;
        if (has_room(n))
                accept_one(n);
        else
                n->waiting = true;
}

static void take_waiting(net_listener *n)
{
        if (n->waiting && !n->stopped && has_room(n)) {
                n->waiting = false;
                accept_one(n);
        }
}

void conn_handshake_over(net_conn *c, bool good)
{
        if (!c->handshaking)
                return;
        c->handshaking = false;
        net_timer_clear(c->loop, &c->timer);
        net_listener *n = c->listener;
        n->handshakes--;
        if (!good && n->setup.failed != nullptr)
                n->setup.failed(n->setup.ctx);
        take_waiting(n);
}

void conn_uncount(net_conn *c)
{
        if (!c->counted)
                return;
        c->counted = false;
        net_listener *n = c->listener;
        n->connections--;
        take_waiting(n);
}

net_listener *net_listen(net_loop *l, int fd, const net_accept *a)
{
        net_listener *n = calloc(1, sizeof *n);
        if (n == nullptr)
                return nullptr;
        n->loop = l;
        n->setup = *a;
        n->tcp.data = n;
        if (uv_tcp_init(&l->uv, &n->tcp) != 0) {
                free(n);
                return nullptr;
        }
        n->tcp.data = n;
        if (uv_tcp_open(&n->tcp, fd) != 0 || uv_listen((uv_stream_t *)&n->tcp, BACKLOG, on_connection) != 0)
                return nullptr;
        return n;
}

void net_listener_stop(net_listener *n)
{
        if (n->stopped)
                return;
        n->stopped = true;
        /* One that libuv already took from the kernel would be lost: it is served. */
        if (n->waiting) {
                n->waiting = false;
                accept_one(n);
        }
        uv_close((uv_handle_t *)&n->tcp, nullptr);
}

size_t net_listener_connections(const net_listener *n) { return n->connections; }
