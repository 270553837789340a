#include "firmware/clock.h"

#include "base/clock.h"
#include "support/tap.h"

static const char SUBJECT[] = "clock";

int main(void)
{
        constexpr uint64_t BUILT = 1795000000;
        constexpr uint64_t YEARS_10 = 315360000;
        clock_source s;
        tap_ok(clock_judge(BUILT, BUILT) == CLOCK_SOURCE_CHIP
                       && clock_judge(BUILT + YEARS_10, BUILT) == CLOCK_SOURCE_CHIP,
               SUBJECT, "a chip from the image's day on, for ten years, is believed");
        tap_ok(clock_judge(BUILT - 1, BUILT) == CLOCK_SOURCE_IMAGE && clock_judge(0, BUILT) == CLOCK_SOURCE_IMAGE
                       && clock_judge(BUILT + YEARS_10 + 1, BUILT) == CLOCK_SOURCE_IMAGE,
               SUBJECT, "one before it, or far behind it, is not");
        tap_ok(!failed(clock_settle(clock_wall_s() - 1, &s)) && s == CLOCK_SOURCE_CHIP, SUBJECT,
               "a good clock is left alone");
        return tap_done();
}
