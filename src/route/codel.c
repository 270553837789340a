#include "route/codel.h"

void codel_note(codel *c, uint64_t oldest_ms, uint64_t now_ms)
{
        if (now_ms < c->until_ms) {
                if (oldest_ms < c->least_ms)
                        c->least_ms = oldest_ms;
                return;
        }
        /* Nothing was told for a whole window: nobody has waited in it. */
        bool silent = now_ms - c->until_ms >= CODEL_WINDOW_MS;
        c->stands = !silent && c->least_ms > CODEL_TARGET_MS;
        c->until_ms = now_ms + CODEL_WINDOW_MS;
        c->least_ms = oldest_ms;
}

bool codel_sheds(const codel *c, uint64_t waited_ms) { return c->stands && waited_ms > 2 * CODEL_TARGET_MS; }
