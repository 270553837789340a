#include "net/conn.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "net/conn_int.h"

enum : size_t { OUT_FIRST_BYTES = 4 * 1024, LINGER_BYTES = 64 * 1024 };
enum : uint64_t { LINGER_MS = 1000, GOODBYE_MS = 30000 };
/* Unsent bytes in the kernel: few, so that it asks for more often, and a slow peer is seen to take some. */
enum : int { KEEPALIVE_S = 60, USER_TIMEOUT_MS = 30000, KERNEL_UNSENT_BYTES = 128 * 1024 };

/* ---- the way out ---- */

static void dirty_add(net_conn *c)
{
        if (c->dirty)
                return;
        c->dirty = true;
        c->next_dirty = c->loop->dirty;
        c->loop->dirty = c;
}

static void on_lost(void *ctx)
{
        conn_handshake_over(ctx, true);
        conn_end(ctx, NET_CUT);
}

/* There was no memory for bytes that had to go out: what comes behind them may not go out either, and whoever is in the
 * middle of a call finds the connection still there. */
static void lose(net_conn *c)
{
        c->broken = true;
        c->begin.run = on_lost;
        net_task_queue(c->loop, &c->begin);
}

static void out_append(net_conn *c, view cipher)
{
        if (c->broken)
                return;
        if (c->out_len + cipher.len > c->out_room) {
                size_t room = c->out_room == 0 ? OUT_FIRST_BYTES : c->out_room * 2;
                while (room < c->out_len + cipher.len)
                        room *= 2;
                uint8_t *bytes = realloc(c->out, room);
                if (bytes == nullptr) {
                        lose(c);
                        return;
                }
                c->out = bytes;
                c->out_room = room;
        }
        memcpy(c->out + c->out_len, cipher.data, cipher.len);
        c->out_len += cipher.len;
        dirty_add(c);
}

static void out_release(net_conn *c)
{
        free(c->out);
        c->out = nullptr;
        c->out_len = c->out_room = 0;
}

/* ---- what one connection writes in one turn becomes one record, and not one for every line and piece ---- */

static size_t gathered(const net_conn *c) { return c->loop->gathers == c ? c->loop->gathered : 0; }

static void gather_drop(net_conn *c)
{
        wipe(c->loop->gather, gathered(c));
        if (c->loop->gathers == c)
                c->loop->gathers = nullptr;
}

static void gather_over(net_conn *c)
{
        if (c->loop->gathers != c)
                return;
        if (tls_write(c->tls, (view){c->loop->gather, c->loop->gathered}) != TLS_OK)
                c->broken = true;
        gather_drop(c);
}

static void gather(net_conn *c, view plain)
{
        net_loop *l = c->loop;
        if (l->gathers != nullptr && (l->gathers != c || plain.len > sizeof l->gather - l->gathered))
                gather_over(l->gathers);
        if (plain.len > sizeof l->gather) {
                if (tls_write(c->tls, plain) != TLS_OK)
                        c->broken = true;
                return;
        }
        if (l->gathers == nullptr)
                l->gathered = 0;
        l->gathers = c;
        memcpy(l->gather + l->gathered, plain.data, plain.len);
        l->gathered += plain.len;
        dirty_add(c);
}

size_t net_unsent(const net_conn *c) { return gathered(c) + c->out_len + c->flying_len; }

size_t net_held(const net_conn *c) { return c->out_room + c->flying_room; }

/* One write may be megabytes: what the kernel has taken of it counts at once, or a slow peer looks like a stuck one. */
uint64_t net_taken(const net_conn *c)
{
        size_t left = c->flying_len > 0 ? uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp) : 0;
        return c->taken + (left < c->flying_len ? c->flying_len - left : 0);
}

static void goodbye_progress(net_conn *c);

static void note_queue(net_conn *c)
{
        size_t unsent = net_unsent(c);
        if (unsent >= LIMIT_QUEUE_HIGH_BYTES)
                c->was_high = true;
        else if (c->was_high && unsent < LIMIT_QUEUE_LOW_BYTES) {
                c->was_high = false;
                if (c->user.drained != nullptr && c->state == CONN_OPEN)
                        c->user.drained(c->user_ctx);
        }
}

static void on_written(uv_write_t *req, int status)
{
        net_conn *c = req->data;
        c->taken += c->flying_len;
        free(c->flying);
        c->flying = nullptr;
        c->flying_len = c->flying_room = 0;
        if (status != 0 || c->state == CONN_CLOSING)
                return;
        if (c->out_len > 0)
                conn_flush(c);
        if (c->state == CONN_LEAVING)
                goodbye_progress(c);
        else
                note_queue(c);
}

void conn_flush(net_conn *c)
{
        gather_over(c);
        if (c->flying != nullptr || c->out_len == 0 || c->state == CONN_CLOSING || c->state == CONN_CONNECTING)
                return;
        uv_buf_t buf = uv_buf_init((char *)c->out, (unsigned)c->out_len);
        int      n = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
        if (n < 0 && n != UV_EAGAIN)
                return; /* the read side reports the end */
        size_t sent = n > 0 ? (size_t)n : 0;
        c->taken += sent;
        if (sent == c->out_len) {
                out_release(c);
                note_queue(c);
                return;
        }
        c->flying = c->out;
        c->flying_len = c->out_len - sent;
        c->flying_room = c->out_room;
        buf = uv_buf_init((char *)c->out + sent, (unsigned)c->flying_len);
        c->out = nullptr;
        c->out_len = c->out_room = 0;
        c->write.data = c;
        if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) != 0) {
                free(c->flying);
                c->flying = nullptr;
                c->flying_len = c->flying_room = 0;
        }
        note_queue(c);
}

void net_flush_dirty(net_loop *l)
{
        while (l->dirty != nullptr) {
                net_conn *c = l->dirty;
                l->dirty = c->next_dirty;
                c->next_dirty = nullptr;
                c->dirty = false;
                conn_flush(c);
                if (c->state == CONN_LEAVING)
                        goodbye_progress(c);
        }
}

void net_write(net_conn *c, view plain)
{
        assert(c->state == CONN_OPEN);
        if (plain.len == 0)
                return;
        if (c->tls == nullptr)
                out_append(c, plain);
        else
                gather(c, plain);
        note_queue(c);
}

static void give(void *ctx, view cipher) { out_append(ctx, cipher); }

/* ---- the way in ---- */

static ptrdiff_t take(void *ctx, uint8_t *out, size_t len)
{
        net_conn *c = ctx;
        size_t    n = c->in.len < len ? c->in.len : len;
        if (n == 0)
                return c->in_ended ? -1 : 0;
        memcpy(out, c->in.data, n);
        c->in = view_slice(c->in, n, c->in.len);
        return (ptrdiff_t)n;
}

static net_end end_of(tls_status status)
{
        switch (status) {
        case TLS_CLOSED:
                return NET_CLEAN;
        case TLS_BAD_CERTIFICATE:
                return NET_CERTIFICATE;
        case TLS_FAILED:
                return NET_TLS_FAILED;
        case TLS_OK:
        case TLS_WANT:
        case TLS_CUT:
                break;
        }
        return NET_CUT;
}

static void opened(net_conn *c)
{
        c->state = CONN_OPEN;
        conn_handshake_over(c, true);
        if (c->user.opened != nullptr)
                c->user.opened(c->user_ctx);
}

static void handshake_step(net_conn *c)
{
        tls_status status = tls_handshake(c->tls);
        if (status == TLS_WANT && !c->in_ended)
                return;
        if (status == TLS_OK) {
                opened(c);
                return;
        }
        /* The alert is worth sending: the peer's operator sees the reason. */
        conn_flush(c);
        conn_end(c, end_of(status));
}

static void read_step(net_conn *c)
{
        net_loop *l = c->loop;
        while (c->state == CONN_OPEN) {
                size_t     n;
                tls_status status = tls_read(c->tls, l->plain, sizeof l->plain, &n);
                if (status == TLS_WANT)
                        return;
                if (status != TLS_OK) {
                        conn_end(c, end_of(status));
                        return;
                }
                c->user.data(c->user_ctx, (view){l->plain, n});
                wipe(l->plain, n);
        }
}

static void discard(net_conn *c, size_t n)
{
        /* What is queued goes out first, however much the peer still says: GOODBYE_MS bounds that. */
        if (c->fin_sent)
                c->lingered += n;
        if (c->lingered > LINGER_BYTES)
                conn_destroy(c);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
        (void)suggested;
        net_conn *c = h->data;
        *buf = uv_buf_init((char *)c->loop->cipher, sizeof c->loop->cipher);
}

static void pump(net_conn *c)
{
        if (c->state == CONN_HANDSHAKE)
                handshake_step(c);
        if (c->state == CONN_OPEN && c->tls != nullptr)
                read_step(c);
        c->in = (view){};
}

static void pump_plain(net_conn *c, view bytes)
{
        if (bytes.len > 0)
                c->user.data(c->user_ctx, bytes);
        if (c->state == CONN_OPEN && c->in_ended)
                conn_end(c, c->broken ? NET_CUT : NET_CLEAN);
}

static void take_in(net_conn *c, view bytes)
{
        if (c->state == CONN_NAMING) {
                conn_naming(c, bytes);
        } else if (c->tls == nullptr) {
                pump_plain(c, bytes);
        } else {
                c->in = bytes;
                pump(c);
        }
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
        net_conn *c = stream->data;
        if (nread == 0 || c->state == CONN_CLOSING)
                return;
        size_t got = nread > 0 ? (size_t)nread : 0;
        if (nread < 0) {
                c->in_ended = true;
                if (nread != UV_EOF)
                        c->broken = true;
        }
        if (c->state == CONN_LEAVING) {
                if (nread < 0)
                        conn_destroy(c);
                else
                        discard(c, got);
                return;
        }
        c->heard = c->heard || got > 0;
        bool plain = c->tls == nullptr;
        take_in(c, (view){(const uint8_t *)buf->base, got});
        if (plain)
                wipe(buf->base, got);
}

void conn_start_reading(net_conn *c)
{
        if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) == 0)
                c->reading = true;
}

void conn_stop_reading(net_conn *c)
{
        if (c->reading)
                uv_read_stop((uv_stream_t *)&c->tcp);
        c->reading = false;
}

void net_pause(net_conn *c)
{
        c->paused = true;
        conn_stop_reading(c);
}

void net_resume(net_conn *c)
{
        c->paused = false;
        if (!c->reading && c->state == CONN_OPEN)
                conn_start_reading(c);
}

/* ---- life ---- */

static void options_set(net_conn *c)
{
        uv_tcp_nodelay(&c->tcp, 1);
        uv_tcp_keepalive(&c->tcp, 1, KEEPALIVE_S);
        uv_os_fd_t fd;
        if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0) {
                int ms = USER_TIMEOUT_MS;
                /* It also ends a peer who lives and takes nothing: of callers write_stall_ms judges that. */
                if (c->listener == nullptr)
                        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
                int unsent = KERNEL_UNSENT_BYTES;
                (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
        }
}

static void on_linger_over(void *ctx) { conn_destroy(ctx); }

net_conn *conn_new(net_loop *l)
{
        if (l->sockets_most > 0 && l->sockets >= l->sockets_most)
                return nullptr;
        net_conn *c = calloc(1, sizeof *c);
        if (c == nullptr)
                return nullptr;
        c->loop = l;
        c->timer.ctx = c->begin.ctx = c;
        if (uv_tcp_init(&l->uv, &c->tcp) != 0) {
                free(c);
                return nullptr;
        }
        c->tcp.data = c;
        l->sockets++;
        return c;
}

bool conn_keep_early(net_conn *c, view bytes)
{
        assert(c->early == nullptr);
        if (bytes.len == 0)
                return true;
        c->early = malloc(bytes.len);
        if (c->early == nullptr)
                return false;
        memcpy(c->early, bytes.data, bytes.len);
        c->early_len = bytes.len;
        return true;
}

static void drop_early(net_conn *c)
{
        if (c->early != nullptr)
                wipe(c->early, c->early_len);
        free(c->early);
        c->early = nullptr;
}

static void take_early(net_conn *c)
{
        if (c->early != nullptr && (c->state == CONN_HANDSHAKE || c->state == CONN_OPEN))
                take_in(c, (view){c->early, c->early_len});
        drop_early(c);
}

void conn_begin(net_conn *c, tls_server *server, tls_client *client)
{
        options_set(c);
        const tls_bytes io = {take, give, c};
        if (server != nullptr)
                c->tls = tls_session_server(server, &io);
        else if (client != nullptr)
                c->tls = tls_session_client(client, &io);
        if ((server != nullptr || client != nullptr) && c->tls == nullptr) {
                conn_end(c, NET_CUT);
                return;
        }
        conn_start_reading(c);
        if (c->tls == nullptr) {
                opened(c);
        } else {
                c->state = CONN_HANDSHAKE;
                if (client != nullptr)
                        handshake_step(c);
        }
        take_early(c);
}

static void on_secure(void *ctx)
{
        net_conn *c = ctx;
        conn_begin(c, nullptr, c->client);
}

void net_secure(net_conn *c, tls_client *client, view early)
{
        assert(c->state == CONN_OPEN && c->tls == nullptr && c->listener == nullptr);
        c->state = CONN_SECURING;
        c->client = client;
        conn_stop_reading(c);
        c->begin.run = !c->broken && conn_keep_early(c, early) ? on_secure : on_lost;
        net_task_queue(c->loop, &c->begin);
}

static void on_closed(uv_handle_t *h)
{
        net_conn *c = h->data;
        assert(!c->dirty);
        drop_early(c);
        free(c->out);
        free(c->flying);
        free(c);
}

static void dirty_remove(net_conn *c)
{
        if (!c->dirty)
                return;
        for (net_conn **at = &c->loop->dirty; *at != nullptr; at = &(*at)->next_dirty)
                if (*at == c) {
                        *at = c->next_dirty;
                        break;
                }
        c->dirty = false;
}

void conn_destroy(net_conn *c)
{
        if (c->state == CONN_CLOSING)
                return;
        conn_handshake_over(c, false);
        conn_uncount(c);
        c->state = CONN_CLOSING;
        c->loop->leaving_bytes -= c->leaving_bytes;
        net_task_cancel(c->loop, &c->begin);
        net_timer_clear(c->loop, &c->timer);
        dirty_remove(c);
        gather_drop(c);
        if (c->tls != nullptr) {
                tls_session_free(c->tls);
                c->tls = nullptr;
        }
        if (!uv_is_closing((uv_handle_t *)&c->tcp))
                uv_close((uv_handle_t *)&c->tcp, on_closed);
        c->loop->sockets--;
        listeners_wake(c->loop);
}

void conn_end(net_conn *c, net_end why)
{
        conn_blame(c, why);
        net_user user = c->user;
        void    *ctx = c->user_ctx;
        c->user = (net_user){};
        conn_destroy(c);
        if (user.closed != nullptr)
                user.closed(ctx, why);
}

void net_own(net_conn *c, const net_user *user, void *ctx)
{
        assert(c->state != CONN_CLOSING);
        c->user = *user;
        c->user_ctx = ctx;
}

static void on_shut(uv_shutdown_t *req, int status)
{
        net_conn *c = req->data;
        if (c->state == CONN_LEAVING && status != 0)
                conn_destroy(c);
}

/* Leaving: first everything queued, then FIN, then a short while of listening so that no RST eats the answer. */
static void goodbye_progress(net_conn *c)
{
        if (net_unsent(c) > 0 || c->fin_sent)
                return;
        c->fin_sent = true;
        c->shut.data = c;
        if (c->in_ended || uv_shutdown(&c->shut, (uv_stream_t *)&c->tcp, on_shut) != 0) {
                conn_destroy(c);
                return;
        }
        net_timer_set(c->loop, &c->timer, LINGER_MS);
}

void net_close(net_conn *c)
{
        gather_over(c);
        if (c->state != CONN_OPEN || c->broken) {
                net_abort(c, false);
                return;
        }
        c->user = (net_user){};
        if (c->tls != nullptr)
                tls_goodbye(c->tls);
        c->state = CONN_LEAVING;
        c->leaving_bytes = net_held(c);
        c->loop->leaving_bytes += c->leaving_bytes;
        c->timer.fire = on_linger_over;
        net_timer_set(c->loop, &c->timer, GOODBYE_MS);
        if (!c->reading)
                conn_start_reading(c);
        if (!c->dirty && net_unsent(c) == 0)
                goodbye_progress(c);
}

void net_abort(net_conn *c, bool reset)
{
        if (c->state == CONN_CLOSING)
                return;
        c->user = (net_user){};
        if (reset) {
                uv_os_fd_t    fd;
                struct linger hard = {1, 0};
                if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0)
                        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        }
        conn_destroy(c);
}

net_peer net_peer_of(const net_conn *c) { return c->peer; }

bool net_resumed(const net_conn *c) { return c->tls != nullptr && tls_was_resumed(c->tls); }
