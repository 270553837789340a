#include "admin/dates.h"

#include "route/health.h"

enum : uint64_t { LOOK_MS = 1000, TELL_MS = 60000 };

typedef struct voice {
        const char *host;
        int64_t origin_s;
        uint64_t dated_ms;
} voice;

typedef struct voices {
        size_t count;
        voice rows[LIMIT_UPSTREAMS];
} voices;

/* Of one host its newest. */
static void hear(voices *all, const voice *v)
{
        for (size_t i = 0; i < all->count; i++)
                if (strcmp(all->rows[i].host, v->host) == 0) {
                        if (v->dated_ms > all->rows[i].dated_ms)
                                all->rows[i] = *v;
                        return;
                }
        all->rows[all->count++] = *v;
}

static void sort(voices *all)
{
        for (size_t i = 1; i < all->count; i++)
                for (size_t k = i; k > 0 && all->rows[k].origin_s < all->rows[k - 1].origin_s; k--) {
                        voice later = all->rows[k - 1];
                        all->rows[k - 1] = all->rows[k];
                        all->rows[k] = later;
                }
}

static bool near(int64_t a, int64_t b) { return a >= b - DATES_NEAR_S && a <= b + DATES_NEAR_S; }

static box_dates median(voices *all)
{
        if (all->count == 0)
                return (box_dates){};
        sort(all);
        const voice *middle = &all->rows[(all->count - 1) / 2];
        box_dates d = {.of = (uint32_t)all->count, .origin_s = middle->origin_s, .oldest_ms = middle->dated_ms};
        for (size_t i = 0; i < all->count; i++) {
                const voice *v = &all->rows[i];
                if (!near(v->origin_s, d.origin_s))
                        continue;
                d.agree++;
                if (v->dated_ms < d.oldest_ms)
                        d.oldest_ms = v->dated_ms;
        }
        return d;
}

box_dates dates_of(const catalog *c, const board *b, uint64_t from_ms, uint64_t now_ms)
{
        /* Far from the ends of 64 bits: the board is what other processes wrote. */
        constexpr int64_t MOST_S = 1ll << 40;
        voices all = {};
        for (size_t u = 0; u < c->upstream_count; u++) {
                health h;
                health_read(b, board_cell_find(b, health_upstream_id(&c->upstreams[u])), &h);
                if (h.dated_ms == 0 || h.dated_ms < from_ms || h.dated_ms > now_ms
                    || now_ms - h.dated_ms > DATES_FRESH_MS || h.origin_s < -MOST_S || h.origin_s > MOST_S)
                        continue;
                hear(&all, &(voice){c->upstreams[u].host, h.origin_s, h.dated_ms});
        }
        return median(&all);
}

static void look(void *ctx)
{
        dates_teller *t = ctx;
        uint64_t now_ms = net_now_ms(t->box->loop);
        box_dates now = dates_of(t->catalog, t->board, t->from_ms, now_ms);
        net_timer_set(t->box->loop, &t->timer, LOOK_MS);
        bool changed = now.agree != t->told.agree || now.of != t->told.of || !near(now.origin_s, t->told.origin_s);
        if (!changed && (now.of == 0 || now_ms - t->told_ms < TELL_MS))
                return;
        t->told = now;
        t->told_ms = now_ms;
        box_link_tell(t->box, BOX_TELL_DATES, (view){(const uint8_t *)&now, sizeof now});
}

void dates_begin(dates_teller *t, const catalog *c, const board *b, box_link *box)
{
        *t = (dates_teller){.catalog = c, .board = b, .box = box, .from_ms = net_now_ms(box->loop)};
        t->timer = (net_timer){.fire = look, .ctx = t};
        net_timer_set(box->loop, &t->timer, LOOK_MS);
}

void dates_end(dates_teller *t)
{
        if (t->box != nullptr)
                net_timer_clear(t->box->loop, &t->timer);
}
