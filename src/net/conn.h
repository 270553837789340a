/* net/conn: one connection, accepted or dialled, TLS or plain: bytes and flow, no meaning.
 *
 * Written bytes of one turn of the loop go out in one system call at its end. */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "base/view.h"
#include "net/loop.h"
#include "net/tls.h"

typedef struct net_conn net_conn;

typedef enum net_end : uint8_t {
        NET_CLEAN,       /* the peer said goodbye (close_notify; on plain connections: end of stream) */
        NET_CUT,         /* it went without */
        NET_UNREACHABLE, /* connect failed */
        NET_TLS_FAILED,  /* handshake or record layer */
        NET_CERTIFICATE, /* the peer's certificate was not accepted */
        NET_TIMEOUT,     /* handshake deadline of an accepted connection */
} net_end;

/* Callbacks of the owner. After net_close or net_abort none of them is called any more. */
typedef struct net_user {
        void (*opened)(void *ctx);             /* handshake done: bytes may be written */
        void (*data)(void *ctx, view plain);   /* must take all; borrowed and wiped after the call. After
                                                  net_pause up to LIMIT_READ_BYTES may still come */
        void (*drained)(void *ctx);            /* unsent bytes fell below LIMIT_QUEUE_LOW_BYTES after having
                                                  reached LIMIT_QUEUE_HIGH_BYTES */
        void (*closed)(void *ctx, net_end why); /* the peer or the network ended it; the conn is gone */
} net_user;

/* Gives the connection to another owner. */
void net_own(net_conn *c, const net_user *user, void *ctx);

/* Queues bytes; never refuses: the owner looks at net_unsent before it asks for more. */
void net_write(net_conn *c, view plain);
/* Bytes queued that the kernel has not taken yet (as they are on the wire). */
size_t net_unsent(const net_conn *c);
/* Memory that they take. */
size_t net_held(const net_conn *c);
/* Bytes the kernel has taken since the connection began: progress, for stall timers. */
uint64_t net_taken(const net_conn *c);

/* Backpressure: stops and starts reading. */
void net_pause(net_conn *c);
void net_resume(net_conn *c);

/* Sends what is queued, says goodbye, drains what the peer still sends (64 KiB or 1 s) and closes. */
void net_close(net_conn *c);
/* Closes now. `reset`: with RST. */
void net_abort(net_conn *c, bool reset);

/* Who is at the other end: for an accepted connection behind a balancer the source the balancer named. */
typedef struct net_peer {
        uint8_t  family; /* 4 or 6; 0: unknown */
        uint8_t  address[16];
        uint16_t port;
} net_peer;
net_peer net_peer_of(const net_conn *c);

/* The owner of an accepted connection tells of bad behaviour: its source owes so many milliseconds more, which pass by
 * themselves. True when new connections of that source are refused from now on: this one had better be closed too. */
enum : uint32_t { NET_PENALTY_BAD_HTTP_MS = 1000, NET_PENALTY_NO_KEY_MS = 500 };
bool net_penalise(net_conn *c, uint32_t ms);

/* Starts TLS on an open plain connection (a tunnel through a proxy); `opened` is called again when it stands, or
 * `closed`, neither from inside this call. Until then nothing may be written. Bytes of the peer that came with the
 * proxy's answer are given as `early`; they are copied. */
void net_secure(net_conn *c, tls_client *client, view early);

/* True when the handshake resumed an earlier session. */
bool net_resumed(const net_conn *c);

/* ---- listening ---- */

typedef struct net_listener net_listener;

typedef struct net_accept {
        /* A connection has arrived (before its handshake). Returns the owner's context, and fills *user. Null: refuse.
         */
        void *(*arrived)(void *ctx, net_conn *c, const net_user **user);
        /* A handshake failed or timed out; for counting. */
        void (*failed)(void *ctx);
        void    *ctx;
        tls_server *tls;          /* null: plain */
        uint64_t handshake_ms;
        size_t   max_connections; /* beyond it peers wait in the kernel's queue */
        size_t   max_handshakes;
        uint32_t handshakes_s; /* that begin in a second; more wait in the kernel's queue; 0: no bound */
        size_t   source_connections; /* of one source address (IPv6: its /64); more are refused; 0: no bound */
        size_t   source_handshakes;  /* unfinished, of one source; more wait for their turn; 0: no bound */
        /* PROXY protocol v2 is required from this address, and understood from no other. Null: from nobody. `arrived`
         * is called when its header has come. */
        bool (*balancer)(void *ctx, const net_peer *from);
        /* A connection was refused before TLS: its source is penalised or crowds; for counting. May be null. */
        void (*refused)(void *ctx);
} net_accept;

/* Penalties and the bounds of a source hold for all but loopback; behind a balancer they hold for the source it names.
 * A failed handshake is penalised here. `max_connections` is lowered where RLIMIT_NOFILE leaves no room for as many
 * connections to elsewhere.
 *
 * Listens on a bound socket (takes the descriptor). `a` is copied. Null when the system refuses. */
net_listener *net_listen(net_loop *l, int fd, const net_accept *a);
/* Stops accepting; connections go on. */
void   net_listener_stop(net_listener *n);
size_t net_listener_connections(const net_listener *n);
/* Takes nobody new for a while: they wait in the kernel's queue. */
void   net_listener_pause(net_listener *n, bool paused);
/* Connections of this process, accepted and dialled. */
typedef struct net_sockets {
        size_t now, most;     /* most 0: no bound is known */
        size_t leaving_bytes; /* of those that net_close has closed and that still send */
} net_sockets;
net_sockets net_sockets_of(const net_loop *l);

/* ---- dialling ---- */

typedef struct net_target {
        uint8_t     family; /* 4 or 6 */
        uint8_t     address[16];
        uint16_t    port;
        tls_client *tls;    /* null: plain */
} net_target;

/* Connects to exactly this address. `opened` or `closed` follows, never from inside this call. Null: no memory or
 * descriptor. Deadlines are the owner's. */
net_conn *net_dial(net_loop *l, const net_target *t, const net_user *user, void *ctx);

#endif
