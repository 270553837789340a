#include "firmware/console.h"

#include <fcntl.h>
#include <linux/vt.h>
#include <sys/ioctl.h>
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
        c->serial = serial;
        for (size_t i = 0; i < (serial ? CONSOLES : 1); i++) {
                file_path at;
                if (c->tty[i].fd >= 0 || failed(file_path_make(&at, root, ttys[i], (view){})))
                        continue;
                c->tty[i].fd = open(at.text, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
                c->tty[i].dirty = c->tty[i].whole = true;
                if (c->tty[i].fd < 0)
                        continue;
                calm(c->tty[i].fd);
                /* There is one terminal: no key leads to another. A serial line knows no such thing. */
                (void)ioctl(c->tty[i].fd, VT_LOCKSWITCH, 1);
        }
}

void console_renew(console *c)
{
        for (size_t i = 0; i < CONSOLES; i++)
                c->tty[i].dirty = c->tty[i].whole = true;
}

void console_leave(console *c)
{
        for (size_t i = 0; i < CONSOLES; i++) {
                c->tty[i].dirty = c->tty[i].whole = false;
                c->tty[i].len = c->tty[i].sent = 0;
        }
        c->drawn = false;
}

void console_reopen(console *c, const char *root)
{
        for (size_t i = 0; i < CONSOLES; i++) {
                if (c->tty[i].fd < 0)
                        continue;
                /* A line that nobody takes from would hold up its closing. */
                (void)tcflush(c->tty[i].fd, TCIOFLUSH);
                close(c->tty[i].fd);
                c->tty[i].fd = -1;
        }
        console_open(c, root, c->serial);
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
                waiting = terminal_flush(&c->tty[i], &c->shown) || waiting;
        return waiting;
}
