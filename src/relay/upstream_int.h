/* relay/upstream_int: the vendor side's inside, for upstream.c and pool.c. */
#ifndef RELAY_UPSTREAM_INT_H
#define RELAY_UPSTREAM_INT_H

#include "base/arena.h"
#include "codec/http1.h"
#include "relay/grave.h"
#include "relay/upstream.h"

/* One connection to a vendor: in use by an attempt, or warm in the pool. */
typedef struct link {
        grave         grave; /* first: freed as one */
        upstreams    *side;
        net_conn     *conn; /* null once it is gone */
        struct attempt *attempt;
        struct link  *next; /* in the pool, most recently used first */
        net_timer     idle;
        uint64_t      born_ms;
        uint16_t      upstream;
        http1         parser;
        http1_setup   setup;
        arena         memory; /* the answer's head */
        arena_mark    empty;
        bool          feeding; /* the parser is running: its memory stays until it returns */
} link;

struct upstreams {
        upstreams_setup setup;
        graveyard       graves;
        link           *warm;
        size_t          warm_count;
};

typedef enum attempt_phase : uint8_t {
        PHASE_RESOLVE,
        PHASE_CONNECT,
        PHASE_SEND,
        PHASE_WAIT,
        PHASE_ANSWER
} attempt_phase;

struct attempt {
        grave         grave;
        upstreams    *side;
        link         *link;
        attempt_user  user;
        void         *ctx;
        attempt_order order;
        attempt_phase phase;
        attempt_facts facts;
        net_timer     timer;
        net_question  question;
        uint64_t      begun_us;
        uint64_t      decided, sent; /* bytes of the body: sent <= decided <= order.body_bytes */
        catalog_address addresses[LIMIT_ADDRESSES];
        uint8_t       address_count, address_next;
        bool          over, paused;
};

/* pool.c */
link *pool_take(upstreams *u, uint16_t upstream);
/* The link goes to the pool or is closed. */
void  pool_give(link *l);
link *link_new(upstreams *u, uint16_t upstream);
/* Closes the connection and buries the link. */
void  link_close(link *l);

#endif
