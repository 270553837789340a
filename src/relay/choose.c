#include "relay/choose.h"

#include <assert.h>

#include "base/clock.h"
#include "base/event.h"
#include "base/secret.h"
#include "relay/exchange.h"
#include "route/survey.h"

/* Kinds of cells that have a breaker, from the widest to the narrowest. */
static const health_kind broken_by[] = {HEALTH_UPSTREAM, HEALTH_MODEL, HEALTH_KEY};
enum : size_t { BREAKERS = sizeof broken_by / sizeof broken_by[0] };

enum : uint64_t {
        PARK_LEAST_MS = 100,  /* one that says: at once */
        PARK_MS = 5000,       /* a rate limit that names no time */
        DISABLE_MS = 60000,   /* a key that is refused: then it is tried again, somebody may have put it right */
        BUSY_MS = 20,         /* how often a way that is only busy is looked at again */
        STALLED_US = 200'000, /* with a loop this late, a vendor's lateness may be our own */
};
enum : uint32_t { REFUSALS = 3 /* in a row, before a key is set aside */ };

/* ---- cells ---- */

static health *cell_open(relay *r, int cell)
{
        if (cell < 0 || !board_cell_lock(r->setup.board, cell, r->setup.column))
                return nullptr;
        return (void *)r->setup.board->cells[cell].bytes;
}

static void cell_close(relay *r, int cell) { board_cell_unlock(r->setup.board, cell); }

static void cells_find(relay *r, const catalog_target *t, size_t credential, int cells[static HEALTH_KINDS])
{
        board                  *b = r->setup.board;
        const catalog_upstream *u = &r->setup.catalog->upstreams[t->upstream];
        cells[HEALTH_KEY] = board_cell_of(b, health_key_id(u, credential));
        cells[HEALTH_GROUP] = board_cell_of(b, health_group_id(u, credential));
        cells[HEALTH_UPSTREAM] = board_cell_of(b, health_upstream_id(u));
        cells[HEALTH_MODEL] = board_cell_of(b, health_model_id(u, t));
}

static void in_flight_add(relay *r, const choice *c, int by)
{
        for (int k = 0; k < HEALTH_KINDS; k++)
                if (c->cells[k] >= 0)
                        atomic_fetch_add_explicit(&r->setup.column->in_flight[c->cells[k]], (uint16_t)by,
                                                  memory_order_relaxed);
}

/* The keeper has written the lease, perhaps another key under an old name: what was held against keys is forgotten. */
static void keys_renew(relay *r)
{
        uint64_t version = atomic_load_explicit(&r->setup.lease->version, memory_order_relaxed);
        if (version == r->lease_version)
                return;
        r->lease_version = version;
        const catalog *c = r->setup.catalog;
        for (size_t u = 0; u < c->upstream_count; u++)
                for (size_t k = 0; k < c->upstreams[u].credential_count; k++) {
                        int     cell = board_cell_find(r->setup.board, health_key_id(&c->upstreams[u], k));
                        health *h = cell_open(r, cell);
                        if (h == nullptr)
                                continue;
                        h->disabled_until_ms = 0;
                        h->refused_run = 0;
                        cell_close(r, cell);
                }
}

/* ---- taking a way ---- */

static void pass_back(relay *r, choice *c, size_t taken)
{
        const breaker_setup setup = health_breaker_setup(&r->setup.catalog->settings);
        const breaker_now   now = {.ms = net_now_ms(r->setup.loop), .random = secret_draw_u64(&r->draws)};
        for (size_t i = 0; i < taken; i++) {
                health_kind k = broken_by[i];
                health     *h = cell_open(r, c->cells[k]);
                if (h == nullptr)
                        continue;
                breaker_report(&h->breaker, &setup, c->passes[k], OUTCOME_NEUTRAL, &now);
                cell_close(r, c->cells[k]);
        }
}

/* Every breaker on the way is asked; one that says no gives the others' leases back. */
static bool pass_all(relay *r, choice *c, bool last)
{
        const breaker_setup setup = health_breaker_setup(&r->setup.catalog->settings);
        const breaker_now   now = {.ms = net_now_ms(r->setup.loop), .random = secret_draw_u64(&r->draws), .last = last};
        bool                probe = false;
        for (size_t i = 0; i < BREAKERS; i++) {
                health_kind k = broken_by[i];
                health     *h = cell_open(r, c->cells[k]);
                c->passes[k] = (breaker_pass){.leave = LEAVE_FREE};
                if (h == nullptr)
                        continue;
                c->passes[k] = breaker_ask(&h->breaker, &setup, &now);
                cell_close(r, c->cells[k]);
                if (c->passes[k].leave == LEAVE_REFUSED) {
                        pass_back(r, c, i);
                        return false;
                }
                probe = probe || c->passes[k].leave != LEAVE_FREE;
        }
        if (probe)
                count(r, COUNTER_breaker_probes, 1);
        return true;
}

/* An upstream's first attempt of an exchange pays into its budget, a second one at the same upstream takes from it:
 * what fails there must not be asked for twice as often. Going elsewhere is bounded by the attempts alone. */
static bool budget_pass(exchange *x, uint16_t upstream, int cell)
{
        relay   *r = x->relay;
        uint64_t now = net_now_ms(r->setup.loop);
        health  *h = cell_open(r, cell);
        if (h == nullptr)
                return true;
        bool good = true;
        if (x->tries.upstreams[upstream] == 0)
                budget_first(&h->budget, (uint32_t)r->setup.catalog->settings.retry_percent, now);
        else
                good = budget_retry(&h->budget, now);
        cell_close(r, cell);
        if (!good)
                count(r, COUNTER_retries_refused, 1);
        return good;
}

static const catalog_model *model_of(const exchange *x) { return &x->relay->setup.catalog->models[x->model]; }

static void tries_note(const exchange *x, pick_way *ways, size_t count)
{
        for (size_t i = 0; i < count; i++)
                for (uint32_t t = 0; t < x->tries.count; t++)
                        if (x->tries.ways[t].target == ways[i].target
                            && x->tries.ways[t].credential == ways[i].credential)
                                ways[i].tries++;
}

static pick_ask ask_of(const exchange *x, const choose_ask *ask)
{
        const tries *t = &x->tries;
        return (pick_ask){
                .catalog = x->relay->setup.catalog,
                .model = model_of(x),
                .key = &x->relay->setup.catalog->keys[x->key],
                .downgrade = x->downgrade,
                .prefill = ask->prefill,
                .chars = x->chars,
                .context_over = t->context_over,
                .sticky = model_of(x)->sticky == STICKY_PROMPT ? x->sticky : 0,
                .where = ask->where,
                .last_target = t->count > 0 ? t->ways[t->count - 1].target : -1,
                .last_credential = t->count > 0 ? t->ways[t->count - 1].credential : -1,
                .upstream_tries = t->upstreams,
                .random = secret_draw_u64(&x->relay->draws),
        };
}

static size_t ways_of(exchange *x, const choose_ask *ask, pick_way ways[static PICK_WAYS])
{
        const relay_setup *s = &x->relay->setup;
        size_t n = survey_ways(s->catalog, s->board, model_of(x), net_now_ms(s->loop), ways);
        tries_note(x, ways, n);
        if (!ask->again_only_new)
                return n;
        size_t kept = 0;
        for (size_t i = 0; i < n; i++)
                if (ways[i].tries == 0)
                        ways[kept++] = ways[i];
        return kept;
}

int choose_peek(exchange *x, const choose_ask *ask)
{
        __attribute__((uninitialized)) pick_way ways[PICK_WAYS]; /* most aliases have one or two */
        size_t         n = ways_of(x, ask, ways);
        const pick_ask pick = ask_of(x, ask);
        int            way = pick_choose(&pick, ways, n).way;
        return way < 0 ? -1 : ways[way].target;
}

uint64_t choose_parked_ms(const relay *r, const choice *c)
{
        health   key, group;
        uint64_t now = net_now_ms(r->setup.loop);
        health_read(r->setup.board, c->cells[HEALTH_KEY], &key);
        health_read(r->setup.board, c->cells[HEALTH_GROUP], &group);
        uint64_t until = key.parked_until_ms > group.parked_until_ms ? key.parked_until_ms : group.parked_until_ms;
        return until > now ? until - now : 0;
}

static void tries_add(exchange *x, const choice *c)
{
        tries *t = &x->tries;
        assert(t->count < LIMIT_ATTEMPTS);
        t->ways[t->count].target = c->target;
        t->ways[t->count].credential = c->credential;
        t->count++;
        t->attempts++;
        if (t->upstreams[c->upstream] < UINT8_MAX)
                t->upstreams[c->upstream]++;
}

/* The way that was picked, if its breakers and its upstream's budget still let it pass. */
static bool take(exchange *x, const pick_way *w, bool last, choice *out)
{
        const catalog_target *t = &model_of(x)->targets[w->target];
        *out = (choice){.target = w->target, .credential = w->credential, .upstream = t->upstream};
        cells_find(x->relay, t, w->credential, out->cells);
        if (!pass_all(x->relay, out, last))
                return false;
        if (!budget_pass(x, t->upstream, out->cells[HEALTH_UPSTREAM])) {
                pass_back(x->relay, out, BREAKERS);
                return false;
        }
        in_flight_add(x->relay, out, 1);
        out->taken = true;
        tries_add(x, out);
        return true;
}

static fault_class fault_of_disabled(const exchange *x, const pick_way *ways, size_t n)
{
        const relay_setup *s = &x->relay->setup;
        for (size_t i = 0; i < n; i++) {
                if (ways[i].why != PICK_DISABLED)
                        continue;
                const catalog_target *t = &model_of(x)->targets[ways[i].target];
                uint64_t              id = health_key_id(&s->catalog->upstreams[t->upstream], ways[i].credential);
                health                h;
                health_read(s->board, board_cell_find(s->board, id), &h);
                return h.disabled_for == FAULT_BILLING ? FAULT_BILLING : FAULT_AUTH;
        }
        return FAULT_AUTH;
}

choose_result choose_way(exchange *x, const choose_ask *ask, choice *out)
{
        enum : int { ROUNDS = 8 };
        __attribute__((uninitialized)) pick_way ways[PICK_WAYS];
        keys_renew(x->relay);
        size_t      n = ways_of(x, ask, ways);
        pick_ask    pick = ask_of(x, ask);
        pick_result found = {.way = -1, .wait_ms = UINT64_MAX, .why = PICK_OPEN};
        for (int i = 0; i < ROUNDS; i++, pick.random = secret_draw_u64(&x->relay->draws)) {
                found = pick_choose(&pick, ways, n);
                if (found.way < 0)
                        break;
                pick_way *w = &ways[found.way];
                if (take(x, w, found.last, out))
                        return (choose_result){.found = true, .again = w->tries > 0};
                if (found.last) {
                        found.way = -1;
                        found.why = PICK_OPEN;
                        break;
                }
                /* Another process was faster, or the budget is spent: as if it stood there so. */
                w->open = true;
                w->open_ms = 1;
        }
        if (found.way >= 0)
                found = (pick_result){.way = -1, .wait_ms = UINT64_MAX, .why = PICK_OPEN};
        if (found.why == PICK_BUSY && found.wait_ms > BUSY_MS)
                found.wait_ms = BUSY_MS;
        return (choose_result){.wait_ms = found.wait_ms, .why = found.why, .fault = fault_of_disabled(x, ways, n)};
}

/* ---- what became of it ---- */

/* Where an upstream serves several models, one that fails says nothing of the keys that serve the others too. */
static bool serves_several(const catalog *c, uint16_t upstream)
{
        const char *first = nullptr;
        for (size_t m = 0; m < c->model_count; m++)
                for (size_t t = 0; t < c->models[m].target_count; t++) {
                        const catalog_target *at = &c->models[m].targets[t];
                        if (at->upstream != upstream)
                                continue;
                        if (first != nullptr && strcmp(first, at->model) != 0)
                                return true;
                        first = at->model;
                }
        return false;
}

static breaker_outcome outcome_of(health_kind kind, const choose_end *e)
{
        if (e->fault == FAULT_CLASSES) {
                bool slow = e->slow_us > 0 && e->content_us > e->slow_us;
                return slow && kind != HEALTH_UPSTREAM ? OUTCOME_SLOW : OUTCOME_GOOD;
        }
        const fault_row *row = fault_describe(e->fault);
        switch (row->blame) {
        case BLAME_NOBODY:
                return row->callers && kind != HEALTH_MODEL ? OUTCOME_GOOD : OUTCOME_NEUTRAL;
        case BLAME_KEY:
        case BLAME_RATE:
                return kind == HEALTH_UPSTREAM ? OUTCOME_GOOD : OUTCOME_NEUTRAL;
        case BLAME_MODEL:
                if (kind == HEALTH_UPSTREAM)
                        return OUTCOME_NEUTRAL;
                return e->fault == FAULT_SLOW ? OUTCOME_SLOW : OUTCOME_FAILED;
        case BLAME_UPSTREAM:
                if (kind == HEALTH_UPSTREAM)
                        return e->sent ? OUTCOME_FAILED : OUTCOME_UNREACHABLE;
                break;
        }
        return OUTCOME_NEUTRAL;
}

static void load_note(health *h, const choose_end *e, uint64_t now)
{
        if (e->first_us > 0)
                load_sample(&h->load, e->first_us, now);
        if (e->content_us > 0)
                load_content(&h->load, e->content_us);
        if (e->fault == FAULT_CLASSES) {
                load_ended(&h->load, true, now);
                return;
        }
        fault_blame blame = fault_describe(e->fault)->blame;
        if (blame == BLAME_MODEL || blame == BLAME_UPSTREAM)
                load_ended(&h->load, false, now);
}

static void refusal_note(relay *r, const choice *c, health *h, const choose_end *e)
{
        uint64_t now = net_now_ms(r->setup.loop);
        bool     billing = e->fault == FAULT_BILLING;
        if (e->fault != FAULT_AUTH && !billing) {
                if (e->fault == FAULT_CLASSES || fault_describe(e->fault)->callers)
                        h->refused_run = 0;
                return;
        }
        if (h->refused_run < REFUSALS)
                h->refused_run++;
        if (!billing && h->refused_run < REFUSALS)
                return;
        if (h->disabled_until_ms <= now) {
                count(r, COUNTER_keys_disabled, 1);
                event(EVENT_KEY_DISABLED, c->upstream, c->credential);
        }
        h->disabled_until_ms = now + DISABLE_MS;
        h->disabled_for = e->fault;
}

static void limits_note(health *h, const vendor_limits *l, uint64_t now)
{
        if (l == nullptr || (l->requests_left == RETRY_AFTER_NONE && l->tokens_left == RETRY_AFTER_NONE))
                return;
        h->requests_left = l->requests_left;
        h->tokens_left = l->tokens_left;
        uint64_t reset = l->requests_left == 0 ? l->requests_reset_ms : l->tokens_reset_ms;
        h->left_until_ms = reset == RETRY_AFTER_NONE ? 0 : now + reset;
}

/* Never less than the vendor asked for, and up to a tenth more: all relays and keys must not come back at once. */
static uint64_t park_ms(relay *r, const choose_end *e)
{
        uint64_t after = e->limits == nullptr ? RETRY_AFTER_NONE : e->limits->after_ms;
        uint64_t ms = after == RETRY_AFTER_NONE ? PARK_MS : after < PARK_LEAST_MS ? PARK_LEAST_MS : after;
        ms += ms * (secret_draw_u64(&r->draws) % 101) / 1000;
        return ms < RETRY_AFTER_MOST_MS ? ms : RETRY_AFTER_MOST_MS;
}

static void park(relay *r, health *h, uint64_t ms)
{
        uint64_t until = net_now_ms(r->setup.loop) + ms;
        if (until > h->parked_until_ms)
                h->parked_until_ms = until;
        h->parked++;
}

static void key_note(relay *r, const choice *c, health *h, const choose_end *e)
{
        uint64_t now = net_now_ms(r->setup.loop);
        uint32_t flying = board_in_flight(r->setup.board, c->cells[HEALTH_KEY]);
        limits_note(h, e->limits, now);
        refusal_note(r, c, h, e);
        if (e->fault == FAULT_CLASSES)
                limiter_good(&h->limiter, flying);
        else if (e->fault == FAULT_RATE || e->fault == FAULT_OVERLOADED)
                limiter_rejected(&h->limiter, flying, 0, now);
}

/* Over plain HTTP anybody on the way can write a date. Of an answer to a POST it is the vendor's own: no cache keeps
 * those. */
static void date_note(const relay *r, const choice *c, health *h, const choose_end *e)
{
        if (e->limits == nullptr || e->limits->date_s == 0 || !r->setup.catalog->upstreams[c->upstream].tls)
                return;
        h->origin_s = (int64_t)e->limits->date_s - (int64_t)(e->head_ms / 1000);
        h->dated_ms = e->head_ms;
}

static void cell_note(relay *r, choice *c, health_kind kind, const choose_end *e)
{
        health *h = cell_open(r, c->cells[kind]);
        if (h == nullptr)
                return;
        const breaker_setup setup = health_breaker_setup(&r->setup.catalog->settings);
        const breaker_now   now = {.ms = net_now_ms(r->setup.loop), .random = secret_draw_u64(&r->draws)};
        breaker_state       before = h->breaker.state;
        breaker_outcome     outcome = outcome_of(kind, e);
        if (kind == HEALTH_KEY && (outcome == OUTCOME_FAILED || outcome == OUTCOME_SLOW)
            && serves_several(r->setup.catalog, c->upstream))
                outcome = OUTCOME_NEUTRAL;
        bool opened = breaker_report(&h->breaker, &setup, c->passes[kind], outcome, &now);
        h->attempts++;
        if (e->fault != FAULT_CLASSES && fault_describe(e->fault)->blame != BLAME_NOBODY) {
                h->failed++;
                h->last_fault = e->fault;
        }
        if (kind != HEALTH_UPSTREAM)
                load_note(h, e, now.ms);
        if (kind == HEALTH_KEY)
                key_note(r, c, h, e);
        if (kind == HEALTH_UPSTREAM)
                date_note(r, c, h, e);
        if (before != BREAKER_CLOSED && h->breaker.state == BREAKER_CLOSED)
                load_recovered(&h->load, now.ms);
        cell_close(r, c->cells[kind]);
        if (opened) {
                count(r, COUNTER_breakers_opened, 1);
                event(EVENT_BREAKER_OPENED, c->upstream, kind);
        }
}

static void rate_note(relay *r, const choice *c, const choose_end *e)
{
        static const health_kind parked[] = {HEALTH_KEY, HEALTH_GROUP};
        uint64_t                 ms = park_ms(r, e);
        for (size_t i = 0; i < sizeof parked / sizeof parked[0]; i++) {
                health *h = cell_open(r, c->cells[parked[i]]);
                if (h == nullptr)
                        continue;
                park(r, h, ms);
                cell_close(r, c->cells[parked[i]]);
        }
        count(r, COUNTER_keys_parked, 1);
        event(EVENT_KEY_PARKED, c->upstream, (int64_t)ms);
}

void choose_report(relay *r, choice *c, const choose_end *e)
{
        if (!c->taken)
                return;
        choose_end told = *e;
        /* When this process stood still, a vendor's answer may have lain there in time. */
        if (pressure_lag_us(r) > STALLED_US && (e->fault == FAULT_TIMEOUT || e->fault == FAULT_SLOW))
                told = (choose_end){.fault = FAULT_LOST_RACE};
        for (size_t i = 0; i < BREAKERS; i++)
                cell_note(r, c, broken_by[i], &told);
        if (told.fault == FAULT_RATE)
                rate_note(r, c, &told);
        in_flight_add(r, c, -1);
        c->taken = false;
}

/* Only the upstream's own breaker hears of it: that an upstream lists its models does not say that they answer. */
void choose_probed(relay *r, uint16_t upstream, bool good)
{
        const breaker_setup setup = health_breaker_setup(&r->setup.catalog->settings);
        const breaker_now   now = {.ms = net_now_ms(r->setup.loop), .random = secret_draw_u64(&r->draws)};
        int     cell = board_cell_of(r->setup.board, health_upstream_id(&r->setup.catalog->upstreams[upstream]));
        health *h = cell_open(r, cell);
        if (h == nullptr)
                return;
        breaker_pass pass = breaker_ask(&h->breaker, &setup, &now);
        if (pass.leave != LEAVE_REFUSED)
                breaker_report(&h->breaker, &setup, pass, good ? OUTCOME_GOOD : OUTCOME_UNREACHABLE, &now);
        cell_close(r, cell);
}
