/* tests/sim/house: the relay and what surrounds it, for the files of that name. */
#ifndef TESTS_SIM_HOUSE_H
#define TESTS_SIM_HOUSE_H

#include "relay/upstream.h"
#include "sim/play.h"

enum : unsigned { CALLERS_KEYS = 4 };

extern struct house {
        catalog *catalog;
        policy policy;
        lease lease;
        board board;
        usage_ring *ring;
        relay *relay;
        tls_client *clients[LIMIT_UPSTREAMS];
        sim_memory held_at_begin;
        uint64_t serial_at_begin;
        size_t timers_at_begin;                     /* that beat for as long as there is a relay */
        uint64_t read, exchanges, attempts, opened; /* records; attempts that were begun */
        uint64_t before[COUNTER_COUNT], looked_us;
        sim_patience patience;
        net_timer keeper, operator;
        uint64_t keeper_stalls_until_us, trouble_until_us;
        uint32_t ring_taken;
        int drained;
        int slots[CALLERS_KEYS]; /* of the board, per key */
        bool shut;               /* no admission, when last looked at */
        uint64_t admitted;
} house;

uint64_t house_counted(counter_id c);
/* The keeper's turn: it reads what is in the ring, unless it stalls. */
void house_keeper(void *ctx);

#endif
