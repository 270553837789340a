#include "route/load.h"

#include <math.h>

enum : uint64_t {
        DECAY_MS = 15'000,
        FADE_MS = 30'000,     /* of what is known of an idle way */
        FORGIVE_MS = 300'000, /* of failures */
        SLOW_START_MS = 30'000,
        SKEW_MS = 1'000, /* clocks of two processes, each of its loop's last turn */
        LONGEST_US = 3'600'000'000,
        MILLION = 1'000'000,
};
enum : uint32_t { ENDS = 64, ENDS_GRANTED = 24, CONTENTS = 20, CONTENTS_SETTLED = 100 };

/* Found by the simulation in tests/unit/route/test_load.c. What is near the mean is left alone, so that healthy ways do
 * not take turns at being avoided; what is clearly worse is punished harder than in proportion, because in balance the
 * others' load would bring traffic back to it. */
static constexpr double STRAGGLER = 4; /* a sample counts as so many times the mean at most */
static constexpr double FAR = 1.5;     /* means of the others: above it the excess counts to the third power */
static constexpr double FAILURE = 2;   /* a failure weighs as much as so many good ends */
static constexpr double MANY = 0.2;    /* share of failures above which each more counts */
static constexpr double STEEP = 24;    /* so much: as the power of what is left */

static uint64_t since(uint64_t then, uint64_t now) { return now > then ? now - then : 0; }
static double decay(uint64_t ms, uint64_t constant) { return exp(-(double)ms / (double)constant); }
static uint32_t one_more(uint32_t n) { return n == UINT32_MAX ? n : n + 1; }

static uint64_t bounded(uint64_t us) { return us == 0 ? 1 : us > LONGEST_US ? LONGEST_US : us; }

void load_sample(load *l, uint64_t first_us, uint64_t now_ms)
{
        double sample = (double)bounded(first_us), old = (double)bounded(l->ewma_us);
        /* Until some have come, each counts as one of them: the first alone may have been a straggler. */
        if (l->ewma_us != 0)
                sample = fmin(sample, old * STRAGGLER);
        double kept = l->ewma_us == 0 ? 0 : (double)l->samples / ((double)l->samples + 1);
        kept = fmin(kept, decay(since(l->seen_ms, now_ms), DECAY_MS));
        l->ewma_us = bounded((uint64_t)exp(log(old) * kept + log(sample) * (1 - kept)));
        l->seen_ms = now_ms;
        l->samples = one_more(l->samples);
}

void load_content(load *l, uint64_t content_us)
{
        double late = (double)bounded(l->quantile_us), now = (double)bounded(content_us);
        double step = l->contents < CONTENTS_SETTLED ? 0.5 : 0.1;
        /* In balance one of twenty steps up and nineteen down: they meet where 95 % lie below. */
        late *= now > late ? 1 + step * 0.95 : 1 - step * 0.05;
        l->quantile_us = bounded(l->quantile_us == 0 ? content_us : (uint64_t)late);
        l->contents = one_more(l->contents);
}

static double failed_share(const load *l, uint64_t now_ms)
{
        uint64_t ppm = l->failed_ppm < MILLION ? l->failed_ppm : MILLION;
        return (double)ppm / MILLION * decay(since(l->ended_ms, now_ms), FORGIVE_MS);
}

void load_ended(load *l, bool good, uint64_t now_ms)
{
        double share = failed_share(l, now_ms);
        /* Some good ones are taken for granted: the first failures do not condemn. */
        uint32_t of = l->ended < ENDS - ENDS_GRANTED ? l->ended + ENDS_GRANTED + 1 : ENDS;
        share += good ? -share / of : (1 - share) / of * FAILURE;
        l->failed_ppm = (uint64_t)(share * MILLION);
        l->ended_ms = now_ms;
        l->ended = one_more(l->ended);
}

void load_recovered(load *l, uint64_t now_ms)
{
        *l = (load){.recovered_ms = now_ms, .quantile_us = l->quantile_us, .contents = l->contents};
}

double load_slow_start(const load *l, uint64_t now_ms)
{
        if (l->recovered_ms == 0 || l->recovered_ms > now_ms + SKEW_MS)
                return 1;
        double share = (double)since(l->recovered_ms, now_ms) / SLOW_START_MS;
        return share < 0.01 ? 0.01 : share > 1 ? 1 : share;
}

double load_cost(const load *l, const load_facts *f)
{
        double us = (double)bounded(l->ewma_us == 0 ? f->others_us : l->ewma_us);
        double over = l->ewma_us == 0 || f->others_us == 0 ? 1 : us / (double)f->others_us / FAR;
        if (over > 1)
                us *= over * over;
        if (l->ewma_us != 0 && f->in_flight == 0)
                us *= decay(since(l->seen_ms, f->now_ms), FADE_MS);
        double failed = fmin(failed_share(l, f->now_ms), 0.9);
        double success = (1 - failed) * (1 - failed);
        if (failed > MANY)
                success *= pow(1 + MANY - failed, STEEP);
        double share = (f->weight == 0 ? 1 : f->weight) * load_slow_start(l, f->now_ms) * success;
        double cost = us * ((double)f->in_flight + 1) / share;
        return cost > 1e-9 ? cost : 1e-9;
}

uint64_t load_late_us(const load *l) { return l->contents < CONTENTS ? 0 : l->quantile_us; }
