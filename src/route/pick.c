#include "route/pick.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdckdint.h>

enum : uint8_t { TRIES_OF_AN_UPSTREAM = 2 };
enum : size_t { MANY = 4 };              /* above it a third draw: with two, the second worst of eight still gets 4 % */
static constexpr double STICKY_MOST = 4; /* medians */

static const struct {
        const char *name, *text;
} whys[PICK_WHY_COUNT] = {
#define ROW(name, word, text) [PICK_##name] = {word, text},
        PICK_WHYS(ROW)
#undef ROW
};

const char *pick_why_name(pick_why w)
{
        assert(w < PICK_WHY_COUNT);
        return whys[w].name;
}

const char *pick_why_text(pick_why w)
{
        assert(w < PICK_WHY_COUNT);
        return whys[w].text;
}

/* The ways that are left, and the random numbers for drawing. */
typedef struct contest {
        const pick_ask *ask;
        const pick_way *ways;
        uint64_t random;
        size_t count;
        uint16_t at[PICK_WAYS]; /* indices of ways */
} contest;

static const catalog_target *target_of(const pick_ask *a, const pick_way *w) { return &a->model->targets[w->target]; }

static const catalog_upstream *upstream_of(const pick_ask *a, const pick_way *w)
{
        return &a->catalog->upstreams[target_of(a, w)->upstream];
}

/* ---- what rules a way out ---- */

static bool resides(const pick_ask *a, const pick_way *w)
{
        catalog_tags there = upstream_of(a, w)->residency;
        catalog_tags key = a->key != nullptr ? a->key->residency : 0;
        return (key == 0 || (key & there) != 0) && (a->model->residency == 0 || (a->model->residency & there) != 0);
}

/* A target that does not say its context counts as small once one was too small. */
static bool spacious(const pick_ask *a, const pick_way *w)
{
        bool asked = a->context_over != 0 || a->where == WHERE_LARGER;
        return !asked || target_of(a, w)->context_tokens > a->context_over;
}

static bool same_upstream(const pick_ask *a, const pick_way *w)
{
        return a->last_target >= 0 && a->model->targets[a->last_target].upstream == target_of(a, w)->upstream;
}

static bool same_key(const pick_ask *a, const pick_way *w)
{
        return same_upstream(a, w) && w->credential == a->last_credential;
}

/* It cannot heal what failed. */
static bool spent(const pick_ask *a, const pick_way *w)
{
        switch (a->where) {
        case WHERE_ANYWHERE:
        case WHERE_ELSEWHERE:
                return false;
        case WHERE_KEY:
                /* One that waits for its rate limit can be used again when that is over. */
                return w->parked_ms == 0 && (w->tries > 0 || same_key(a, w));
        case WHERE_TARGET:
        case WHERE_LARGER:
                return w->tries > 0 || w->target == a->last_target;
        case WHERE_NOWHERE:
                break;
        }
        return true;
}

/* A refused or rate-limited key has cost nothing, so a third key may be tried; all else is bounded by upstream. */
static bool upstream_spent(const pick_ask *a, const pick_way *w)
{
        if (a->upstream_tries == nullptr || (a->where == WHERE_KEY && same_upstream(a, w)))
                return false;
        return a->upstream_tries[target_of(a, w)->upstream] >= TRIES_OF_AN_UPSTREAM;
}

static pick_why judge(const pick_ask *a, const pick_way *w)
{
        const catalog_target *t = target_of(a, w);
        if (!resides(a, w))
                return PICK_RESIDENCY;
        if (t->downgrade && !a->downgrade)
                return PICK_CONSENT;
        if (a->chars < t->min_chars || a->chars > t->max_chars)
                return PICK_SIZE;
        if (!spacious(a, w))
                return PICK_CONTEXT;
        if (a->prefill && t->prefill == PREFILL_NONE)
                return PICK_PREFILL;
        if (spent(a, w))
                return PICK_TRIED;
        if (upstream_spent(a, w))
                return PICK_VENDOR;
        if (w->disabled)
                return PICK_DISABLED;
        if (w->parked_ms > 0)
                return PICK_PARKED;
        if (w->busy)
                return PICK_BUSY;
        return w->open ? PICK_OPEN : PICK_LATER;
}

/* ---- who is left ---- */

static unsigned rank(const pick_ask *a, const pick_way *w)
{
        bool     same = a->last_target == w->target, tried = w->tries > 0;
        unsigned lesser = target_of(a, w)->downgrade ? 4 : 0;
        /* Who put the alias in order wants this model: what may have failed by chance is asked of it once more. */
        if (a->where == WHERE_ANYWHERE && a->model->strategy == STRATEGY_ORDERED && a->last_target >= 0)
                return lesser + (same ? 0 : 2) + (tried ? 1 : 0);
        if (tried)
                return lesser + 2;
        /* A key's fault is healed by another key of the same target; any other rather by another target. */
        return lesser + (same == (a->where == WHERE_KEY) ? 0 : 1);
}

static void enter(contest *r, size_t count)
{
        unsigned best = UINT_MAX;
        for (size_t i = 0; i < count; i++) {
                unsigned at = rank(r->ask, &r->ways[i]);
                if (r->ways[i].why != PICK_LATER || at > best)
                        continue;
                if (at < best)
                        r->count = 0;
                best = at;
                r->at[r->count++] = (uint16_t)i;
        }
}

/* Three times as much is read as is written. */
static uint64_t price(const catalog_target *t)
{
        uint64_t in, sum;
        return ckd_mul(&in, t->price_in, (uint64_t)3) || ckd_add(&sum, in, t->price_out) ? UINT64_MAX : sum;
}

static uint64_t next_random(uint64_t *state)
{
        *state += 0x9e3779b97f4a7c15;
        uint64_t x = *state;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
        x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
        return x ^ (x >> 31);
}

static uint64_t weight_of(uint16_t said) { return said == 0 ? 1 : said; }

/* Targets count once, whatever the number of their keys. */
static uint8_t draw_target(contest *r)
{
        uint64_t weights[LIMIT_TARGETS] = {}, sum = 0;
        for (size_t i = 0; i < r->count; i++) {
                const pick_way *w = &r->ways[r->at[i]];
                if (weights[w->target] == 0) {
                        weights[w->target] = weight_of(target_of(r->ask, w)->weight);
                        sum += weights[w->target];
                }
        }
        uint64_t point = next_random(&r->random) % sum;
        uint8_t t = 0;
        while (point >= weights[t])
                point -= weights[t++];
        return t;
}

static uint64_t least(const contest *r, uint64_t (*of)(const contest *r, const pick_way *w))
{
        uint64_t best = UINT64_MAX;
        for (size_t i = 0; i < r->count; i++) {
                uint64_t n = of(r, &r->ways[r->at[i]]);
                best = n < best ? n : best;
        }
        return best;
}

static uint64_t position(const contest *, const pick_way *w) { return w->target; }

static uint64_t price_of(const contest *r, const pick_way *w) { return price(target_of(r->ask, w)); }

static void keep(contest *r, uint64_t (*of)(const contest *r, const pick_way *w), uint64_t wanted)
{
        size_t kept = 0;
        for (size_t i = 0; i < r->count; i++)
                if (of(r, &r->ways[r->at[i]]) == wanted)
                        r->at[kept++] = r->at[i];
        r->count = kept;
}

static void follow_strategy(contest *r)
{
        switch (r->ask->model->strategy) {
        case STRATEGY_ORDERED:
                keep(r, position, least(r, position));
                break;
        case STRATEGY_CHEAPEST:
                keep(r, price_of, least(r, price_of));
                break;
        case STRATEGY_WEIGHTED:
                if (r->ask->sticky == 0)
                        keep(r, position, draw_target(r));
                break;
        case STRATEGY_FASTEST:
                break;
        }
}

/* ---- one of them ---- */

static uint16_t draw(contest *r)
{
        size_t draws = r->ask->model->strategy == STRATEGY_FASTEST && r->count > MANY ? 3 : 2;
        uint16_t best = 0;
        for (size_t i = 0; i < draws && i < r->count; i++) {
                size_t from = i + next_random(&r->random) % (r->count - i);
                uint16_t drawn = r->at[from];
                r->at[from] = r->at[i];
                r->at[i] = drawn;
                if (i == 0 || r->ways[drawn].cost < r->ways[best].cost)
                        best = drawn;
        }
        return best;
}

/* FNV-1a over the text and its end, so that "ab","c" and "a","bc" differ. */
static uint64_t hash_text(uint64_t h, const char *text)
{
        for (;; text++) {
                h = (h ^ (uint8_t)*text) * 0x100000001b3;
                if (*text == '\0')
                        return h;
        }
}

static double share_of(const pick_ask *a, const pick_way *w)
{
        const catalog_upstream *u = upstream_of(a, w);
        double mine = (double)weight_of(u->credentials[w->credential].weight), sum = 0;
        if (a->model->strategy != STRATEGY_WEIGHTED)
                return mine;
        for (size_t i = 0; i < u->credential_count; i++)
                sum += (double)weight_of(u->credentials[i].weight);
        return mine / sum * (double)weight_of(target_of(a, w)->weight);
}

/* Rendezvous: the lowest wins. An exponential race gives each way its share, and a way that comes or goes moves nobody
 * but its own. */
static double arrival(const contest *r, const pick_way *w)
{
        const catalog_upstream *u = upstream_of(r->ask, w);
        uint64_t h = 0xcbf29ce484222325;
        h = hash_text(h, u->name);
        h = hash_text(h, target_of(r->ask, w)->model);
        h = hash_text(h, u->credentials[w->credential].name);
        h ^= r->ask->sticky;
        return -log2(((double)next_random(&h) + 1) / 0x1p64) / share_of(r->ask, w);
}

static double median_cost(const contest *r)
{
        double sorted[PICK_WAYS];
        for (size_t i = 0; i < r->count; i++) {
                double cost = r->ways[r->at[i]].cost;
                size_t at = i;
                for (; at > 0 && sorted[at - 1] > cost; at--)
                        sorted[at] = sorted[at - 1];
                sorted[at] = cost;
        }
        return sorted[(r->count - 1) / 2];
}

static uint16_t meet(const contest *r)
{
        double most = median_cost(r) * STICKY_MOST, first = 0;
        uint16_t best = r->at[0];
        bool any = false;
        for (size_t i = 0; i < r->count; i++) {
                const pick_way *w = &r->ways[r->at[i]];
                double comes = arrival(r, w);
                if (w->cost > most || (any && comes >= first))
                        continue;
                any = true;
                first = comes;
                best = r->at[i];
        }
        return best;
}

/* ---- nobody ---- */

static bool less_bad(const pick_ask *a, const pick_way *w, const pick_way *than)
{
        unsigned mine = rank(a, w), other = rank(a, than);
        bool lesser = target_of(a, w)->downgrade, other_lesser = target_of(a, than)->downgrade;
        if (lesser != other_lesser)
                return other_lesser;
        if (w->open_ms != than->open_ms)
                return w->open_ms < than->open_ms;
        return mine != other ? mine < other : w->cost < than->cost;
}

/* No way can be used. */
static pick_result make_do(const pick_ask *a, const pick_way *ways, size_t count)
{
        pick_result out = {.way = -1, .wait_ms = UINT64_MAX, .why = PICK_RESIDENCY};
        for (size_t i = 0; i < count; i++) {
                const pick_way *w = &ways[i];
                if (w->why > out.why)
                        out.why = w->why;
                if (w->why == PICK_PARKED && w->parked_ms < out.wait_ms)
                        out.wait_ms = w->parked_ms;
                if (w->why == PICK_OPEN && (out.way < 0 || less_bad(a, w, &ways[out.way])))
                        out.way = (int)i;
        }
        out.last = out.way >= 0;
        return out;
}

pick_result pick_choose(const pick_ask *ask, pick_way *ways, size_t count)
{
        assert(count <= PICK_WAYS);
        for (size_t i = 0; i < count; i++)
                ways[i].why = judge(ask, &ways[i]);
        contest r = {.ask = ask, .ways = ways, .random = ask->random};
        enter(&r, count);
        pick_result out = make_do(ask, ways, count);
        if (r.count > 0) {
                follow_strategy(&r);
                out = (pick_result){.way = ask->sticky != 0 ? meet(&r) : draw(&r), .wait_ms = UINT64_MAX};
        }
        if (out.way >= 0) {
                ways[out.way].why = PICK_OK;
                out.why = PICK_OK;
        }
        return out;
}
