#include "route/breaker.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/board.h"
#include "route/health.h"
#include "support/breaker_model.h"
#include "support/tap.h"

static const char SUBJECT[] = "breaker";

static const breaker_setup usual = {
        .least_calls = 20,
        .failed_percent = 50,
        .slow_percent = 80,
        .unreachable_run = 5,
        .probes = 3,
        .open_ms = 5000,
        .open_most_ms = 300000,
        .lease_ms = 25000,
        .heal_ms = 60000,
        .last_ms = 1000,
};
static const uint64_t T0 = 50'000'000;

static breaker_now at(uint64_t ms) { return (breaker_now){.ms = ms, .random = ms * 0x9e3779b97f4a7c15}; }

static breaker_pass ask(breaker *b, uint64_t ms)
{
        breaker_now now = at(ms);
        return breaker_ask(b, &usual, &now);
}

static breaker_pass ask_last(breaker *b, uint64_t ms)
{
        breaker_now now = {.ms = ms, .last = true};
        return breaker_ask(b, &usual, &now);
}

static bool tell(breaker *b, breaker_pass p, breaker_outcome o, uint64_t ms)
{
        breaker_now now = at(ms);
        return breaker_report(b, &usual, p, o, &now);
}

/* How many of `n` such calls it takes until it opens; 0: it does not. */
static int until_open(breaker *b, breaker_outcome o, int n, uint64_t ms)
{
        for (int i = 1; i <= n; i++)
                if (tell(b, ask(b, ms), o, ms))
                        return i;
        return 0;
}

static breaker opened_at(uint64_t ms)
{
        breaker b = {};
        (void)until_open(&b, OUTCOME_UNREACHABLE, 5, ms);
        return b;
}

static bool closed(const breaker *b, uint64_t ms) { return breaker_look(b, &usual, ms).state == BREAKER_CLOSED; }

static void test_opens(void)
{
        breaker b = {};
        tap_ok(ask(&b, T0).leave == LEAVE_FREE && closed(&b, T0), SUBJECT, "a new one is closed");
        tap_ok(until_open(&b, OUTCOME_FAILED, 30, T0) == 20, SUBJECT, "20 failed calls open it, 19 do not");
        tap_ok(ask(&b, T0).leave == LEAVE_REFUSED, SUBJECT, "open, it lets nothing through");

        b = (breaker){};
        bool early = until_open(&b, OUTCOME_GOOD, 11, T0) || until_open(&b, OUTCOME_FAILED, 10, T0);
        tap_ok(!early && until_open(&b, OUTCOME_FAILED, 1, T0) == 1, SUBJECT,
               "half of the calls is enough, less is not");

        b = (breaker){};
        early = until_open(&b, OUTCOME_GOOD, 5, T0) || until_open(&b, OUTCOME_SLOW, 19, T0);
        tap_ok(!early && until_open(&b, OUTCOME_SLOW, 1, T0) == 1, SUBJECT, "four of five slow open it, less does not");

        b = (breaker){};
        early = until_open(&b, OUTCOME_UNREACHABLE, 4, T0) || until_open(&b, OUTCOME_FAILED, 1, T0);
        tap_ok(!early && until_open(&b, OUTCOME_UNREACHABLE, 9, T0) == 5, SUBJECT,
               "five dead connections in a row, and one that was made begins the row anew");

        b = (breaker){};
        tap_ok(until_open(&b, OUTCOME_NEUTRAL, 100, T0) == 0 && closed(&b, T0), SUBJECT,
               "what says nothing opens nothing");

        b = (breaker){};
        early = until_open(&b, OUTCOME_FAILED, 19, T0) || until_open(&b, OUTCOME_FAILED, 1, T0 + 10000);
        tap_ok(!early, SUBJECT, "after ten seconds a failure is forgotten");
        b = (breaker){};
        tap_ok(!until_open(&b, OUTCOME_FAILED, 19, T0) && until_open(&b, OUTCOME_FAILED, 1, T0 + 9999) == 1, SUBJECT,
               "before that it is not");
}

static void test_probes(void)
{
        breaker b = opened_at(T0);
        uint64_t then = b.until_ms;
        tap_ok(ask(&b, then - 1).leave == LEAVE_REFUSED, SUBJECT, "its time has to be over");
        tap_ok(breaker_look(&b, &usual, then - 1).until_ms == then && !breaker_look(&b, &usual, then - 1).would_pass,
               SUBJECT, "an onlooker is told when that is");
        tap_ok(breaker_look(&b, &usual, then).would_pass && b.state == BREAKER_OPEN, SUBJECT,
               "and sees it half-open then, without changing it");
        breaker_pass p[3] = {ask(&b, then), ask(&b, then), ask(&b, then)};
        bool leased = p[0].leave == LEAVE_PROBE && p[1].leave == LEAVE_PROBE && p[2].leave == LEAVE_PROBE;
        tap_ok(leased && ask(&b, then).leave == LEAVE_REFUSED && !breaker_look(&b, &usual, then).would_pass, SUBJECT,
               "three probes, and no fourth");
        tell(&b, p[1], OUTCOME_NEUTRAL, then);
        p[1] = ask(&b, then);
        tap_ok(p[1].leave == LEAVE_PROBE && ask(&b, then).leave == LEAVE_REFUSED, SUBJECT,
               "a probe that says nothing gives its lease back");
        tell(&b, p[0], OUTCOME_GOOD, then);
        tell(&b, p[1], OUTCOME_SLOW, then);
        bool still = !closed(&b, then);
        tell(&b, p[2], OUTCOME_GOOD, then);
        tap_ok(still && closed(&b, then), SUBJECT, "three good ones close it, two do not");
        tap_ok(!tell(&b, ask(&b, then), OUTCOME_FAILED, then) && closed(&b, then), SUBJECT,
               "and what it had opened for is no longer counted");

        b = opened_at(T0);
        then = b.until_ms;
        p[0] = ask(&b, then);
        p[1] = ask(&b, then);
        tell(&b, p[0], OUTCOME_GOOD, then);
        tap_ok(tell(&b, p[1], OUTCOME_FAILED, then) && ask(&b, then).leave == LEAVE_REFUSED, SUBJECT,
               "one bad probe opens it again");

        b = opened_at(T0);
        then = b.until_ms;
        p[0] = ask(&b, then);
        tap_ok(breaker_look(&b, &usual, then + 24999).state == BREAKER_HALF_OPEN
                       && breaker_look(&b, &usual, then + 25000).state == BREAKER_OPEN,
               SUBJECT, "a probe that never reports is a failure when its lease is over");
        tap_ok(ask(&b, then + 25000).leave == LEAVE_REFUSED && b.until_ms > then + 25000 + 7999, SUBJECT,
               "so it opens again, for longer, and does not stay half-open for ever");
        uint64_t until = b.until_ms;
        tap_ok(!tell(&b, p[0], OUTCOME_GOOD, then + 25001) && b.state == BREAKER_OPEN && b.until_ms == until, SUBJECT,
               "and a report from before changes nothing of that");
        b = opened_at(T0);
        p[0] = ask(&b, b.until_ms);
        tap_ok(tell(&b, p[0], OUTCOME_GOOD, b.until_ms + 25000), SUBJECT,
               "a probe's own late report opens it too, and says so");
}

static void test_last(void)
{
        breaker b = opened_at(T0);
        breaker_pass p = ask_last(&b, T0 + 10);
        tap_ok(p.leave == LEAVE_LAST && ask_last(&b, T0 + 1009).leave == LEAVE_REFUSED, SUBJECT,
               "the last of all is let through although it is open, once in a second");
        tap_ok(ask(&b, T0 + 1010).leave == LEAVE_REFUSED && ask_last(&b, T0 + 1010).leave == LEAVE_LAST, SUBJECT,
               "the next second once more, and only as the last");
        uint64_t until = b.until_ms;
        tap_ok(!tell(&b, p, OUTCOME_FAILED, T0 + 1020) && b.until_ms == until, SUBJECT,
               "when that fails it stays open no longer than it would");
        tell(&b, ask_last(&b, T0 + 2010), OUTCOME_GOOD, T0 + 2020);
        tap_ok(b.state == BREAKER_HALF_OPEN && ask(&b, T0 + 2020).leave == LEAVE_PROBE, SUBJECT,
               "when it is good, probes need not wait");
        b = opened_at(T0);
        uint64_t then = b.until_ms;
        for (int i = 0; i < 3; i++)
                (void)ask(&b, then);
        tap_ok(ask_last(&b, then).leave == LEAVE_LAST && ask_last(&b, then).leave == LEAVE_REFUSED, SUBJECT,
               "half-open with all leases out, the last is let through too");
}

/* Opens it at `ms` by a failing probe or a row of dead connections. */
static void open_again(breaker *b, uint64_t ms)
{
        if (b->state == BREAKER_CLOSED)
                (void)until_open(b, OUTCOME_UNREACHABLE, 5, ms);
        else
                tell(b, ask(b, ms), OUTCOME_FAILED, ms);
}

static void test_times(void)
{
        bool within = true;
        uint64_t shortest = UINT64_MAX, longest = 0;
        for (uint64_t i = 0; i < 2000; i++) {
                breaker b = {};
                breaker_now now = {.ms = T0, .random = i * 0x9e3779b97f4a7c15};
                for (int n = 0; n < 5; n++)
                        breaker_report(&b, &usual, breaker_ask(&b, &usual, &now), OUTCOME_UNREACHABLE, &now);
                uint64_t open = b.until_ms - T0;
                within = within && open >= 4000 && open <= 6000;
                shortest = open < shortest ? open : shortest;
                longest = open > longest ? open : longest;
        }
        tap_ok(within && shortest < 4050 && longest > 5950, SUBJECT,
               "the first time it is open for 5 s, spread by 20 %");
        breaker b = {};
        uint64_t ms = T0, base = 5000;
        bool doubled = true;
        for (int n = 1; n <= 12; n++) {
                open_again(&b, ms);
                uint64_t open = b.until_ms - ms;
                doubled = doubled && open >= base * 8 / 10 && open <= base * 12 / 10;
                base = base * 2 > 300000 ? 300000 : base * 2;
                ms = b.until_ms;
        }
        tap_ok(doubled && base == 300000, SUBJECT, "each time twice as long, up to 300 s");

        b = opened_at(T0);
        open_again(&b, b.until_ms);
        ms = b.until_ms;
        for (int i = 0; i < 3; i++)
                tell(&b, ask(&b, ms), OUTCOME_GOOD, ms);
        breaker soon = b, late = b;
        open_again(&soon, ms + 59999);
        open_again(&late, ms + 60000);
        tap_ok(soon.until_ms - ms - 59999 >= 16000 && late.until_ms - ms - 60000 <= 12000, SUBJECT,
               "a healthy minute takes one doubling back");
        open_again(&b, ms + 600000);
        tap_ok(b.until_ms - ms - 600000 <= 6000 && b.opened == 1, SUBJECT, "several take all back, and no more");
}

/* Asked once a second and answered well, is it closed within its longest time? */
static bool comes_back(breaker *b)
{
        for (uint64_t s = 0; s <= 400; s++) {
                breaker_pass p = ask(b, T0 + s * 1000);
                if (p.leave != LEAVE_REFUSED)
                        tell(b, p, OUTCOME_GOOD, T0 + s * 1000);
        }
        return b->state == BREAKER_CLOSED;
}

static void test_any_bytes(void)
{
        bool back = true;
        uint64_t x = 1;
        for (int i = 0; i < 2000 && back; i++) {
                breaker b;
                uint8_t *bytes = (uint8_t *)&b;
                for (size_t k = 0; k < sizeof b; k++) {
                        x = x * 6364136223846793005 + 1442695040888963407;
                        bytes[k] = (x >> 60) < 4 ? 0xff : (uint8_t)(x >> 32);
                }
                if (i % 4 != 3)
                        b.state = (breaker_state)(i % 4);
                breaker copy = b;
                breaker_pass strange = {.epoch = b.epoch, .leave = LEAVE_PROBE, .lease = (uint8_t)(x >> 40)};
                (void)breaker_look(&copy, &usual, T0);
                tell(&copy, strange, OUTCOME_GOOD, T0);
                back = comes_back(&copy) && comes_back(&b);
        }
        tap_ok(back, SUBJECT, "whatever lies in its memory, it comes back within its longest time");
        breaker b = {.state = BREAKER_HALF_OPEN, .lease_until_ms = {UINT64_MAX, UINT64_MAX, UINT64_MAX}};
        (void)ask(&b, T0);
        tap_ok(ask(&b, T0 + 25000).leave == LEAVE_REFUSED && b.state == BREAKER_OPEN, SUBJECT,
               "a lease without end ends with the longest lease");
        b = (breaker){.opened = UINT32_MAX, .healthy_ms = UINT64_MAX};
        (void)until_open(&b, OUTCOME_UNREACHABLE, 5, T0);
        tap_ok(b.opened == UINT32_MAX && b.until_ms - T0 <= 360000, SUBJECT,
               "nor does any count make it longer than that");
        b = opened_at(T0);
        (void)ask_last(&b, T0 + 10);
        tap_ok(ask_last(&b, T0 + 9).leave == LEAVE_REFUSED, SUBJECT,
               "a process whose clock is a turn behind gets no second one in a second");
}

enum : int { PROCESSES = 8, CALLS = 125, ROUNDS = 100 };

/* What all processes share: a board with an open breaker, whose time is over, for each round. */
typedef struct crowd {
        board board;
        _Atomic int ready, passed[ROUNDS];
} crowd;

/* One process: in each round it begins together with the others, and asks as often as it may. */
static void take_part(crowd *c, int process, const breaker_setup *setup)
{
        for (int round = 0; round < ROUNDS; round++) {
                breaker *b = &((health *)(void *)c->board.cells[round].bytes)->breaker;
                atomic_fetch_add(&c->ready, 1);
                while (atomic_load(&c->ready) < PROCESSES * (round + 1))
                        sched_yield();
                for (int i = 0; i < CALLS; i++) {
                        while (!board_cell_lock(&c->board, round, &c->board.columns[process]))
                                sched_yield();
                        breaker_now now = at(T0 + 10000);
                        if (breaker_ask(b, setup, &now).leave != LEAVE_REFUSED)
                                atomic_fetch_add(&c->passed[round], 1);
                        board_cell_unlock(&c->board, round);
                }
        }
        _exit(0);
}

/* Were exactly so many let through in every round? */
static bool let_through(uint32_t probes)
{
        crowd *c = mmap(nullptr, sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (c == MAP_FAILED)
                return false;
        breaker_setup setup = usual;
        setup.probes = probes;
        board_format(&c->board);
        for (int round = 0; round < ROUNDS; round++)
                ((health *)(void *)c->board.cells[round].bytes)->breaker = opened_at(T0);
        for (int p = 0; p < PROCESSES; p++)
                if (fork() == 0)
                        take_part(c, p, &setup);
        bool good = true;
        for (int p = 0; p < PROCESSES; p++) {
                int status = 1;
                good = wait(&status) > 0 && status == 0 && good;
        }
        for (int round = 0; round < ROUNDS; round++)
                good = good && atomic_load(&c->passed[round]) == (int)probes;
        munmap(c, sizeof *c);
        return good;
}

static void test_parallel(void)
{
        tap_ok(let_through(1), SUBJECT, "exactly one probe among 1,000 callers of eight processes, a hundred times");
        tap_ok(let_through(3), SUBJECT, "and three where three are allowed");
}

static void test_model(const char *only)
{
        uint64_t first = only != nullptr ? strtoull(only, nullptr, 10) : 1;
        uint64_t last = only != nullptr ? first : 100'000;
        uint64_t bad = 0;
        model_seen seen = {};
        for (uint64_t seed = first; seed <= last && bad == 0; seed++)
                if (!model_agrees(seed, &seen))
                        bad = seed;
        if (bad != 0)
                printf("# seed %llu; again: BREAKER_SEED=%llu build/test/route/test_breaker\n", (unsigned long long)bad,
                       (unsigned long long)bad);
        tap_ok(bad == 0, SUBJECT, "100,000 random sequences agree with a naive model");
        printf("# opened %zu, closed %zu, probes %zu, leases lost %zu, last %zu\n", seen.opened, seen.closed,
               seen.probes, seen.lost, seen.last);
        tap_ok(only != nullptr
                       || (seen.opened > 50'000 && seen.closed > 10'000 && seen.probes > 50'000 && seen.lost > 10'000
                           && seen.last > 10'000),
               SUBJECT, "in which everything happened often");
}

int main(int argc, char **argv)
{
        test_opens();
        test_probes();
        test_last();
        test_times();
        test_any_bytes();
        test_parallel();
        test_model(argc > 1 ? argv[1] : getenv("BREAKER_SEED"));
        return tap_done();
}
