#include "route/budget.h"

#include <math.h>

enum : uint64_t { ONE = 1000, KEPT_MS = 10'000, MOST = 1'000'000 * ONE, BASE_MS = 100, MOST_MS = 2'000 };
enum : uint32_t { FLOOR = 10 };

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* What is left of a deposit fades with a constant of 10 s, so that a steady stream of them stands at 10 s worth. */
static void fade(budget *b, uint64_t now_ms)
{
        uint64_t old = least(b->milli, MOST);
        uint64_t gone = now_ms > b->seen_ms ? now_ms - b->seen_ms : 0;
        uint64_t left = (uint64_t)llround((double)old * exp(-(double)gone / (double)KEPT_MS));
        b->milli = left;
        /* A step too short to take anything is not forgotten: many of them would keep all of it for ever. */
        if (left != old || old == 0 || b->seen_ms > now_ms)
                b->seen_ms = now_ms;
}

void budget_first(budget *b, uint32_t percent, uint64_t now_ms)
{
        fade(b, now_ms);
        b->milli = least(b->milli + (uint64_t)percent * ONE / 100, MOST);
}

bool budget_retry(budget *b, uint64_t now_ms)
{
        fade(b, now_ms);
        if (now_ms - b->floor_ms >= 1000) { /* also when it lies ahead */
                b->floor_ms = now_ms;
                b->floor_used = 0;
        }
        if (b->floor_used < FLOOR) {
                b->floor_used++;
                return true;
        }
        if (b->milli < ONE)
                return false;
        b->milli -= ONE;
        return true;
}

uint64_t budget_backoff_ms(uint32_t n, uint64_t floor_ms, uint64_t random)
{
        uint64_t most = n <= 1 ? BASE_MS : n > 5 ? MOST_MS : least(BASE_MS << (n - 1), MOST_MS);
        uint64_t pause = random % (most + 1);
        return pause > floor_ms ? pause : floor_ms;
}
