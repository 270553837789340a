/* admin/keeper_link: questions to the keeper, in order, one on the wire at a time, each with a deadline.
 *
 * The pair may end and be renewed at any time; what was asked of the old one fails, nothing is asked twice. */
#ifndef ADMIN_KEEPER_LINK_H
#define ADMIN_KEEPER_LINK_H

#include "base/result.h"
#include "base/view.h"
#include "ipc/keeper.h"
#include "net/loop.h"

/* One question, embedded in who asks it. */
typedef struct keeper_call {
        keeper_op op;
        view payload; /* at most KEEPER_BYTES; borrowed until done */
        /* code: ERR_NONE, what the keeper answered, ERR_NO_KEEPER (gone) or ERR_AGAIN (deadline). `answer` is borrowed
         * until the callee returns or asks again, which it may. */
        void (*done)(void *ctx, err_code code, view answer);
        void *ctx;
        struct keeper_call *next;
        uint64_t due_ms;
        bool queued;
} keeper_call;

typedef struct keeper_link {
        net_loop *loop;
        net_watch *watch;
        int fd;             /* -1: no keeper */
        keeper_call *first; /* the one on the wire, when `asked` */
        keeper_call *last;
        bool asked;
        unsigned late; /* answers still to come that nobody waits for any more */
        net_timer deadline;
        keeper_message *room; /* the running message, either way */
} keeper_link;

/* err NO_ROOM */
err keeper_link_init(keeper_link *k, net_loop *loop);
void keeper_link_end(keeper_link *k);

/* A new pair; the descriptor is taken. */
void keeper_link_attach(keeper_link *k, int fd);

/* Asks. `done` comes once, from inside the call only when there is no keeper. */
void keeper_link_ask(keeper_link *k, keeper_call *c);

/* Nobody waits for the answer any more: `done` is not called. What was asked may still happen. */
void keeper_link_forget(keeper_link *k, keeper_call *c);

#endif
