#include "route/codel.h"

#include "support/tap.h"

static const char SUBJECT[] = "codel";
static const uint64_t T0 = 70'000'000;

/* Tells of `oldest` every 10 ms for so long; returns the time after it. */
static uint64_t waits(codel *c, uint64_t oldest, uint64_t from, uint64_t ms)
{
        for (uint64_t at = from; at < from + ms; at += 10)
                codel_note(c, oldest, at);
        return from + ms;
}

static void test_stands(void)
{
        codel c = {};
        waits(&c, CODEL_TARGET_MS + 1, T0, 1000);
        tap_ok(!c.stands && !codel_sheds(&c, 60000), SUBJECT, "within the first window nobody is shed");
        waits(&c, CODEL_TARGET_MS + 1, T0 + 1000, 10);
        tap_ok(c.stands, SUBJECT, "after a whole window above the target the queue stands");
        tap_ok(!codel_sheds(&c, 2 * CODEL_TARGET_MS) && codel_sheds(&c, 2 * CODEL_TARGET_MS + 1), SUBJECT,
               "then whoever has waited more than twice the target is shed");
        uint64_t now = waits(&c, 0, T0 + 1010, 10);
        tap_ok(c.stands, SUBJECT, "one moment without a queue does not end it before the window does");
        waits(&c, 60, now, 1000);
        tap_ok(!c.stands, SUBJECT, "but then it does");
}

static void test_edges(void)
{
        codel c = {};
        waits(&c, CODEL_TARGET_MS, T0, 1100);
        tap_ok(!c.stands, SUBJECT, "exactly the target is good enough");
        c = (codel){};
        for (uint64_t at = T0; at < T0 + 3000; at += 10)
                codel_note(&c, at % 900 == 0 ? 0 : 500, at);
        tap_ok(!c.stands, SUBJECT, "a queue that is empty once in every window only takes up bursts");
        c = (codel){};
        uint64_t now = waits(&c, 80, T0, 1500);
        tap_ok(c.stands, SUBJECT, "a queue that stands");
        codel_note(&c, 3000, now + 3000);
        tap_ok(!c.stands, SUBJECT, "is forgotten when nothing was told for a whole window: the machine stood");
        c = (codel){};
        codel_note(&c, 0, 0);
        codel_note(&c, UINT64_MAX, UINT64_MAX);
        tap_ok(!c.stands, SUBJECT, "any clock is survived");
}

/* A server that serves `rate` in a second and callers who come at `offered`: shedding keeps the wait of those who are
 * served short however long it goes on. */
static void test_simulated(void)
{
        enum : uint64_t { MOST = 4096 };
        static uint64_t came[MOST];
        uint64_t count = 0, served = 0, shed = 0, late = 0, serve_at = 0;
        codel c = {};
        for (uint64_t ms = 0; ms < 20'000; ms++) {
                for (int k = 0; k < 2 && count < MOST; k++)
                        came[count++] = ms;
                while (count > 0 && codel_sheds(&c, ms - came[0])) {
                        for (uint64_t i = 1; i < count; i++)
                                came[i - 1] = came[i];
                        count--;
                        shed++;
                }
                if (ms >= serve_at && count > 0) {
                        uint64_t from = c.stands ? came[count - 1] : came[0];
                        if (!c.stands)
                                for (uint64_t i = 1; i < count; i++)
                                        came[i - 1] = came[i];
                        count--;
                        served++;
                        late += ms > 5000 && ms - from > 2 * CODEL_TARGET_MS;
                        serve_at = ms + 1;
                }
                codel_note(&c, count == 0 ? 0 : ms - came[0], ms);
        }
        tap_ok(served >= 19'990 && late == 0, SUBJECT, "at twice of what can be served all of it is served, and soon");
        tap_ok(served + shed + count == 40'000 && count <= 2 * (2 * CODEL_TARGET_MS + 2), SUBJECT,
               "and the queue stays as long as the target says");
}

int main(void)
{
        test_stands();
        test_edges();
        test_simulated();
        return tap_done();
}
