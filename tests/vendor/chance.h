/* chance: randomness that a seed repeats. Every exchange has its own, made of the seed and its number, so that it does
 * not matter which worker serves it. */
#ifndef VENDOR_CHANCE_H
#define VENDOR_CHANCE_H

#include "text.h"

typedef struct chance {
        uint64_t state;
} chance;

/* Before the workers are made. */
void chance_seed(uint64_t seed);

chance chance_begin(uint64_t number);

/* True in so many of a thousand cases. */
bool chance_hit(chance *c, uint64_t permille);
uint64_t chance_below(chance *c, uint64_t bound);

/* Milliseconds of a log-normal distribution, "MEDIAN_MS:SIGMA"; false: it does not say so. */
bool chance_lognormal(chance *c, slice said, uint64_t *ms);

#endif
