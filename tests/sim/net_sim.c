/* The loop over virtual time: deadlines, postponed work, events of the network, name questions, the clocks. */
#include "sim/net_sim.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "net/tls.h"

net_loop *sim_loop;
int64_t sim_wall_step_s;

typedef struct later {
        uint64_t due_us, order;
        void (*run)(void *ctx);
        void *ctx;
} later;

static struct {
        uint64_t now_us, order;
        later *heap;
        size_t len, room;
} world;

/* 2026-11-21 00:00:00 */
enum : uint64_t { WALL_START_S = 1795219200, MONOTONIC_START_US = 1000 * 1000 * 1000 };

uint64_t sim_now_us(void) { return world.now_us; }

uint64_t clock_us(void) { return world.now_us; }
uint64_t clock_ms(void) { return world.now_us / 1000; }
uint64_t clock_wall_s(void) { return (uint64_t)((int64_t)(WALL_START_S + world.now_us / 1000000) + sim_wall_step_s); }

net_loop *net_loop_new(void)
{
        net_loop *l = sim_alloc(sizeof *l);
        l->tasks_end = &l->tasks;
        world.now_us = MONOTONIC_START_US;
        sim_loop = l;
        return l;
}

void net_loop_run(net_loop *) { sim_fail("the simulation runs the loop itself"); }
void net_loop_stop(net_loop *) {}
uint64_t net_now_ms(const net_loop *) { return world.now_us / 1000; }

/* ---- deadlines ---- */

static void put(net_loop *l, size_t at, net_timer *t)
{
        l->heap[at] = t;
        t->slot = at + 1;
}

static void rise(net_loop *l, size_t at)
{
        net_timer *t = l->heap[at];
        for (; at > 0 && l->heap[(at - 1) / 2]->due_ms > t->due_ms; at = (at - 1) / 2)
                put(l, at, l->heap[(at - 1) / 2]);
        put(l, at, t);
}

static void sink(net_loop *l, size_t at)
{
        net_timer *t = l->heap[at];
        for (;;) {
                size_t child = 2 * at + 1;
                if (child + 1 < l->heap_len && l->heap[child + 1]->due_ms < l->heap[child]->due_ms)
                        child++;
                if (child >= l->heap_len || l->heap[child]->due_ms >= t->due_ms)
                        break;
                put(l, at, l->heap[child]);
                at = child;
        }
        put(l, at, t);
}

void net_timer_clear(net_loop *l, net_timer *t)
{
        if (t->slot == 0)
                return;
        size_t at = t->slot - 1;
        assert(at < l->heap_len && l->heap[at] == t);
        net_timer *last = l->heap[--l->heap_len];
        t->slot = 0;
        if (last == t)
                return;
        put(l, at, last);
        rise(l, at);
        sink(l, last->slot - 1);
}

void net_timer_set(net_loop *l, net_timer *t, uint64_t in_ms)
{
        assert(t->fire != nullptr);
        net_timer_clear(l, t);
        if (l->heap_len == l->heap_room) {
                l->heap_room = l->heap_room == 0 ? 64 : l->heap_room * 2;
                l->heap = sim_grow(l->heap, l->heap_room * sizeof(net_timer *));
        }
        t->due_ms = t->armed_ms = world.now_us / 1000 + in_ms;
        put(l, l->heap_len++, t);
        rise(l, t->slot - 1);
}

bool net_timer_pending(const net_timer *t) { return t->slot > 0; }

size_t sim_timers(void) { return sim_loop->heap_len; }

/* ---- postponed work ---- */

void net_task_queue(net_loop *l, net_task *t)
{
        assert(t->run != nullptr);
        if (t->queued)
                return;
        t->queued = true;
        t->next = nullptr;
        *l->tasks_end = t;
        l->tasks_end = &t->next;
}

static bool taken_out(net_task **list, const net_task *t)
{
        for (; *list != nullptr; list = &(*list)->next)
                if (*list == t) {
                        *list = t->next;
                        return true;
                }
        return false;
}

void net_task_cancel(net_loop *l, net_task *t)
{
        if (!t->queued)
                return;
        t->queued = false;
        if (taken_out(&l->running, t))
                return;
        bool found = taken_out(&l->tasks, t);
        assert(found);
        for (l->tasks_end = &l->tasks; *l->tasks_end != nullptr;)
                l->tasks_end = &(*l->tasks_end)->next;
}

static void run_tasks(net_loop *l)
{
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
}

/* ---- events ---- */

static bool earlier(const later *a, const later *b)
{
        return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

void sim_later(uint64_t in_us, void (*run)(void *ctx), void *ctx)
{
        if (world.len == world.room) {
                world.room = world.room == 0 ? 256 : world.room * 2;
                world.heap = sim_grow(world.heap, world.room * sizeof(later));
        }
        const later e = {world.now_us + in_us, ++world.order, run, ctx};
        size_t at = world.len++;
        for (; at > 0 && earlier(&e, &world.heap[(at - 1) / 2]); at = (at - 1) / 2)
                world.heap[at] = world.heap[(at - 1) / 2];
        world.heap[at] = e;
}

static later first_event(void)
{
        later first = world.heap[0], last = world.heap[--world.len];
        size_t at = 0;
        for (;;) {
                size_t child = 2 * at + 1;
                if (child + 1 < world.len && earlier(&world.heap[child + 1], &world.heap[child]))
                        child++;
                if (child >= world.len || !earlier(&world.heap[child], &last))
                        break;
                world.heap[at] = world.heap[child];
                at = child;
        }
        world.heap[at] = last;
        return first;
}

static void pass_to(uint64_t us)
{
        if (us > world.now_us)
                world.now_us = us;
        trace->now_us = world.now_us;
}

/* What is due first. A loop that has work of its own to do lets little time go by. */
static bool step_once(net_loop *l)
{
        enum : uint64_t { TURN_US = 200 };
        uint64_t event = world.len > 0 ? world.heap[0].due_us : UINT64_MAX;
        uint64_t timer = l->heap_len > 0 ? l->heap[0]->due_ms * 1000 : UINT64_MAX;
        uint64_t next = event < timer ? event : timer;
        if (l->tasks != nullptr && (next > world.now_us + TURN_US || sim_chance(50))) {
                pass_to(world.now_us + sim_below(TURN_US));
                run_tasks(l);
                return true;
        }
        if (next == UINT64_MAX)
                return false;
        if (timer <= event) {
                pass_to(timer);
                net_timer *t = l->heap[0];
                net_timer_clear(l, t);
                t->fire(t->ctx);
        } else {
                pass_to(event);
                later e = first_event();
                e.run(e.ctx);
        }
        return true;
}

bool sim_step(void)
{
        trace->step++;
        bool more = step_once(sim_loop);
        conn_flush_dirty(sim_loop);
        return more;
}

void sim_freeze(uint64_t us) { pass_to(world.now_us + us); }

/* ---- names ---- */

struct net_resolver {
        net_loop *loop;
        uint64_t last_id;
        net_question *open;
};

typedef struct asked {
        net_resolver *resolver;
        resolve_answer answer;
} asked;

net_resolver *net_resolver_new(net_loop *l)
{
        net_resolver *r = sim_alloc(sizeof *r);
        r->loop = l;
        return r;
}

void net_resolver_channel(net_resolver *, int) {}

static net_question *question_take(net_resolver *r, uint64_t id)
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

static void on_answer(void *ctx)
{
        asked *a = ctx;
        net_question *q = question_take(a->resolver, a->answer.id);
        if (q != nullptr)
                q->answered(q->ctx, &a->answer);
}

bool net_resolve(net_resolver *r, net_question *q, const char *name)
{
        assert(q->id == 0 && q->answered != nullptr);
        asked *a = sim_alloc(sizeof *a);
        uint64_t in_us = sim_name_of(name, &a->answer);
        a->resolver = r;
        a->answer.id = q->id = ++r->last_id;
        q->next = r->open;
        r->open = q;
        if (in_us != UINT64_MAX)
                sim_later(in_us, on_answer, a);
        return true;
}

void net_resolve_cancel(net_resolver *r, net_question *q)
{
        if (q->id != 0)
                question_take(r, q->id);
}

/* ---- of no use here, but part of the doors ---- */

net_watch *net_watch_start(net_loop *, int, void (*)(void *ctx), void *) { return nullptr; }
void net_watch_stop(net_watch *) {}
err tls_setup(void) { return OK; }
void tls_server_tickets(tls_server *, const tls_ticket_key[static 2]) {}
