/* net/conn_int: a connection's inside, for conn.c, listen.c and dial.c. */
#ifndef NET_CONN_INT_H
#define NET_CONN_INT_H

#include "codec/proxy2.h"
#include "net/conn.h"
#include "net/guard.h"
#include "net/loop_int.h"

typedef enum conn_state : uint8_t {
        CONN_CONNECTING, /* TCP */
        CONN_NAMING,     /* accepted from a balancer: its header is being read */
        CONN_PARKED,     /* accepted: waits for the handshakes of its source */
        CONN_SECURING,   /* net_secure was called: the next turn begins TLS */
        CONN_HANDSHAKE,  /* TLS */
        CONN_OPEN,
        CONN_LEAVING, /* net_close was called: the owner is gone, bytes still go out */
        CONN_CLOSING, /* waits for libuv's close callback, which frees it */
} conn_state;

struct net_conn {
        net_loop     *loop;
        net_user      user; /* empty once the owner let go */
        void         *user_ctx;
        tls_session  *tls;
        net_listener *listener; /* accepted: who counts it */
        uv_tcp_t      tcp;
        uv_write_t    write;
        uv_shutdown_t shut;
        uv_connect_t  connect;
        net_timer     timer; /* handshake deadline, later the linger */
        net_task      begin; /* begins what must not begin inside a call of the owner or of another connection */
        tls_client   *client; /* dialled: what to speak once connected */

        uint8_t *out, *flying; /* being filled; being written by libuv */
        size_t   out_len, out_room, flying_len, flying_room;
        size_t   leaving_bytes; /* that nobody owns any more */
        uint64_t taken;
        view     in; /* cipher bytes of this read, in the loop's buffer */
        uint8_t *early; /* bytes that came before somebody could take them */
        size_t   early_len;
        size_t   lingered;

        net_conn  *next_dirty;
        net_peer   peer;
        conn_state state;
        bool       dirty, was_high, paused, reading, in_ended, broken, fin_sent;

        /* Of the listener: */
        bool         handshaking, counted; /* among its unfinished handshakes; among its connections */
        bool         has_turn;             /* among the unfinished handshakes of its source */
        bool         heard;                /* it has said something, for itself */
        guard_source source;
        net_conn    *before, *behind; /* in the list of its state, in the order of arrival */
        uint64_t     arrived_ms;
        proxy2       header;
};

/* Null: no memory, or no descriptor is to be had. */
net_conn *conn_new(net_loop *l);
/* The TCP connection stands: starts TLS or reports opened, then takes early bytes. */
void conn_begin(net_conn *c, tls_server *server, tls_client *client);
void conn_start_reading(net_conn *c);
void conn_stop_reading(net_conn *c);
/* Keeps bytes until conn_begin. False: no memory. */
bool conn_keep_early(net_conn *c, view bytes);
void conn_flush(net_conn *c);
/* The peer or the network ended it: frees and tells the owner. */
void conn_end(net_conn *c, net_end why);
/* Frees without telling. */
void conn_destroy(net_conn *c);

/* net/listen: accounting of an accepted connection. */
void conn_handshake_over(net_conn *c, bool good);
void conn_uncount(net_conn *c);
/* The peer ended it, or made it end, perhaps before its handshake was done. */
void conn_blame(net_conn *c, net_end why);
/* Bytes of a balancer's header, and what follows it. None: it ended. */
void conn_naming(net_conn *c, view bytes);
/* A descriptor came free: those who wait for one are looked at again. */
void listeners_wake(net_loop *l);

#endif
