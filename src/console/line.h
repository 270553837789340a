/* console/line: a line that is typed. */
#ifndef CONSOLE_LINE_H
#define CONSOLE_LINE_H

#include "base/view.h"
#include "console/keys.h"

/* As long as a passphrase may be. */
enum : size_t { LINE_BYTES = 1024 };

typedef struct line {
        uint8_t bytes[LINE_BYTES];
        size_t  len;
} line;

static inline view line_view(const line *l) { return (view){l->bytes, l->len}; }

/* `printable`: no other bytes are taken. A full line takes no more. */
void line_key(line *l, key k, bool printable);
void line_set(line *l, view text);
void line_wipe(line *l);

#endif
