#include "firmware/phase.h"

#include <string.h>

#include "support/tap.h"

static const char SUBJECT[] = "phase";

int main(void)
{
        static const phase way[] = {PHASE_EARLY, PHASE_MODULES, PHASE_LOCK,   PHASE_CONFIG,
                                    PHASE_STATE, PHASE_NETWORK, PHASE_RUNNING};
        bool good = true;
        for (size_t i = 0; i + 1 < sizeof way / sizeof *way; i++)
                good = good && phase_next(way[i], CAUSE_DONE) == way[i + 1];
        tap_ok(good, SUBJECT, "done leads from one to the next until the relay runs");
        tap_ok(phase_next(PHASE_EARLY, CAUSE_FAILED) == PHASE_MODULES
                       && phase_next(PHASE_MODULES, CAUSE_FAILED) == PHASE_LOCK
                       && phase_next(PHASE_LOCK, CAUSE_FAILED) == PHASE_REFUSED,
               SUBJECT, "a fault before the lock does not skip it, and nothing comes after");
        good = true;
        for (phase p = PHASE_LOCK; p < PHASE_DRAIN; p++)
                good = good && phase_next(p, CAUSE_FAILED) == PHASE_REFUSED;
        tap_ok(good, SUBJECT, "whatever fails after it is refused");
        good = true;
        for (phase p = PHASE_EARLY; p < PHASE_OFF; p++)
                good = good && phase_next(p, CAUSE_POWER) == PHASE_DRAIN && phase_next(p, CAUSE_NONE) == p;
        tap_ok(good, SUBJECT, "power drains from everywhere, and no cause changes nothing");
        good = true;
        for (phase p = PHASE_EARLY; p < PHASE_COUNT; p++)
                for (cause c = CAUSE_NONE; c < CAUSE_COUNT; c++) {
                        phase next = phase_next(p, c);
                        good = good && (next != PHASE_OFF || p == PHASE_DRAIN || p == PHASE_OFF)
                               && (next != PHASE_RUNNING || p == PHASE_NETWORK || p == PHASE_RUNNING);
                }
        tap_ok(good, SUBJECT, "nothing is off that has not drained, and nothing runs without a network");
        for (phase p = PHASE_EARLY; p < PHASE_COUNT; p++)
                good = good && strlen(phase_name(p)) > 2;
        tap_ok(good, SUBJECT, "each has a name");
        return tap_done();
}
