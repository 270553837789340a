#include "firmware/console.h"

#include <errno.h>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "firmware/file.h"

static const char *const ttys[CONSOLES] = {"/dev/tty0", "/dev/ttyS0"};

void console_begin(console *c)
{
        *c = (console){};
        for (size_t i = 0; i < CONSOLES; i++)
                c->tty[i].fd = -1;
}

/* No echo, no stopping by Ctrl-S, no signals. */
static void calm(int fd)
{
        struct termios t;
        if (tcgetattr(fd, &t) != 0)
                return;
        cfmakeraw(&t);
        t.c_cflag |= CLOCAL;
        (void)tcsetattr(fd, TCSANOW, &t);
}

void console_open(console *c, const char *root, bool serial)
{
        for (size_t i = 0; i < (serial ? CONSOLES : 1); i++) {
                file_path at;
                if (c->tty[i].fd >= 0 || failed(file_path_make(&at, root, ttys[i], (view){})))
                        continue;
                c->tty[i].fd = open(at.text, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
                c->tty[i].dirty = c->tty[i].whole = true;
                if (c->tty[i].fd >= 0)
                        calm(c->tty[i].fd);
        }
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

void console_text(emit *e, const screen *s, const screen *before)
{
        /* No cursor; a screen that does not go dark. */
        if (before == nullptr)
                emit_text(e, "\033[?25l\033[9;0]");
        for (size_t row = 0; row < SCREEN_ROWS; row++)
                if (before == nullptr || memcmp(s->cells[row], before->cells[row], SCREEN_COLUMNS) != 0)
                        draw_row(e, s, row);
        /* What the kernel or the firmware wrote below. */
        if (before == nullptr)
                emit_text(e, "\033[J");
}

static void prepare(console_tty *t, const screen *s)
{
        emit e = emit_into(t->bytes, sizeof t->bytes);
        console_text(&e, s, t->whole ? nullptr : &t->has);
        t->len = e.len;
        t->sent = 0;
        t->dirty = t->whole = false;
        t->has = *s;
}

static bool flush(console_tty *t, const screen *s)
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

void console_renew(console *c)
{
        for (size_t i = 0; i < CONSOLES; i++)
                c->tty[i].dirty = c->tty[i].whole = true;
}

void console_show(console *c, const screen *s)
{
        if (!c->drawn || memcmp(&c->shown, s, sizeof *s) != 0)
                for (size_t i = 0; i < CONSOLES; i++)
                        c->tty[i].dirty = true;
        c->shown = *s;
        c->drawn = true;
        (void)console_flush(c);
}

bool console_flush(console *c)
{
        bool waiting = false;
        for (size_t i = 0; c->drawn && i < CONSOLES; i++)
                waiting = flush(&c->tty[i], &c->shown) || waiting;
        return waiting;
}
