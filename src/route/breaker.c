#include "route/breaker.h"

#include <assert.h>
#include <string.h>

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint32_t probes_of(const breaker_setup *s)
{
        return s->probes == 0 ? 1 : s->probes > BREAKER_PROBES ? (uint32_t)BREAKER_PROBES : s->probes;
}

static uint32_t one_more(uint32_t n) { return n == UINT32_MAX ? n : n + 1; }

/* The first opening lasts open_ms, each further one twice the one before, up to open_most_ms; all +- 20 %, so that
 * breakers that opened together do not all probe together. */
static uint64_t open_ms(const breaker *b, const breaker_setup *s, uint64_t random)
{
        uint64_t ms = least(s->open_ms, s->open_most_ms);
        for (uint32_t n = 1; n < b->opened && n < 32; n++)
                ms = least(ms * 2, s->open_most_ms);
        uint64_t fifth = ms / 5;
        return ms - fifth + random % (2 * fifth + 1);
}

static void begin_open(breaker *b, const breaker_setup *s, const breaker_now *now)
{
        b->state = BREAKER_OPEN;
        b->opened = one_more(b->opened);
        b->epoch++;
        b->until_ms = now->ms + open_ms(b, s, now->random);
        b->healthy_ms = now->ms;
        b->unreachable = b->good = 0;
        memset(b->lease_until_ms, 0, sizeof b->lease_until_ms);
}

static void begin_half_open(breaker *b)
{
        b->state = BREAKER_HALF_OPEN;
        b->good = 0;
        memset(b->lease_until_ms, 0, sizeof b->lease_until_ms);
}

/* What it opened for is not held against it twice: the window begins anew. */
static void begin_closed(breaker *b, uint64_t now_ms)
{
        b->state = BREAKER_CLOSED;
        b->healthy_ms = now_ms;
        b->unreachable = b->good = 0;
        memset(b->window, 0, sizeof b->window);
        memset(b->lease_until_ms, 0, sizeof b->lease_until_ms);
}

/* No moment lies further ahead than this setup could have put it: bytes of a process that died while it wrote, or of
 * a longer lease before a reload, must not hold a breaker for ever. */
static void clamp(breaker *b, const breaker_setup *s, uint64_t now_ms)
{
        if (b->state > BREAKER_HALF_OPEN)
                b->state = BREAKER_OPEN;
        b->until_ms = least(b->until_ms, now_ms + s->open_most_ms + s->open_most_ms / 5);
        b->healthy_ms = least(b->healthy_ms, now_ms);
        b->last_ms = least(b->last_ms, now_ms);
        for (size_t i = 0; i < BREAKER_PROBES; i++)
                b->lease_until_ms[i] = least(b->lease_until_ms[i], now_ms + s->lease_ms);
}

static bool lease_lost(const breaker *b, uint64_t now_ms)
{
        for (size_t i = 0; i < BREAKER_PROBES; i++)
                if (b->lease_until_ms[i] != 0 && b->lease_until_ms[i] <= now_ms)
                        return true;
        return false;
}

/* What time alone has changed since anybody looked. */
static void settle(breaker *b, const breaker_setup *s, const breaker_now *now)
{
        clamp(b, s, now->ms);
        if (b->state == BREAKER_OPEN && b->until_ms <= now->ms)
                begin_half_open(b);
        if (b->state == BREAKER_HALF_OPEN && lease_lost(b, now->ms))
                begin_open(b, s, now);
        if (b->state != BREAKER_CLOSED || s->heal_ms == 0)
                return;
        uint64_t healed = (now->ms - b->healthy_ms) / s->heal_ms;
        b->opened -= (uint32_t)least(b->opened, healed);
        b->healthy_ms += healed * s->heal_ms;
}

/* -1: none. */
static int free_lease(const breaker *b, const breaker_setup *s)
{
        for (uint32_t i = 0; i < probes_of(s); i++)
                if (b->lease_until_ms[i] == 0)
                        return (int)i;
        return -1;
}

breaker_pass breaker_ask(breaker *b, const breaker_setup *s, const breaker_now *now)
{
        settle(b, s, now);
        breaker_pass pass = {.epoch = b->epoch};
        int lease = b->state == BREAKER_HALF_OPEN ? free_lease(b, s) : -1;
        if (b->state == BREAKER_CLOSED) {
                pass.leave = LEAVE_FREE;
        } else if (lease >= 0) {
                b->lease_until_ms[lease] = now->ms + s->lease_ms;
                pass.leave = LEAVE_PROBE;
                pass.lease = (uint8_t)lease;
        } else if (now->last && now->ms - b->last_ms >= s->last_ms) {
                b->last_ms = now->ms;
                pass.leave = LEAVE_LAST;
        }
        return pass;
}

static void count(breaker *b, breaker_outcome o, uint64_t now_ms)
{
        uint64_t second = now_ms / 1000;
        breaker_bucket *k = &b->window[second % BREAKER_BUCKETS];
        if (k->second != second)
                *k = (breaker_bucket){.second = second};
        k->calls = one_more(k->calls);
        if (o == OUTCOME_FAILED || o == OUTCOME_UNREACHABLE)
                k->failed = one_more(k->failed);
        if (o == OUTCOME_SLOW)
                k->slow = one_more(k->slow);
}

static bool has_had_enough(const breaker *b, const breaker_setup *s, uint64_t now_ms)
{
        uint64_t second = now_ms / 1000, calls = 0, failed = 0, slow = 0;
        for (size_t i = 0; i < BREAKER_BUCKETS; i++) {
                const breaker_bucket *k = &b->window[i];
                if (second - k->second >= BREAKER_BUCKETS) /* also what lies ahead */
                        continue;
                calls += k->calls;
                failed += k->failed;
                slow += k->slow;
        }
        if (b->unreachable >= s->unreachable_run)
                return true;
        return calls >= s->least_calls
               && (failed * 100 >= calls * s->failed_percent || slow * 100 >= calls * s->slow_percent);
}

/* Of a probe, or of the last one that was let through: both say whether it is back. */
static bool report_trial(breaker *b, const breaker_setup *s, breaker_outcome o, const breaker_now *now)
{
        if (o == OUTCOME_FAILED || o == OUTCOME_UNREACHABLE) {
                /* While it is open a failure is what is expected: it does not lengthen its time. */
                if (b->state == BREAKER_OPEN)
                        return false;
                begin_open(b, s, now);
                return true;
        }
        if (b->state == BREAKER_OPEN)
                begin_half_open(b);
        b->good = one_more(b->good);
        if (b->good >= probes_of(s))
                begin_closed(b, now->ms);
        return false;
}

bool breaker_report(breaker *b, const breaker_setup *s, breaker_pass pass, breaker_outcome o, const breaker_now *now)
{
        assert(pass.leave != LEAVE_REFUSED);
        uint32_t before = b->epoch;
        settle(b, s, now);
        bool current = pass.epoch == b->epoch;
        if (current && pass.leave == LEAVE_PROBE && pass.lease < BREAKER_PROBES && b->state == BREAKER_HALF_OPEN)
                b->lease_until_ms[pass.lease] = 0;
        if (o == OUTCOME_NEUTRAL)
                return b->epoch != before;
        count(b, o, now->ms);
        if (!current)
                return b->epoch != before;
        if (b->state != BREAKER_CLOSED)
                return report_trial(b, s, o, now);
        b->unreachable = o == OUTCOME_UNREACHABLE ? one_more(b->unreachable) : 0;
        if (!has_had_enough(b, s, now->ms))
                return false;
        begin_open(b, s, now);
        return true;
}

breaker_sight breaker_look(const breaker *b, const breaker_setup *s, uint64_t now_ms)
{
        breaker copy = *b;
        settle(&copy, s, &(breaker_now){.ms = now_ms});
        return (breaker_sight){
                .state = copy.state,
                .would_pass =
                        copy.state == BREAKER_CLOSED || (copy.state == BREAKER_HALF_OPEN && free_lease(&copy, s) >= 0),
                .until_ms = copy.state == BREAKER_OPEN ? copy.until_ms : 0,
        };
}
