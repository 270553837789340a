#include "admin/keeper_link.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum : size_t { HEAD_BYTES = offsetof(keeper_message, bytes) };

static void detach(keeper_link *k)
{
        if (k->fd < 0)
                return;
        net_watch_stop(k->watch);
        close(k->fd);
        k->watch = nullptr;
        k->fd = -1;
        k->late = 0;
}

static keeper_call *take_first(keeper_link *k)
{
        keeper_call *c = k->first;
        k->first = c->next;
        if (k->first == nullptr)
                k->last = nullptr;
        k->asked = false;
        c->next = nullptr;
        c->queued = false;
        return c;
}

static void fail_all(keeper_link *k)
{
        net_timer_clear(k->loop, &k->deadline);
        while (k->first != nullptr) {
                keeper_call *c = take_first(k);
                c->done(c->ctx, ERR_NO_KEEPER, (view){});
        }
}

static void lost(keeper_link *k)
{
        detach(k);
        fail_all(k);
}

static bool put_on_wire(keeper_link *k, const keeper_call *c)
{
        keeper_message *m = k->room;
        m->op = c->op;
        m->code = 0;
        m->len = (uint32_t)c->payload.len;
        m->reserved = 0;
        if (c->payload.len > 0)
                memcpy(m->bytes, c->payload.data, c->payload.len);
        ssize_t n;
        do
                n = send(k->fd, m, HEAD_BYTES + m->len, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        return n == (ssize_t)(HEAD_BYTES + m->len);
}

static void pump(keeper_link *k)
{
        if (k->first == nullptr || k->asked)
                return;
        uint64_t now = net_now_ms(k->loop);
        net_timer_set(k->loop, &k->deadline, k->first->due_ms > now ? k->first->due_ms - now : 1);
        /* A keeper that stopped reading leaves no room on the wire: the deadline ends the wait. */
        if (put_on_wire(k, k->first))
                k->asked = true;
        else if (errno != EAGAIN)
                lost(k);
}

static void on_deadline(void *ctx)
{
        keeper_link *k = ctx;
        uint64_t now = net_now_ms(k->loop);
        while (k->first != nullptr && k->first->due_ms <= now) {
                if (k->asked)
                        k->late++;
                keeper_call *c = take_first(k);
                c->done(c->ctx, ERR_AGAIN, (view){});
        }
        pump(k);
}

static void answered(keeper_link *k)
{
        if (k->late > 0) {
                k->late--;
                return;
        }
        if (k->first == nullptr || !k->asked || k->first->op != k->room->op) {
                lost(k);
                return;
        }
        net_timer_clear(k->loop, &k->deadline);
        keeper_call *c = take_first(k);
        err_code code = k->room->code < ERR_COUNT ? (err_code)k->room->code : ERR_BAD_FILE;
        c->done(c->ctx, code, (view){k->room->bytes, k->room->len});
        pump(k);
}

static void on_readable(void *ctx)
{
        keeper_link *k = ctx;
        ssize_t n;
        do
                n = recv(k->fd, k->room, sizeof *k->room, MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        if (n < 0 && errno == EAGAIN)
                return;
        if (n < (ssize_t)HEAD_BYTES || (size_t)n != HEAD_BYTES + k->room->len) {
                lost(k);
                return;
        }
        answered(k);
}

err keeper_link_init(keeper_link *k, net_loop *loop)
{
        *k = (keeper_link){.loop = loop, .fd = -1};
        k->deadline.fire = on_deadline;
        k->deadline.ctx = k;
        k->room = calloc(1, sizeof *k->room);
        return k->room != nullptr ? OK : FAIL(NO_ROOM);
}

void keeper_link_end(keeper_link *k)
{
        lost(k);
        free(k->room);
        k->room = nullptr;
}

void keeper_link_attach(keeper_link *k, int fd)
{
        lost(k);
        k->watch = net_watch_start(k->loop, fd, on_readable, k);
        if (k->watch == nullptr) {
                close(fd);
                return;
        }
        k->fd = fd;
}

void keeper_link_ask(keeper_link *k, keeper_call *c)
{
        assert(!c->queued && c->payload.len <= KEEPER_BYTES);
        if (k->fd < 0) {
                c->done(c->ctx, ERR_NO_KEEPER, (view){});
                return;
        }
        c->due_ms = net_now_ms(k->loop) + LIMIT_ADMIN_KEEPER_MS;
        c->next = nullptr;
        c->queued = true;
        if (k->last != nullptr)
                k->last->next = c;
        else
                k->first = c;
        k->last = c;
        pump(k);
}

void keeper_link_forget(keeper_link *k, keeper_call *c)
{
        if (!c->queued)
                return;
        if (c == k->first) {
                if (k->asked)
                        k->late++;
                take_first(k);
                pump(k);
                return;
        }
        keeper_call *before = k->first;
        while (before->next != c)
                before = before->next;
        before->next = c->next;
        if (k->last == c)
                k->last = before;
        c->next = nullptr;
        c->queued = false;
}
