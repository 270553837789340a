/* relay/grave: objects that end inside a callback of their own are freed when the turn is over, not under its feet. */
#ifndef RELAY_GRAVE_H
#define RELAY_GRAVE_H

#include "net/loop.h"

typedef struct grave {
        struct grave *next;
} grave;

typedef struct graveyard {
        net_loop *loop;
        net_task  task;
        grave    *first;
} graveyard;

void graveyard_begin(graveyard *y, net_loop *loop);

/* The object that begins with this grave is freed in the next turn. What it held must already be wiped. */
void graveyard_bury(graveyard *y, grave *g);

#endif
