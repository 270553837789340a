/* firmware/console: where the screen is shown: the terminal of the machine, and a serial line where the kernel was told
 * of one. Nothing is read from them. */
#ifndef FIRMWARE_CONSOLE_H
#define FIRMWARE_CONSOLE_H

#include "firmware/screen.h"

enum : size_t { CONSOLE_BYTES = 4096, CONSOLES = 2 };

/* One terminal. A slow or stopped one never holds up the box: what it does not take waits here, and a newer screen is
 * drawn once it has. */
typedef struct console_tty {
        int     fd;    /* -1: not there */
        bool    dirty; /* the console has something newer than `has` */
        bool    whole; /* nobody knows what is on it */
        screen  has;
        uint8_t bytes[CONSOLE_BYTES];
        size_t  len, sent;
} console_tty;

typedef struct console {
        console_tty tty[CONSOLES];
        screen      shown;
        bool        drawn; /* `shown` is something */
} console;

void console_begin(console *c);
void console_open(console *c, const char *root, bool serial);
/* Draws what has changed. */
void console_show(console *c, const screen *s);
/* The next drawing covers all: the kernel may have written over it. */
void console_renew(console *c);
/* Goes on with what waits. True when a terminal is still to take something. */
bool console_flush(console *c);

/* The bytes that draw it over `before`, or over whatever is there when that is null: lines at their places, none ended,
 * so that nothing scrolls. */
void console_text(emit *e, const screen *s, const screen *before);

#endif
