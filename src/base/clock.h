/* base/clock: the two clocks. Below relay/ time is an argument; only net/, role/, prog/ and the log call these. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds of CLOCK_MONOTONIC. */
uint64_t clock_ms(void);
/* Microseconds of CLOCK_MONOTONIC. */
uint64_t clock_us(void);
/* Seconds since 1970, UTC. */
uint64_t clock_wall_s(void);

#endif
