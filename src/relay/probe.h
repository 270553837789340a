/* relay/probe: asks upstreams whose breakers are not closed, or one of whose models' is not, for something that costs
 * no tokens, so that they are found to be back without a caller's request at stake. Of all relay processes one asks. */
#ifndef RELAY_PROBE_H
#define RELAY_PROBE_H

#include "relay/upstream.h"

typedef struct probes probes;

typedef struct probes_setup {
        net_loop *loop;
        upstreams *upstreams;
        const catalog *catalog;
        board *board;
        board_column *column; /* of this process */
        /* Reached: it answered HTTP with a status below 500, whatever that was. */
        void (*result)(void *ctx, uint16_t upstream, bool reached);
        void *ctx;
} probes_setup;

/* For each upstream with a health_path. Null: no memory. */
probes *probes_begin(const probes_setup *s);
/* Asks nothing any more; what runs is given up. */
void probes_stop(probes *p);

#endif
