#include "support/breaker_model.h"

#include <stdio.h>

enum : size_t { STEPS = 120 };

typedef enum phase { SHUT, OPEN, HALF } phase;

/* All that was ever let through. */
typedef struct call {
        breaker_pass real;
        breaker_leave leave;
        size_t opening;       /* how often it had opened before */
        uint64_t lease_until; /* of a probe */
        bool over;
} call;

/* All that was ever reported and says something. */
typedef struct word {
        uint64_t ms;
        breaker_outcome what;
        bool in_row; /* reported to a closed breaker by a call of its own time */
} word;

typedef struct model {
        breaker_setup setup;
        breaker real;
        uint64_t now, random;
        phase phase;
        call calls[STEPS];
        word words[STEPS];
        size_t call_count, word_count;
        size_t words_from; /* the first since it was last closed */
        size_t openings, level, good;
        uint64_t closed_at, until, last_at;
        bool just_opened;
        model_seen seen;
} model;

static uint64_t draw(model *m, uint64_t below)
{
        uint64_t z = (m->random += 0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return (z ^ (z >> 31)) % below;
}

/* "5 s x 2^(n-1), cap; n falls by one per healthy 60 s" */
static void model_open(model *m)
{
        if (m->phase == SHUT) {
                uint64_t healthy = (m->now - m->closed_at) / m->setup.heal_ms;
                m->level = healthy > m->level ? 0 : m->level - healthy;
        }
        m->phase = OPEN;
        m->level++;
        m->openings++;
        m->just_opened = true;
        m->seen.opened++;
}

static uint64_t open_base(const model *m)
{
        double base = (double)m->setup.open_ms;
        for (size_t n = 1; n < m->level; n++)
                base *= 2;
        double most = (double)m->setup.open_most_ms;
        return (uint64_t)(base < most ? base : most);
}

/* "3 leased probes; expired lease = failure" */
static bool model_tick(model *m)
{
        if (m->phase == OPEN && m->now >= m->until) {
                m->phase = HALF;
                m->good = 0;
        }
        for (size_t i = 0; i < m->call_count; i++) {
                const call *c = &m->calls[i];
                if (m->phase == HALF && c->leave == LEAVE_PROBE && !c->over && c->opening == m->openings
                    && m->now >= c->lease_until) {
                        m->seen.lost++;
                        model_open(m);
                        return true;
                }
        }
        return false;
}

static size_t probes_out(const model *m)
{
        size_t out = 0;
        for (size_t i = 0; i < m->call_count; i++) {
                const call *c = &m->calls[i];
                out += c->leave == LEAVE_PROBE && !c->over && c->opening == m->openings;
        }
        return out;
}

static breaker_leave model_ask(model *m, bool last)
{
        (void)model_tick(m);
        if (m->phase == SHUT)
                return LEAVE_FREE;
        if (m->phase == HALF && probes_out(m) < m->setup.probes)
                return LEAVE_PROBE;
        return last && m->now - m->last_at >= m->setup.last_ms ? LEAVE_LAST : LEAVE_REFUSED;
}

/* "10 buckets x 1 s: enough calls and a share of them; or so many dead connections in a row" */
static bool bad_enough(const model *m)
{
        size_t calls = 0, failed = 0, slow = 0, row = 0;
        for (size_t i = m->words_from; i < m->word_count; i++) {
                const word *w = &m->words[i];
                if (w->in_row)
                        row = w->what == OUTCOME_UNREACHABLE ? row + 1 : 0;
                if (w->ms / 1000 + 10 <= m->now / 1000)
                        continue;
                calls++;
                failed += w->what == OUTCOME_FAILED || w->what == OUTCOME_UNREACHABLE;
                slow += w->what == OUTCOME_SLOW;
        }
        if (row >= m->setup.unreachable_run)
                return true;
        double of = (double)calls / 100;
        return calls >= m->setup.least_calls
               && ((double)failed >= of * m->setup.failed_percent - 1e-9
                   || (double)slow >= of * m->setup.slow_percent - 1e-9);
}

static void model_close(model *m)
{
        m->phase = SHUT;
        m->closed_at = m->now;
        m->words_from = m->word_count;
        m->seen.closed++;
}

static bool model_report(model *m, call *c, breaker_outcome o)
{
        bool lost = model_tick(m);
        bool timely = c->opening == m->openings;
        bool bad = o == OUTCOME_FAILED || o == OUTCOME_UNREACHABLE;
        c->over = true;
        if (o == OUTCOME_NEUTRAL)
                return lost;
        m->words[m->word_count++] = (word){m->now, o, timely && m->phase == SHUT};
        if (!timely)
                return lost;
        if (m->phase == SHUT) {
                if (bad_enough(m))
                        model_open(m);
                return m->phase == OPEN;
        }
        if (m->phase == HALF && bad) {
                model_open(m);
                return true;
        }
        if (bad)
                return false;
        m->good = m->phase == OPEN ? 1 : m->good + 1;
        m->phase = HALF;
        if (m->good >= m->setup.probes)
                model_close(m);
        return false;
}

static bool differs(const model *m, const char *what, uint64_t is, uint64_t should)
{
        printf("# at %llu ms: %s is %llu, should be %llu\n", (unsigned long long)m->now, what, (unsigned long long)is,
               (unsigned long long)should);
        return false;
}

/* The time it stays open is drawn by the real one; here it is bounded, and then believed. */
static bool same(model *m)
{
        if (m->just_opened) {
                uint64_t base = open_base(m), open = m->real.until_ms - m->now;
                m->just_opened = false;
                m->until = m->real.until_ms;
                if (open < base - base / 5 || open > base + base / 5)
                        return differs(m, "time open", open, base);
        }
        if ((phase)m->real.state != m->phase)
                return differs(m, "state", m->real.state, m->phase);
        return true;
}

static bool step_ask(model *m)
{
        bool last = draw(m, 4) == 0;
        breaker_now now = {.ms = m->now, .random = draw(m, UINT64_MAX), .last = last};
        breaker_leave should = model_ask(m, last);
        breaker_pass is = breaker_ask(&m->real, &m->setup, &now);
        if (is.leave != should)
                return differs(m, "leave", is.leave, should);
        if (should == LEAVE_LAST)
                m->last_at = m->now;
        m->seen.last += should == LEAVE_LAST;
        m->seen.probes += should == LEAVE_PROBE;
        if (should != LEAVE_REFUSED)
                m->calls[m->call_count++] = (call){
                        .real = is,
                        .leave = should,
                        .opening = m->openings,
                        .lease_until = m->now + m->setup.lease_ms,
                };
        return same(m);
}

static bool step_report(model *m, uint64_t mood)
{
        size_t waiting = 0;
        for (size_t i = 0; i < m->call_count; i++)
                waiting += !m->calls[i].over;
        if (waiting == 0)
                return true;
        size_t which = draw(m, waiting), i = 0;
        while (m->calls[i].over || which-- > 0)
                i++;
        breaker_outcome o = draw(m, 3) != 0 ? (breaker_outcome)mood : (breaker_outcome)draw(m, 5);
        breaker_now now = {.ms = m->now, .random = draw(m, UINT64_MAX)};
        bool should = model_report(m, &m->calls[i], o);
        bool is = breaker_report(&m->real, &m->setup, m->calls[i].real, o, &now);
        if (is != should)
                return differs(m, "opened by a report", is, should);
        return same(m);
}

/* An onlooker sees what the next one to ask would. */
static bool step_look(const model *m)
{
        model then = *m;
        breaker_sight is = breaker_look(&m->real, &m->setup, m->now);
        breaker_leave would = model_ask(&then, false);
        if ((phase)is.state != then.phase)
                return differs(m, "state seen", is.state, then.phase);
        return is.would_pass == (would != LEAVE_REFUSED) || differs(m, "sight", is.would_pass, would);
}

static void step_wait(model *m)
{
        static const uint64_t longest[] = {1, 30, 400, 1500, 6000, 12000, 70000};
        m->now += draw(m, longest[draw(m, sizeof longest / sizeof longest[0])] + 1);
        if (m->phase == OPEN && draw(m, 3) == 0)
                m->now = m->until > m->now ? m->until - draw(m, 2) : m->now;
}

static breaker_setup random_setup(model *m)
{
        uint64_t open = 50 + draw(m, 5000);
        return (breaker_setup){
                .least_calls = 1 + (uint32_t)draw(m, draw(m, 4) == 0 ? 20 : 8),
                .failed_percent = 1 + (uint32_t)draw(m, 100),
                .slow_percent = 1 + (uint32_t)draw(m, 100),
                .unreachable_run = 1 + (uint32_t)draw(m, 6),
                .probes = 1 + (uint32_t)draw(m, BREAKER_PROBES),
                .open_ms = open,
                .open_most_ms = open * (1 + draw(m, 60)),
                .lease_ms = 100 + draw(m, 20000),
                .heal_ms = 1000 + draw(m, 60000),
                .last_ms = 1 + draw(m, 2000),
        };
}

bool model_agrees(uint64_t seed, model_seen *seen)
{
        model m = {.random = seed * 0xd1342543de82ef95, .seen = *seen};
        m.setup = random_setup(&m);
        m.now = 10'000'000 + draw(&m, 1000);
        uint64_t mood = OUTCOME_GOOD;
        bool good = true;
        for (size_t i = 0; i < STEPS && good; i++) {
                if (draw(&m, 15) == 0)
                        mood = draw(&m, 5);
                uint64_t what = draw(&m, 10);
                if (what < 4)
                        good = step_ask(&m);
                else if (what < 8)
                        good = step_report(&m, mood);
                else if (what < 9)
                        good = step_look(&m);
                else
                        step_wait(&m);
        }
        *seen = m.seen;
        return good;
}
