#include "route/survey.h"

#include <math.h>

enum : uint64_t { PARKED_MOST_MS = 25ull * 3600 * 1000 /* vendors' own windows are of a day at most */ };

typedef struct surveyor {
        const catalog *catalog;
        const board *board;
        const catalog_model *model;
        uint64_t now_ms;
        breaker_setup setup;
} surveyor;

/* What all keys of one target share. */
typedef struct shore {
        health upstream, model;
        double stretch; /* of its model, beside the other models of this upstream */
} shore;

static void read_cell(const surveyor *s, uint64_t id, health *out)
{
        health_read(s->board, board_cell_find(s->board, id), out);
}

static uint64_t longer(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* 0 when it is over, and when it lies further ahead than anybody puts it. */
static uint64_t still_ms(const surveyor *s, uint64_t until_ms)
{
        uint64_t left = until_ms > s->now_ms ? until_ms - s->now_ms : 0;
        return left > PARKED_MOST_MS ? 0 : left;
}

static uint64_t parked_ms(const surveyor *s, const health *h)
{
        bool nothing_left = h->requests_left == 0 || h->tokens_left == 0;
        return longer(still_ms(s, h->parked_until_ms), nothing_left ? still_ms(s, h->left_until_ms) : 0);
}

static void see_breaker(const surveyor *s, const health *h, pick_way *w)
{
        breaker_sight sight = breaker_look(&h->breaker, &s->setup, s->now_ms);
        if (sight.would_pass)
                return;
        w->open = true;
        w->open_ms = longer(w->open_ms, sight.until_ms > s->now_ms ? sight.until_ms - s->now_ms : 0);
}

/* exp of the mean of logarithms: one way that takes a minute must not make all others look alike. */
static uint64_t mean_us(double sum_of_logs, size_t known)
{
        return known == 0 ? 0 : (uint64_t)exp(sum_of_logs / (double)known);
}

/* A key that serves several models of the alias knows their mean only; what the models know tells them apart. */
static double stretch_of(const surveyor *s, size_t target, const shore *shores)
{
        const catalog_model *m = s->model;
        double sum = 0;
        size_t known = 0;
        uint64_t mine = shores[target].model.load.ewma_us;
        for (size_t t = 0; t < m->target_count; t++) {
                uint64_t us = shores[t].model.load.ewma_us;
                if (m->targets[t].upstream != m->targets[target].upstream || us == 0)
                        continue;
                sum += log((double)us);
                known++;
        }
        return mine == 0 ? 1 : (double)mine / exp(sum / (double)known);
}

/* What the cost is made of. */
typedef struct burden {
        load load;
        uint32_t in_flight;
} burden;

/* All but the cost, which needs to know the others first. */
static burden see_way(const surveyor *s, const shore *at, pick_way *w)
{
        const catalog_target *t = &s->model->targets[w->target];
        const catalog_upstream *u = &s->catalog->upstreams[t->upstream];
        health key, group;
        int cell = board_cell_find(s->board, health_key_id(u, w->credential));
        health_read(s->board, cell, &key);
        read_cell(s, health_group_id(u, w->credential), &group);
        uint32_t in_flight = cell < 0 ? 0 : board_in_flight(s->board, cell);
        w->parked_ms = longer(parked_ms(s, &key), parked_ms(s, &group));
        w->disabled = key.disabled_until_ms > s->now_ms;
        w->busy = !limiter_room(&key.limiter, in_flight);
        see_breaker(s, &at->upstream, w);
        see_breaker(s, &at->model, w);
        see_breaker(s, &key, w);
        return (burden){key.load, in_flight};
}

static double cost_of(const surveyor *s, const shore *at, const pick_way *w, const burden *n, uint64_t others_us)
{
        const catalog_target *t = &s->model->targets[w->target];
        const catalog_upstream *u = &s->catalog->upstreams[t->upstream];
        uint32_t weight = (uint32_t)t->weight * u->credentials[w->credential].weight / 100;
        const load_facts facts = {
                .now_ms = s->now_ms,
                .others_us = others_us,
                .in_flight = n->in_flight,
                .weight = weight < 1      ? 1
                          : weight > 1000 ? 1000
                                          : weight,
        };
        double start = load_slow_start(&at->upstream.load, s->now_ms) * load_slow_start(&at->model.load, s->now_ms);
        return load_cost(&n->load, &facts) * at->stretch / start;
}

size_t survey_ways(const catalog *c, const board *b, const catalog_model *m, uint64_t now_ms, pick_way *ways)
{
        const surveyor s = {c, b, m, now_ms, health_breaker_setup(&c->settings)};
        /* Room for the largest pool; what an alias has not is not touched. */
        __attribute__((uninitialized)) shore shores[LIMIT_TARGETS];
        __attribute__((uninitialized)) burden burdens[PICK_WAYS];
        size_t count = 0, known = 0;
        double sum = 0;
        for (size_t t = 0; t < m->target_count; t++) {
                const catalog_upstream *u = &c->upstreams[m->targets[t].upstream];
                read_cell(&s, health_upstream_id(u), &shores[t].upstream);
                read_cell(&s, health_model_id(u, &m->targets[t]), &shores[t].model);
                for (size_t k = 0; k < u->credential_count; k++, count++) {
                        ways[count] = (pick_way){.target = (uint8_t)t, .credential = (uint8_t)k};
                        burdens[count] = see_way(&s, &shores[t], &ways[count]);
                        if (burdens[count].load.ewma_us == 0)
                                continue;
                        sum += log((double)burdens[count].load.ewma_us);
                        known++;
                }
        }
        for (size_t t = 0; t < m->target_count; t++)
                shores[t].stretch = stretch_of(&s, t, shores);
        for (size_t i = 0; i < count; i++)
                ways[i].cost = cost_of(&s, &shores[ways[i].target], &ways[i], &burdens[i], mean_us(sum, known));
        return count;
}
