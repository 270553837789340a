#include "firmware/phase.h"

#include <assert.h>

static const struct {
        const char *name;
        phase       next[CAUSE_COUNT];
} rows[PHASE_COUNT] = {
        /* clang-format off */
        /*                               nothing        done           failed         power */
        [PHASE_EARLY]   = {"EARLY",   {PHASE_EARLY,   PHASE_MODULES, PHASE_MODULES, PHASE_DRAIN}},
        [PHASE_MODULES] = {"MODULES", {PHASE_MODULES, PHASE_LOCK,    PHASE_LOCK,    PHASE_DRAIN}},
        [PHASE_LOCK]    = {"LOCKED",  {PHASE_LOCK,    PHASE_CONFIG,  PHASE_REFUSED, PHASE_DRAIN}},
        [PHASE_CONFIG]  = {"CONFIG",  {PHASE_CONFIG,  PHASE_STATE,   PHASE_REFUSED, PHASE_DRAIN}},
        [PHASE_STATE]   = {"STATE",   {PHASE_STATE,   PHASE_NETWORK, PHASE_REFUSED, PHASE_DRAIN}},
        [PHASE_NETWORK] = {"NETWORK", {PHASE_NETWORK, PHASE_RUNNING, PHASE_REFUSED, PHASE_DRAIN}},
        [PHASE_RUNNING] = {"RUNNING", {PHASE_RUNNING, PHASE_RUNNING, PHASE_REFUSED, PHASE_DRAIN}},
        [PHASE_REFUSED] = {"REFUSED", {PHASE_REFUSED, PHASE_REFUSED, PHASE_REFUSED, PHASE_DRAIN}},
        [PHASE_DRAIN]   = {"DRAIN",   {PHASE_DRAIN,   PHASE_OFF,     PHASE_OFF,     PHASE_DRAIN}},
        [PHASE_OFF]     = {"OFF",     {PHASE_OFF,     PHASE_OFF,     PHASE_OFF,     PHASE_OFF}},
        /* clang-format on */
};

phase phase_next(phase now, cause why)
{
        assert(now < PHASE_COUNT && why < CAUSE_COUNT);
        return rows[now].next[why];
}

const char *phase_name(phase p)
{
        assert(p < PHASE_COUNT);
        return rows[p].name;
}
