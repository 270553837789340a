/* relay/relay: one relay process: callers on one side, vendors on the other, everything else handed in. */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include "base/board.h"
#include "net/conn.h"
#include "net/resolve.h"
#include "policy/policy.h"
#include "route/catalog.h"
#include "usage/record.h"
#include "vault/lease.h"

typedef struct relay relay;

typedef struct relay_setup {
        net_loop      *loop;
        net_resolver  *resolver;
        const catalog *catalog;
        const policy  *policy;
        const lease   *lease;
        board         *board;
        board_column  *column; /* of this process */
        usage_ring    *ring;
        int            ring_wake;  /* eventfd */
        uint32_t       generation;
        tls_server    *server;
        tls_client    *const *clients; /* per upstream */
        int            listen_fd;
        void (*drained)(void *ctx); /* the last connection is gone after relay_drain */
        void          *ctx;
} relay_setup;

/* Builds everything that needs a system call the sandbox will refuse. Null when the system refuses. */
relay *relay_new(const relay_setup *s);

/* Starts accepting. */
void relay_start(relay *r);

/* Stops accepting; answers say Connection: close; `drained` is called when the last caller is gone, at the latest
 * after drain_ms (0: the setting), when what still runs is cut. */
void relay_drain(relay *r, uint64_t drain_ms);

#endif
