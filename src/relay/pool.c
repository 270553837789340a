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

/* ---- the list ---- */

static void list_add(link *l)
{
        upstreams *u = l->side;
        l->next = u->warm;
        l->pooled = true;
        u->warm = l;
        u->warm_count++;
        u->ways[l->upstream].idle++;
}

static void list_remove(link *l)
{
        upstreams *u = l->side;
        way *w = &u->ways[l->upstream];
        if (!l->pooled)
                return;
        for (link **at = &u->warm; *at != nullptr; at = &(*at)->next)
                if (*at == l) {
                        *at = l->next;
                        break;
                }
        l->next = nullptr;
        l->pooled = false;
        u->warm_count--;
        if (--w->idle < w->fewest)
                w->fewest = w->idle;
}

static void on_idle_over(void *ctx) { link_close(ctx); }

/* ---- links ---- */

link *link_new(upstreams *u, uint16_t upstream, net_conn *conn)
{
        link *l = calloc(1, sizeof *l);
        if (l == nullptr) {
                net_abort(conn, false);
                return nullptr;
        }
        l->side = u;
        l->conn = conn;
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
        list_remove(l);
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

/* ---- taking and giving ---- */

link *pool_take(upstreams *u, uint16_t upstream)
{
        link *l = u->warm;
        while (l != nullptr && l->upstream != upstream)
                l = l->next;
        if (l == nullptr)
                return nullptr;
        list_remove(l);
        net_timer_clear(u->setup.loop, &l->idle);
        return l;
}

static void on_purge(void *ctx)
{
        upstreams *u = ctx;
        upstreams_purge(u);
        if (u->warm != nullptr)
                net_timer_set(u->setup.loop, &u->purge, POOL_PURGE_MS);
}

void pool_give(link *l)
{
        upstreams *u = l->side;
        uint64_t age = net_now_ms(u->setup.loop) - l->born_ms;
        assert(l->conn != nullptr);
        l->attempt = nullptr;
        arena_back(&l->memory, l->empty);
        if (age >= LIMIT_POOL_AGE_MS || u->warm_count >= LIMIT_POOL_IDLE) {
                link_close(l);
                return;
        }
        net_own(l->conn, &idle_user, l);
        net_resume(l->conn);
        list_add(l);
        uint64_t left = LIMIT_POOL_AGE_MS - age;
        net_timer_set(u->setup.loop, &l->idle, left < LIMIT_POOL_IDLE_MS ? left : LIMIT_POOL_IDLE_MS);
        if (!net_timer_pending(&u->purge)) {
                u->purge = (net_timer){.fire = on_purge, .ctx = u};
                net_timer_set(u->setup.loop, &u->purge, POOL_PURGE_MS);
        }
}

/* ---- less ---- */

/* The one of this upstream that was used longest ago. */
static link *coldest(const upstreams *u, uint16_t upstream)
{
        link *found = nullptr;
        for (link *l = u->warm; l != nullptr; l = l->next)
                if (l->upstream == upstream)
                        found = l;
        return found;
}

void upstreams_purge(upstreams *u)
{
        size_t kept = u->setup.catalog->settings.warm_connections;
        for (uint16_t i = 0; i < u->setup.catalog->upstream_count; i++) {
                way *w = &u->ways[i];
                size_t surplus = w->fewest > kept ? w->fewest - kept : 0;
                for (size_t n = (surplus + 1) / 2; n > 0; n--)
                        link_close(coldest(u, i));
                w->fewest = w->idle;
        }
}

void upstreams_close_idle(upstreams *u)
{
        u->closing = true;
        for (size_t i = 0; i < LIMIT_UPSTREAMS; i++)
                if (u->ways[i].warming != nullptr) {
                        dialing_cancel(u->ways[i].warming);
                        u->ways[i].warming = nullptr;
                }
        while (u->warm != nullptr)
                link_close(u->warm);
}

/* ---- more ---- */

static void on_warm(void *ctx, net_conn *c)
{
        way *w = ctx;
        w->warming = nullptr;
        link *l = link_new(w->side, w->upstream, c);
        if (l == nullptr)
                return;
        pool_give(l);
        pool_warm(w->side, w->upstream);
}

static void on_not_warm(void *ctx, attempt_end)
{
        way *w = ctx;
        w->warming = nullptr;
}

/* One after the other, and none where the newest dial reached nobody: the next attempt finds out, at its own cost,
 * whether that has changed. */
void pool_warm(upstreams *u, uint16_t upstream)
{
        static const dialing_user warming = {on_warm, on_not_warm};
        way                      *w = &u->ways[upstream];
        bool                      full = w->idle >= u->setup.catalog->settings.warm_connections;
        if (full || u->closing || w->dial_failed || w->warming != nullptr || u->warm_count >= LIMIT_POOL_IDLE
            || net_now_ms(u->setup.loop) >= w->warm_until_ms)
                return;
        w->warming = dialing_begin(u, upstream, &warming, w);
}

void pool_used(upstreams *u, uint16_t upstream)
{
        way *w = &u->ways[upstream];
        uint64_t now = net_now_ms(u->setup.loop);
        if (w->used_ms != 0 && now - w->used_ms <= WARM_BETWEEN_MS)
                w->warm_until_ms = now + WARM_FOR_MS;
        w->used_ms = now;
        pool_warm(u, upstream);
}
