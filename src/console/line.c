#include "console/line.h"

#include "base/arena.h"

void line_wipe(line *l)
{
        wipe(l->bytes, sizeof l->bytes);
        l->len = 0;
}

void line_set(line *l, view text)
{
        line_wipe(l);
        l->len = text.len < sizeof l->bytes ? text.len : sizeof l->bytes;
        if (l->len > 0)
                memcpy(l->bytes, text.data, l->len);
}

/* The bytes of one character of UTF-8 go together. */
static void take_away(line *l)
{
        while (l->len > 0) {
                uint8_t byte = l->bytes[--l->len];
                l->bytes[l->len] = 0;
                if ((byte & 0xc0) != 0x80)
                        return;
        }
}

void line_key(line *l, key k, bool printable)
{
        if (k.kind == KEY_BACK)
                take_away(l);
        else if (k.kind == KEY_CLEAR)
                line_wipe(l);
        else if (k.kind == KEY_CHARACTER && l->len < sizeof l->bytes && !(printable && k.byte > '~'))
                l->bytes[l->len++] = k.byte;
}
