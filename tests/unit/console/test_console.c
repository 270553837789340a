#include "console/console.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/console_wire.h"
#include "base/packet.h"
#include "base/secret.h"
#include "support/tap.h"

static const char SUBJECT[] = "console";

/* The role in a child, and its terminal, its PID 1 and its keeper played here. */
static int   tty, channel, keeper;
static pid_t role;

static void begin(void)
{
        int ends[3][2];
        for (int i = 0; i < 3; i++)
                if (socketpair(AF_UNIX, (i == 0 ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_CLOEXEC, 0, ends[i]) != 0)
                        abort();
        role = fork();
        if (role == 0) {
                int null = open("/dev/null", O_RDWR);
                int fds[] = {ends[0][1], null, null, ends[1][1], ends[2][1]};
                for (int i = 0; i < 5; i++)
                        fds[i] = fcntl(fds[i], F_DUPFD, 64);
                for (int i = 0; i < 5; i++)
                        dup2(fds[i], i);
                fcntl(0, F_SETFL, O_NONBLOCK);
                close_range(5, ~0U, 0);
                (void)!failed(secret_setup());
                _exit(console_serve());
        }
        tty = ends[0][0];
        channel = ends[1][0];
        keeper = ends[2][0];
        for (int i = 0; i < 3; i++)
                close(ends[i][1]);
}

/* Until these words were drawn. */
static bool draws(const char *words)
{
        static char seen[1 << 18];
        static size_t len;
        struct pollfd p = {.fd = tty, .events = POLLIN};
        for (uint64_t until = clock_ms() + 5000; clock_ms() < until;) {
                seen[len] = '\0';
                if (strstr(seen, words) != nullptr) {
                        len = 0;
                        return true;
                }
                if (poll(&p, 1, 100) <= 0)
                        continue;
                ssize_t n = read(tty, seen + len, sizeof seen - 1 - len);
                for (ssize_t i = 0; i < n; i++)
                        if (seen[len + (size_t)i] == '\0')
                                seen[len + (size_t)i] = '?';
                len += n > 0 ? (size_t)n : 0;
        }
        return false;
}

/* What PID 1 sends for a terminal that was closed. */
static void give_terminal(void)
{
        static console_record r = {.told = CONSOLE_TERMINAL, .items = 0};
        int                   ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
                abort();
        (void)!failed(packet_send(channel, (view){(const uint8_t *)&r, sizeof r}, ends[1], 0));
        close(ends[1]);
        close(tty);
        tty = ends[0];
}

static void type(const char *text) { (void)!write(tty, text, strlen(text)); }

static void show(uint32_t items)
{
        static console_record r;
        r = (console_record){.told = CONSOLE_SHOW, .items = items, .memory_bytes = 1ULL << 40};
        for (size_t i = 0; i < CONSOLE_PAGES; i++)
                screen_clear(&r.pages[i]);
        screen_put(&r.pages[0], 0, 0, VIEW("Lethe stands here"));
        (void)send(channel, &r, sizeof r, 0);
}

static bool asked(console_asked what, console_item item)
{
        console_ask   a = {};
        struct pollfd p = {.fd = channel, .events = POLLIN};
        return poll(&p, 1, 5000) > 0 && recv(channel, &a, sizeof a, 0) == sizeof a && a.asked == what
               && (what == CONSOLE_FORGET || a.item == item);
}

static int ends_with(void)
{
        int status = -1;
        close(channel);
        waitpid(role, &status, 0);
        return status;
}

int main(void)
{
        begin();
        show(1u << CONSOLE_POWER_OFF | 1u << CONSOLE_UNLOCK);
        tap_ok(draws("Lethe stands here"), SUBJECT, "what PID 1 shows is drawn");
        type("\r");
        tap_ok(draws("power off"), SUBJECT, "a key leads to the menu");
        type("7y");
        tap_ok(asked(CONSOLE_ASK, CONSOLE_POWER_OFF), SUBJECT, "what is wanted is asked of PID 1");
        console_record a = {.told = CONSOLE_ANSWER, .text_len = 12, .text = "Off it goes."};
        (void)send(channel, &a, sizeof a, 0);
        tap_ok(draws("Off it goes."), SUBJECT, "and the answer drawn");
        type("x2sec\x1b");
        tap_ok(asked(CONSOLE_FORGET, 0), SUBJECT, "after a secret the terminals are to forget");
        char byte;
        while (read(tty, &byte, 1) > 0)
                ;
        tap_ok(read(tty, &byte, 1) == 0, SUBJECT, "and the role has closed its own");
        give_terminal();
        tap_ok(draws("Menu"), SUBJECT, "a new one is drawn on");
        close(keeper);
        type("2secret\r");
        tap_ok(asked(CONSOLE_FORGET, 0), SUBJECT, "an unlock is a secret too");
        give_terminal();
        tap_ok(draws("did not answer"), SUBJECT, "without a keeper it is said");
        a.text_len = UINT32_MAX;
        (void)send(channel, &a, sizeof a, 0);
        show(0);
        type("x");
        tap_ok(draws("Menu"), SUBJECT, "a length that is none is nothing");
        tap_ok(ends_with() == 0, SUBJECT, "it ends with its PID 1");
        begin();
        show(0);
        (void)send(channel, "x", 1, 0);
        int status = -1;
        waitpid(role, &status, 0);
        tap_ok(status == 0, SUBJECT, "and at a record of another version");
        return tap_done();
}
