/* route/limiter: how many attempts a vendor key takes at once, learnt from explicit rejections (AIMD), for vendors that
 * publish no number. src  TCP congestion avoidance; Netflix concurrency-limits */
#ifndef ROUTE_LIMITER_H
#define ROUTE_LIMITER_H

#include <stdint.h>

/* All zero: new, no limit found yet. Lies in shared memory. */
typedef struct limiter {
        uint64_t limit_milli; /* thousandths; 0: none found */
        uint64_t cut_ms;      /* last cut */
} limiter;

/* Room for one more beside these? Always true for none in flight. */
bool limiter_room(const limiter *l, uint32_t in_flight);
/* One succeeded while so many were in flight (itself included): above 90 % of the limit, or with no room for one
 * more, it grows by 1/limit. */
void limiter_good(limiter *l, uint32_t in_flight);
/* One was rejected for load (429 of concurrency, 503, 529): to 0.7 of min(limit, in_flight), at least 1; once in 5 s or
 * in `hold_ms`, whichever is longer. */
void limiter_rejected(limiter *l, uint32_t in_flight, uint64_t hold_ms, uint64_t now_ms);

#endif
