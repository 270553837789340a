#include "base/terminal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void screen_clear(screen *s) { memset(s->cells, ' ', sizeof s->cells); }

void screen_put(screen *s, size_t row, size_t column, view text)
{
        if (row >= SCREEN_ROWS)
                return;
        for (size_t i = 0; i < text.len && column + i < SCREEN_COLUMNS; i++)
                s->cells[row][column + i] = text.data[i] >= ' ' && text.data[i] <= '~' ? text.data[i] : '?';
}

static void draw_row(emit *e, const screen *s, size_t row)
{
        size_t len = SCREEN_COLUMNS;
        while (len > 0 && s->cells[row][len - 1] == ' ')
                len--;
        emit_text(e, "\033[");
        emit_u64(e, row + 1);
        emit_text(e, ";1H");
        emit_view(e, (view){s->cells[row], len});
        /* A full line has no rest, and its last character would be taken away. */
        emit_text(e, len < SCREEN_COLUMNS ? "\033[K" : "");
}

void terminal_text(emit *e, const screen *s, const screen *before)
{
        /* No cursor; a screen that does not go dark; nothing to scroll back to. */
        if (before == nullptr)
                emit_text(e, "\033[?25l\033[9;0]\033[3J");
        for (size_t row = 0; row < SCREEN_ROWS; row++)
                if (before == nullptr || memcmp(s->cells[row], before->cells[row], SCREEN_COLUMNS) != 0)
                        draw_row(e, s, row);
        /* What the kernel or the firmware wrote below. */
        if (before == nullptr)
                emit_text(e, "\033[J");
}

static void prepare(terminal *t, const screen *s)
{
        emit e = emit_into(t->bytes, sizeof t->bytes);
        terminal_text(&e, s, t->whole ? nullptr : &t->has);
        t->len = e.len;
        t->sent = 0;
        t->dirty = t->whole = false;
        t->has = *s;
}

bool terminal_flush(terminal *t, const screen *s)
{
        while (t->fd >= 0 && (t->dirty || t->sent < t->len)) {
                if (t->sent == t->len)
                        prepare(t, s);
                while (t->sent < t->len) {
                        ssize_t n = write(t->fd, t->bytes + t->sent, t->len - t->sent);
                        if (n <= 0)
                                return errno == EAGAIN;
                        t->sent += (size_t)n;
                }
        }
        return false;
}
