/* covers: netd_jail.c */
#include "firmware/netrole.h"

#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "firmware/netd.h"
#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "netrole";

static net_word lease_word(void)
{
        return (net_word){.kind = NET_LEASE, .lease = {.address = {10, 0, 2, 15}, .prefix = 24, .seconds = 60}};
}

static void test_words(void)
{
        net_word w = lease_word();
        tap_ok(net_word_is_sound(&w), SUBJECT, "a lease");
        w.lease.prefix = 60;
        tap_ok(!net_word_is_sound(&w), SUBJECT, "a lease that cannot be");
        w = (net_word){.kind = NET_TIME, .number = 2, .of = 3, .offset_us = 5};
        bool good = net_word_is_sound(&w);
        w.number = 4;
        good = good && !net_word_is_sound(&w);
        w.number = 0;
        good = good && !net_word_is_sound(&w);
        w = (net_word){.kind = NET_TIME, .number = 2, .of = 3, .offset_us = INT64_MIN};
        tap_ok(good && !net_word_is_sound(&w), SUBJECT, "a time, and times that cannot be");
        w = (net_word){.kind = NET_RESOLVERS, .number = 1, .servers = {{.family = 6, .bytes = {0x20}}}};
        good = net_word_is_sound(&w);
        w.number = 5;
        good = good && !net_word_is_sound(&w);
        w.number = 2;
        tap_ok(good && !net_word_is_sound(&w), SUBJECT, "name servers, and more than are there");
        w = (net_word){.kind = NET_KINDS};
        good = !net_word_is_sound(&w);
        w.kind = (net_kind)UINT32_MAX;
        tap_ok(good && !net_word_is_sound(&w), SUBJECT, "words beyond the table");
}

/* The role in the shape of a pair that the test holds the other end of. */
static void test_hearing(void)
{
        netrole  r;
        net_word w = lease_word(), heard;
        int      ends[2];
        netrole_begin(&r);
        tap_ok(!netrole_hear(&r, &heard) && !netrole_died(&r, 0, 1), SUBJECT, "without a role nothing is heard");
        r.pid = fork();
        if (r.pid == 0) {
                pause();
                _exit(0);
        }
        bool good = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends) == 0;
        r.channel = ends[0];
        good = good && send(ends[1], &w, sizeof w, 0) == sizeof w && netrole_hear(&r, &heard)
               && memcmp(&w, &heard, sizeof w) == 0 && !netrole_hear(&r, &heard);
        tap_ok(good, SUBJECT, "a sound word is heard once");
        good = send(ends[1], &w, sizeof w - 1, 0) > 0 && !netrole_hear(&r, &heard);
        int status = 0;
        good = good && waitpid(r.pid, &status, 0) == r.pid && WIFSIGNALED(status);
        tap_ok(good, SUBJECT, "a role that speaks out of form is ended");
        good = netrole_died(&r, r.pid, clock_ms()) && r.pid == 0 && r.channel == -1 && r.start_at_ms > clock_ms();
        tap_ok(good, SUBJECT, "and started again a moment later");
        close(ends[1]);
}

static void test_start(void)
{
        netrole   r;
        net_order o = {.index = 1, .dhcp = true};
        netrole_begin(&r);
        tap_ok(!failed(netrole_turn(&r, tree_root, 1)) && r.pid == 0, SUBJECT, "nobody wants it: it is not started");
        netrole_order(&r, &o);
        if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) {
                tap_skip(SUBJECT, "its sockets need root's rights");
                return;
        }
        tree_file("/init", "#!/bin/sh\n:");
        bool good = !failed(netrole_turn(&r, tree_root, 1)) && r.pid > 0 && r.told;
        tap_ok(good, SUBJECT, "it is started with its sockets, and told what to do");
        o.link = true;
        netrole_order(&r, &o);
        tap_ok(!r.told, SUBJECT, "what is new is told again");
        o.index = 2;
        pid_t pid = r.pid;
        int   status = 0;
        netrole_order(&r, &o);
        tap_ok(waitpid(pid, &status, 0) == pid && netrole_died(&r, pid, 2), SUBJECT,
               "another interface is another process");
        netrole_stop(&r);
        tap_ok(!failed(netrole_turn(&r, tree_root, UINT32_MAX)) && r.pid == 0, SUBJECT, "stopped, it stays so");
}

/* What the calls are that are left. */
static int in_jail(void (*act)(void))
{
        pid_t pid = fork();
        int   status = 0;
        if (pid == 0) {
                if (failed(netd_filter()))
                        _exit(99);
                act();
                _exit(0);
        }
        waitpid(pid, &status, 0);
        return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void do_nothing(void) {}
static void ask_time(void)
{
        if (socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) < 0 || clock_ms() == 0)
                _exit(1);
}
static void open_file(void) { (void)open("/etc/passwd", O_RDONLY); }
static void call_out(void) { (void)socket(AF_INET, SOCK_STREAM, 0); }
static void listen_in(void)
{
        [[maybe_unused]] int ignored = bind(3, nullptr, 0);
}
static void raw(void) { (void)socket(AF_PACKET, SOCK_DGRAM, 0); }
static void start_other(void)
{
        char *none[] = {nullptr};
        (void)execve("/bin/true", none, none);
}
static void be_two(void) { (void)fork(); }
static void end_other(void) { (void)kill(getppid(), 0); }

static void test_jail(void)
{
#if defined(__SANITIZE_ADDRESS__)
        tap_skip(SUBJECT, "sanitizers need more calls than the jail leaves");
        (void)do_nothing, (void)ask_time, (void)open_file, (void)call_out, (void)listen_in, (void)raw;
        (void)start_other, (void)be_two, (void)end_other, (void)in_jail;
#else
        static const struct {
                const char *sentence;
                void (*act)(void);
                int         end;
        } rows[] = {
                {"it may live", do_nothing, 0},        {"it may ask a time server", ask_time, 0},
                {"no file", open_file, -SIGSYS},       {"no connection", call_out, -SIGSYS},
                {"no port", listen_in, -SIGSYS},       {"no other frames", raw, -SIGSYS},
                {"no program", start_other, -SIGSYS},  {"no second process", be_two, -SIGSYS},
                {"no signal", end_other, -SIGSYS},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                tap_ok(in_jail(rows[i].act) == rows[i].end, SUBJECT, rows[i].sentence);
#endif
}

int main(void)
{
        tree_make();
        test_words();
        test_hearing();
        test_jail();
        test_start();
        tree_remove();
        return tap_done();
}
