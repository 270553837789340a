#include <assert.h>
#include <stdlib.h>

#include "relay/upstream_int.h"

enum : size_t { LINK_BYTES = 8 * 1024 };

static void idle_data(void *ctx, view plain)
{
        /* A vendor that speaks unasked has lost count of its answers: whatever comes next could be anybody's. */
        (void)plain;
        link_close(ctx);
}

static void idle_closed(void *ctx, net_end why)
{
        (void)why;
        link *l = ctx;
        l->conn = nullptr;
        link_close(l);
}

static const net_user idle_user = {.data = idle_data, .closed = idle_closed};

static void pool_remove(link *l)
{
        for (link **at = &l->side->warm; *at != nullptr; at = &(*at)->next)
                if (*at == l) {
                        *at = l->next;
                        l->side->warm_count--;
                        return;
                }
}

static void on_idle_over(void *ctx) { link_close(ctx); }

link *link_new(upstreams *u, uint16_t upstream)
{
        link *l = calloc(1, sizeof *l);
        if (l == nullptr)
                return nullptr;
        l->side = u;
        l->upstream = upstream;
        l->idle = (net_timer){.fire = on_idle_over, .ctx = l};
        l->born_ms = net_now_ms(u->setup.loop);
        arena_init(&l->memory, LIMIT_RESPONSE_HEAD_BYTES * 4);
        /* One page or two hold a vendor's head; they stay with the connection, wiped after each answer. */
        l->memory.first = LINK_BYTES;
        (void)arena_alloc(&l->memory, 1);
        l->empty = arena_here(&l->memory);
        return l;
}

void link_close(link *l)
{
        if (l->side == nullptr)
                return;
        upstreams *u = l->side;
        pool_remove(l);
        net_timer_clear(u->setup.loop, &l->idle);
        if (l->conn != nullptr)
                net_abort(l->conn, false);
        l->conn = nullptr;
        l->attempt = nullptr;
        l->side = nullptr;
        if (!l->feeding)
                arena_end(&l->memory);
        graveyard_bury(&u->graves, &l->grave);
}

link *pool_take(upstreams *u, uint16_t upstream)
{
        for (link **at = &u->warm; *at != nullptr; at = &(*at)->next) {
                link *l = *at;
                if (l->upstream != upstream)
                        continue;
                *at = l->next;
                l->next = nullptr;
                u->warm_count--;
                net_timer_clear(u->setup.loop, &l->idle);
                return l;
        }
        return nullptr;
}

void pool_give(link *l)
{
        upstreams *u = l->side;
        uint64_t   age = net_now_ms(u->setup.loop) - l->born_ms;
        assert(l->conn != nullptr);
        l->attempt = nullptr;
        arena_back(&l->memory, l->empty);
        if (age >= LIMIT_POOL_AGE_MS || u->warm_count >= LIMIT_POOL_IDLE) {
                link_close(l);
                return;
        }
        net_own(l->conn, &idle_user, l);
        net_resume(l->conn);
        l->next = u->warm;
        u->warm = l;
        u->warm_count++;
        uint64_t left = LIMIT_POOL_AGE_MS - age;
        net_timer_set(u->setup.loop, &l->idle, left < LIMIT_POOL_IDLE_MS ? left : LIMIT_POOL_IDLE_MS);
}

void upstreams_close_idle(upstreams *u)
{
        while (u->warm != nullptr)
                link_close(u->warm);
}
