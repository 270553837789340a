/* The breaker as its description tells it, written a second time and without thought for speed: a list of all that was
 * reported and a list of all probes, read from the beginning for every question. Shares nothing with route/breaker.c.
 */
#ifndef TESTS_SUPPORT_BREAKER_MODEL_H
#define TESTS_SUPPORT_BREAKER_MODEL_H

#include "route/breaker.h"

typedef struct model_seen {
        size_t opened, closed, probes, lost, last;
} model_seen;

/* One random sequence of asking, reporting and waiting, told to both. False, with what differs on stdout. */
bool model_agrees(uint64_t seed, model_seen *seen);

#endif
