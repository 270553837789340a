#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/secret.h"
#include "net/conn_int.h"

enum : int { BACKLOG = 1024 };
/* An honest client needs two round trips. Longer than that a handshake may have to give way to a new one. */
enum : uint64_t { SLOW_MS = 250, MEMORY_MS = 100, FOREVER = UINT64_MAX };
/* Who waits for the handshakes of his own source holds a descriptor, but no TLS. */
enum : size_t { PARKED_MOST = 256 };
/* Descriptors for what is no connection; and fewer are left free for dialling than for accepting, because at the very
 * limit libuv would close all that wait in the kernel's queue. */
enum : size_t { OWN_DESCRIPTORS = 24, ACCEPT_SPARE = 16 };
enum : size_t { DIALLED_MOST = 2 * LIMIT_EXCHANGES + LIMIT_POOL_IDLE };

typedef struct conn_list {
        net_conn *first, *last;
} conn_list;

struct net_listener {
        net_loop     *loop;
        net_accept    setup;
        uv_tcp_t      tcp;
        guard        *guard;
        net_timer     retry;      /* whoever waits needs only time to pass */
        conn_list     unfinished; /* handshakes */
        conn_list     parked;
        size_t        connections, handshakes, parked_count;
        net_listener *next;
        bool          waiting; /* libuv holds one connection that we have not taken: it polls no more until we do */
        bool          stopped, paused;
};

static void list_add(conn_list *list, net_conn *c)
{
        c->before = list->last;
        c->behind = nullptr;
        *(list->last != nullptr ? &list->last->behind : &list->first) = c;
        list->last = c;
}

static void list_remove(conn_list *list, net_conn *c)
{
        *(c->before != nullptr ? &c->before->behind : &list->first) = c->behind;
        *(c->behind != nullptr ? &c->behind->before : &list->last) = c->before;
        c->before = c->behind = nullptr;
}

/* ---- who is at the other end ---- */

/* What a socket for both families calls ::ffff:192.0.2.1 is 192.0.2.1. */
static net_peer peer_make(view address, uint16_t port)
{
        static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
        if (address.len == 16 && memcmp(address.data, mapped, sizeof mapped) == 0)
                address = view_slice(address, sizeof mapped, address.len);
        net_peer p = {.family = address.len == 4 ? 4 : 6, .port = port};
        memcpy(p.address, address.data, address.len);
        return p;
}

static net_peer peer_of_socket(const uv_tcp_t *tcp)
{
        union {
                struct sockaddr     any;
                struct sockaddr_in  v4;
                struct sockaddr_in6 v6;
        } from = {};
        int len = sizeof from;
        if (uv_tcp_getpeername(tcp, &from.any, &len) != 0)
                return (net_peer){};
        if (from.any.sa_family == AF_INET)
                return peer_make((view){(const uint8_t *)&from.v4.sin_addr, 4}, ntohs(from.v4.sin_port));
        return peer_make((view){(const uint8_t *)&from.v6.sin6_addr, 16}, ntohs(from.v6.sin6_port));
}

/* ---- one connection's way in ---- */

static void on_handshake_late(void *ctx) { conn_end(ctx, NET_TIMEOUT); }

static void turn_away(net_conn *c)
{
        conn_handshake_over(c, true);
        net_abort(c, true);
}

static void begin(net_conn *c)
{
        net_listener *n = c->listener;
        const net_user *user = nullptr;
        void *ctx = n->setup.arrived(n->setup.ctx, c, &user);
        if (ctx == nullptr) {
                turn_away(c);
                return;
        }
        net_own(c, user, ctx);
        conn_begin(c, n->setup.tls, nullptr);
}

static void on_turn(void *ctx) { begin(ctx); }

static void unfinished_add(net_listener *n, net_conn *c)
{
        c->handshaking = true;
        n->handshakes++;
        list_add(&n->unfinished, c);
}

static void unfinished_remove(net_listener *n, net_conn *c)
{
        c->handshaking = false;
        n->handshakes--;
        list_remove(&n->unfinished, c);
}

static void park(net_conn *c)
{
        net_listener *n = c->listener;
        conn_stop_reading(c);
        unfinished_remove(n, c);
        c->state = CONN_PARKED;
        n->parked_count++;
        list_add(&n->parked, c);
}

static void unpark(net_conn *c)
{
        list_remove(&c->listener->parked, c);
        c->listener->parked_count--;
        c->state = CONN_CONNECTING;
}

static void next_of_source(net_listener *n, guard_source source)
{
        net_conn *c = n->parked.first;
        while (c != nullptr && c->source != source)
                c = c->behind;
        if (c == nullptr)
                return;
        unpark(c);
        unfinished_add(n, c);
        guard_begin(n->guard, source);
        c->has_turn = true;
        guard_spend(n->guard, net_now_ms(n->loop));
        c->begin.run = on_turn;
        net_task_queue(n->loop, &c->begin);
}

static void source_known(net_conn *c)
{
        net_listener *n = c->listener;
        guard_verdict verdict = guard_enter(n->guard, &c->peer, net_now_ms(n->loop), &c->source);
        if (verdict == GUARD_GO) {
                c->has_turn = c->source != 0;
                begin(c);
        } else if (verdict == GUARD_WAIT && n->parked_count < PARKED_MOST) {
                park(c);
        } else {
                if (n->setup.refused != nullptr)
                        n->setup.refused(n->setup.ctx);
                turn_away(c);
        }
}

void conn_naming(net_conn *c, view bytes)
{
        size_t used;
        bool done;
        if (bytes.len == 0 || failed(proxy2_feed(&c->header, bytes, &used, &done))) {
                conn_end(c, NET_CUT);
                return;
        }
        if (!done)
                return;
        if (!conn_keep_early(c, view_slice(bytes, used, bytes.len))) {
                conn_end(c, NET_CUT);
                return;
        }
        if (c->header.family == 0) {
                begin(c);
                return;
        }
        c->peer = peer_make(proxy2_address(&c->header), proxy2_port(&c->header));
        c->heard = c->early_len > 0;
        source_known(c);
}

static void accept_one(net_listener *n)
{
        net_conn *c = conn_new(n->loop);
        if (c == nullptr) {
                n->waiting = true;
                net_timer_set(n->loop, &n->retry, MEMORY_MS);
                return;
        }
        if (uv_accept((uv_stream_t *)&n->tcp, (uv_stream_t *)&c->tcp) != 0) {
                conn_destroy(c);
                return;
        }
        uint64_t now = net_now_ms(n->loop);
        guard_spend(n->guard, now);
        c->listener = n;
        c->peer = peer_of_socket(&c->tcp);
        c->arrived_ms = now;
        c->counted = true;
        n->connections++;
        unfinished_add(n, c);
        c->timer.fire = on_handshake_late;
        net_timer_set(n->loop, &c->timer, n->setup.handshake_ms);
        if (n->setup.balancer != nullptr && n->setup.balancer(n->setup.ctx, &c->peer)) {
                c->state = CONN_NAMING;
                conn_start_reading(c);
        } else {
                source_known(c);
        }
}

/* ---- who waits ---- */

/* One drawn from those who are slow, so that nobody can arrange whose place is lost. */
static net_conn *slow_one(const net_listener *n, uint32_t random)
{
        uint64_t now = net_now_ms(n->loop);
        uint32_t slow = 0;
        for (net_conn *c = n->unfinished.first; c != nullptr && c->arrived_ms + SLOW_MS <= now; c = c->behind)
                slow++;
        if (slow == 0)
                return nullptr;
        net_conn *c = n->unfinished.first;
        for (uint32_t i = random % slow; i > 0; i--)
                c = c->behind;
        return c;
}

static void make_room(net_listener *n)
{
        uint32_t random[2];
        secret_random((uint8_t *)random, sizeof random);
        if (!guard_sheds(n->handshakes, n->setup.max_handshakes, random[0]))
                return;
        net_conn *c = slow_one(n, random[1]);
        if (c != nullptr)
                conn_end(c, NET_TIMEOUT);
}

static bool descriptor_free(const net_loop *l)
{
        return l->sockets_most == 0 || l->sockets + ACCEPT_SPARE < l->sockets_most;
}

/* Milliseconds until the one that waits may be taken by what is known now. */
static uint64_t wait_ms(const net_listener *n)
{
        if (n->paused || n->connections >= n->setup.max_connections || !descriptor_free(n->loop))
                return FOREVER;
        uint64_t now = net_now_ms(n->loop);
        if (n->handshakes < n->setup.max_handshakes)
                return guard_wait_ms(n->guard, now);
        uint64_t slow_at = n->unfinished.first == nullptr ? FOREVER : n->unfinished.first->arrived_ms + SLOW_MS;
        return slow_at > now ? slow_at - now : 1;
}

static void take_waiting(net_listener *n)
{
        if (!n->waiting || n->stopped)
                return;
        uint64_t ms = wait_ms(n);
        if (ms == 0) {
                n->waiting = false;
                net_timer_clear(n->loop, &n->retry);
                accept_one(n);
        } else if (ms != FOREVER) {
                net_timer_set(n->loop, &n->retry, ms);
        }
}

static void on_retry(void *ctx)
{
        net_listener *n = ctx;
        if (n->handshakes >= n->setup.max_handshakes)
                make_room(n);
        take_waiting(n);
}

static void on_connection(uv_stream_t *stream, int status)
{
        net_listener *n = stream->data;
        if (status != 0)
                return;
        make_room(n);
        n->waiting = true;
        take_waiting(n);
}

void listeners_wake(net_loop *l)
{
        for (net_listener *n = l->listeners; n != nullptr; n = n->next)
                take_waiting(n);
}

/* ---- accounting ---- */

void conn_handshake_over(net_conn *c, bool good)
{
        net_listener *n = c->listener;
        if (c->state == CONN_PARKED)
                unpark(c);
        else if (c->handshaking)
                unfinished_remove(n, c);
        else
                return;
        net_timer_clear(c->loop, &c->timer);
        if (!good && n->setup.failed != nullptr)
                n->setup.failed(n->setup.ctx);
        if (c->has_turn) {
                c->has_turn = false;
                guard_settle(n->guard, c->source);
                next_of_source(n, c->source);
        }
        take_waiting(n);
}

void conn_uncount(net_conn *c)
{
        if (!c->counted)
                return;
        c->counted = false;
        c->listener->connections--;
        guard_leave(c->listener->guard, c->source);
        c->source = 0;
}

void conn_blame(net_conn *c, net_end why)
{
        /* Eight in a row are too many: that is 3 ms of our time, of the dearest kind. */
        enum : uint32_t { FAILED_HANDSHAKE_MS = 2000 };
        /* Who leaves without a word costs nothing: monitors look whether a port is open. Who is parked could do nothing
         * wrong. */
        if (c->handshaking && (c->heard || why == NET_TIMEOUT))
                net_penalise(c, FAILED_HANDSHAKE_MS);
}

bool net_penalise(net_conn *c, uint32_t ms)
{
        return c->listener != nullptr && guard_penalise(c->listener->guard, c->source, ms, net_now_ms(c->loop));
}

/* ---- life ---- */

/* When there are few, a third is for those who are accepted: each may need two more, to a vendor and a faster one. */
static void bound_descriptors(net_listener *n)
{
        struct rlimit limit;
        if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
                return;
        size_t all = limit.rlim_cur > 2 * OWN_DESCRIPTORS ? (size_t)limit.rlim_cur - OWN_DESCRIPTORS : OWN_DESCRIPTORS;
        size_t most = all / 3 * 2 > DIALLED_MOST ? all - DIALLED_MOST : all / 3;
        n->loop->sockets_most = all;
        if (n->setup.max_connections > most)
                n->setup.max_connections = most;
}

net_listener *net_listen(net_loop *l, int fd, const net_accept *a)
{
        net_listener *n = calloc(1, sizeof *n);
        if (n == nullptr)
                return nullptr;
        n->loop = l;
        n->setup = *a;
        n->retry = (net_timer){.fire = on_retry, .ctx = n};
        n->guard = guard_new(a->source_connections, a->source_handshakes, a->handshakes_s);
        if (n->guard == nullptr || uv_tcp_init(&l->uv, &n->tcp) != 0) {
                guard_free(n->guard);
                free(n);
                return nullptr;
        }
        n->tcp.data = n;
        if (uv_tcp_open(&n->tcp, fd) != 0 || uv_listen((uv_stream_t *)&n->tcp, BACKLOG, on_connection) != 0)
                return nullptr;
        bound_descriptors(n);
        n->next = l->listeners;
        l->listeners = n;
        return n;
}

void net_listener_stop(net_listener *n)
{
        if (n->stopped)
                return;
        n->stopped = true;
        net_timer_clear(n->loop, &n->retry);
        /* One that libuv already took from the kernel would be lost: it is served. */
        if (n->waiting) {
                n->waiting = false;
                accept_one(n);
        }
        uv_close((uv_handle_t *)&n->tcp, nullptr);
}

size_t net_listener_connections(const net_listener *n) { return n->connections; }

void net_listener_pause(net_listener *n, bool paused)
{
        n->paused = paused;
        take_waiting(n);
}

net_sockets net_sockets_of(const net_loop *l) { return (net_sockets){l->sockets, l->sockets_most, l->leaving_bytes}; }
