#include "firmware/box_channel.h"

#include <sys/socket.h>
#include <unistd.h>

void box_channel_begin(box_channel *c) { *c = (box_channel){.fd = -1}; }

void box_channel_end(box_channel *c)
{
        if (c->fd >= 0)
                close(c->fd);
        c->fd = -1;
}

err box_channel_open(box_channel *c, int *theirs)
{
        int ends[2];
        box_channel_end(c);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
                return FAIL(SYSTEM);
        c->fd = ends[0];
        *theirs = ends[1];
        return OK;
}

static bool share_left(const box_channel *c, uint64_t now_ms)
{
        return c->taken < BOX_CHANNEL_MESSAGES || now_ms - c->period_ms >= BOX_CHANNEL_PERIOD_MS;
}

int box_channel_poll(const box_channel *c, uint64_t now_ms) { return share_left(c, now_ms) ? c->fd : -1; }

void box_channel_hear(box_channel *c, uint64_t now_ms, void (*take)(void *ctx, const box_message *m, int *fd),
                      void *ctx)
{
        static box_message m;
        int                fd;
        if (now_ms - c->period_ms >= BOX_CHANNEL_PERIOD_MS) {
                c->period_ms = now_ms;
                c->taken = 0;
        }
        for (; c->fd >= 0 && c->taken < BOX_CHANNEL_MESSAGES; c->taken++) {
                err e = box_receive(c->fd, &m, &fd);
                if (e.code == ERR_AGAIN)
                        return;
                if (failed(e)) {
                        box_channel_end(c);
                        return;
                }
                take(ctx, &m, &fd);
                if (fd >= 0)
                        close(fd);
        }
}

void box_channel_answer(box_channel *c, uint32_t op, uint32_t number, err_code code, view bytes)
{
        static box_message m;
        m.op = op;
        m.code = code;
        m.number = number;
        m.len = (uint32_t)(bytes.len < BOX_MESSAGE_BYTES ? bytes.len : BOX_MESSAGE_BYTES);
        if (m.len > 0)
                memcpy(m.bytes, bytes.data, m.len);
        if (c->fd >= 0)
                (void)!failed(box_send(c->fd, &m, -1));
}
