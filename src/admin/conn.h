/* admin/conn: one management connection: requests in, answers out, in order. */
#ifndef ADMIN_CONN_H
#define ADMIN_CONN_H

#include "admin/exchange.h"
#include "admin/routes.h"
#include "base/arena.h"
#include "codec/http1.h"
#include "net/conn.h"
#include "route/catalog.h"

/* What all connections share. */
typedef struct conn_shared {
        admin_box box;
        const catalog *catalog;
        bool stopping; /* every answer is the last of its connection */
} conn_shared;

typedef enum conn_phase : uint8_t {
        CONN_READING, /* bytes of a request are wanted */
        CONN_WORKING, /* its handler has not answered yet */
        CONN_BLOCKED, /* the peer takes no answers, so no question is read */
} conn_phase;

typedef struct admin_conn {
        admin_exchange exchange; /* first: an exchange's address is its connection's */
        conn_shared *shared;
        net_conn *net;   /* null: this place is free */
        uint64_t serial; /* of the use of this place; moves on when it ends */
        http1_setup setup;
        http1 parser;
        region early; /* received, not yet parsed from early_at on */
        size_t early_at;
        region body;
        const admin_route *route;
        net_timer clock;  /* head, body, idle */
        uint64_t taken;   /* net_taken when the clock was set */
        uint64_t swallowed; /* bytes of a body that is no update */
        bool too_much;   /* and it is longer than any may be */
        err_code verdict; /* on the request, known at its head */
        uint32_t wait_s;  /* with UPSTREAM_RATE: until it may be asked again */
        conn_phase phase;
        bool running;    /* inside run: answers do not start it again */
        bool ask_parser; /* a head is complete: the body may be so too, without one more byte */
        bool last;       /* close after the answer */
} admin_conn;

/* Puts an arrived connection into a free place. Fills what net calls back. */
const net_user *conn_start(admin_conn *c, conn_shared *shared, net_conn *net);

/* Closes it when no request is running; a running one's answer closes it. */
void conn_retire(admin_conn *c);

/* Closes it now. */
void conn_drop(admin_conn *c);

#endif
