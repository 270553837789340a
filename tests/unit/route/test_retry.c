#include "route/retry.h"

#include "support/tap.h"

static const char SUBJECT[] = "retry";

static const catalog_model four = {.name = "m", .target_count = 4};

static retry_state begun(void)
{
        retry_state s = {.deadline_ms = 1000};
        (void)!retry_first(&four, &s);
        return s;
}

static void test_order(void)
{
        retry_state s = {.deadline_ms = 1000};
        tap_ok(retry_first(&four, &s) == 0 && s.attempts == 1, SUBJECT, "the first target is the first of the alias");
        tap_ok(retry_next(&four, &s, FAULT_SERVER) == 1 && retry_next(&four, &s, FAULT_NETWORK) == 2 && s.attempts == 3,
               SUBJECT, "then the next in order");
        tap_ok(retry_next(&four, &s, FAULT_SERVER) == -1 && s.attempts == 3, SUBJECT,
               "three attempts and no more, though there is a fourth");
        static const catalog_model one = {.target_count = 1}, none = {};
        s = (retry_state){.deadline_ms = 1000};
        tap_ok(retry_first(&one, &s) == 0 && retry_next(&one, &s, FAULT_SERVER) == -1 && s.attempts == 1, SUBJECT,
               "behind the last target is none");
        s = (retry_state){.deadline_ms = 1000};
        tap_ok(retry_first(&none, &s) == -1 && s.attempts == 0, SUBJECT, "an alias without targets has none");
}

static void test_bounds(void)
{
        retry_state s = begun();
        s.committed = true;
        tap_ok(retry_next(&four, &s, FAULT_CUT) == -1, SUBJECT, "never after the commit point");
        s = begun();
        s.elapsed_ms = 999;
        tap_ok(retry_next(&four, &s, FAULT_SERVER) == 1, SUBJECT, "just before the deadline");
        s = begun();
        s.elapsed_ms = 1000;
        tap_ok(retry_next(&four, &s, FAULT_SERVER) == -1 && s.attempts == 1, SUBJECT, "not at it");
        bool good = true;
        for (int c = 0; c < FAULT_CLASSES; c++) {
                s = begun();
                bool next = retry_next(&four, &s, (fault_class)c) >= 0;
                good = good && next == fault_describe((fault_class)c)->elsewhere;
        }
        tap_ok(good, SUBJECT, "only for faults that another target may heal, each class");
}

int main(void)
{
        test_order();
        test_bounds();
        return tap_done();
}
