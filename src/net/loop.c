#include "net/loop.h"

#include <assert.h>
#include <stdlib.h>

#include "base/registers.h"
#include "net/loop_int.h"

static void on_clock(uv_timer_t *t);

static void on_turn_before(uv_prepare_t *p)
{
        net_flush_dirty(p->data);
        registers_cover();
}

static void on_turn_after(uv_check_t *c)
{
        registers_uncover();
        net_flush_dirty(c->data);
}

net_loop *net_loop_new(void)
{
        net_loop *l = calloc(1, sizeof *l);
        if (l == nullptr || uv_loop_init(&l->uv) != 0) {
                free(l);
                return nullptr;
        }
        l->tasks_end = &l->tasks;
        uv_timer_init(&l->uv, &l->clock);
        uv_idle_init(&l->uv, &l->idle);
        uv_prepare_init(&l->uv, &l->before);
        uv_check_init(&l->uv, &l->after);
        l->clock.data = l->idle.data = l->before.data = l->after.data = l;
        uv_prepare_start(&l->before, on_turn_before);
        uv_check_start(&l->after, on_turn_after);
        /* The flushing hooks must not keep the loop alive by themselves. */
        uv_unref((uv_handle_t *)&l->before);
        uv_unref((uv_handle_t *)&l->after);
        return l;
}

void net_loop_run(net_loop *l) { uv_run(&l->uv, UV_RUN_DEFAULT); }

void net_loop_stop(net_loop *l) { uv_stop(&l->uv); }

uint64_t net_now_ms(const net_loop *l) { return uv_now(&l->uv); }

/* ---- deadlines: a binary heap whose keys may be too early, never too late ---- */

static void heap_put(net_loop *l, size_t at, net_timer *t)
{
        l->heap[at] = t;
        t->slot = at + 1;
}

static void heap_up(net_loop *l, size_t at)
{
        net_timer *t = l->heap[at];
        while (at > 0) {
                size_t parent = (at - 1) / 2;
                if (l->heap[parent]->armed_ms <= t->armed_ms)
                        break;
                heap_put(l, at, l->heap[parent]);
                at = parent;
        }
        heap_put(l, at, t);
}

static void heap_down(net_loop *l, size_t at)
{
        net_timer *t = l->heap[at];
        for (;;) {
                size_t child = 2 * at + 1;
                if (child >= l->heap_len)
                        break;
                if (child + 1 < l->heap_len && l->heap[child + 1]->armed_ms < l->heap[child]->armed_ms)
                        child++;
                if (t->armed_ms <= l->heap[child]->armed_ms)
                        break;
                heap_put(l, at, l->heap[child]);
                at = child;
        }
        heap_put(l, at, t);
}

static void heap_remove(net_loop *l, net_timer *t)
{
        assert(t->slot > 0 && t->slot <= l->heap_len);
        size_t     at = t->slot - 1;
        net_timer *last = l->heap[--l->heap_len];
        t->slot = 0;
        if (last == t)
                return;
        heap_put(l, at, last);
        heap_up(l, at);
        heap_down(l, last->slot - 1);
}

static void clock_arm(net_loop *l)
{
        if (l->heap_len == 0) {
                uv_timer_stop(&l->clock);
                return;
        }
        uint64_t now = uv_now(&l->uv), key = l->heap[0]->armed_ms;
        uv_timer_start(&l->clock, on_clock, key > now ? key - now : 0, 0);
}

/* The process stood still, or its machine did: peers may have spoken long ago and not been heard. Their bytes are read
 * before it is judged who was late; after a long while those on their way too. */
static bool hears_first(net_loop *l, uint64_t now)
{
        enum : uint64_t { STOOD_MS = 200, STOOD_LONG_MS = 1000, HEAR_MS = 250 };
        uint64_t late = l->heap_len > 0 && l->heap[0]->armed_ms < now ? now - l->heap[0]->armed_ms : 0;
        if (l->heard || late < STOOD_MS) {
                l->heard = false;
                return false;
        }
        l->heard = true;
        uv_timer_start(&l->clock, on_clock, late < STOOD_LONG_MS ? 0 : HEAR_MS, 0);
        return true;
}

static void on_clock(uv_timer_t *handle)
{
        net_loop *l = handle->data;
        uint64_t  now = uv_now(&l->uv);
        if (hears_first(l, now))
                return;
        while (l->heap_len > 0 && l->heap[0]->armed_ms <= now) {
                net_timer *t = l->heap[0];
                if (t->due_ms > now) {
                        t->armed_ms = t->due_ms;
                        heap_down(l, 0);
                        continue;
                }
                heap_remove(l, t);
                t->fire(t->ctx);
        }
        clock_arm(l);
}

static void heap_grow(net_loop *l)
{
        size_t      room = l->heap_room == 0 ? 64 : l->heap_room * 2;
        net_timer **heap = realloc(l->heap, room * sizeof(net_timer *));
        /* A relay without deadlines would be one that a silent peer can stop: better to be started again. */
        if (heap == nullptr)
                abort();
        l->heap = heap;
        l->heap_room = room;
}

void net_timer_set(net_loop *l, net_timer *t, uint64_t in_ms)
{
        assert(t->fire != nullptr);
        t->due_ms = uv_now(&l->uv) + in_ms;
        if (t->slot > 0) {
                if (t->due_ms >= t->armed_ms)
                        return;
                t->armed_ms = t->due_ms;
                heap_up(l, t->slot - 1);
        } else {
                if (l->heap_len == l->heap_room)
                        heap_grow(l);
                t->armed_ms = t->due_ms;
                heap_put(l, l->heap_len++, t);
                heap_up(l, t->slot - 1);
        }
        if (t->slot == 1)
                clock_arm(l);
}

void net_timer_clear(net_loop *l, net_timer *t)
{
        if (t->slot > 0)
                heap_remove(l, t);
        if (l->heap_len == 0)
                uv_timer_stop(&l->clock);
}

bool net_timer_pending(const net_timer *t) { return t->slot > 0; }

/* ---- postponed work ---- */

static void on_idle(uv_idle_t *handle)
{
        net_loop *l = handle->data;
        l->running = l->tasks;
        l->tasks = nullptr;
        l->tasks_end = &l->tasks;
        while (l->running != nullptr) {
                net_task *t = l->running;
                l->running = t->next;
                t->next = nullptr;
                t->queued = false;
                t->run(t->ctx);
        }
        if (l->tasks == nullptr)
                uv_idle_stop(&l->idle);
}

void net_task_queue(net_loop *l, net_task *t)
{
        assert(t->run != nullptr);
        if (t->queued)
                return;
        t->queued = true;
        t->next = nullptr;
        *l->tasks_end = t;
        l->tasks_end = &t->next;
        uv_idle_start(&l->idle, on_idle);
}

static bool list_remove(net_task **list, const net_task *t)
{
        for (net_task **at = list; *at != nullptr; at = &(*at)->next)
                if (*at == t) {
                        *at = t->next;
                        return true;
                }
        return false;
}

void net_task_cancel(net_loop *l, net_task *t)
{
        if (!t->queued)
                return;
        t->queued = false;
        if (!list_remove(&l->running, t)) {
                bool found = list_remove(&l->tasks, t);
                assert(found);
                l->tasks_end = &l->tasks;
                while (*l->tasks_end != nullptr)
                        l->tasks_end = &(*l->tasks_end)->next;
        }
        t->next = nullptr;
}

/* ---- watched descriptors ---- */

struct net_watch {
        uv_poll_t poll;
        void    (*readable)(void *ctx);
        void     *ctx;
};

static void on_watch(uv_poll_t *p, int status, int events)
{
        (void)status;
        (void)events;
        net_watch *w = p->data;
        w->readable(w->ctx);
}

net_watch *net_watch_start(net_loop *l, int fd, void (*readable)(void *ctx), void *ctx)
{
        net_watch *w = calloc(1, sizeof *w);
        if (w == nullptr)
                return nullptr;
        w->readable = readable;
        w->ctx = ctx;
        w->poll.data = w;
        if (uv_poll_init(&l->uv, &w->poll, fd) != 0) {
                free(w);
                return nullptr;
        }
        uv_poll_start(&w->poll, UV_READABLE | UV_DISCONNECT, on_watch);
        return w;
}

static void on_watch_closed(uv_handle_t *h) { free(h->data); }

void net_watch_stop(net_watch *w)
{
        uv_poll_stop(&w->poll);
        uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}
