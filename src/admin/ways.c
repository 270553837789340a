#include "admin/ways.h"

#include <assert.h>

#include "admin/json.h"
#include "route/survey.h"

enum : unsigned { DRAWS = 200 };

static const char *const kind_names[HEALTH_KINDS] = {
        [HEALTH_KEY] = "key", [HEALTH_UPSTREAM] = "upstream", [HEALTH_MODEL] = "model", [HEALTH_GROUP] = "group"};
static const char *const state_names[] = {
        [BREAKER_CLOSED] = "closed", [BREAKER_OPEN] = "open", [BREAKER_HALF_OPEN] = "half_open"};
static const char *const strategy_names[] = {[STRATEGY_ORDERED] = "ordered",
                                             [STRATEGY_WEIGHTED] = "weighted",
                                             [STRATEGY_FASTEST] = "fastest",
                                             [STRATEGY_CHEAPEST] = "cheapest"};

const char *ways_kind_name(health_kind k)
{
        assert(k < HEALTH_KINDS);
        return kind_names[k];
}

const char *ways_state_name(breaker_state s)
{
        assert(s <= BREAKER_HALF_OPEN);
        return state_names[s];
}

/* ---- one cell ---- */

typedef struct sight {
        int cell; /* -1: nothing was ever tried */
        health health;
        breaker_sight breaker;
} sight;

static sight look(const ways_facts *f, uint64_t id)
{
        const breaker_setup setup = health_breaker_setup(&f->catalog->settings);
        sight s = {.cell = board_cell_find(f->board, id)};
        health_read(f->board, s.cell, &s.health);
        s.breaker = breaker_look(&s.health.breaker, &setup, f->now_ms);
        /* The board is what other processes wrote. */
        if (s.breaker.state > BREAKER_HALF_OPEN)
                s.breaker.state = BREAKER_OPEN;
        return s;
}

static uint64_t from_now(const ways_facts *f, uint64_t until_ms)
{
        return until_ms > f->now_ms ? until_ms - f->now_ms : 0;
}

static void write_sight(const ways_facts *f, const sight *s, emit *out)
{
        bool known = s->health.failed > 0 && s->health.last_fault < FAULT_CLASSES;
        json_text(out, "breaker", ways_state_name(s->breaker.state));
        json_number(out, "open_ms", s->breaker.state == BREAKER_OPEN ? from_now(f, s->breaker.until_ms) : 0);
        json_number(out, "in_flight", s->cell < 0 ? 0 : board_in_flight(f->board, s->cell));
        json_number(out, "attempts", s->health.attempts);
        json_number(out, "failed", s->health.failed);
        json_text(out, "last_fault", known ? fault_name((fault_class)s->health.last_fault) : nullptr);
}

static void write_tags(const ways_facts *f, catalog_tags tags, emit *out)
{
        json_begin(out, "residency", '[');
        for (size_t i = 0; i < f->catalog->residency_count; i++)
                if ((tags >> i & 1) != 0)
                        json_text(out, nullptr, f->catalog->residencies[i]);
        json_end(out, ']');
}

/* ---- the box ---- */

static uint64_t waits_ms(const ways_facts *f, const health *h)
{
        bool nothing_left = h->requests_left == 0 || h->tokens_left == 0;
        uint64_t parked = from_now(f, h->parked_until_ms), left = nothing_left ? from_now(f, h->left_until_ms) : 0;
        return parked > left ? parked : left;
}

static uint64_t parked_ms(const ways_facts *f, const catalog_upstream *u, size_t credential, const health *h)
{
        const sight group = look(f, health_group_id(u, credential));
        uint64_t key = waits_ms(f, h), others = waits_ms(f, &group.health);
        return key > others ? key : others;
}

static void write_key(const ways_facts *f, const catalog_upstream *u, size_t at, emit *out)
{
        const catalog_credential *c = &u->credentials[at];
        const sight s = look(f, health_key_id(u, at));
        json_begin(out, nullptr, '{');
        json_text(out, "key", c->name);
        json_text(out, "group", c->group[0] == '\0' ? nullptr : c->group);
        json_number(out, "weight", c->weight);
        write_sight(f, &s, out);
        json_number(out, "parked_ms", parked_ms(f, u, at, &s.health));
        json_number(out, "parked", s.health.parked);
        json_bool(out, "disabled", s.health.disabled_until_ms > f->now_ms);
        /* 0: no limit found, nothing known */
        json_number(out, "limit", s.health.limiter.limit_milli / 1000);
        json_number(out, "first_byte_ms", s.health.load.ewma_us / 1000);
        json_number(out, "content_p95_ms", s.health.load.quantile_us / 1000);
        json_end(out, '}');
}

static void write_upstream(const ways_facts *f, const catalog_upstream *u, emit *out)
{
        const sight s = look(f, health_upstream_id(u));
        json_begin(out, nullptr, '{');
        json_text(out, "name", u->name);
        json_text(out, "vendor", u->vendor);
        write_tags(f, u->residency, out);
        write_sight(f, &s, out);
        json_begin(out, "keys", '[');
        for (size_t i = 0; i < u->credential_count; i++)
                write_key(f, u, i, out);
        json_end(out, ']');
        json_end(out, '}');
}

static void write_target(const ways_facts *f, const catalog_target *t, emit *out)
{
        const catalog_upstream *u = &f->catalog->upstreams[t->upstream];
        const sight s = look(f, health_model_id(u, t));
        json_begin(out, nullptr, '{');
        json_text(out, "upstream", u->name);
        json_text(out, "model", t->model);
        json_number(out, "weight", t->weight);
        json_number(out, "context_tokens", t->context_tokens);
        json_bool(out, "downgrade", t->downgrade);
        write_sight(f, &s, out);
        json_end(out, '}');
}

static void write_route(const ways_facts *f, const catalog_model *m, emit *out)
{
        json_begin(out, nullptr, '{');
        json_text(out, "model", m->name);
        json_text(out, "strategy", strategy_names[m->strategy]);
        json_bool(out, "sticky", m->sticky != STICKY_NONE);
        write_tags(f, m->residency, out);
        json_begin(out, "targets", '[');
        for (size_t i = 0; i < m->target_count; i++)
                write_target(f, &m->targets[i], out);
        json_end(out, ']');
        json_end(out, '}');
}

static bool uses(const catalog_model *m, size_t upstream)
{
        for (size_t i = 0; i < m->target_count; i++)
                if (m->targets[i].upstream == upstream)
                        return true;
        return false;
}

void ways_write(const ways_facts *f, int model, emit *out)
{
        const catalog *c = f->catalog;
        json_begin(out, nullptr, '{');
        json_begin(out, "routes", '[');
        for (size_t i = 0; i < c->model_count; i++)
                if (model < 0 || (size_t)model == i)
                        write_route(f, &c->models[i], out);
        json_end(out, ']');
        json_begin(out, "upstreams", '[');
        for (size_t i = 0; i < c->upstream_count; i++)
                if (model < 0 || uses(&c->models[model], i))
                        write_upstream(f, &c->upstreams[i], out);
        emit_text(out, "]}\n");
}

/* ---- one choice ---- */

typedef struct drawing {
        const catalog_model *model;
        pick_way ways[PICK_WAYS];
        size_t count;
        pick_result found;
        unsigned taken[PICK_WAYS]; /* of DRAWS */
} drawing;

static pick_ask question_of(const ways_facts *f, const ways_question *q)
{
        const catalog_key *key = q->key < 0 ? nullptr : &f->catalog->keys[q->key];
        return (pick_ask){.catalog = f->catalog,
                          .model = &f->catalog->models[q->model],
                          .key = key,
                          .downgrade = q->downgrade || (key != nullptr && key->downgrade),
                          .chars = q->chars,
                          .where = WHERE_ANYWHERE,
                          .last_target = -1,
                          .last_credential = -1};
}

/* Ends with the result of a draw that took the way most often taken. */
static void draw(const ways_facts *f, const ways_question *q, drawing *d)
{
        pick_ask ask = question_of(f, q);
        uint64_t first[PICK_WAYS] = {};
        unsigned best = 0;
        d->model = ask.model;
        d->count = survey_ways(f->catalog, f->board, ask.model, f->now_ms, d->ways);
        for (; ask.random < DRAWS; ask.random++) {
                d->found = pick_choose(&ask, d->ways, d->count);
                if (d->found.way < 0)
                        return;
                if (d->taken[d->found.way]++ == 0)
                        first[d->found.way] = ask.random;
        }
        for (unsigned i = 1; i < d->count; i++)
                if (d->taken[i] > d->taken[best])
                        best = i;
        ask.random = first[best];
        d->found = pick_choose(&ask, d->ways, d->count);
}

static void write_place(const ways_facts *f, const drawing *d, const pick_way *w, emit *out)
{
        const catalog_target *t = &d->model->targets[w->target];
        const catalog_upstream *u = &f->catalog->upstreams[t->upstream];
        json_text(out, "upstream", u->name);
        json_text(out, "model", t->model);
        json_text(out, "key", u->credentials[w->credential].name);
}

static void write_way(const ways_facts *f, const drawing *d, size_t at, emit *out)
{
        const pick_way *w = &d->ways[at];
        json_begin(out, nullptr, '{');
        write_place(f, d, w, out);
        json_text(out, "why", pick_why_name(w->why));
        json_text(out, "text", pick_why_text(w->why));
        json_number(out, "percent", d->taken[at] * 100 / DRAWS);
        json_number(out, "parked_ms", w->parked_ms);
        json_number(out, "open_ms", w->open ? w->open_ms : 0);
        json_end(out, '}');
}

static void write_found(const ways_facts *f, const drawing *d, emit *out)
{
        const pick_result *r = &d->found;
        json_key(out, "chosen");
        if (r->way < 0) {
                emit_text(out, "null");
        } else {
                json_begin(out, nullptr, '{');
                write_place(f, d, &d->ways[r->way], out);
                json_bool(out, "last", r->last);
                json_end(out, '}');
        }
        json_text(out, "why", pick_why_name(r->why));
        json_text(out, "text", pick_why_text(r->why));
        json_key(out, "wait_ms");
        if (r->wait_ms == UINT64_MAX)
                emit_text(out, "null");
        else
                emit_u64(out, r->wait_ms);
}

void ways_write_explain(const ways_facts *f, const ways_question *q, emit *out)
{
        drawing d = {};
        const pick_ask asked = question_of(f, q);
        draw(f, q, &d);
        json_begin(out, nullptr, '{');
        json_text(out, "model", d.model->name);
        json_text(out, "strategy", strategy_names[d.model->strategy]);
        json_bool(out, "sticky", d.model->sticky != STICKY_NONE);
        json_number(out, "chars", q->chars);
        json_text(out, "key", asked.key == nullptr ? nullptr : asked.key->id);
        json_bool(out, "downgrade", asked.downgrade);
        write_found(f, &d, out);
        json_begin(out, "ways", '[');
        for (size_t i = 0; i < d.count; i++)
                write_way(f, &d, i, out);
        emit_text(out, "]}\n");
}

/* ---- counts ---- */

static void count_breaker(const ways_facts *f, health_kind k, uint64_t id, ways_counts *out)
{
        out->breakers[k][look(f, id).breaker.state]++;
}

/* Aliases may share a model. */
static bool told_before(const catalog *c, size_t model, size_t target)
{
        const catalog_target *t = &c->models[model].targets[target];
        for (size_t m = 0; m <= model; m++)
                for (size_t i = 0; i < c->models[m].target_count && (m < model || i < target); i++) {
                        const catalog_target *other = &c->models[m].targets[i];
                        if (other->upstream == t->upstream && strcmp(other->model, t->model) == 0)
                                return true;
                }
        return false;
}

void ways_count(const ways_facts *f, ways_counts *out)
{
        const catalog *c = f->catalog;
        *out = (ways_counts){};
        for (size_t u = 0; u < c->upstream_count; u++) {
                const catalog_upstream *up = &c->upstreams[u];
                count_breaker(f, HEALTH_UPSTREAM, health_upstream_id(up), out);
                for (size_t k = 0; k < up->credential_count; k++) {
                        const sight s = look(f, health_key_id(up, k));
                        out->breakers[HEALTH_KEY][s.breaker.state]++;
                        out->keys_parked += parked_ms(f, up, k, &s.health) > 0;
                        out->keys_disabled += s.health.disabled_until_ms > f->now_ms;
                }
        }
        for (size_t m = 0; m < c->model_count; m++)
                for (size_t t = 0; t < c->models[m].target_count; t++)
                        if (!told_before(c, m, t))
                                count_breaker(f, HEALTH_MODEL,
                                              health_model_id(&c->upstreams[c->models[m].targets[t].upstream],
                                                              &c->models[m].targets[t]),
                                              out);
}
