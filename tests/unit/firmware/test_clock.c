#include "firmware/clock.h"

#include "base/clock.h"
#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "clock";

int main(void)
{
        constexpr uint64_t BUILT = 1795000000;
        clock_source s;
        tap_ok(clock_judge(BUILT, BUILT) == CLOCK_SOURCE_CHIP
                       && clock_judge(BUILT + CLOCK_SPAN_S, BUILT) == CLOCK_SOURCE_CHIP,
               SUBJECT, "a chip from the floor on, for twenty years, is believed");
        tap_ok(clock_judge(BUILT - 1, BUILT) == CLOCK_SOURCE_IMAGE && clock_judge(0, BUILT) == CLOCK_SOURCE_IMAGE
                       && clock_judge(BUILT + CLOCK_SPAN_S + 1, BUILT) == CLOCK_SOURCE_IMAGE,
               SUBJECT, "one before it, or far behind it, is not");
        tap_ok(!failed(clock_settle(clock_wall_s() - 1, &s)) && s == CLOCK_SOURCE_CHIP, SUBJECT,
               "a good clock is left alone");
        static const struct {
                const char   *sentence;
                int64_t       offset_s;
                unsigned      agree;
                clock_verdict verdict;
        } rows[] = {
                {"servers that agree with the clock", 0, 1, CLOCK_SLEW},
                {"a second is a step", 1, 1, CLOCK_STEP},
                {"a second back", -1, 1, CLOCK_STEP},
                {"1000 s on one server's word", 1000, 1, CLOCK_STEP},
                {"more, on one server's word", 1001, 1, CLOCK_FAR},
                {"more, on two servers' word", 1001, 2, CLOCK_STEP},
                {"back by a day, on two servers' word", -86400, 2, CLOCK_STEP},
                {"below the floor, on all servers' word", -864001, 4, CLOCK_BEYOND},
                {"far behind the floor, on all servers' word", 21LL * 365 * 86400, 4, CLOCK_BEYOND},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                tap_ok(clock_judge_servers((int64_t)(BUILT + 864000) * 1000000, rows[i].offset_s * 1000000,
                                           rows[i].agree, BUILT)
                               == rows[i].verdict,
                       SUBJECT, rows[i].sentence);
        uint64_t now_s = 0;
        tree_make();
        tap_ok(!clock_of_host(tree_root, &now_s) && !clock_of_chip(tree_root, &now_s), SUBJECT, "no host, no chip");
        tree_file("/sys/class/ptp/ptp0/clock_name", "a card\n");
        tree_file("/dev/ptp0", "");
        tree_file("/dev/rtc0", "");
        tap_ok(!clock_of_host(tree_root, &now_s) && !clock_of_chip(tree_root, &now_s), SUBJECT,
               "a card's clock is not the host's, and a file no clock");
        tree_file("/sys/class/ptp/ptp0/clock_name", "KVM virtual PTP\n");
        tap_ok(!clock_of_host(tree_root, &now_s), SUBJECT, "nor is one that does not answer");
        tree_remove();
        return tap_done();
}
