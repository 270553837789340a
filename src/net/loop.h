/* net/loop: the event loop of one process, its deadlines, its postponed work and its watched descriptors. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

typedef struct net_loop net_loop;

/* One per process, before the sandbox closes. Null when the system refuses. */
net_loop *net_loop_new(void);

/* Runs until net_loop_stop or until nothing is left to wait for. */
void net_loop_run(net_loop *l);
void net_loop_stop(net_loop *l);

/* Milliseconds of the monotonic clock, as of this turn. */
uint64_t net_now_ms(const net_loop *l);

/* ---- deadlines ---- */

/* Embedded in its owner. Setting a later time again and again is cheap: the heap is touched only when it comes due. */
typedef struct net_timer {
        void    (*fire)(void *ctx);
        void     *ctx;
        uint64_t  due_ms;   /* when it must fire */
        uint64_t  armed_ms; /* key in the heap; at most due_ms */
        size_t    slot;     /* position in the heap + 1; 0: not in it */
} net_timer;

/* Fires once, `in_ms` from now. Replaces an earlier setting. */
void net_timer_set(net_loop *l, net_timer *t, uint64_t in_ms);
/* Does nothing when it is not set. An owner must clear its timers before it dies. */
void net_timer_clear(net_loop *l, net_timer *t);
bool net_timer_pending(const net_timer *t);

/* ---- postponed work ---- */

/* Runs once in the next turn of the loop, after other connections had theirs. */
typedef struct net_task {
        void           (*run)(void *ctx);
        void            *ctx;
        struct net_task *next;
        bool             queued;
} net_task;

void net_task_queue(net_loop *l, net_task *t);
void net_task_cancel(net_loop *l, net_task *t);

/* ---- descriptors of our own making (control channels, eventfds) ---- */

typedef struct net_watch net_watch;

/* Calls `readable` whenever fd has something to read or was closed. The descriptor stays the caller's.
 * Null when the system refuses. */
net_watch *net_watch_start(net_loop *l, int fd, void (*readable)(void *ctx), void *ctx);
void       net_watch_stop(net_watch *w);

#endif
