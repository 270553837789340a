#include <assert.h>

#include "relay/exchange.h"

/* A refusal that is due waits no longer than this. */
enum : uint64_t { TICK_MS = 5 };

static catalog_priority class_of(const exchange *x) { return x->relay->setup.catalog->keys[x->key].priority; }

static uint64_t now_of(const relay *r) { return net_now_ms(r->setup.loop); }

/* ---- the lists ---- */

static void list_add(queue *q, exchange *x)
{
        catalog_priority p = class_of(x);
        x->queue_before = q->last[p];
        x->queue_behind = nullptr;
        *(q->last[p] != nullptr ? &q->last[p]->queue_behind : &q->first[p]) = x;
        q->last[p] = x;
        q->count++;
}

static void list_remove(queue *q, exchange *x)
{
        catalog_priority p = class_of(x);
        *(x->queue_before != nullptr ? &x->queue_before->queue_behind : &q->first[p]) = x->queue_behind;
        *(x->queue_behind != nullptr ? &x->queue_behind->queue_before : &q->last[p]) = x->queue_before;
        x->queue_before = x->queue_behind = nullptr;
        q->count--;
}

/* Whose wait is the longest, of all priorities. */
static uint64_t oldest_ms(const relay *r)
{
        uint64_t now = now_of(r), oldest = 0;
        for (int p = PRIORITY_LOW; p <= PRIORITY_HIGH; p++) {
                const exchange *x = r->queue.first[p];
                if (x != nullptr && now - x->queue_from_ms > oldest)
                        oldest = now - x->queue_from_ms;
        }
        return oldest;
}

static void look(relay *r)
{
        codel_note(&r->queue.codel, oldest_ms(r), now_of(r));
        gauge(r, COUNTER_queue_now, r->queue.count);
}

/* ---- out ---- */

void queue_leave(exchange *x)
{
        assert(x->queued);
        list_remove(&x->relay->queue, x);
        x->queued = false;
        look(x->relay);
}

static void shed(exchange *x, counter_id why)
{
        count(x->relay, why, 1);
        queue_leave(x);
        x->refused = ERR_OVERLOADED;
        client_judged(x->client);
}

static exchange *next_of(const queue *q)
{
        for (int p = PRIORITY_HIGH; p >= PRIORITY_LOW; p--)
                if (q->first[p] != nullptr)
                        return q->codel.stands ? q->last[p] : q->first[p];
        return nullptr;
}

/* A task of its own: an exchange that ends must not begin another from inside. */
static void on_turn(void *ctx)
{
        relay *r = ctx;
        for (exchange *x; admit_room(r) && (x = next_of(&r->queue)) != nullptr;) {
                queue_leave(x);
                admit_queued(x);
                client_judged(x->client);
        }
}

void queue_wake(relay *r)
{
        if (r->queue.count > 0 && admit_room(r))
                net_task_queue(r->setup.loop, &r->queue.turn);
}

static void refuse_late(relay *r, catalog_priority p, uint64_t now)
{
        queue *q = &r->queue;
        for (exchange *x = q->first[p], *behind; x != nullptr; x = behind) {
                behind = x->queue_behind;
                if (now >= x->queue_until_ms || codel_sheds(&q->codel, now - x->queue_from_ms))
                        shed(x, COUNTER_shed_queue);
                else if (pressure_closed(&r->pressure))
                        shed(x, COUNTER_shed_pressure);
        }
}

static void on_tick(void *ctx)
{
        relay *r = ctx;
        look(r);
        for (int p = PRIORITY_LOW; p <= PRIORITY_HIGH; p++)
                refuse_late(r, (catalog_priority)p, now_of(r));
        if (r->queue.count > 0)
                net_timer_set(r->setup.loop, &r->queue.tick, TICK_MS);
}

/* ---- in ---- */

/* Full: the latest of a lower priority has to give way. */
static bool make_room(relay *r, catalog_priority mine)
{
        queue *q = &r->queue;
        if (q->count < 2 * r->setup.catalog->settings.exchanges)
                return true;
        for (int p = PRIORITY_LOW; p < (int)mine; p++)
                if (q->last[p] != nullptr) {
                        shed(q->last[p], COUNTER_shed_priority);
                        return true;
                }
        count(r, COUNTER_shed_queue, 1);
        return false;
}

bool queue_join(exchange *x)
{
        relay *r = x->relay;
        uint64_t ms = r->setup.catalog->settings.queue_ms;
        if (x->caller_ms != 0 && x->caller_ms < ms)
                ms = x->caller_ms;
        if (ms == 0 || !make_room(r, class_of(x)) || !admit_bytes(x, 0))
                return false;
        x->queued = true;
        x->queue_from_ms = now_of(r);
        x->queue_until_ms = x->queue_from_ms + ms;
        list_add(&r->queue, x);
        count(r, COUNTER_queued, 1);
        look(r);
        if (!net_timer_pending(&r->queue.tick))
                net_timer_set(r->setup.loop, &r->queue.tick, TICK_MS);
        queue_wake(r);
        return true;
}

void queue_begin(relay *r)
{
        r->queue.tick = (net_timer){.fire = on_tick, .ctx = r};
        r->queue.turn = (net_task){.run = on_turn, .ctx = r};
}
