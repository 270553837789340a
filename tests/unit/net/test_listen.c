#include "net/conn.h"

#include <fcntl.h>
#include <poll.h>
#include <time.h>

#include "unit/net/pair.h"

static const char SUBJECT[] = "listen";

static end callers[8];

static bool arrivals_reach(void *ctx) { return arrived >= *(size_t *)ctx; }

static bool failures_reach(void *ctx) { return failures >= *(int *)ctx; }

static bool opened_all(void *ctx)
{
        size_t n = 0;
        for (size_t i = 0; i < 8; i++)
                n += callers[i].opened > 0;
        return n >= *(size_t *)ctx;
}

static void hang_up(size_t i)
{
        net_abort(callers[i].conn, false);
        callers[i] = (end){};
}

static bool raw_ended(int fd)
{
        char byte[4096];
        struct pollfd p = {.fd = fd, .events = POLLIN};
        while (poll(&p, 1, 0) > 0)
                if (recv(fd, byte, sizeof byte, MSG_DONTWAIT) <= 0)
                        return true;
        return false;
}

static void test_throttle(void)
{
        listen_begin(nullptr, 5000, 2, 8);
        bool good = true;
        size_t three = 3, four = 4;
        for (size_t i = 0; i < 4; i++)
                good = good && dial(&callers[i], nullptr);
        run_until(arrivals_reach, &four, 100);
        tap_ok(good && arrived == 2 && net_listener_connections(listener) == 2, SUBJECT,
               "no more connections than the limit are taken");
        good = opened_all(&four);
        tap_ok(good, SUBJECT, "the others wait in the kernel's queue");
        hang_up(0);
        good = run_until(arrivals_reach, &three, 2000);
        run_for(20);
        tap_ok(good && arrived == 3, SUBJECT, "one that leaves makes room for one");
        net_abort(server[1].conn, false);
        server[1].closed = 1;
        tap_ok(run_until(arrivals_reach, &four, 2000) && net_listener_connections(listener) == 2, SUBJECT,
               "also when it is cut from this side");
        for (size_t i = 1; i < 4; i++)
                if (callers[i].closed == 0)
                        hang_up(i);
        listen_end();
        tap_ok(net_listener_connections(listener) == 0, SUBJECT, "in the end there is none");
        memset(callers, 0, sizeof callers);
}

static void test_handshakes(void)
{
        listen_begin(tls_side, 80, 8, 2);
        int silent[3] = {raw_dial(), raw_dial(), raw_dial()};
        size_t three = 3;
        run_until(arrivals_reach, &three, 30);
        tap_ok(arrived == 2, SUBJECT, "no more unfinished handshakes than the limit");
        int one = 1, all = 3;
        tap_ok(run_until(failures_reach, &one, 2000) && run_until(arrivals_reach, &three, 2000), SUBJECT,
               "one that takes too long makes room");
        tap_ok(run_until(failures_reach, &all, 2000) && server[0].closed == 1 && server[0].why == NET_TIMEOUT
                       && server[0].opened == 0,
               SUBJECT, "silence is a timeout, and is counted");
        tap_ok(raw_ended(silent[0]) && raw_ended(silent[2]), SUBJECT, "and is hung up on");
        for (size_t i = 0; i < 3; i++)
                close(silent[i]);
        int talker = raw_dial();
        (void)!write(talker, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
        int four = 4;
        tap_ok(run_until(failures_reach, &four, 2000) && server[3].why == NET_TLS_FAILED, SUBJECT,
               "plain text where TLS is spoken fails");
        run_for(5);
        tap_ok(raw_ended(talker), SUBJECT, "and is hung up on as well");
        close(talker);
        int leaver = raw_dial();
        close(leaver);
        int five = 5;
        tap_ok(run_until(failures_reach, &five, 2000) && (server[4].why == NET_CUT || server[4].why == NET_TLS_FAILED),
               SUBJECT, "who leaves in the middle too");
        end good = {};
        bool open = dial(&good, tls_caller) && run_until(both_open, &good, 3000);
        run_for(120);
        tap_ok(open && good.closed == 0 && failures == 5 && server[5].closed == 0, SUBJECT,
               "a finished one has no deadline any more");
        if (good.closed == 0)
                net_abort(good.conn, false);
        listen_end();
}

static void test_stop(void)
{
        listen_begin(nullptr, 5000, 1, 8);
        end held = {}, waiting = {};
        bool good = dial(&held, nullptr) && run_until(both_open, &held, 2000) && dial(&waiting, nullptr);
        run_for(20);
        net_listener_stop(listener);
        net_listener_stop(listener);
        tap_ok(good && arrived == 2, SUBJECT, "what was already taken from the queue is served when it stops");
        net_write(held.conn, VIEW("still"));
        run_for(20);
        tap_ok(strcmp(server[0].text, "still") == 0, SUBJECT, "connections go on");
        end late = {};
        tap_ok(dial(&late, nullptr) && run_until(is_closed, &late, 2000) && late.why == NET_UNREACHABLE
                       && !arrivals_reach(&(size_t){3}),
               SUBJECT, "nobody else gets in");
        net_abort(held.conn, false);
        net_abort(waiting.conn, false);
        listen_end();
}

static void test_refusal(void)
{
        listen_begin(nullptr, 5000, 8, 8);
        refuse_all = true;
        end e = {};
        tap_ok(dial(&e, nullptr) && run_until(is_closed, &e, 2000) && e.why != NET_CLEAN
                       && net_listener_connections(listener) == 0,
               SUBJECT, "an owner may refuse: the caller is reset");
        refuse_all = false;
        size_t one = 1;
        end next = {};
        tap_ok(dial(&next, nullptr) && run_until(arrivals_reach, &one, 2000), SUBJECT,
               "and the next is asked about again");
        net_abort(next.conn, false);
        listen_end();
        const net_accept a = {.arrived = on_arrived, .handshake_ms = 1, .max_connections = 1, .max_handshakes = 1};
        int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
        tap_ok(net_listen(loop, file, &a) == nullptr, SUBJECT, "what is no socket cannot be listened on");
        close(file);
}

int main(void)
{
        pair_setup();
        test_throttle();
        test_handshakes();
        test_stop();
        test_refusal();
        return tap_done();
}
