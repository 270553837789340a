/* net/resolve: asks the resolver role for addresses. */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include "ipc/resolve.h"
#include "net/loop.h"

typedef struct net_resolver net_resolver;

net_resolver *net_resolver_new(net_loop *l);
/* A new pair to the resolver (takes the descriptor); questions still open on the old one fail. */
void net_resolver_channel(net_resolver *r, int fd);

/* One question. Embedded in its owner, who cancels it before dying. */
typedef struct net_question {
        void (*answered)(void *ctx, const resolve_answer *a); /* failed: a->failed; never from inside net_resolve */
        void                *ctx;
        uint64_t             id; /* 0: not open */
        struct net_question *next;
} net_question;

/* False when there is no resolver now or its queue is full: treat as failed. */
bool net_resolve(net_resolver *r, net_question *q, const char *name);
void net_resolve_cancel(net_resolver *r, net_question *q);

#endif
