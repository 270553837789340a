/* firmware/console: where the screen is shown: the terminal of the machine, and a serial line where the kernel was told
 * of one. The console role draws on them and reads from them; PID 1 draws only while there is none, and never reads. */
#ifndef FIRMWARE_CONSOLE_H
#define FIRMWARE_CONSOLE_H

#include "base/terminal.h"

enum : size_t { CONSOLES = 2 };

typedef struct console {
        terminal tty[CONSOLES];
        screen   shown;
        bool     drawn; /* `shown` is something */
        bool     serial; /* the line is used too */
} console;

void console_begin(console *c);
void console_open(console *c, const char *root, bool serial);
/* Draws what has changed. */
void console_show(console *c, const screen *s);
/* The next drawing covers all: the kernel may have written over it. */
void console_renew(console *c);
/* Somebody else draws from now on. */
void console_leave(console *c);
/* Closes them and opens them again: with its last descriptor a terminal gives back what it holds of what was typed, and
 * the kernel wipes it. */
void console_reopen(console *c, const char *root);
/* Goes on with what waits. True when a terminal is still to take something. */
bool console_flush(console *c);

#endif
