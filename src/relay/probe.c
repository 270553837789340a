#include "relay/probe.h"

#include <stdlib.h>

#include "route/health.h"

/* What a connection has until it stands comes on top. */
enum : uint64_t { ANSWER_MS = 5000 };

typedef struct probe {
        probes *all;
        net_timer turn, late;
        attempt *attempt; /* null: none runs */
        size_t got;
        uint16_t upstream;
        bool told;
} probe;

struct probes {
        probes_setup setup;
        probe each[LIMIT_UPSTREAMS];
};

static const catalog_upstream *row_of(const probe *p) { return &p->all->setup.catalog->upstreams[p->upstream]; }

/* ---- whether to ask ---- */

static bool is_closed(const board *b, uint64_t id)
{
        health h;
        health_read(b, board_cell_find(b, id), &h);
        return h.breaker.state == BREAKER_CLOSED;
}

static bool all_closed(const probe *p)
{
        const probes_setup *s = &p->all->setup;
        const catalog_upstream *row = row_of(p);
        if (!is_closed(s->board, health_upstream_id(row)))
                return false;
        for (size_t m = 0; m < s->catalog->model_count; m++)
                for (size_t t = 0; t < s->catalog->models[m].target_count; t++) {
                        const catalog_target *target = &s->catalog->models[m].targets[t];
                        if (target->upstream == p->upstream && !is_closed(s->board, health_model_id(row, target)))
                                return false;
                }
        return true;
}

/* Whoever finds that the last question is long enough ago asks this time. */
static bool is_ours(const probe *p)
{
        const probes_setup *s = &p->all->setup;
        int cell = board_cell_of(s->board, health_upstream_id(row_of(p)));
        if (cell < 0 || !board_cell_lock(s->board, cell, s->column))
                return false;
        void *bytes = s->board->cells[cell].bytes;
        health *h = bytes;
        uint64_t now = net_now_ms(s->loop);
        /* Another process's time may be a few milliseconds ahead of this turn's. */
        uint64_t apart = h->probed_ms > now ? h->probed_ms - now : now - h->probed_ms;
        bool due = apart >= row_of(p)->health_ms;
        if (due)
                h->probed_ms = now;
        board_cell_unlock(s->board, cell);
        return due;
}

/* A key that is neither parked nor set aside; where there is none, the first: what is asked is no generation. */
static uint8_t usable_key(const probe *p)
{
        const probes_setup *s = &p->all->setup;
        const catalog_upstream *row = row_of(p);
        uint64_t now = net_now_ms(s->loop);
        for (uint8_t i = 0; i < row->credential_count; i++) {
                health h;
                health_read(s->board, board_cell_find(s->board, health_key_id(row, i)), &h);
                if (h.parked_until_ms <= now && h.disabled_until_ms <= now)
                        return i;
        }
        return 0;
}

/* ---- asking ---- */

static void tell(probe *p, bool reached)
{
        if (p->told)
                return;
        p->told = true;
        p->all->setup.result(p->all->setup.ctx, p->upstream, reached);
}

static void give_up(probe *p)
{
        attempt_facts facts;
        if (p->attempt == nullptr)
                return;
        upstream_cancel(p->attempt, &facts);
        p->attempt = nullptr;
        net_timer_clear(p->all->setup.loop, &p->late);
}

static void on_credit(void *) {}

static void on_head(void *ctx, const attempt_head *h) { tell(ctx, h->status < 500); }

static void on_data(void *ctx, view bytes)
{
        probe *p = ctx;
        p->got += bytes.len;
        if (p->got > LIMIT_ERROR_BODY_BYTES)
                give_up(p);
}

static void on_end(void *ctx, attempt_end why, const attempt_facts *)
{
        probe *p = ctx;
        p->attempt = nullptr;
        net_timer_clear(p->all->setup.loop, &p->late);
        /* A key that is missing here says nothing of the vendor. */
        if (why != ATTEMPT_NO_KEY)
                tell(p, false);
}

static void on_late(void *ctx)
{
        probe *p = ctx;
        give_up(p);
        tell(p, false);
}

static const attempt_user probe_user = {on_credit, on_head, on_data, on_end};

static void ask(probe *p)
{
        const probes_setup *s = &p->all->setup;
        /* Fresh: whether new connections can be made is what is asked. */
        const attempt_order order = {.upstream = p->upstream,
                                     .credential = usable_key(p),
                                     .path = row_of(p)->health_path,
                                     .fresh = true,
                                     .get = true};
        p->told = false;
        p->got = 0;
        p->attempt = upstream_open(s->upstreams, &order, &probe_user, p);
        if (p->attempt == nullptr)
                return;
        atomic_fetch_add_explicit(&s->column->counters[COUNTER_health_probes], 1, memory_order_relaxed);
        net_timer_set(s->loop, &p->late, s->catalog->settings.connect_ms + ANSWER_MS);
}

static void on_turn(void *ctx)
{
        probe *p = ctx;
        if (p->attempt == nullptr && !all_closed(p) && is_ours(p))
                ask(p);
        net_timer_set(p->all->setup.loop, &p->turn, row_of(p)->health_ms);
}

probes *probes_begin(const probes_setup *s)
{
        probes *all = calloc(1, sizeof *all);
        if (all == nullptr)
                return nullptr;
        all->setup = *s;
        for (uint16_t i = 0; i < s->catalog->upstream_count; i++) {
                probe *p = &all->each[i];
                *p = (probe){.all = all,
                             .upstream = i,
                             .turn = {.fire = on_turn, .ctx = p},
                             .late = {.fire = on_late, .ctx = p}};
                if (row_of(p)->health_path[0] != '\0')
                        net_timer_set(s->loop, &p->turn, row_of(p)->health_ms);
        }
        return all;
}

void probes_stop(probes *all)
{
        for (size_t i = 0; i < all->setup.catalog->upstream_count; i++) {
                give_up(&all->each[i]);
                net_timer_clear(all->setup.loop, &all->each[i].turn);
        }
}
