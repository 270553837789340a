#include "route/retry.h"

#include <assert.h>

static int take(const catalog_model *m, retry_state *s)
{
        if (s->next >= m->target_count)
                return -1;
        s->attempts++;
        return s->next++;
}

int retry_first(const catalog_model *m, retry_state *s)
{
        assert(s->attempts == 0);
        return take(m, s);
}

int retry_next(const catalog_model *m, retry_state *s, fault_class fault)
{
        if (s->committed || s->attempts >= LIMIT_ATTEMPTS || s->elapsed_ms >= s->deadline_ms)
                return -1;
        if (fault_describe(fault)->where < WHERE_TARGET)
                return -1;
        return take(m, s);
}
