/* admin/box_link: asks to PID 1 of the appliance (base/box_wire). Several may be on their way; each has a deadline. */
#ifndef ADMIN_BOX_LINK_H
#define ADMIN_BOX_LINK_H

#include "base/box_wire.h"
#include "net/loop.h"

/* One ask, embedded in who asks it. */
typedef struct box_call {
        box_op op;
        view payload;     /* at most BOX_MESSAGE_BYTES; read before box_link_ask returns */
        int fd;           /* goes with it; -1: none; stays open here */
        uint64_t wait_ms; /* for its answer */
        /* code: as PID 1 answered, then `answer` is what it said; ERR_GONE: there is none, or not any more; ERR_AGAIN:
         * no answer in time. `answer` is borrowed until the callee returns or asks again, which it may. */
        void (*done)(void *ctx, err_code code, view answer);
        void *ctx;
        /* the link's own */
        struct box_call *next;
        net_timer deadline;
        struct box_link *link;
        uint32_t number;
        bool waiting;
} box_call;

typedef struct box_link {
        net_loop *loop;
        net_watch *watch;
        int fd; /* -1: no appliance */
        box_call *first;
        uint32_t last_number;
        box_message *room;
} box_link;

/* err NO_ROOM */
err box_link_init(box_link *b, net_loop *loop);
void box_link_end(box_link *b);

/* The channel; the descriptor is taken. */
void box_link_attach(box_link *b, int fd);

/* Asks. `done` comes once, from inside the call when it cannot be sent. */
void box_link_ask(box_link *b, box_call *c);

/* Nobody waits for the answer any more: `done` is not called. What was asked may still happen. */
void box_link_forget(box_link *b, box_call *c);

/* Tells; lost when there is nobody, or who is there does not read. */
void box_link_tell(box_link *b, box_op op, view payload);

#endif
