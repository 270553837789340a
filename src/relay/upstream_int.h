/* relay/upstream_int: the vendor side's inside, for upstream.c, dialing.c, tunnel.c and pool.c. */
#ifndef RELAY_UPSTREAM_INT_H
#define RELAY_UPSTREAM_INT_H

#include "base/arena.h"
#include "base/emit.h"
#include "codec/http1.h"
#include "relay/grave.h"
#include "relay/upstream.h"

/* Of RFC 8305 section 8: the Connection Attempt Delay. */
constexpr uint64_t DIALING_STAGGER_MS = 250;
/* An address that could not be connected is tried behind all others for so long. */
constexpr uint64_t ADDRESS_DEAD_MS = 30'000;
/* Two attempts within the first make an upstream worth keeping warm, for the second. */
constexpr uint64_t WARM_BETWEEN_MS = 10'000;
constexpr uint64_t WARM_FOR_MS = 60'000;
constexpr uint64_t POOL_PURGE_MS = 5'000;

typedef struct dialing dialing;
typedef struct tunnel  tunnel;

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
        bool          pooled;
        http1         parser;
        http1_setup   setup;
        arena         memory; /* the answer's head */
        arena_mark    empty;
        bool          feeding; /* the parser is running: its memory stays until it returns */
} link;

typedef struct dead_address {
        catalog_address address;
        uint64_t        until_ms; /* 0: free */
} dead_address;

/* What this process has learned of the way to one upstream. */
typedef struct way {
        upstreams   *side;
        uint16_t     upstream;
        bool         dial_failed;    /* the newest dial reached nobody */
        dead_address dead[LIMIT_ADDRESSES];
        uint64_t     v6_bad_until_ms;
        uint64_t     used_ms;       /* the newest attempt; 0: none */
        uint64_t     warm_until_ms; /* kept warm until then */
        dialing     *warming;
        size_t       idle, fewest; /* in the pool: now, and at least since the last purge */
} way;

struct upstreams {
        upstreams_setup setup;
        graveyard       graves;
        link           *warm;
        size_t          warm_count;
        net_timer       purge;
        bool            closing; /* nothing is dialled ahead any more */
        way             ways[LIMIT_UPSTREAMS];
};

typedef enum attempt_phase : uint8_t {
        PHASE_CONNECT,
        PHASE_SEND,
        PHASE_WAIT,
        PHASE_ANSWER
} attempt_phase;

struct attempt {
        grave         grave;
        upstreams    *side;
        link         *link;
        dialing      *dialing;
        attempt_user  user;
        void         *ctx;
        attempt_order order;
        attempt_phase phase;
        attempt_facts facts;
        net_timer     timer;
        uint64_t      begun_us, sent_us; /* sent_us: the whole request was handed to the network; 0: not yet */
        uint64_t      decided, sent; /* bytes of the body: sent <= decided <= order.body_bytes */
        bool          over, paused;
};

/* ---- dialing.c: name, TCP, proxy and TLS: the first of an upstream's addresses that stands ---- */

typedef struct dialing_user {
        void (*opened)(void *ctx, net_conn *c); /* must own it before returning, or abort it */
        void (*failed)(void *ctx, attempt_end why);
} dialing_user;

/* One of the two is called, once, never from inside; at the latest after connect_ms. Null: no memory. */
dialing *dialing_begin(upstreams *u, uint16_t upstream, const dialing_user *user, void *ctx);
void     dialing_cancel(dialing *d);

/* ---- tunnel.c: HTTP CONNECT, without the network ---- */

typedef enum tunnel_step : uint8_t { TUNNEL_MORE, TUNNEL_OPEN, TUNNEL_REFUSED } tunnel_step;

/* Writes the question for this upstream's host. err NO_TARGET: the vault has no such credential, or one that is bound
 * to another host; NO_ROOM */
err tunnel_ask(const upstreams_setup *s, uint16_t upstream, emit *out);

/* Reads the proxy's answer. Null: no memory. */
tunnel *tunnel_begin(void);
/* out  early   with TUNNEL_OPEN: what came behind the answer's head
 *      status  of the answer; 0: it was none */
tunnel_step tunnel_feed(tunnel *t, view in, view *early, uint16_t *status);
void        tunnel_end(tunnel *t);

/* ---- pool.c ---- */

link *pool_take(upstreams *u, uint16_t upstream);
/* The link goes to the pool or is closed. */
void pool_give(link *l);
/* An attempt is made at this upstream: from the second on, connections are dialled ahead. */
void pool_used(upstreams *u, uint16_t upstream);
/* Dials ahead what is missing, where that is wanted now. */
void pool_warm(upstreams *u, uint16_t upstream);
/* Takes the open connection; null: no memory, and it is aborted. */
link *link_new(upstreams *u, uint16_t upstream, net_conn *conn);
/* Closes the connection and buries the link. */
void link_close(link *l);

#endif
