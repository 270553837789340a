/* base/terminal: text of 80 by 25 on a terminal that only has to know places, drawn over what it shows. */
#ifndef BASE_TERMINAL_H
#define BASE_TERMINAL_H

#include "base/emit.h"

enum : size_t { SCREEN_ROWS = 25, SCREEN_COLUMNS = 80, TERMINAL_BYTES = 4096 };

typedef struct screen {
        uint8_t cells[SCREEN_ROWS][SCREEN_COLUMNS]; /* printable ASCII */
} screen;

/* All blank. */
void screen_clear(screen *s);
/* Cut at the edge; what is not printable becomes '?'. A row that is none is left out. */
void screen_put(screen *s, size_t row, size_t column, view text);

/* One terminal. A slow or stopped one never holds up who writes: what it does not take waits here, and a newer screen
 * is drawn once it has. */
typedef struct terminal {
        int     fd;    /* the owner's; -1: not there */
        bool    dirty; /* there is something newer than `has` */
        bool    whole; /* nobody knows what is on it */
        screen  has;
        uint8_t bytes[TERMINAL_BYTES];
        size_t  len, sent;
} terminal;

/* Goes on with what waits, towards `s`. True when the terminal is still to take something. */
bool terminal_flush(terminal *t, const screen *s);

/* The bytes that draw it over `before`, or over whatever is there when that is null: lines at their places, none ended,
 * so that nothing scrolls. */
void terminal_text(emit *e, const screen *s, const screen *before);

#endif
