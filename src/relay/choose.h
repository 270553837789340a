/* relay/choose: binds the pure choice (route/pick) to the board: which way an attempt takes, and what became of it.
 *
 * What is known of vendor keys, upstreams and models lies in cells of the board that all relay processes share; each is
 * changed under its lock, by pure functions, and a change whose lock cannot be had is left out. */
#ifndef RELAY_CHOOSE_H
#define RELAY_CHOOSE_H

#include "route/health.h"
#include "route/pick.h"
#include "route/retry_after.h"

typedef struct exchange exchange;
typedef struct relay    relay;

/* A way taken. Carries what its report needs; reported exactly once. */
typedef struct choice {
        uint8_t      target, credential;
        uint16_t     upstream;
        bool         taken; /* not yet reported */
        int          cells[HEALTH_KINDS]; /* of the board; -1: the table is full */
        breaker_pass passes[HEALTH_KINDS];
} choice;

typedef struct choose_ask {
        fault_where where;
        bool        prefill;
        bool        again_only_new; /* a second copy: never a way tried before */
} choose_ask;

typedef struct choose_result {
        bool     found;
        uint64_t wait_ms; /* not found: worth waiting so long; UINT64_MAX: not */
        pick_why why;
        bool     again;   /* found: this way was tried before in this exchange */
        fault_class fault; /* not found, PICK_DISABLED: what a key was set aside for */
} choose_result;

choose_result choose_way(exchange *x, const choose_ask *ask, choice *out);
/* The target another way of which could be taken now; -1: none. Takes nothing. */
int choose_peek(exchange *x, const choose_ask *ask);
/* So long the vendor key of a way still waits for its rate limit. */
uint64_t choose_parked_ms(const relay *r, const choice *c);

/* What became of it. `fault` FAULT_CLASSES: it is whole. Times in microseconds, 0: none. */
typedef struct choose_end {
        fault_class          fault;
        bool                 sent;
        uint64_t             first_us, content_us;
        uint64_t             slow_us;  /* content later than this is slow; 0: never */
        const vendor_limits *limits;   /* of the head; null: none came */
        uint64_t             head_ms;  /* net_now_ms when it came */
} choose_end;
void choose_report(relay *r, choice *c, const choose_end *e);

/* A health probe's answer. */
void choose_probed(relay *r, uint16_t upstream, bool good);

#endif
