/* route/breaker: whether something that has been failing may be tried: closed, open, half-open. Pure: a plain struct,
 * clock and randomness are arguments. One for each vendor key, each upstream and each model at an upstream.
 *
 *      CLOSED ── share of failures, of slow answers, or a run of dead connections ──► OPEN
 *      OPEN ── its time is over ──► HALF_OPEN: a few probes, each on a lease; all good ──► CLOSED, one bad ──► OPEN
 *
 * A lease that runs out counts as a failure: without it a lost probe would leave the breaker half-open for ever. The
 * last that could be used is let through once a second whatever the state; when that is good, probes begin at once. A
 * slow probe is a good one: what stays slow opens it again by its share, each time for longer. */
#ifndef ROUTE_BREAKER_H
#define ROUTE_BREAKER_H

#include <stddef.h>
#include <stdint.h>

enum : size_t { BREAKER_BUCKETS = 10, BREAKER_PROBES = 3 };

typedef struct breaker_setup {
        uint32_t least_calls;     /* in the window of 10 s, before shares are looked at */
        uint32_t failed_percent;  /* of calls */
        uint32_t slow_percent;    /* of calls */
        uint32_t unreachable_run; /* connections in a row that could not be made */
        uint32_t probes;          /* at once while half-open, and good ones it takes to close; at most BREAKER_PROBES */
        uint64_t open_ms, open_most_ms; /* first time, doubled each time; +- 20 % */
        uint64_t lease_ms;              /* a probe's */
        uint64_t heal_ms;               /* so long healthy takes one doubling back */
        uint64_t last_ms;               /* one probe in so long while it is the last that could be used */
} breaker_setup;

typedef enum breaker_state : uint8_t { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN } breaker_state;

typedef struct breaker_bucket {
        uint64_t second; /* of the clock; a bucket of another round is empty */
        uint32_t calls, failed, slow;
} breaker_bucket;

/* All zero: closed and new. Lies in shared memory: any bytes in it must be survived (values are clamped). */
typedef struct breaker {
        breaker_bucket window[BREAKER_BUCKETS];
        uint64_t until_ms;                       /* open: when it turns half-open */
        uint64_t healthy_ms;                     /* since when nothing opened it, or the last doubling was taken back */
        uint64_t lease_until_ms[BREAKER_PROBES]; /* 0: free */
        uint64_t last_ms;                        /* when the last of all targets was last let through */
        uint32_t epoch;       /* of openings: a report about an earlier one changes nothing but the window */
        uint32_t opened;      /* how often, for doubling; falls while healthy */
        uint32_t unreachable; /* run */
        uint32_t good;        /* probes since half-open */
        breaker_state state;
} breaker;

typedef enum breaker_leave : uint8_t {
        LEAVE_REFUSED,
        LEAVE_FREE,  /* closed */
        LEAVE_PROBE, /* leased */
        LEAVE_LAST,  /* open, but nothing else is left: one a second */
} breaker_leave;

/* What a call that was let through carries until its report. */
typedef struct breaker_pass {
        uint32_t epoch;
        breaker_leave leave;
        uint8_t lease; /* of LEAVE_PROBE */
} breaker_pass;

typedef enum breaker_outcome : uint8_t {
        OUTCOME_GOOD,
        OUTCOME_SLOW, /* good, but later than it should be */
        OUTCOME_FAILED,
        OUTCOME_UNREACHABLE, /* failed before anything could be sent */
        OUTCOME_NEUTRAL,     /* says nothing of it (the caller left, a rate limit, the request's own fault): gives a
                                lease back */
} breaker_outcome;

typedef struct breaker_now {
        uint64_t ms;
        uint64_t random;
        bool last; /* nothing else can be used */
} breaker_now;

/* May a call be made? Takes a lease when it is a probe. */
breaker_pass breaker_ask(breaker *b, const breaker_setup *s, const breaker_now *now);
/* What became of it; exactly once for each pass that was not refused. True: this opened it, or found it opened by a
 * lease that ran out. */
bool breaker_report(breaker *b, const breaker_setup *s, breaker_pass pass, breaker_outcome o, const breaker_now *now);

/* As seen by an onlooker, without changing it: would a call be let through, and if not, when (ms; 0: unknown). */
typedef struct breaker_sight {
        breaker_state state;
        bool would_pass;
        uint64_t until_ms;
} breaker_sight;
breaker_sight breaker_look(const breaker *b, const breaker_setup *s, uint64_t now_ms);

#endif
