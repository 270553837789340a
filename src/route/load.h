/* route/load: how slow and how busy a way is: EWMA of the time to the first content, share of failures, slow start
 * after recovery.
 * src  P. Marshall and others, Finagle "PeakEwma"; HAProxy slowstart
 *
 * A peak that counted whole would tell nothing here: one answer in twenty of a language model comes ten times later
 * than the others, so every busy way would always stand at its latest straggler. The mean is one of logarithms instead,
 * and a straggler counts as four times the mean at most. */
#ifndef ROUTE_LOAD_H
#define ROUTE_LOAD_H

#include <stdint.h>

/* All zero: nothing known. Lies in shared memory: any bytes in it must be survived. */
typedef struct load {
        uint64_t ewma_us;
        uint64_t seen_ms;      /* last sample */
        uint64_t recovered_ms; /* begin of slow start; 0: none */
        uint64_t failed_ppm;   /* EWMA of failures, which count double; parts per million */
        uint64_t ended_ms;     /* last end */
        uint64_t quantile_us;  /* running estimate of the 95th percentile of first content, for hedging; 0: none yet */
        uint32_t samples, ended, contents; /* saturate */
        uint32_t reserved;
} load;

/* Time to the first content of a stream, or to the first byte of embeddings. The mean decays with 15 s. */
void load_sample(load *l, uint64_t first_us, uint64_t now_ms);
/* Time to the first content, for the quantile (stochastic approximation; needs no samples kept). */
void load_content(load *l, uint64_t content_us);
/* An attempt ended good or bad. */
void load_ended(load *l, bool good, uint64_t now_ms);
/* It has come back: what was known is forgotten, and its share grows from 1 % to 100 % over 30 s. */
void load_recovered(load *l, uint64_t now_ms);

/* The larger, the less it is to be chosen: ewma x (in_flight + 1) / (weight x slow start x success^2), and much larger
 * for what is far above the mean of the others or fails more than one time in ten: of eight ways one that is five times
 * as slow, or fails three times in ten, gets less than 2 %. With nothing in flight what is known fades, so that one
 * request at a time tries what was bad. `others_us` is the mean of the known ones, also for a way nothing is known of
 * (0: none is). Never 0. */
typedef struct load_facts {
        uint64_t now_ms, others_us;
        uint32_t in_flight;
        uint32_t weight; /* 1 to 1000 */
} load_facts;
double load_cost(const load *l, const load_facts *f);

/* What slow start leaves of its share: 0.01 to 1. */
double load_slow_start(const load *l, uint64_t now_ms);

/* After how long without content a second copy pays, microseconds; 0: too little is known (fewer than 20 contents). */
uint64_t load_late_us(const load *l);

#endif
