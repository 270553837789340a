#include "firmware/clock.h"

#include <time.h>

#include "base/clock.h"

static constexpr uint64_t TEN_YEARS_S = 10 * 365 * 86400ULL;

clock_source clock_judge(uint64_t now_s, uint64_t image_epoch_s)
{
        return now_s >= image_epoch_s && now_s - image_epoch_s <= TEN_YEARS_S ? CLOCK_SOURCE_CHIP : CLOCK_SOURCE_IMAGE;
}

err clock_settle(uint64_t image_epoch_s, clock_source *source)
{
        *source = clock_judge(clock_wall_s(), image_epoch_s);
        if (*source == CLOCK_SOURCE_CHIP)
                return OK;
        struct timespec t = {.tv_sec = (time_t)image_epoch_s};
        return clock_settime(CLOCK_REALTIME, &t) == 0 ? OK : FAIL(SYSTEM);
}
