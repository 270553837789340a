/* route/budget: what keeps retries from melting a vendor: a share of first attempts, and full jitter between tries.
 * src  Finagle and Envoy retry budgets; AWS "Exponential Backoff and Jitter" */
#ifndef ROUTE_BUDGET_H
#define ROUTE_BUDGET_H

#include <stdint.h>

/* All zero: new. Lies in shared memory. */
typedef struct budget {
        uint64_t milli;    /* thousandths of a retry to spend */
        uint64_t seen_ms;  /* last decay */
        uint64_t floor_ms; /* second of the floor's count */
        uint32_t floor_used;
        uint32_t reserved;
} budget;

/* A first attempt was made: adds percent/100 of a retry, of which at most 10 s worth are kept. */
void budget_first(budget *b, uint32_t percent, uint64_t now_ms);
/* May one more be made again? Takes it. Ten a second are always allowed, for quiet hours. */
bool budget_retry(budget *b, uint64_t now_ms);

/* random(0, min(2 s, 100 ms x 2^(n-1))) for the n-th retry, at least `floor_ms` (a Retry-After). */
uint64_t budget_backoff_ms(uint32_t n, uint64_t floor_ms, uint64_t random);

#endif
