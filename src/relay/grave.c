#include "relay/grave.h"

#include <stdlib.h>

static void dig(void *ctx)
{
        graveyard *y = ctx;
        while (y->first != nullptr) {
                grave *g = y->first;
                y->first = g->next;
                free(g);
        }
}

void graveyard_begin(graveyard *y, net_loop *loop) { *y = (graveyard){.loop = loop, .task = {.run = dig, .ctx = y}}; }

void graveyard_bury(graveyard *y, grave *g)
{
        g->next = y->first;
        y->first = g;
        net_task_queue(y->loop, &y->task);
}
