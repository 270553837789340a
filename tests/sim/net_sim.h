/* tests/sim/net_sim: the inside of the virtual network, for its two files. */
#ifndef TESTS_SIM_NET_SIM_H
#define TESTS_SIM_NET_SIM_H

#include "sim/sim.h"

struct net_loop {
        net_timer **heap; /* binary heap by due_ms */
        size_t heap_len, heap_room;
        net_task *tasks, **tasks_end, *running;
        net_conn *dirty;
};

/* What the sender's kernel has said about the end of its direction. */
typedef enum sim_end : uint8_t { END_NONE, END_GOODBYE, END_FIN, END_RESET } sim_end;

typedef enum sim_state : uint8_t { SIM_CONNECTING, SIM_HANDSHAKE, SIM_OPEN, SIM_LEAVING, SIM_GONE } sim_state;

struct net_conn {
        net_loop *loop;
        net_user user;
        void *ctx;
        net_conn *peer; /* null: gone, or not there yet */
        net_conn *older, *next_dirty;
        net_listener *listener; /* accepted: who counts it */
        sim_place place;        /* dialled: where it goes */
        uint8_t *out, *wire;    /* not yet taken by the kernel; on the way to the peer */
        size_t out_len, out_room, wire_len, wire_room, kernel_room, glue;
        uint64_t taken, latency_us, opened_us, begun_us, moved_us; /* moved_us: when it last took or gave a byte */
        net_timer timer;                                           /* handshake deadline, later the linger */
        net_peer address;
        uint64_t number;
        sim_state state;
        sim_end end; /* of what this side sends */
        bool tls, of_relay, paused, was_high, coming, dirty, fresh, mute, handshaking, counted, mute_end;
};

void conn_flush_dirty(net_loop *l);

#endif
