#include "route/limiter.h"

#include <string.h>

#include "support/tap.h"

static const char SUBJECT[] = "limiter";
static const uint64_t T0 = 50'000'000;

static limiter cut(uint32_t in_flight)
{
        limiter l = {};
        limiter_rejected(&l, in_flight, 0, T0);
        return l;
}

static void test_room(void)
{
        limiter l = {};
        tap_ok(limiter_room(&l, 0) && limiter_room(&l, 60'000), SUBJECT, "without a rejection there is no limit");
        for (int i = 0; i < 1000; i++)
                limiter_good(&l, 100);
        tap_ok(l.limit_milli == 0 && limiter_room(&l, 60'000), SUBJECT, "and successes find none");
        l = cut(10);
        tap_ok(l.limit_milli == 7000 && limiter_room(&l, 6) && !limiter_room(&l, 7), SUBJECT,
               "rejected with ten in flight: seven may run");
        l = cut(1);
        tap_ok(l.limit_milli == 1000 && limiter_room(&l, 0) && !limiter_room(&l, 1), SUBJECT, "never less than one");
        l = cut(0);
        tap_ok(l.limit_milli == 1000, SUBJECT, "also when none is counted");
}

static void test_cut(void)
{
        limiter l = cut(100);
        limiter_rejected(&l, 100, 0, T0 + 4999);
        tap_ok(l.limit_milli == 70'000, SUBJECT, "those that were under way at a cut do not cut again");
        limiter_rejected(&l, 100, 0, T0 + 5000);
        tap_ok(l.limit_milli == 49'000, SUBJECT, "5 s later it is cut from its limit");
        limiter_rejected(&l, 10, 0, T0 + 10'000);
        tap_ok(l.limit_milli == 7000, SUBJECT, "or from what was in flight when that is less");
        limiter_rejected(&l, 7, 20'000, T0 + 29'999);
        bool held = l.limit_milli == 7000;
        limiter_rejected(&l, 7, 20'000, T0 + 30'000);
        tap_ok(held && l.limit_milli == 4900, SUBJECT, "a longer hold of the vendor's is kept");
        limiter_rejected(&l, 4, 0, T0 + 29'990);
        tap_ok(l.limit_milli == 4900, SUBJECT, "a process whose clock is a turn behind does not cut twice");
}

static void test_grows(void)
{
        limiter l = cut(10);
        limiter_good(&l, 6);
        tap_ok(l.limit_milli == 7000, SUBJECT, "below nine tenths of it a success says nothing of the limit");
        limiter_good(&l, 7);
        tap_ok(l.limit_milli == 7142, SUBJECT, "near it, it grows by one of it");
        for (int i = 0; i < 7; i++)
                limiter_good(&l, 7);
        tap_ok(l.limit_milli >= 8000 && l.limit_milli < 8200 && limiter_room(&l, 7) && !limiter_room(&l, 8), SUBJECT,
               "a whole round of successes makes room for one more");
}

static void test_any_bytes(void)
{
        limiter l;
        memset(&l, 0xff, sizeof l);
        bool room = limiter_room(&l, 0);
        limiter_good(&l, UINT32_MAX);
        limiter_rejected(&l, 10, UINT64_MAX, T0);
        tap_ok(room && l.limit_milli == 7000 && l.cut_ms == T0, SUBJECT,
               "any bytes are survived, and the next cut is sound");
        l = (limiter){.limit_milli = 1};
        tap_ok(limiter_room(&l, 0) && !limiter_room(&l, 1), SUBJECT, "one is always allowed");
}

int main(void)
{
        test_room();
        test_cut();
        test_grows();
        test_any_bytes();
        return tap_done();
}
