#include "net/resolve.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct net_resolver {
        net_loop     *loop;
        net_watch    *watch;
        int           fd;
        uint64_t      last_id;
        net_question *open;
};

net_resolver *net_resolver_new(net_loop *l)
{
        net_resolver *r = calloc(1, sizeof *r);
        if (r == nullptr)
                return nullptr;
        r->loop = l;
        r->fd = -1;
        return r;
}

static net_question *unlink_question(net_resolver *r, uint64_t id)
{
        for (net_question **at = &r->open; *at != nullptr; at = &(*at)->next)
                if ((*at)->id == id) {
                        net_question *q = *at;
                        *at = q->next;
                        q->id = 0;
                        return q;
                }
        return nullptr;
}

static void lost(net_resolver *r)
{
        if (r->watch != nullptr)
                net_watch_stop(r->watch);
        if (r->fd >= 0)
                close(r->fd);
        r->watch = nullptr;
        r->fd = -1;
        while (r->open != nullptr) {
                net_question        *q = unlink_question(r, r->open->id);
                const resolve_answer none = {.failed = 1};
                q->answered(q->ctx, &none);
        }
}

static void on_answer(void *ctx)
{
        net_resolver *r = ctx;
        for (;;) {
                resolve_answer a;
                ssize_t        n = recv(r->fd, &a, sizeof a, MSG_DONTWAIT);
                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return;
                /* Also a reset: the descriptor is not watched any more after one. */
                if (n != sizeof a) {
                        lost(r);
                        return;
                }
                if (a.count > LIMIT_ADDRESSES)
                        a = (resolve_answer){.id = a.id, .failed = 1};
                net_question *q = unlink_question(r, a.id);
                if (q != nullptr)
                        q->answered(q->ctx, &a);
                if (r->fd < 0)
                        return;
        }
}

void net_resolver_channel(net_resolver *r, int fd)
{
        lost(r);
        r->fd = fd;
        r->watch = net_watch_start(r->loop, fd, on_answer, r);
        if (r->watch == nullptr)
                lost(r);
}

bool net_resolve(net_resolver *r, net_question *q, const char *name)
{
        assert(q->id == 0 && q->answered != nullptr);
        if (r->fd < 0)
                return false;
        resolve_request ask = {.id = ++r->last_id};
        assert(strlen(name) < sizeof ask.name);
        memcpy(ask.name, name, strlen(name));
        if (send(r->fd, &ask, sizeof ask, MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof ask)
                return false;
        q->id = ask.id;
        q->next = r->open;
        r->open = q;
        return true;
}

void net_resolve_cancel(net_resolver *r, net_question *q)
{
        if (q->id != 0)
                unlink_question(r, q->id);
}
