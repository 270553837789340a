#include "route/budget.h"

#include <string.h>

#include "support/tap.h"

static const char SUBJECT[] = "budget";
static const uint64_t T0 = 50'000'000;

static int retries(budget *b, int asked, uint64_t ms)
{
        int allowed = 0;
        for (int i = 0; i < asked; i++)
                allowed += budget_retry(b, ms);
        return allowed;
}

static void test_floor(void)
{
        budget b = {};
        tap_ok(retries(&b, 100, T0) == 10 && retries(&b, 100, T0 + 999) == 0, SUBJECT,
               "ten in a second are always allowed");
        tap_ok(retries(&b, 100, T0 + 1000) == 10, SUBJECT, "and ten in the next");
        budget early = {};
        tap_ok(retries(&early, 11, 5) == 10, SUBJECT, "also in a process' first second");
}

static void test_share(void)
{
        budget b = {};
        for (int i = 0; i < 100; i++)
                budget_first(&b, 20, T0);
        tap_ok(retries(&b, 100, T0) == 10 + 20, SUBJECT, "beside them a fifth of first attempts");
        b = (budget){};
        for (int i = 0; i < 100; i++)
                budget_first(&b, 0, T0);
        tap_ok(retries(&b, 100, T0) == 10, SUBJECT, "or none, when the share is none");
        b = (budget){};
        for (int i = 0; i < 100; i++)
                budget_first(&b, 100, T0);
        int later = retries(&b, 1000, T0 + 10'000);
        tap_ok(later == 10 + 36, SUBJECT, "what is kept fades: after 10 s a third is left");
        tap_ok(retries(&b, 1000, T0 + 100'000) == 10, SUBJECT, "and after 100 s nothing");
}

static void test_storm(void)
{
        budget b = {};
        int allowed = 0;
        for (uint64_t ms = 0; ms < 60'000; ms++) {
                budget_first(&b, 20, T0 + ms);
                if (ms >= 30'000)
                        allowed += retries(&b, 5, T0 + ms);
        }
        tap_ok(allowed > 30 * (190 + 10) && allowed < 30 * (200 + 10) + 2000 + 10, SUBJECT,
               "1,000 first attempts a second that all fail are tried again 210 times a second, after 10 s worth");
        budget steady = {};
        for (uint64_t ms = 0; ms < 200'000; ms++)
                budget_first(&steady, 20, T0 + ms);
        budget idle = {};
        for (int i = 0; i < 5; i++)
                budget_first(&idle, 100, T0);
        for (uint64_t ms = 0; ms < 60'000; ms++)
                budget_first(&idle, 0, T0 + ms);
        tap_ok(idle.milli < 100, SUBJECT, "what is kept fades, however often one looks");
        tap_ok(steady.milli > 1'900'000 && steady.milli < 2'100'000, SUBJECT, "no more than 10 s worth are kept");
}

static void test_any_bytes(void)
{
        budget b;
        memset(&b, 0xff, sizeof b);
        budget_first(&b, 20, T0);
        tap_ok(b.milli <= 1'000'000'000 && retries(&b, 20, T0) <= 20 && b.seen_ms <= T0 && b.floor_ms <= T0, SUBJECT,
               "any bytes are survived");
        for (uint64_t s = 1; s <= 300; s++)
                (void)retries(&b, 1, T0 + s * 1000);
        tap_ok(retries(&b, 100, T0 + 400'000) == 10, SUBJECT, "and worth nothing soon after");
}

static void test_backoff(void)
{
        static const uint64_t most[] = {100, 100, 200, 400, 800, 1600, 2000, 2000};
        bool within = true, all = true;
        for (uint32_t n = 0; n < sizeof most / sizeof most[0]; n++) {
                bool lowest = false, highest = false;
                for (uint64_t r = 0; r < 10'000; r++) {
                        uint64_t ms = budget_backoff_ms(n, 0, r);
                        within = within && ms <= most[n];
                        lowest = lowest || ms == 0;
                        highest = highest || ms == most[n];
                }
                all = all && lowest && highest;
        }
        tap_ok(within, SUBJECT, "the pause is at most 100 ms, doubled each time, and 2 s");
        tap_ok(all, SUBJECT, "and may be anything below: full jitter");
        tap_ok(budget_backoff_ms(UINT32_MAX, 0, UINT64_MAX) <= 2000, SUBJECT, "however often");
        tap_ok(budget_backoff_ms(1, 7000, 99) == 7000 && budget_backoff_ms(1, 50, 99) == 99, SUBJECT,
               "never less than the vendor asked for");
}

int main(void)
{
        test_floor();
        test_share();
        test_storm();
        test_any_bytes();
        test_backoff();
        return tap_done();
}
