/* route/retry: the one rule that says whether an exchange goes on to another target. Pure: all it knows comes in. */
#ifndef ROUTE_RETRY_H
#define ROUTE_RETRY_H

#include "route/catalog.h"
#include "route/fault.h"

typedef struct retry_state {
        uint32_t attempts;  /* made so far */
        uint8_t  next;      /* index of the next target in the alias's order */
        bool     committed; /* an event has reached the caller */
        uint64_t elapsed_ms, deadline_ms;
} retry_state;

/* The target for the next attempt: the first one at the start, then the next in order while the attempt budget, the
 * deadline and the commit point allow and the fault may heal elsewhere. -1: none, tell the caller. */
int retry_first(const catalog_model *m, retry_state *s);
int retry_next(const catalog_model *m, retry_state *s, fault_class fault);

#endif
