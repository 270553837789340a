/* relay/upstream: the seam to the vendor side: open, body, credit, cancel out; head, data, end back.
 *
 * No pointer into a caller's arena crosses it: bytes are borrowed for a call. One connection carries one exchange at a
 * time and is used again only after a complete, length-delimited answer. */
#ifndef RELAY_UPSTREAM_H
#define RELAY_UPSTREAM_H

#include "base/board.h"
#include "base/view.h"
#include "net/conn.h"
#include "net/resolve.h"
#include "route/catalog.h"
#include "route/retry_after.h"
#include "vault/lease.h"

typedef struct upstreams upstreams; /* all vendors of one relay process */
typedef struct attempt   attempt;

typedef struct upstreams_setup {
        net_loop      *loop;
        net_resolver  *resolver;
        const catalog *catalog;
        const lease   *lease;
        board_column  *column;
        tls_client    *const *tls; /* one per upstream; null where plain */
} upstreams_setup;

upstreams *upstreams_new(const upstreams_setup *s);
/* Closes the warm connections, and dials none ahead any more: hardly anything more will be asked. */
void upstreams_close_idle(upstreams *u);
/* Under pressure: every second of the warm connections that nobody needed lately. Happens by itself every 5 s. */
void upstreams_purge(upstreams *u);

typedef enum attempt_body : uint8_t { ATTEMPT_JSON, ATTEMPT_EVENTS, ATTEMPT_OTHER } attempt_body;

typedef struct attempt_head {
        uint16_t     status;
        attempt_body body;
        vendor_limits limits; /* Retry-After, what is left, and the date, as the head says */
        uint64_t      came_ms; /* net_now_ms */
} attempt_head;

typedef enum attempt_end : uint8_t {
        ATTEMPT_DONE,        /* the answer is complete */
        ATTEMPT_NETWORK,     /* name, connect, proxy or handshake failed, or no address is allowed */
        ATTEMPT_CERTIFICATE,
        ATTEMPT_TIMEOUT,
        ATTEMPT_CUT,         /* broke off */
        ATTEMPT_BROKEN,      /* not its protocol */
        ATTEMPT_NO_KEY,      /* the vault has no credential for this host */
        ATTEMPT_STALE,       /* a warm connection was already dead: nothing was lost, try the same target again */
} attempt_end;

typedef struct attempt_facts {
        bool     sent;     /* at least one byte of the request left */
        bool     answered; /* at least one byte of an answer came */
        bool     reused;
        uint32_t dial_us;  /* name, TCP and TLS; 0 when reused */
        uint64_t first_us; /* last byte of the request sent to first byte of the answer; 0: none came */
} attempt_facts;

typedef struct attempt_user {
        void (*credit)(void *ctx);                       /* there is room: send on */
        void (*head)(void *ctx, const attempt_head *h);
        void (*data)(void *ctx, view bytes);
        void (*end)(void *ctx, attempt_end why, const attempt_facts *f); /* once; the attempt is gone */
} attempt_user;

typedef struct attempt_order {
        uint16_t    upstream;
        uint8_t     credential; /* index in the upstream's pool */
        const char *path;       /* below base_url, "/chat/completions" */
        uint64_t    body_bytes; /* exact */
        bool        events;     /* a stream is wanted */
        bool        fresh;      /* no warm connection */
        bool        get;        /* a health probe: GET, without a body, and not counted as an attempt */
} attempt_order;

/* Never calls back from inside. Null: no memory. */
attempt *upstream_open(upstreams *u, const attempt_order *o, const attempt_user *user, void *ctx);

/* The mark policy has set: so many bytes of the body may leave. */
void upstream_decided(attempt *a, uint64_t bytes);
/* Bytes that upstream_body may take now; 0: wait for credit. */
size_t upstream_room(const attempt *a);
/* Sends body bytes. Asserts that they lie before the mark. */
void upstream_body(attempt *a, view bytes);

/* Backpressure towards the vendor. */
void upstream_pause(attempt *a);
void upstream_resume(attempt *a);

/* Closes the connection; no callback any more. */
void upstream_cancel(attempt *a, attempt_facts *f);

#endif
