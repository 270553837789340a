/* route/pressure: how near the process is to its end, as a rung of a ladder, and what is done without on it. Pure: the
 * facts and the clock are arguments.
 *
 *      rung  entered when one of these is passed       what is done without
 *       1    memory, sockets 70 %   lag  20 ms         warm connections nobody needs; long keep-alive
 *       2    memory, sockets 85 %   lag  50 ms         requests of keys with low priority; large bodies
 *       3    memory, sockets 92 %   lag 200 ms         all new requests and connections
 *       4    memory 97 %                               the streams that hold most
 *
 * A rung is left when what it was entered for has stayed below 90 % of its entry for a while, so that nothing swings:
 * 5 s for memory and sockets, 2 s for lag, which follows load at once and would refuse callers long after it is over.
 * Between the second and the third rung lag is governed: a share of all requests is refused, so large that it does not
 * grow. Without that a processor with too much to do would refuse everything, then nothing, then everything. */
#ifndef ROUTE_PRESSURE_H
#define ROUTE_PRESSURE_H

#include "route/catalog.h"

enum : uint8_t { PRESSURE_RUNGS = 5 };
typedef enum pressure_kind : uint8_t { PRESSURE_MEMORY, PRESSURE_SOCKETS, PRESSURE_LAG, PRESSURE_KINDS } pressure_kind;

typedef struct pressure_facts {
        uint64_t memory, memory_most;
        uint64_t sockets, sockets_most; /* most 0: no bound is known */
        uint64_t lag_us;                /* of the last second; once late does not count: a paused machine is no load */
        uint64_t lag_now_us;            /* of the last step */
} pressure_facts;

/* All zero: nothing presses. */
typedef struct pressure {
        uint8_t level; /* the highest of the rungs */
        uint8_t rung[PRESSURE_KINDS];
        uint64_t near_ms[PRESSURE_KINDS][PRESSURE_RUNGS]; /* last time at 90 % of an entry or above */
        uint32_t late_steps;                              /* in a row */
        uint32_t share;                                   /* of requests refused for lag, thousandths */
        uint32_t owed;                                    /* of the next one, thousandths */
} pressure;

/* Looks again; to be called some ten times a second. True: the level has changed. */
bool pressure_step(pressure *p, const pressure_facts *f, uint64_t now_ms);

typedef enum pressure_verdict : uint8_t {
        PRESSURE_GO,
        PRESSURE_LOW,     /* refused, because others matter more */
        PRESSURE_REFUSED, /* refused, whoever it is or because it is large */
} pressure_verdict;

/* May a new request be begun? `body_bytes` as its head says, 0 when it does not. */
pressure_verdict pressure_judge(pressure *p, catalog_priority who, uint64_t body_bytes);

/* Nobody at all is served now: to be asked before it is known who it is. */
static inline bool pressure_closed(const pressure *p) { return p->level >= 3; }

/* Memory or sockets are scarce: connections that do nothing are closed. Lag alone never: to come back costs a
 * handshake, the dearest thing there is when the processor is short. */
static inline bool pressure_scarce(const pressure *p)
{
        return p->rung[PRESSURE_MEMORY] >= 1 || p->rung[PRESSURE_SOCKETS] >= 1;
}

/* How long a connection may be idle now: all of `idle_ms` up to 70 %, 2 s from 92 % on, between them in proportion.
 * src  Envoy, scaled timers */
uint64_t pressure_idle_ms(const pressure_facts *f, uint64_t idle_ms);

/* The largest ledger at which no stream must end. */
uint64_t pressure_bearable(uint64_t memory_most);

#endif
