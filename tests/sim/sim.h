/* tests/sim/sim: what the parts of the simulation share: one seed's randomness, its trace, its clock, its judge.
 *
 * The real objects of src/ but net/ and base/clock run here over a virtual network and a virtual clock, in one thread.
 * Everything that could come out one way or another is drawn from one 64-bit seed, so a seed is a whole history that
 * can be played again. */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stddef.h>
#include <stdint.h>

#include "base/view.h"
#include "net/conn.h"
#include "net/resolve.h"

/* ---- the seed ---- */

void sim_seed(uint64_t seed);
uint64_t sim_random(void);
/* 0 to n - 1 */
uint64_t sim_below(uint64_t n);
uint64_t sim_between(uint64_t least, uint64_t most);
bool sim_chance(unsigned percent);

/* ---- memory: the simulation's own is not counted ---- */

void *sim_alloc(size_t bytes);
void sim_free(void *p);
void *sim_grow(void *p, size_t bytes);
/* Bytes at `*bytes`, doubled until `need` fit. */
void sim_room(uint8_t **bytes, size_t *room, size_t need);

typedef struct sim_memory {
        uint64_t blocks; /* of the allocator */
        uint64_t mapped; /* bytes */
} sim_memory;
/* What the relay holds now. */
sim_memory sim_memory_now(void);
/* One of so many allocations fails; 0: none. */
void sim_memory_fail(unsigned one_in);
/* Writes where the blocks younger than `than` were asked for to the trace. */
void sim_memory_tell(uint64_t than);
uint64_t sim_memory_serial(void);

/* ---- the trace: the last 50 lines, in memory that outlives this process ---- */

enum : size_t { TRACE_LINES = 50, TRACE_BYTES = 200, TRACE_RARE = 8 };

typedef struct sim_trace {
        uint64_t seed, step, now_us;
        uint64_t lines; /* written so far */
        char line[TRACE_LINES][TRACE_BYTES];
        char failure[400]; /* the first; empty: none */
        /* what happened in this seed, to see that a simulation is not idle */
        uint64_t whole, refused, broken, attempts, reported, rare[TRACE_RARE];
} sim_trace;

extern sim_trace *trace;
extern bool sim_verbose;
extern uint64_t sim_until; /* stop at this step */

[[gnu::format(printf, 1, 2)]] void sim_say(const char *format, ...);
/* An oracle has spoken: ends the process. */
[[noreturn, gnu::format(printf, 1, 2)]] void sim_fail(const char *format, ...);

/* ---- the clock and the network (net_sim*.c) ---- */

extern net_loop *sim_loop;
uint64_t sim_now_us(void);
extern int64_t sim_wall_step_s;

/* Calls run(ctx) `in_us` from now; cannot be taken back. */
void sim_later(uint64_t in_us, void (*run)(void *ctx), void *ctx);
/* One event. False when there is nothing left. */
bool sim_step(void);
/* The process stands still for so long. */
void sim_freeze(uint64_t us);
size_t sim_timers(void);

/* How the way to an address is. */
typedef enum sim_way : uint8_t { WAY_GOOD, WAY_REFUSED, WAY_BLACKHOLE, WAY_TLS_FAILS, WAY_CERTIFICATE } sim_way;
typedef struct sim_place {
        net_listener *listener;
        sim_way way;
        uint64_t latency_us;
} sim_place;
/* Asked by net_dial. vendor.c knows. */
void sim_place_of(const net_target *t, sim_place *out);
/* Asked by net_resolve: fills the answer (failed: no such name), returns after how long; UINT64_MAX: never. */
uint64_t sim_name_of(const char *name, resolve_answer *out);

/* What an actor can do to a connection beyond net/conn.h. */
void sim_half_close(net_conn *c);
void sim_cut(net_conn *c); /* FIN without a goodbye */
/* The last so many bytes of what is written next arrive in one piece. */
void sim_glue(net_conn *c, size_t bytes);
uint64_t sim_begun_us(const net_conn *c); /* when the peer wrote the first byte of what is now being read */
bool sim_warm(const net_conn *c);         /* the peer had it open before it had anything to say */
void sim_begin_again(net_conn *c);        /* what comes next is a new message */
net_conn *sim_dial(net_listener *n, const net_user *user, void *ctx, bool mute);
/* Fails when the relay has borne more than this: of a caller who takes nothing, of a vendor who says nothing. */
typedef struct sim_patience {
        uint64_t caller_us, vendor_us;
} sim_patience;
void sim_look(const sim_patience *p);
/* Connections of the relay that are not gone: [0] with callers, [1] with vendors. */
void sim_open_connections(size_t out[static 2]);
/* The relay's listener is the one it has just made; connections that arrive there are its own. */
net_listener *sim_newest_listener(void);
void sim_of_relay(net_listener *n);

#endif
