/* firmware/console_role: the process that owns keyboard and screen, as PID 1 has it: started whenever it is not there,
 * shown what it is to draw, heard. While it lives PID 1 writes to no terminal itself. */
#ifndef FIRMWARE_CONSOLE_ROLE_H
#define FIRMWARE_CONSOLE_ROLE_H

#include <sys/types.h>

#include "base/console_wire.h"
#include "base/result.h"
#include "firmware/console.h"

typedef struct console_role {
        pid_t          pid;     /* 0: it does not run */
        int            channel; /* -1 while it does not run */
        uint32_t       deaths;  /* in a row */
        uint64_t       started_ms, start_at_ms;
        uint64_t       deaf_since_ms; /* it takes nothing any more; 0: it does */
        console_record shown; /* what it has */
} console_role;

void console_role_begin(console_role *r);
/* Starts it when its time has come; `keeper` is its end of the pair with the keeper. Nothing happens on a box without
 * the program. err SYSTEM: the kernel has no process for it; it is tried again later */
err console_role_start_due(console_role *r, const char *root, const console *c, int keeper, uint64_t now_ms);
/* It has ended. */
void console_role_died(console_role *r, uint64_t now_ms);
/* Sends what is new; one that takes nothing for a minute is killed. */
void console_role_show(console_role *r, console_record *now, uint64_t now_ms);
/* The terminals, opened anew. */
void console_role_terminals(console_role *r, const console *c);
void console_role_answer(console_role *r, view sentence);
/* The next of what it asks. False: nothing, or it broke the contract and is killed. */
bool console_role_hear(console_role *r, console_ask *out);

#endif
