#include "net/conn.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
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

/* ---- behind a balancer ---- */

static bool nobody(void *ctx, const net_peer *from)
{
        (void)ctx;
        (void)from;
        return false;
}

typedef struct claim {
        uint8_t bytes[64];
        size_t len;
} claim;

/* The header of a connection from 198.51.100.`last`, port 4711. */
static claim claim_of(uint8_t last)
{
        static const uint8_t fixed[28] = {0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49,
                                          0x54, 0x0A, 0x21, 0x11, 0x00, 0x0C, 198,  51,   100,  0,
                                          203,  0,    113,  1,    0x12, 0x67, 0x01, 0xBB};
        claim c = {.len = sizeof fixed};
        memcpy(c.bytes, fixed, sizeof fixed);
        c.bytes[19] = last;
        return c;
}

static claim claim_local(void)
{
        claim c = claim_of(0);
        c.bytes[12] = 0x20;
        c.bytes[15] = 0;
        c.len = 16;
        return c;
}

/* The same address in the form a socket for both families gives it. */
static claim claim_mapped(uint8_t last)
{
        claim c = {.len = 52}, v4 = claim_of(last);
        memcpy(c.bytes, v4.bytes, 16);
        c.bytes[13] = 0x21;
        c.bytes[15] = 36;
        c.bytes[26] = c.bytes[27] = 0xff;
        memcpy(c.bytes + 28, v4.bytes + 16, 4);
        memcpy(c.bytes + 48, v4.bytes + 24, 4);
        return c;
}

static void send_all(int fd, const void *bytes, size_t len)
{
        if (send(fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
                abort();
}

static int raw_claim(claim c)
{
        int fd = raw_dial();
        send_all(fd, c.bytes, c.len);
        return fd;
}

typedef struct caller {
        end end;
        claim claim;
        bool secure;
} caller;

static void caller_opened(void *ctx)
{
        caller *c = ctx;
        if (c->secure) {
                c->end.opened++;
                return;
        }
        c->secure = true;
        net_write(c->end.conn, (view){c->claim.bytes, c->claim.len});
        net_secure(c->end.conn, tls_caller, (view){});
}

static const net_user caller_user = {caller_opened, end_data, end_drained, end_closed};

/* Says the header, then speaks TLS. */
static void call(caller *c, claim said)
{
        *c = (caller){.claim = said};
        net_target to = {.family = 4, .address = {127, 0, 0, 1}, .port = port};
        c->end.conn = net_dial(loop, &to, &caller_user, c);
        if (c->end.conn == nullptr)
                abort();
}

static void hang_up_call(caller *c)
{
        if (c->end.conn != nullptr)
                net_abort(c->end.conn, false);
        c->end.conn = nullptr;
}

static bool is_settled(void *ctx) { return ((const end *)ctx)->opened > 0 || ((const end *)ctx)->closed > 0; }

static bool served(caller *c, uint64_t ms) { return run_until(is_settled, &c->end, ms) && c->end.opened > 0; }

static bool refusals_reach(void *ctx) { return refusals >= *(int *)ctx; }

static bool is_from(const net_conn *c, const uint8_t address[4], uint16_t from)
{
        net_peer p = net_peer_of(c);
        return p.family == 4 && memcmp(p.address, address, 4) == 0 && p.port == from;
}

static void test_named(void)
{
        static const uint8_t named[4] = {198, 51, 100, 7}, here[4] = {127, 0, 0, 1};
        accept_more = (net_accept){.balancer = everybody};
        listen_begin(tls_side, 2000, 8, 8);
        caller c;
        call(&c, claim_of(7));
        tap_ok(served(&c, 3000) && arrived == 1 && is_from(server[0].conn, named, 4711), SUBJECT,
               "a balancer's header names the source, and TLS follows it");
        tap_ok(net_peer_of(c.end.conn).port == port, SUBJECT, "of a connection to elsewhere it is where it goes");
        hang_up_call(&c);
        call(&c, claim_mapped(7));
        tap_ok(served(&c, 3000) && is_from(server[1].conn, named, 4711), SUBJECT,
               "an IPv4 address in the form of IPv6 is the same source");
        hang_up_call(&c);
        call(&c, claim_local());
        net_peer self = {};
        if (served(&c, 3000))
                self = net_peer_of(server[2].conn);
        tap_ok(self.family == 4 && memcmp(self.address, here, 4) == 0 && self.port != 4711, SUBJECT,
               "a balancer that speaks for itself is the source");
        hang_up_call(&c);
        listen_end();

        listen_begin(nullptr, 2000, 8, 8);
        claim said = claim_of(7);
        memcpy(said.bytes + said.len, "hello", 5);
        int fd = raw_dial();
        size_t one = 1;
        bool early = false;
        for (size_t i = 0; i < said.len + 5; i++) {
                send_all(fd, &said.bytes[i], 1);
                run_for(1);
                early = early || (arrived > 0 && i + 1 < said.len);
        }
        tap_ok(run_until(arrivals_reach, &one, 1000) && !early && is_from(server[0].conn, named, 4711), SUBJECT,
               "it may come byte by byte; nobody has arrived before its end");
        run_for(5);
        tap_ok(strcmp(server[0].text, "hello") == 0, SUBJECT, "what follows it is not lost");
        said.len += 5;
        int other = raw_claim(said);
        size_t two = 2;
        tap_ok(run_until(arrivals_reach, &two, 1000) && strcmp(server[1].text, "hello") == 0, SUBJECT,
               "also in one piece with it");
        close(fd);
        close(other);
        listen_end();
        accept_more = (net_accept){};
}

static void test_unnamed(void)
{
        accept_more = (net_accept){.balancer = everybody, .source_connections = 1};
        listen_begin(tls_side, 200, 8, 8);
        int one = 1, two = 2, three = 3;
        end e = {};
        bool good = dial(&e, tls_caller) && run_until(failures_reach, &one, 2000) && arrived == 0;
        tap_ok(good && run_until(is_closed, &e, 2000) && e.opened == 0, SUBJECT, "a balancer without a header is cut");
        int silent = raw_dial(), half = raw_dial();
        send_all(half, claim_of(7).bytes, 20);
        tap_ok(net_listener_connections(listener) == 0 && run_until(failures_reach, &three, 2000) && arrived == 0
                       && raw_ended(silent) && raw_ended(half),
               SUBJECT, "so is one that is silent or says half of it, at the handshake's deadline");
        close(silent);
        close(half);
        int leaver = raw_dial(), four = 4;
        close(leaver);
        tap_ok(run_until(failures_reach, &four, 2000) && net_listener_connections(listener) == 0, SUBJECT,
               "and one that leaves");
        tap_ok(refusals == 0, SUBJECT, "none of them is refused for its source");
        listen_end();
        accept_more = (net_accept){.balancer = nobody};
        listen_begin(tls_side, 2000, 8, 8);
        int fd = raw_claim(claim_of(7));
        tap_ok(run_until(failures_reach, &one, 2000) && arrived == 1 && server[0].why == NET_TLS_FAILED, SUBJECT,
               "from nobody else a header is understood");
        close(fd);
        fd = raw_claim(claim_of(8));
        tap_ok(run_until(failures_reach, &two, 2000) && server[1].why == NET_TLS_FAILED, SUBJECT, "whoever says it");
        close(fd);
        listen_end();
        accept_more = (net_accept){};
}

/* ---- sources ---- */

static void test_crowd(void)
{
        accept_more = (net_accept){.balancer = everybody, .source_connections = 2};
        listen_begin(tls_side, 2000, 8, 8);
        caller c[5];
        bool good = true;
        for (size_t i = 0; i < 2; i++) {
                call(&c[i], claim_of(1));
                good = good && served(&c[i], 3000);
        }
        call(&c[2], claim_of(1));
        int one = 1;
        tap_ok(good && run_until(refusals_reach, &one, 2000) && run_until(is_closed, &c[2].end, 2000)
                       && c[2].end.opened == 0 && arrived == 2 && failures == 0,
               SUBJECT, "a source with so many connections is refused a further one, before TLS");
        call(&c[3], claim_of(2));
        tap_ok(served(&c[3], 3000), SUBJECT, "another source is not");
        hang_up_call(&c[0]);
        run_for(20);
        call(&c[4], claim_of(1));
        tap_ok(served(&c[4], 3000) && refusals == 1, SUBJECT, "one that leaves makes room for one");
        for (size_t i = 0; i < 5; i++)
                hang_up_call(&c[i]);
        listen_end();
        accept_more = (net_accept){};
}

static void test_turns(void)
{
        accept_more = (net_accept){.balancer = everybody, .source_handshakes = 2};
        listen_begin(tls_side, 400, 8, 8);
        int silent[3] = {raw_claim(claim_of(1)), raw_claim(claim_of(1)), raw_claim(claim_of(1))};
        size_t two = 2;
        caller c, late;
        bool good = run_until(arrivals_reach, &two, 1000);
        call(&c, claim_of(1));
        run_for(50);
        tap_ok(good && arrived == 2 && net_listener_connections(listener) == 4 && refusals == 0, SUBJECT,
               "a source has so many unfinished handshakes; who comes then waits, and is not refused");
        call(&late, claim_of(2));
        tap_ok(served(&late, 300) && arrived == 3, SUBJECT, "another source does not wait for it");
        close(silent[0]);
        close(silent[1]);
        tap_ok(served(&c, 2000) && c.end.closed == 0, SUBJECT,
               "their turn comes, in order, and what they had said by then is heard");
        int three = 3;
        tap_ok(run_until(failures_reach, &three, 2000) && raw_ended(silent[2]), SUBJECT,
               "waiting counts for the handshake's deadline");
        close(silent[2]);
        hang_up_call(&c);
        hang_up_call(&late);
        run_for(20);
        int more[3] = {raw_claim(claim_of(1)), raw_claim(claim_of(1)), raw_claim(claim_of(1))}, six = 6;
        tap_ok(run_until(failures_reach, &six, 3000) && net_listener_connections(listener) == 0, SUBJECT,
               "who never gets a turn is let go with the others");
        for (size_t i = 0; i < 3; i++)
                close(more[i]);
        listen_end();
        accept_more = (net_accept){};
}

static void test_penalty(void)
{
        accept_more = (net_accept){.balancer = everybody};
        listen_begin(tls_side, 2000, 8, 8);
        caller c, other;
        call(&other, claim_of(9));
        bool good = served(&other, 3000);
        for (int n = 1; n <= 8; n++) {
                arrived = 1;
                int fd = raw_claim(claim_of(1));
                send_all(fd, "GET / HTTP/1.1\r\n\r\n", 18);
                good = good && run_until(failures_reach, &n, 2000) && refusals == 0;
                close(fd);
        }
        int one = 1;
        call(&c, claim_of(1));
        tap_ok(good && run_until(refusals_reach, &one, 2000) && run_until(is_closed, &c.end, 2000)
                       && c.end.opened == 0,
               SUBJECT, "eight failed handshakes in a row, and their source is refused");
        call(&c, claim_of(2));
        tap_ok(served(&c, 3000) && other.end.closed == 0, SUBJECT, "others are not");
        hang_up_call(&c);
        for (int n = 9; n <= 28; n++) {
                arrived = 1;
                int fd = raw_claim(claim_of(3));
                run_for(1);
                close(fd);
                good = good && run_until(failures_reach, &n, 2000);
        }
        arrived = 1;
        call(&c, claim_of(3));
        tap_ok(good && served(&c, 3000), SUBJECT, "nor is who looks in and leaves without a word");
        hang_up_call(&c);
        call(&c, claim_of(2));
        good = served(&c, 3000);
        bool refused = false;
        int told = 0;
        for (; told < 100 && !refused; told++)
                refused = net_penalise(server[arrived - 1].conn, NET_PENALTY_NO_KEY_MS);
        tap_ok(good && told == 30 && !net_penalise(c.end.conn, 60000), SUBJECT,
               "an owner's word counts too, of those who came to us");
        hang_up_call(&c);
        run_for(10);
        call(&c, claim_of(2));
        int two = 2;
        tap_ok(run_until(refusals_reach, &two, 2000), SUBJECT, "and is remembered when they have left");
        hang_up_call(&c);
        hang_up_call(&other);
        listen_end();
        accept_more = (net_accept){};
        listen_begin(tls_side, 2000, 8, 8);
        for (int n = 1; n <= 40; n++) {
                arrived = 0;
                int fd = raw_dial();
                send_all(fd, "GET / HTTP/1.1\r\n\r\n", 18);
                good = good && run_until(failures_reach, &n, 2000);
                close(fd);
        }
        end e = {};
        tap_ok(good && refusals == 0 && dial(&e, tls_caller) && run_until(both_open, &e, 3000), SUBJECT,
               "loopback itself is never penalised");
        net_abort(e.conn, false);
        listen_end();
}

/* ---- a flood ---- */

static void test_rate(void)
{
        accept_more = (net_accept){.handshakes_s = 5};
        listen_begin(nullptr, 2000, 8, 8);
        size_t five = 5, six = 6;
        bool good = true;
        uint64_t began = net_now_ms(loop);
        for (size_t i = 0; i < 6; i++)
                good = good && dial(&callers[i], nullptr);
        good = good && run_until(arrivals_reach, &five, 1000);
        uint64_t after_five = net_now_ms(loop) - began;
        good = good && run_until(arrivals_reach, &six, 2000);
        uint64_t after_six = net_now_ms(loop) - began;
        tap_ok(good && after_five < 150 && after_six >= 195, SUBJECT,
               "so many begin in a second; the next waits in the kernel until its time has come");
        for (size_t i = 0; i < 6; i++)
                hang_up(i);
        listen_end();
        accept_more = (net_accept){};
}

static void test_shedding(void)
{
        listen_begin(tls_side, 5000, 8, 2);
        int silent[2] = {raw_dial(), raw_dial()};
        size_t two = 2;
        bool good = run_until(arrivals_reach, &two, 1000);
        uint64_t began = net_now_ms(loop);
        end e = {};
        good = good && dial(&e, tls_caller) && run_until(both_open, &e, 4000);
        uint64_t took = net_now_ms(loop) - began;
        tap_ok(good && took >= 150 && took < 2000, SUBJECT,
               "at the bound the slow give way long before their deadline, but not at once");
        tap_ok(failures == 1 && raw_ended(silent[0]) != raw_ended(silent[1]), SUBJECT, "one of them, for one");
        close(silent[0]);
        close(silent[1]);
        net_abort(e.conn, false);
        listen_end();
}

static void limit_descriptors(rlim_t soft)
{
        struct rlimit now;
        if (getrlimit(RLIMIT_NOFILE, &now) != 0)
                abort();
        now.rlim_cur = soft;
        if (setrlimit(RLIMIT_NOFILE, &now) != 0)
                abort();
}

static void test_descriptors(void)
{
        struct rlimit before;
        if (getrlimit(RLIMIT_NOFILE, &before) != 0)
                abort();
        limit_descriptors(49);
        listen_begin(nullptr, 2000, 8000, 8);
        limit_descriptors(before.rlim_cur);
        bool good = true;
        for (size_t i = 0; i < 6; i++)
                good = good && dial(&callers[i], nullptr);
        run_for(50);
        tap_ok(good && arrived == 3 && opened_all(&(size_t){6}), SUBJECT,
               "when descriptors run short, connections wait in the kernel's queue");
        end extra[20];
        size_t dialled = 0;
        while (dialled < 20 && dial(&extra[dialled], nullptr))
                dialled++;
        tap_ok(dialled == 16, SUBJECT, "what is dialled has the last of them, and then is refused");
        for (size_t i = 0; i < dialled; i++)
                net_abort(extra[i].conn, true);
        run_for(20);
        tap_ok(arrived == 3, SUBJECT, "nobody is taken before there are enough again");
        hang_up(0);
        hang_up(1);
        size_t five = 5;
        tap_ok(run_until(arrivals_reach, &five, 2000), SUBJECT, "then the queue moves on");
        for (size_t i = 2; i < 6; i++)
                hang_up(i);
        listen_end();
        listen_begin(nullptr, 2000, 8000, 8);
        for (size_t i = 0; i < 8; i++)
                good = good && dial(&callers[i], nullptr);
        size_t eight = 8;
        tap_ok(good && run_until(arrivals_reach, &eight, 2000), SUBJECT, "a higher limit is known to the next");
        for (size_t i = 0; i < 8; i++)
                hang_up(i);
        listen_end();
}

int main(void)
{
        pair_setup();
        test_throttle();
        test_handshakes();
        test_stop();
        test_refusal();
        test_named();
        test_unnamed();
        test_crowd();
        test_turns();
        test_penalty();
        test_rate();
        test_shedding();
        test_descriptors();
        return tap_done();
}
