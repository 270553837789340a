/* net/guard: who may come in, by source address: penalties, crowds; and how fast handshakes begin. The clock is an
 * argument. An IPv4 address is a source, an IPv6 /64 is one; loopback is none: whoever is there can do worse. */
#ifndef NET_GUARD_H
#define NET_GUARD_H

#include "net/conn.h"

typedef struct guard guard;

/* A source that is kept account of; 0: one that is not. */
typedef uint32_t guard_source;

typedef enum guard_verdict : uint8_t {
        GUARD_GO,
        GUARD_WAIT,   /* its source has enough unfinished handshakes: it is in, but has to wait for its turn */
        GUARD_REFUSE, /* its source is penalised or has enough connections: it is not in */
} guard_verdict;

/* How many connections and unfinished handshakes of one source (0: no bound); how many handshakes of all begin in a
 * second (0: no bound). Null: no memory. */
guard *guard_new(size_t connections, size_t handshakes, uint32_t handshakes_s);
void guard_free(guard *g);

/* A connection arrives. */
guard_verdict guard_enter(guard *g, const net_peer *from, uint64_t now_ms, guard_source *out);
/* One that had to wait begins its handshake. */
void guard_begin(guard *g, guard_source s);
/* A handshake is over, well or not. */
void guard_settle(guard *g, guard_source s);
/* A connection that was in is gone. */
void guard_leave(guard *g, guard_source s);

/* Adds to what a source owes. True when it is refused from now on, until all of it has passed. */
bool guard_penalise(guard *g, guard_source s, uint32_t ms, uint64_t now_ms);

/* Milliseconds until the next handshake may begin; 0: now. */
uint64_t guard_wait_ms(guard *g, uint64_t now_ms);
/* A handshake begins, whether it was its time or not. */
void guard_spend(guard *g, uint64_t now_ms);

/* One of so many unfinished handshakes should give way to a new one: not below a part of the bound, ever more likely
 * above it, certain at the bound. */
bool guard_sheds(size_t unfinished, size_t bound, uint32_t random);

#endif
