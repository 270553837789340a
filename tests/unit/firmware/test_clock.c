#include "firmware/clock.h"

#include "base/clock.h"
#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "clock";

static constexpr uint64_t BUILT = 1795000000;
enum : int64_t { HOUR = 3600, DAY = 86400, NEVER = INT64_MAX };

static void test_servers(void)
{
        static const struct {
                const char   *sentence;
                int64_t       offset_s;
                unsigned      agree;
                int64_t       dates_s; /* NEVER: there are none */
                clock_verdict verdict;
        } rows[] = {
                {"servers that agree with the clock", 0, 1, NEVER, CLOCK_SLEW},
                {"a second is a step", 1, 1, NEVER, CLOCK_STEP},
                {"a second back", -1, 1, NEVER, CLOCK_STEP},
                {"1000 s on one server's word", 1000, 1, NEVER, CLOCK_STEP},
                {"more, on one server's word", 1001, 1, NEVER, CLOCK_FAR},
                {"more, on two servers' word", 1001, 2, NEVER, CLOCK_STEP},
                {"back by a day, on two servers' word", -DAY, 2, NEVER, CLOCK_STEP},
                {"below the floor, on all servers' word", -864001, 4, NEVER, CLOCK_BEYOND},
                {"far behind the floor, on all servers' word", 21 * 365 * DAY, 4, NEVER, CLOCK_BEYOND},
                {"one server far away, and dates that say so", 3 * HOUR, 1, 3 * HOUR + 1, CLOCK_STEP},
                {"one far back, and dates that say so", -5 * DAY, 1, -5 * DAY - 1, CLOCK_STEP},
                {"one far away, and dates at 1000 s from it", 3 * HOUR, 1, 3 * HOUR - 1000, CLOCK_STEP},
                {"one far away, and dates further from it", 3 * HOUR, 1, 3 * HOUR - 1001, CLOCK_DENIED},
                {"one a year away, and dates that agree with the clock", 365 * DAY, 1, 0, CLOCK_DENIED},
                {"one near the clock, and dates near it", 5, 1, -2, CLOCK_STEP},
                {"one that leads the clock away step by step", 900, 1, -200, CLOCK_DENIED},
                {"two, and dates within a day", 365 * DAY, 2, 364 * DAY, CLOCK_STEP},
                {"two, and dates further away", 365 * DAY, 2, 364 * DAY - 1, CLOCK_DENIED},
                {"four near the clock, and dates of last year", 0, 4, -365 * DAY, CLOCK_DENIED},
                {"below the floor, and dates that say so", -864001, 1, -864001, CLOCK_BEYOND},
                {"beyond the span, and dates that say so", 21 * 365 * DAY, 2, 21 * 365 * DAY, CLOCK_BEYOND},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                const clock_word w = {.offset_us = rows[i].offset_s * 1000000,
                                      .agree = rows[i].agree,
                                      .dated = rows[i].dates_s != NEVER,
                                      .dates_us = rows[i].dates_s == NEVER ? 0 : rows[i].dates_s * 1000000};
                tap_ok(clock_judge_servers((int64_t)(BUILT + 864000) * 1000000, &w, BUILT) == rows[i].verdict, SUBJECT,
                       rows[i].sentence);
        }
}

int main(void)
{
        clock_source s;
        tap_ok(clock_judge(BUILT, BUILT) == CLOCK_SOURCE_CHIP
                       && clock_judge(BUILT + CLOCK_SPAN_S, BUILT) == CLOCK_SOURCE_CHIP,
               SUBJECT, "a chip from the floor on, for twenty years, is believed");
        tap_ok(clock_judge(BUILT - 1, BUILT) == CLOCK_SOURCE_IMAGE && clock_judge(0, BUILT) == CLOCK_SOURCE_IMAGE
                       && clock_judge(BUILT + CLOCK_SPAN_S + 1, BUILT) == CLOCK_SOURCE_IMAGE,
               SUBJECT, "one before it, or far behind it, is not");
        tap_ok(!failed(clock_settle(clock_wall_s() - 1, &s)) && s == CLOCK_SOURCE_CHIP, SUBJECT,
               "a good clock is left alone");
        test_servers();
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
