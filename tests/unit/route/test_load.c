#include "route/load.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/tap.h"

static const char SUBJECT[] = "load";
static const uint64_t T0 = 50'000'000;

static double cost(const load *l, uint64_t ms, uint32_t in_flight)
{
        return load_cost(l, &(load_facts){.now_ms = ms, .in_flight = in_flight, .weight = 100});
}

static load known(uint64_t us, uint64_t ms)
{
        load l = {};
        for (int i = 0; i < 100; i++)
                load_sample(&l, us, ms);
        return l;
}

static bool near(double is, double should, double of_it) { return fabs(is - should) <= should * of_it; }

static void test_sample(void)
{
        load l = {};
        load_sample(&l, 300'000, T0);
        tap_ok(near((double)l.ewma_us, 300'000, 0.001), SUBJECT, "the first sample is what is known");
        load_sample(&l, 900'000, T0);
        tap_ok(near((double)l.ewma_us, sqrt(3e5 * 9e5), 0.001), SUBJECT, "the second counts as half, in logarithms");
        l = known(100'000, T0);
        load_sample(&l, 300'000, T0 + 15'000);
        tap_ok(near((double)l.ewma_us, 3e5 * pow(1 / 3.0, exp(-1)), 0.01), SUBJECT,
               "later ones with a constant of 15 s");
        load four = known(100'000, T0), forty = four;
        load_sample(&four, 400'000, T0 + 100);
        load_sample(&forty, 4'000'000, T0 + 100);
        tap_ok(forty.ewma_us == four.ewma_us && four.ewma_us > 100'000, SUBJECT,
               "a straggler counts as four times as late");
        l = known(100'000, T0);
        for (uint64_t ms = 1; ms <= 60'000; ms++)
                load_sample(&l, 50'000, T0 + ms);
        tap_ok(near((double)l.ewma_us, 50'000, 0.02), SUBJECT, "samples that come every millisecond count too");
        load_sample(&l, 60'000, T0);
        tap_ok(near((double)l.ewma_us, 50'000, 0.02), SUBJECT, "one of an earlier moment changes nothing");
        memset(&l, 0xff, sizeof l);
        load_sample(&l, UINT64_MAX, T0);
        load_ended(&l, false, T0);
        load_content(&l, 0);
        tap_ok(l.ewma_us <= 3'600'000'000 && isfinite(cost(&l, T0, 3)) && cost(&l, T0, 3) > 0, SUBJECT,
               "any bytes are survived");
}

static void test_cost(void)
{
        load l = known(300'000, T0);
        tap_ok(near(cost(&l, T0, 0), 3000, 0.001) && near(cost(&l, T0, 4), 15000, 0.001), SUBJECT,
               "time to first byte x in flight and one more / weight");
        double heavy = load_cost(&l, &(load_facts){.now_ms = T0, .weight = 1000});
        tap_ok(near(heavy, 300, 0.001), SUBJECT, "ten times the weight is a tenth of the cost");
        load none = {};
        double unknown =
                load_cost(&none, &(load_facts){.now_ms = T0, .others_us = 300'000, .in_flight = 1, .weight = 100});
        tap_ok(near(unknown, cost(&l, T0, 1), 0.001), SUBJECT,
               "one of which nothing is known counts as the others' mean");
        tap_ok(cost(&none, T0, 0) > 0 && cost(&none, T0, 1) > cost(&none, T0, 0), SUBJECT,
               "when nothing is known of any, what is busy costs more");
        double over = load_cost(&l, &(load_facts){.now_ms = T0, .others_us = 100'000, .weight = 100});
        double near_by = load_cost(&l, &(load_facts){.now_ms = T0, .others_us = 210'000, .weight = 100});
        tap_ok(near(over, 12000, 0.001) && near(near_by, 3000, 0.001), SUBJECT,
               "what is far above the others' mean counts for more, what is near does not");
        tap_ok(near(cost(&l, T0 + 30'000, 0), 3000 * exp(-1), 0.01) && near(cost(&l, T0 + 30'000, 1), 6000, 0.01),
               SUBJECT, "idle, it becomes worth a try again, one at a time");
}

static void test_failures(void)
{
        load l = known(300'000, T0);
        load_ended(&l, false, T0);
        tap_ok(l.failed_ppm == 80'000, SUBJECT, "the first failure does not condemn");
        l = known(300'000, T0);
        for (int i = 0; i < 1000; i++)
                load_ended(&l, i % 20 != 0, T0);
        double few = cost(&l, T0, 1) / 6000;
        tap_ok(few > 1.02 && few < 1.3, SUBJECT, "one failure in twenty costs a little");
        for (int i = 0; i < 1000; i++)
                load_ended(&l, i % 10 >= 3, T0);
        double many = cost(&l, T0, 1) / 6000;
        tap_ok(many > 40 && cost(&l, T0, 1) < 1e9, SUBJECT, "three in ten very much");
        tap_ok(cost(&l, T0 + 600'000, 1) < 1.3 * 6000, SUBJECT, "and it is forgiven in ten minutes");
        for (int i = 0; i < 10'000; i++)
                load_ended(&l, false, T0);
        tap_ok(isfinite(cost(&l, T0, 1)) && cost(&l, T0, 1) > 1e6, SUBJECT, "nothing but failures still is a number");
        load_recovered(&l, T0 + 1000);
        tap_ok(l.failed_ppm == 0 && l.ewma_us == 0, SUBJECT, "what has come back begins anew");
}

static void test_slow_start(void)
{
        load l = {};
        tap_ok(near(load_slow_start(&l, T0), 1, 0), SUBJECT, "what never was away has its whole share");
        load_recovered(&l, T0);
        tap_ok(near(load_slow_start(&l, T0), 0.01, 0.001) && near(load_slow_start(&l, T0 + 15'000), 0.5, 0.001)
                       && near(load_slow_start(&l, T0 + 30'000), 1, 0.001)
                       && near(load_slow_start(&l, T0 + 90'000), 1, 0),
               SUBJECT, "what comes back has 1 %, and all after 30 s");
        load_sample(&l, 300'000, T0);
        tap_ok(near(cost(&l, T0 + 15'000, 1), 12000, 0.001), SUBJECT, "half the share is twice the cost");
        l.recovered_ms = UINT64_MAX / 2;
        tap_ok(near(load_slow_start(&l, T0), 1, 0), SUBJECT, "a recovery that lies ahead is none");
}

static void test_late(void)
{
        load l = {};
        for (int i = 0; i < 19; i++)
                load_content(&l, 300'000);
        tap_ok(load_late_us(&l) == 0, SUBJECT, "of fewer than 20 nothing is said");
        load_content(&l, 300'000);
        tap_ok(load_late_us(&l) > 200'000 && load_late_us(&l) < 600'000, SUBJECT, "of 20 something");
        double sum = 0;
        srand48(7);
        for (int i = 0; i < 20'000; i++) {
                load_content(&l, (uint64_t)(1e6 * drand48()));
                sum += i >= 10'000 ? (double)load_late_us(&l) : 0;
        }
        tap_ok(near(sum / 10'000, 950'000, 0.08), SUBJECT, "95 % come before it, on the average");
        for (int i = 0; i < 1000; i++)
                load_content(&l, 100'000);
        tap_ok(load_late_us(&l) < 130'000, SUBJECT, "and it follows");
}

/* ---- eight ways in virtual time: one five times as slow, one that fails ---- */

enum : size_t { WAYS = 8, SLOW = 0, FAILING = 1, FLYING = 4096 };
typedef struct scene {
        const char *name;
        double stream_s;   /* mean length of an answer after its first byte */
        double straggling; /* of calls are ten times later */
        double failed;     /* of calls at every way; 30 % at the failing one */
        double per_second;
} scene;
typedef struct attempt {
        double at; /* seconds */
        size_t way;
        double first_s; /* 0: this is the end */
        bool good;
} attempt;
typedef struct world {
        const scene *scene;
        unsigned short seed[3];
        load loads[WAYS];
        uint32_t in_flight[WAYS];
        size_t chosen[WAYS];
        attempt flying[FLYING];
        size_t count;
} world;

static double uniform(world *w) { return 1 - erand48(w->seed); }

static void later(world *w, attempt a)
{
        if (w->count == FLYING)
                abort();
        size_t i = w->count++;
        while (i > 0 && w->flying[i - 1].at < a.at) {
                w->flying[i] = w->flying[i - 1];
                i--;
        }
        w->flying[i] = a;
}

static uint64_t mean_us(const world *w)
{
        double sum = 0, n = 0;
        for (size_t i = 0; i < WAYS; i++)
                if (w->loads[i].ewma_us != 0) {
                        sum += log((double)w->loads[i].ewma_us);
                        n++;
                }
        return n > 0 ? (uint64_t)exp(sum / n) : 0;
}

/* The best of three drawn, as route/pick does with more than four. */
static size_t choose(world *w, uint64_t now_ms)
{
        load_facts f = {.now_ms = now_ms, .others_us = mean_us(w), .weight = 100};
        size_t drawn[WAYS] = {0, 1, 2, 3, 4, 5, 6, 7}, best = 0;
        double lowest = INFINITY;
        for (size_t i = 0; i < 3; i++) {
                size_t k = i + (size_t)(erand48(w->seed) * (double)(WAYS - i));
                size_t way = drawn[k];
                drawn[k] = drawn[i];
                f.in_flight = w->in_flight[way];
                double c = load_cost(&w->loads[way], &f);
                if (c < lowest) {
                        lowest = c;
                        best = way;
                }
        }
        return best;
}

static void begin(world *w, double at)
{
        size_t way = choose(w, T0 + (uint64_t)(at * 1000));
        double normal = sqrt(-2 * log(uniform(w))) * cos(2 * M_PI * uniform(w));
        double first = 0.3 * exp(0.4 * normal);
        if (uniform(w) < w->scene->straggling)
                first *= 10;
        if (way == SLOW)
                first *= 5;
        w->in_flight[way]++;
        if (at >= 10)
                w->chosen[way]++;
        if (uniform(w) < (way == FAILING ? 0.3 : w->scene->failed)) {
                later(w, (attempt){.at = at + 0.05, .way = way});
                return;
        }
        later(w, (attempt){.at = at + first, .way = way, .first_s = first});
        later(w, (attempt){.at = at + first - w->scene->stream_s * log(uniform(w)), .way = way, .good = true});
}

/* `stray`: how far a healthy one is from their mean at most. */
static void play(const scene *s, unsigned short seed, double worst[static WAYS], double *stray)
{
        world *w = calloc(1, sizeof *w);
        if (w == nullptr)
                abort();
        w->scene = s;
        w->seed[0] = seed;
        double next = 0;
        while (next < 70) {
                if (w->count > 0 && w->flying[w->count - 1].at < next) {
                        attempt a = w->flying[--w->count];
                        uint64_t ms = T0 + (uint64_t)(a.at * 1000);
                        if (a.first_s > 0) {
                                load_sample(&w->loads[a.way], (uint64_t)(a.first_s * 1e6), ms);
                        } else {
                                load_ended(&w->loads[a.way], a.good, ms);
                                w->in_flight[a.way]--;
                        }
                } else {
                        begin(w, next);
                        next -= log(uniform(w)) / s->per_second;
                }
        }
        double all = 0, healthy = 0;
        for (size_t i = 0; i < WAYS; i++) {
                all += (double)w->chosen[i];
                healthy += i > FAILING ? (double)w->chosen[i] / (WAYS - 2) : 0;
        }
        for (size_t i = 0; i < WAYS; i++) {
                worst[i] = fmax(worst[i], (double)w->chosen[i] / all);
                if (i > FAILING)
                        *stray = fmax(*stray, fabs((double)w->chosen[i] / healthy - 1));
        }
        free(w);
}

static void test_eight_ways(void)
{
        static const scene scenes[] = {
                {"short answers", 0, 0, 0, 100},
                {"streams", 2, 0, 0, 100},
                {"stragglers", 0, 0.05, 0, 100},
                {"streams and stragglers", 2, 0.05, 0, 100},
                {"all fail a little", 1, 0.05, 0.058, 100},
        };
        for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
                double worst[WAYS] = {}, stray = 0;
                for (unsigned short seed = 1; seed <= 50; seed++)
                        play(&scenes[i], seed, worst, &stray);
                printf("# %s, 50 seeds, worst: slow %.2f %%, failing %.2f %%, healthy +- %.1f %%\n", scenes[i].name,
                       worst[SLOW] * 100, worst[FAILING] * 100, stray * 100);
                char name[160];
                snprintf(name, sizeof name,
                         "%s: of eight ways the slow one and the failing one get under 2 %% after 10 s",
                         scenes[i].name);
                tap_ok(worst[SLOW] < 0.02 && worst[FAILING] < 0.02, SUBJECT, name);
                snprintf(name, sizeof name, "%s: and the healthy ones the same to 15 %%", scenes[i].name);
                tap_ok(stray < 0.15, SUBJECT, name);
        }
}

int main(void)
{
        test_sample();
        test_cost();
        test_failures();
        test_slow_start();
        test_late();
        test_eight_ways();
        return tap_done();
}
