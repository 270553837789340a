#include "route/pressure.h"

enum : uint64_t { NEVER = UINT64_MAX, LARGE_BODY_BYTES = 1024 * 1024, LEAST_IDLE_MS = 2000 };
/* Lag is governed between the entries of the second and the third rung. Up fast, because every step up comes late when
 * turns are long; down slowly, because what was refused comes again. */
enum : uint64_t { LATE_US = 150'000, EASY_US = 50'000 };
enum : uint32_t { LATE_STEPS = 2, SHARE_UP = 100, SHARE_DOWN = 50, SHARE_MOST = 950, WHOLE = 1000 };

/* Thousandths of what there is; microseconds. */
static const struct {
        uint64_t enter[PRESSURE_RUNGS];
        uint64_t hold_ms;
} kinds[PRESSURE_KINDS] = {
        [PRESSURE_MEMORY] = {{0, 700, 850, 920, 970}, 5000},
        /* What holds most memory need not hold a socket more: ending it would not help. */
        [PRESSURE_SOCKETS] = {{0, 700, 850, 920, NEVER}, 5000},
        [PRESSURE_LAG] = {{0, 20'000, 50'000, 200'000, NEVER}, 2000},
};

static uint64_t share_of(uint64_t used, uint64_t most)
{
        if (most == 0)
                return 0;
        return used >= most ? WHOLE + (used > most) : used * WHOLE / most;
}

/* Above the entry, exactly: a thousandth is much of a large memory. */
static bool above(pressure_kind kind, uint8_t rung, uint64_t used, uint64_t most)
{
        uint64_t enter = kinds[kind].enter[rung];
        if (enter == NEVER || most == 0)
                return false;
        return kind == PRESSURE_LAG ? used > enter : used > most / WHOLE * enter + most % WHOLE * enter / WHOLE;
}

static bool near(pressure_kind kind, uint8_t rung, uint64_t used, uint64_t most)
{
        uint64_t enter = kinds[kind].enter[rung], is = kind == PRESSURE_LAG ? used : share_of(used, most);
        return enter != NEVER && is >= enter * 9 / 10;
}

static void rung_step(pressure *p, pressure_kind kind, uint64_t used, uint64_t most, uint64_t now_ms)
{
        uint8_t rung = p->rung[kind];
        for (uint8_t i = 1; i < PRESSURE_RUNGS; i++) {
                if (near(kind, i, used, most))
                        p->near_ms[kind][i] = now_ms;
                if (above(kind, i, used, most) && i > rung)
                        rung = i;
        }
        while (rung > 0 && now_ms - p->near_ms[kind][rung] >= kinds[kind].hold_ms)
                rung--;
        p->rung[kind] = rung;
}

static void share_step(pressure *p, uint64_t lag_us)
{
        p->late_steps = lag_us <= LATE_US ? 0 : p->late_steps < LATE_STEPS ? p->late_steps + 1 : LATE_STEPS;
        if (p->late_steps == LATE_STEPS)
                p->share = p->share + SHARE_UP < SHARE_MOST ? p->share + SHARE_UP : SHARE_MOST;
        else if (lag_us < EASY_US)
                p->share = p->share > SHARE_DOWN ? p->share - SHARE_DOWN : 0;
        /* Whoever was refused comes when the rung is left: not all at once. */
        if (p->rung[PRESSURE_LAG] >= 3)
                p->share = SHARE_MOST;
}

bool pressure_step(pressure *p, const pressure_facts *f, uint64_t now_ms)
{
        uint8_t before = p->level;
        rung_step(p, PRESSURE_MEMORY, f->memory, f->memory_most, now_ms);
        rung_step(p, PRESSURE_SOCKETS, f->sockets, f->sockets_most, now_ms);
        rung_step(p, PRESSURE_LAG, f->lag_us, 1, now_ms);
        share_step(p, f->lag_now_us);
        p->level = 0;
        for (int i = 0; i < PRESSURE_KINDS; i++)
                if (p->rung[i] > p->level)
                        p->level = p->rung[i];
        return p->level != before;
}

/* So many of a thousand, evenly: no chance is needed. */
static bool share_takes(pressure *p)
{
        p->owed += p->share;
        if (p->owed < WHOLE)
                return false;
        p->owed -= WHOLE;
        return true;
}

pressure_verdict pressure_judge(pressure *p, catalog_priority who, uint64_t body_bytes)
{
        if (pressure_closed(p))
                return PRESSURE_REFUSED;
        if (p->level >= 2 && who == PRIORITY_LOW)
                return PRESSURE_LOW;
        if (p->level >= 2 && body_bytes > LARGE_BODY_BYTES)
                return PRESSURE_REFUSED;
        return who != PRIORITY_HIGH && share_takes(p) ? PRESSURE_REFUSED : PRESSURE_GO;
}

uint64_t pressure_idle_ms(const pressure_facts *f, uint64_t idle_ms)
{
        const uint64_t *enter = kinds[PRESSURE_MEMORY].enter;
        uint64_t memory = share_of(f->memory, f->memory_most), is = share_of(f->sockets, f->sockets_most);
        if (memory > is)
                is = memory;
        if (is <= enter[1] || idle_ms <= LEAST_IDLE_MS)
                return idle_ms;
        if (is >= enter[3])
                return LEAST_IDLE_MS;
        return LEAST_IDLE_MS + (idle_ms - LEAST_IDLE_MS) * (enter[3] - is) / (enter[3] - enter[1]);
}

uint64_t pressure_bearable(uint64_t memory_most)
{
        uint64_t enter = kinds[PRESSURE_MEMORY].enter[4];
        return memory_most / WHOLE * enter + memory_most % WHOLE * enter / WHOLE;
}
