#include "route/pressure.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/tap.h"

static const char SUBJECT[] = "pressure";
static const uint64_t T0 = 90'000'000, MOST = 1'000'000;

static pressure_facts memory(uint64_t used) { return (pressure_facts){.memory = used, .memory_most = MOST}; }
static pressure_facts sockets(uint64_t used)
{
        return (pressure_facts){.memory_most = MOST, .sockets = used, .sockets_most = 1000};
}
static pressure_facts lag(uint64_t us) { return (pressure_facts){.memory_most = MOST, .lag_us = us}; }

static uint8_t fresh(pressure_facts f)
{
        pressure p = {};
        pressure_step(&p, &f, T0);
        return p.level;
}

static void test_enter(void)
{
        static const struct {
                uint64_t at, level;
        } memories[] = {{0, 0},       {700'000, 0}, {700'001, 1}, {850'000, 1}, {850'001, 2},   {920'000, 2},
                        {920'001, 3}, {970'000, 3}, {970'001, 4}, {MOST, 4},    {UINT64_MAX, 4}},
          lags[] = {{0, 0},       {20'000, 0},  {20'001, 1},  {50'000, 1},        {50'001, 2},
                    {200'000, 2}, {200'001, 3}, {900'000, 3}, {3'600'000'000, 3}, {UINT64_MAX, 3}},
          socks[] = {{0, 0}, {700, 0}, {701, 1}, {850, 1}, {851, 2}, {920, 2}, {921, 3}, {1000, 3}, {5000, 3}};
        bool good = true;
        for (size_t i = 0; i < sizeof memories / sizeof *memories; i++)
                good = good && fresh(memory(memories[i].at)) == memories[i].level;
        tap_ok(good, SUBJECT, "memory enters each rung above its share, not at it");
        good = true;
        for (size_t i = 0; i < sizeof lags / sizeof *lags; i++)
                good = good && fresh(lag(lags[i].at)) == lags[i].level;
        tap_ok(good, SUBJECT, "lag too, and never alone the last");
        good = true;
        for (size_t i = 0; i < sizeof socks / sizeof *socks; i++)
                good = good && fresh(sockets(socks[i].at)) == socks[i].level;
        tap_ok(good, SUBJECT, "sockets too, and never alone the last");
        pressure_facts unknown = {.sockets = 100'000, .sockets_most = 0, .memory = 5, .memory_most = 0};
        tap_ok(fresh(unknown) == 0, SUBJECT, "what has no bound presses on nothing");
        pressure_facts both = {
                .memory = 860'000, .memory_most = MOST, .sockets = 950, .sockets_most = 1000, .lag_us = 30'000};
        tap_ok(fresh(both) == 3, SUBJECT, "the highest rung of the three counts");
        pressure_facts large = {.memory = 16'000'000'000, .memory_most = 16'384'000'000};
        tap_ok(fresh(large) == 4, SUBJECT, "sixteen gigabytes do not overflow");
}

/* Steps every 100 ms; returns how long the level stayed, at most `most`. */
static uint64_t stays(pressure *p, pressure_facts f, uint8_t level, uint64_t from, uint64_t most)
{
        uint64_t ms = 0;
        for (; ms < most; ms += 100) {
                pressure_step(p, &f, from + ms);
                if (p->level != level)
                        break;
        }
        return ms;
}

static void test_leave(void)
{
        pressure p = {};
        pressure_facts high = memory(930'000);
        pressure_step(&p, &high, T0);
        tap_ok(stays(&p, memory(828'000), 3, T0 + 100, 60'000) == 60'000, SUBJECT,
               "at 90 % of its entry a rung is kept");
        p = (pressure){};
        pressure_step(&p, &high, T0);
        uint64_t ms = stays(&p, memory(827'000), 3, T0 + 100, 60'000);
        tap_ok(ms == 4900 && p.level == 2, SUBJECT, "5 s below it the one below is left of it");
        p = (pressure){};
        pressure_step(&p, &high, T0);
        ms = stays(&p, memory(0), 3, T0 + 100, 60'000);
        tap_ok(ms == 4900 && p.level == 0, SUBJECT, "when all is over, all rungs are left at once");
        p = (pressure){};
        pressure_facts late = lag(300'000);
        pressure_step(&p, &late, T0);
        ms = stays(&p, lag(0), 3, T0 + 100, 60'000);
        tap_ok(ms == 1900 && p.level == 0, SUBJECT, "those of lag after 2 s");
        p = (pressure){};
        pressure_step(&p, &high, T0);
        pressure_facts low = memory(0), near = memory(830'000);
        for (uint64_t at = 100; at < 4900; at += 100)
                pressure_step(&p, &low, T0 + at);
        pressure_step(&p, &near, T0 + 4900);
        ms = stays(&p, low, 3, T0 + 5000, 60'000);
        tap_ok(ms == 4900, SUBJECT, "one look at 90 % and the time begins again");
        p = (pressure){};
        bool told = pressure_step(&p, &high, T0), again = pressure_step(&p, &high, T0 + 100);
        tap_ok(told && !again, SUBJECT, "a change is told once");
}

static void test_swings(void)
{
        /* Whatever comes, no rung is entered twice within its hold. */
        pressure p = {};
        uint64_t ups[PRESSURE_RUNGS] = {}, soonest = UINT64_MAX;
        srandom(7);
        uint8_t before = 0;
        for (uint64_t ms = 0; ms < 3'600'000; ms += 100) {
                pressure_facts f = memory((uint64_t)random() % MOST);
                pressure_step(&p, &f, T0 + ms);
                for (uint8_t i = before + 1; i <= p.level; i++) {
                        if (ups[i] != 0 && ms - ups[i] < soonest)
                                soonest = ms - ups[i];
                        ups[i] = ms;
                }
                before = p.level;
        }
        tap_ok(soonest >= 5000, SUBJECT, "of an hour of chance no rung is entered twice within 5 s");
}

static void steps(pressure *p, uint64_t now_us, int n)
{
        pressure_facts f = lag(now_us > 200'000 ? 200'000 : now_us);
        f.lag_now_us = now_us;
        for (int i = 0; i < n; i++)
                pressure_step(p, &f, T0 + (uint64_t)i * 100);
}

static pressure_verdict judge(pressure *p, catalog_priority who, uint64_t body) { return pressure_judge(p, who, body); }

static int refused(pressure *p, catalog_priority who, int of)
{
        int n = 0;
        for (int i = 0; i < of; i++)
                n += judge(p, who, 100) != PRESSURE_GO;
        return n;
}

static void test_share(void)
{
        pressure p = {};
        steps(&p, 5'000'000, 1);
        tap_ok(p.share == 0 && refused(&p, PRIORITY_NORMAL, 100) == 0, SUBJECT, "once late is no load");
        steps(&p, 150'000, 5);
        tap_ok(p.share == 0, SUBJECT, "nor is what is late but bearable");
        steps(&p, 150'001, 4);
        tap_ok(p.share == 300 && refused(&p, PRIORITY_NORMAL, 1000) == 300, SUBJECT,
               "from the second late step on a tenth more is refused at each");
        tap_ok(refused(&p, PRIORITY_HIGH, 1000) == 0, SUBJECT, "but nobody who comes first");
        steps(&p, 50'000, 20);
        tap_ok(p.share == 300, SUBJECT, "between late and easy it stays");
        steps(&p, 49'999, 1);
        tap_ok(p.share == 250, SUBJECT, "then it falls slowly");
        steps(&p, 0, 5);
        tap_ok(p.share == 0, SUBJECT, "to nothing");
        steps(&p, 160'000, 50);
        tap_ok(p.share == 950 && refused(&p, PRIORITY_NORMAL, 1000) == 950, SUBJECT, "somebody always gets through");
        p = (pressure){};
        pressure_facts f = lag(200'001);
        pressure_step(&p, &f, T0);
        f = lag(0);
        for (uint64_t ms = 100; p.level >= 3; ms += 100)
                pressure_step(&p, &f, T0 + ms);
        tap_ok(p.share > 850, SUBJECT, "after a third rung for lag callers come back by and by");
}

static void test_judge(void)
{
        pressure p = {};
        tap_ok(judge(&p, PRIORITY_LOW, 32 << 20) == PRESSURE_GO, SUBJECT, "without pressure all may");
        p.level = 1;
        tap_ok(judge(&p, PRIORITY_LOW, 32 << 20) == PRESSURE_GO, SUBJECT, "nor is anybody refused on the first rung");
        p.level = 2;
        tap_ok(judge(&p, PRIORITY_LOW, 1) == PRESSURE_LOW && judge(&p, PRIORITY_NORMAL, 1) == PRESSURE_GO, SUBJECT,
               "on the second the low ones are");
        tap_ok(judge(&p, PRIORITY_NORMAL, 1 << 20) == PRESSURE_GO
                       && judge(&p, PRIORITY_HIGH, (1 << 20) + 1) == PRESSURE_REFUSED,
               SUBJECT, "and bodies above 1 MiB");
        p.level = 3;
        tap_ok(pressure_closed(&p) && judge(&p, PRIORITY_HIGH, 1) == PRESSURE_REFUSED, SUBJECT, "on the third all");
        p = (pressure){.level = 1, .rung = {[PRESSURE_LAG] = 3}};
        bool by_lag = pressure_scarce(&p);
        p = (pressure){.rung = {[PRESSURE_SOCKETS] = 1}};
        tap_ok(!by_lag && pressure_scarce(&p), SUBJECT, "lag alone closes no idle connection");
}

static void test_idle(void)
{
        pressure_facts f = memory(700'000);
        tap_ok(pressure_idle_ms(&f, 75'000) == 75'000, SUBJECT, "idle connections have all their time up to 70 %");
        f = memory(810'000);
        tap_ok(pressure_idle_ms(&f, 75'000) == 38'500, SUBJECT, "half between");
        f = memory(920'000);
        tap_ok(pressure_idle_ms(&f, 75'000) == 2000, SUBJECT, "2 s from 92 % on");
        f = sockets(1000);
        tap_ok(pressure_idle_ms(&f, 75'000) == 2000 && pressure_idle_ms(&f, 500) == 500, SUBJECT,
               "by sockets too, and never longer than they had");
        tap_ok(pressure_bearable(1'000'999) == 970'969, SUBJECT, "streams are ended down to 97 %");
}

int main(void)
{
        test_enter();
        test_leave();
        test_swings();
        test_share();
        test_judge();
        test_idle();
        return tap_done();
}
