/* net/loop_int: what the files of net/ share of the loop. */
#ifndef NET_LOOP_INT_H
#define NET_LOOP_INT_H

#include <uv.h>

#include "base/limit.h"
#include "net/loop.h"

struct net_conn;
struct net_listener;

struct net_loop {
        uv_loop_t    uv;
        uv_timer_t   clock;     /* fires for the earliest deadline */
        uv_idle_t    idle;      /* runs postponed work; active only while there is some */
        uv_prepare_t before;    /* both flush what was written in this turn */
        uv_check_t   after;
        net_timer  **heap;      /* binary heap by armed_ms; slot 1 is heap[0] */
        size_t       heap_len, heap_room;
        size_t       leaving_bytes; /* of connections that only finish sending */
        bool         heard;     /* after standing still, what peers have said meanwhile */
        net_task    *tasks, **tasks_end; /* for the next turn */
        net_task    *running;            /* what is left of this turn's */
        struct net_conn *dirty; /* connections with bytes to flush */
        struct net_listener *listeners; /* a descriptor that comes free may let one take a connection */
        size_t sockets, sockets_most;   /* of connections, accepted and dialled; 0: no bound is known */
        /* One read and one record at a time: shared by all connections, wiped after each use. */
        uint8_t cipher[LIMIT_READ_BYTES];
        uint8_t plain[17 * 1024];
        /* What one connection has written in this turn and TLS has not seen yet; empty before the loop sleeps. */
        struct net_conn *gathers; /* null: nobody */
        size_t           gathered;
        uint8_t          gather[16 * 1024];
};

/* net/conn: writes out what `dirty` connections have queued. */
void net_flush_dirty(net_loop *l);

#endif
