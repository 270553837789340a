/* firmware/netrole: PID 1's side of the network role (netd.h): opens its sockets, starts it whenever it is not there,
 * tells it what to do, hears what it found. */
#ifndef FIRMWARE_NETROLE_H
#define FIRMWARE_NETROLE_H

#include <sys/types.h>

#include "firmware/file.h"
#include "firmware/net_wire.h"

typedef struct netrole {
        pid_t     pid;     /* 0: it does not run */
        int       channel; /* -1 while it does not run */
        uint32_t  deaths;
        uint64_t  started_ms, start_at_ms;
        bool      wanted, told;
        net_order order; /* as it was told last, or is to be */
} netrole;

void netrole_begin(netrole *r);
/* What it is to do from now on. Another interface is another process. */
void netrole_order(netrole *r, const net_order *o);
/* Nothing any more. */
void netrole_stop(netrole *r);
/* Starts it when its time has come, and tells it what is new. err SYSTEM: it is tried again later */
err netrole_turn(netrole *r, const char *root, uint64_t now_ms);
/* The next of its words that is sound. False: none for now. */
bool netrole_hear(netrole *r, net_word *out);
/* True: it was this child. */
bool netrole_died(netrole *r, pid_t pid, uint64_t now_ms);

/* Every number of it within its table and bounds. */
bool net_word_is_sound(const net_word *w);

#endif
