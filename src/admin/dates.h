/* admin/dates: tells PID 1 of the appliance what the Dates of vendors' answers say of the time. A host is one voice,
 * however many upstreams and keys lead there; relays note only what came over verified TLS (route/health). */
#ifndef ADMIN_DATES_H
#define ADMIN_DATES_H

#include "admin/box_link.h"
#include "base/board.h"
#include "route/catalog.h"

/* What is older says nothing; whoever is within the second number of the median agrees with it. */
constexpr uint64_t DATES_FRESH_MS = 2 * 3600 * 1000;
constexpr int64_t  DATES_NEAR_S = 60;

/* The median over hosts, of answers that came at from_ms or later and are fresh at now_ms (both CLOCK_MONOTONIC). Of an
 * even number the lower of the two in the middle: a mean of two that differ is a time nobody said. */
box_dates dates_of(const catalog *c, const board *b, uint64_t from_ms, uint64_t now_ms);

typedef struct dates_teller {
        const catalog *catalog;
        const board *board;
        box_link *box;
        net_timer timer;
        uint64_t from_ms; /* a machine that was copied starts this role anew: what was noted before says nothing */
        uint64_t told_ms;
        box_dates told;
} dates_teller;

/* Tells within seconds of a change of how many agree, or on what, and every minute; `t` stays where it is. Only where
 * there is a box. */
void dates_begin(dates_teller *t, const catalog *c, const board *b, box_link *box);
void dates_end(dates_teller *t);

#endif
