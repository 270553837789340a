#include "console/console.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/packet.h"
#include "base/secret.h"
#include "console/menu.h"
#include "console/unlock.h"

enum : size_t { TERMINALS = 2, TYPED_BYTES = 64 };
enum : int { TURN_MS = 1000, DRAWING_MS = 20 };
/* The kernel may have written over the screen. */
enum : uint64_t { RENEW_MS = 60000 };

typedef struct console {
        menu     menu;
        terminal tty[TERMINALS];
        keys     keys[TERMINALS];
        bool     deaf[TERMINALS]; /* nothing will be typed there */
        screen   shown;
        bool     drawn, gone; /* PID 1 has ended */
        bool     typed_secret;
        uint64_t renewed_ms;
} console;

static console self;

static void draw(console *c)
{
        screen   s;
        uint64_t now_ms = clock_ms();
        bool     whole = now_ms - c->renewed_ms >= RENEW_MS || !c->drawn;
        menu_draw(&c->menu, &s);
        for (size_t i = 0; i < TERMINALS; i++) {
                c->tty[i].whole = c->tty[i].whole || whole;
                c->tty[i].dirty = c->tty[i].dirty || whole || memcmp(&s, &c->shown, sizeof s) != 0;
        }
        if (whole)
                c->renewed_ms = now_ms;
        c->shown = s;
        c->drawn = true;
        for (size_t i = 0; i < TERMINALS; i++)
                (void)terminal_flush(&c->tty[i], &c->shown);
}

static void say(console *c, console_asked asked)
{
        console_ask a = {.asked = asked, .item = c->menu.item};
        emit        e = emit_into((uint8_t *)a.text, sizeof a.text);
        if (asked == CONSOLE_ASK && failed(menu_text(&c->menu, &e))) {
                menu_answer(&c->menu, VIEW("These settings are too long. Nothing was changed."));
                return;
        }
        a.text_len = (uint32_t)e.len;
        if (send(CONSOLE_CHANNEL_FD, &a, sizeof a, MSG_NOSIGNAL) < 0 && errno != EINTR)
                c->gone = true;
}

static void forget(console *c)
{
        for (size_t i = 0; i < TERMINALS; i++) {
                if (c->tty[i].fd >= 0)
                        close(c->tty[i].fd);
                c->tty[i].fd = -1;
        }
        say(c, CONSOLE_FORGET);
}

static void open_vault(console *c)
{
        draw(c);
        view sentence = unlock(CONSOLE_KEEPER_FD, line_view(&c->menu.secret), c->menu.show.memory_bytes);
        menu_answer(&c->menu, sentence);
}

static void press(console *c, key k)
{
        switch (menu_key(&c->menu, k, clock_ms())) {
        case MENU_ASK:
                say(c, CONSOLE_ASK);
                break;
        case MENU_UNLOCK:
                open_vault(c);
                break;
        case MENU_NOTHING:
                break;
        }
        if (c->menu.state == MENU_SECRET)
                c->typed_secret = true;
        else if (c->typed_secret) {
                c->typed_secret = false;
                forget(c);
        }
}

static void listen_to(console *c, size_t i)
{
        uint8_t typed[TYPED_BYTES];
        ssize_t n = read(c->tty[i].fd, typed, sizeof typed);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
                c->deaf[i] = true;
        for (ssize_t at = 0; at < n; at++)
                press(c, keys_byte(&c->keys[i], typed[at], clock_ms()));
        wipe(typed, sizeof typed);
}

/* Takes the descriptor. */
static void take_terminal(console *c, size_t i, int fd)
{
        if (fd < 0)
                return;
        if (i >= TERMINALS || c->tty[i].fd >= 0) {
                close(fd);
                return;
        }
        c->tty[i] = (terminal){.fd = fd, .dirty = true, .whole = true};
        c->keys[i] = (keys){};
        c->deaf[i] = false;
}

static void told(console *c, const console_record *r, int fd)
{
        take_terminal(c, r->told == CONSOLE_TERMINAL ? r->items : TERMINALS, fd);
        if (r->told == CONSOLE_SHOW)
                menu_show(&c->menu, r);
        else if (r->told == CONSOLE_ANSWER && r->text_len <= sizeof r->text)
                menu_answer(&c->menu, (view){(const uint8_t *)r->text, r->text_len});
}

static void hear(console *c)
{
        static console_record r;
        packet_got            got;
        err                   e = packet_receive(CONSOLE_CHANNEL_FD, &r, sizeof r, MSG_DONTWAIT, &got);
        if (!failed(e) && got.len == sizeof r)
                told(c, &r, got.fd);
        else if (e.code != ERR_AGAIN)
                c->gone = true;
}

static int wait_ms(const console *c)
{
        int wait = TURN_MS;
        for (size_t i = 0; i < TERMINALS; i++) {
                const terminal *t = &c->tty[i];
                if (t->fd >= 0 && (t->dirty || t->sent < t->len))
                        wait = DRAWING_MS;
                else if (keys_waiting(&c->keys[i]) && wait > (int)KEYS_ALONE_MS)
                        wait = (int)KEYS_ALONE_MS;
        }
        return wait;
}

static void turn(console *c)
{
        struct pollfd fds[1 + TERMINALS] = {{.fd = CONSOLE_CHANNEL_FD, .events = POLLIN}};
        for (size_t i = 0; i < TERMINALS; i++)
                fds[1 + i] = (struct pollfd){.fd = c->deaf[i] ? -1 : c->tty[i].fd, .events = POLLIN};
        if (poll(fds, 1 + TERMINALS, wait_ms(c)) < 0 && errno != EINTR) {
                c->gone = true;
                return;
        }
        if (fds[0].revents != 0)
                hear(c);
        for (size_t i = 0; i < TERMINALS && !c->gone; i++) {
                if (fds[1 + i].revents != 0)
                        listen_to(c, i);
                press(c, keys_late(&c->keys[i], clock_ms()));
        }
        menu_turn(&c->menu, clock_ms());
        draw(c);
}

int console_serve(void)
{
        console *c = &self;
        if (failed(secret_lock(c, sizeof *c)))
                return 1;
        c->tty[0].fd = CONSOLE_SCREEN_FD;
        c->tty[1].fd = CONSOLE_SERIAL_FD;
        menu_begin(&c->menu);
        while (!c->gone)
                turn(c);
        menu_forget(&c->menu);
        return 0;
}
