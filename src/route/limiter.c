#include "route/limiter.h"

enum : uint64_t { ONE = 1000, MOST = 65'535 * ONE, HOLD_MS = 5'000, HOLD_MOST_MS = 300'000 };

static uint64_t bounded(uint64_t milli) { return milli < ONE ? ONE : milli > MOST ? MOST : milli; }

bool limiter_room(const limiter *l, uint32_t in_flight)
{
        if (l->limit_milli == 0 || in_flight == 0)
                return true;
        return ((uint64_t)in_flight + 1) * ONE <= l->limit_milli;
}

void limiter_good(limiter *l, uint32_t in_flight)
{
        if (l->limit_milli == 0)
                return;
        l->limit_milli = bounded(l->limit_milli);
        /* Without the second, seven of 7.8 would stand there for ever: 7 is below nine tenths, and 8 are too many. */
        if ((uint64_t)in_flight * ONE * 10 > l->limit_milli * 9 || !limiter_room(l, in_flight))
                l->limit_milli = bounded(l->limit_milli + ONE * ONE / l->limit_milli);
}

void limiter_rejected(limiter *l, uint32_t in_flight, uint64_t hold_ms, uint64_t now_ms)
{
        uint64_t hold = hold_ms < HOLD_MS ? HOLD_MS : hold_ms > HOLD_MOST_MS ? HOLD_MOST_MS : hold_ms;
        /* Either way round: the clocks of two processes differ by a turn of their loops. */
        uint64_t apart = now_ms > l->cut_ms ? now_ms - l->cut_ms : l->cut_ms - now_ms;
        if (l->limit_milli != 0 && apart < hold)
                return;
        uint64_t running = bounded((uint64_t)in_flight * ONE);
        uint64_t limit = l->limit_milli == 0 || running < l->limit_milli ? running : l->limit_milli;
        l->limit_milli = bounded(limit * 7 / 10);
        l->cut_ms = now_ms;
}
