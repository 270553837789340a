#include "relay/grave.h"

#include <stdlib.h>

#include "support/tap.h"

static net_loop *loop;
static graveyard yard;

typedef struct thing {
        grave grave;
        net_task task;
        int number;
} thing;

static int seen;

static thing *thing_new(int number)
{
        thing *t = calloc(1, sizeof *t);
        if (t == nullptr)
                abort();
        t->number = number;
        return t;
}

/* Buries itself and goes on reading what it is: the sanitizer would see if it were gone. */
static void ends_itself(void *ctx)
{
        thing *t = ctx;
        graveyard_bury(&yard, &t->grave);
        graveyard_bury(&yard, &thing_new(2)->grave);
        seen += t->number;
}

int main(void)
{
        loop = net_loop_new();
        if (loop == nullptr)
                return 1;
        graveyard_begin(&yard, loop);
        thing *t = thing_new(40);
        t->task = (net_task){.run = ends_itself, .ctx = t};
        net_task_queue(loop, &t->task);
        net_loop_run(loop);
        tap_ok(seen == 40, "grave", "what ends in its own callback is there until it returns");
        tap_ok(yard.first == nullptr, "grave", "and freed in the next turn");
        for (int i = 0; i < 100; i++)
                graveyard_bury(&yard, &thing_new(i)->grave);
        tap_ok(yard.first != nullptr, "grave", "not before");
        net_loop_run(loop);
        tap_ok(yard.first == nullptr, "grave", "however many there are");
        return tap_done();
}
