#include "admin/box_link.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

static void detach(box_link *b)
{
        if (b->fd < 0)
                return;
        net_watch_stop(b->watch);
        close(b->fd);
        b->watch = nullptr;
        b->fd = -1;
}

void box_link_forget(box_link *b, box_call *c)
{
        if (!c->waiting)
                return;
        box_call **at = &b->first;
        while (*at != c)
                at = &(*at)->next;
        *at = c->next;
        c->waiting = false;
        net_timer_clear(b->loop, &c->deadline);
}

static void finish(box_link *b, box_call *c, err_code code, view answer)
{
        box_link_forget(b, c);
        c->done(c->ctx, code, answer);
}

static void lost(box_link *b)
{
        detach(b);
        while (b->first != nullptr)
                finish(b, b->first, ERR_GONE, (view){});
}

static void on_late(void *ctx)
{
        box_call *c = ctx;
        finish(c->link, c, ERR_AGAIN, (view){});
}

/* What nobody waits for any more finds no call. */
static void answered(box_link *b)
{
        const box_message *m = b->room;
        for (box_call *c = b->first; c != nullptr; c = c->next)
                if (c->number == m->number && c->op == m->op) {
                        finish(b, c, m->code < ERR_COUNT ? (err_code)m->code : ERR_BAD_FILE, box_bytes(m));
                        return;
                }
}

/* All of it: the loop does not watch a pair any more once its other end has left with questions unread. */
static void on_readable(void *ctx)
{
        box_link *b = ctx;
        while (b->fd >= 0) {
                int fd;
                err e = box_receive(b->fd, b->room, &fd);
                if (fd >= 0)
                        close(fd);
                if (e.code == ERR_AGAIN)
                        return;
                if (failed(e))
                        lost(b);
                else
                        answered(b);
        }
}

err box_link_init(box_link *b, net_loop *loop)
{
        *b = (box_link){.loop = loop, .fd = -1};
        b->room = calloc(1, sizeof *b->room);
        return b->room != nullptr ? OK : FAIL(NO_ROOM);
}

void box_link_end(box_link *b)
{
        lost(b);
        free(b->room);
        b->room = nullptr;
}

void box_link_attach(box_link *b, int fd)
{
        lost(b);
        b->watch = net_watch_start(b->loop, fd, on_readable, b);
        if (b->watch == nullptr) {
                close(fd);
                return;
        }
        b->fd = fd;
}

static err put(box_link *b, box_op op, uint32_t number, view payload, int fd)
{
        box_message *m = b->room;
        assert(payload.len <= BOX_MESSAGE_BYTES);
        m->op = op;
        m->code = 0;
        m->len = (uint32_t)payload.len;
        m->number = number;
        if (payload.len > 0)
                memmove(m->bytes, payload.data, payload.len);
        return b->fd < 0 ? FAIL(GONE) : box_send(b->fd, m, fd);
}

void box_link_ask(box_link *b, box_call *c)
{
        assert(!c->waiting);
        c->number = ++b->last_number;
        err e = put(b, c->op, c->number, c->payload, c->fd);
        if (failed(e)) {
                c->done(c->ctx, e.code == ERR_AGAIN ? ERR_AGAIN : ERR_GONE, (view){});
                return;
        }
        c->link = b;
        c->next = b->first;
        b->first = c;
        c->waiting = true;
        c->deadline = (net_timer){.fire = on_late, .ctx = c};
        net_timer_set(b->loop, &c->deadline, c->wait_ms);
}

void box_link_tell(box_link *b, box_op op, view payload) { (void)!failed(put(b, op, 0, payload, -1)); }
