#include "net/conn.h"

#include "unit/net/pair.h"

static const char SUBJECT[] = "dial";

static void test_reach(void)
{
        end e;
        listen_begin(nullptr, 5000, 8, 8);
        tap_ok(dial(&e, nullptr) && e.opened == 0 && run_until(both_open, &e, 2000), SUBJECT,
               "reaches who listens, not from inside the call");
        net_abort(e.conn, false);
        listen_end();
        tap_ok(dial(&e, nullptr) && e.closed == 0 && run_until(is_closed, &e, 2000) && e.why == NET_UNREACHABLE
                       && e.opened == 0,
               SUBJECT, "who does not listen is unreachable, not from inside the call");
        listen_begin(nullptr, 5000, 8, 8);
        tap_ok(dial(&e, nullptr), SUBJECT, "may be given up before it is open");
        net_abort(e.conn, false);
        run_for(20);
        tap_ok(e.opened == 0 && e.closed == 0, SUBJECT, "and is not heard of again");
        (void)dial(&e, nullptr);
        net_close(e.conn);
        run_for(20);
        tap_ok(e.opened == 0 && e.closed == 0, SUBJECT, "closing it then is giving it up");
        listen_end();
}

static void test_v6(void)
{
        struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
        socklen_t len = sizeof at;
        int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 4) != 0
            || getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
                tap_skip("dial: over IPv6", "there is no IPv6 here");
                return;
        }
        net_target to = {.family = 6, .port = ntohs(at.sin6_port)};
        end e = {};
        to.address[15] = 1;
        e.conn = net_dial(loop, &to, &end_user, &e);
        run_for(30);
        tap_ok(e.conn != nullptr && e.opened == 1, SUBJECT, "over IPv6");
        net_abort(e.conn, false);
        close(fd);
        run_for(2);
}

/* What a caller with these roots, name and pins says of a server with this certificate. */
static net_end verdict(const cert *shown, tls_client *with, bool *opened)
{
        end e;
        listen_begin(side_with(shown), 5000, 8, 8);
        bool dialled = dial(&e, with);
        /* The server may be open a moment later than the caller. */
        if (dialled)
                run_until(both_open, &e, e.closed > 0 ? 1 : 300);
        if (dialled && e.closed == 0 && e.opened == 0)
                run_until(is_closed, &e, 3000);
        *opened = e.opened > 0;
        if (e.closed == 0)
                net_abort(e.conn, false);
        listen_end();
        return e.why;
}

static void test_certificates(void)
{
        static uint8_t pins[2][32];
        bool opened;
        memcpy(pins[1], host_cert.pin, 32);
        net_end why = verdict(&host_cert, tls_caller, &opened);
        tap_ok(opened, SUBJECT, "a certificate of our root and name is accepted");
        why = verdict(&host_cert, caller_with(&other_root, "localhost", nullptr, 0), &opened);
        tap_ok(!opened && why == NET_CERTIFICATE, SUBJECT, "one of another root is not");
        why = verdict(&host_cert, caller_with(&root_cert, "elsewhere", nullptr, 0), &opened);
        tap_ok(!opened && why == NET_CERTIFICATE, SUBJECT, "nor one for another name");
        why = verdict(&host_cert, caller_with(&root_cert, "localhost", pins, 2), &opened);
        tap_ok(opened, SUBJECT, "any one of several pins suffices");
        why = verdict(&host_cert, caller_with(&root_cert, "localhost", pins, 1), &opened);
        tap_ok(!opened && why == NET_CERTIFICATE, SUBJECT, "a certificate without a pin of ours is not accepted");
        why = verdict(&host_cert, caller_with(&other_root, "localhost", &pins[1], 1), &opened);
        tap_ok(!opened && why == NET_CERTIFICATE, SUBJECT, "a pin does not replace the root");
        static cert old, itself;
        old = cert_make(&root_cert, "localhost", "20210101000000");
        why = verdict(&old, tls_caller, &opened);
        tap_ok(!opened && why == NET_CERTIFICATE, SUBJECT, "one that has expired is not");
        itself = cert_make(nullptr, "localhost", "20991231235959");
        why = verdict(&itself, tls_caller, &opened);
        tap_ok(!opened && why == NET_CERTIFICATE, SUBJECT, "nor one that signs itself");
}

static void speak_plain(end *e) { net_write(e->conn, VIEW("HTTP/1.1 400 Bad Request\r\n\r\n")); }

static void hang_up(end *e)
{
        net_abort(e->conn, false);
        e->closed = 1;
}

static bool has_arrived(void *ctx)
{
        (void)ctx;
        return arrived > 0;
}

static void test_handshake(void)
{
        end e;
        listen_begin(nullptr, 5000, 8, 8);
        server_on_data = speak_plain;
        bool good = dial(&e, tls_caller) && run_until(has_arrived, nullptr, 2000);
        good = good && run_until(is_closed, &e, 2000);
        tap_ok(good && e.why == NET_TLS_FAILED && e.opened == 0, SUBJECT, "who answers TLS in plain text has failed");
        listen_end();
        listen_begin(nullptr, 5000, 8, 8);
        server_on_data = hang_up;
        good = dial(&e, tls_caller) && run_until(has_arrived, nullptr, 2000);
        good = good && run_until(is_closed, &e, 2000);
        tap_ok(good && e.why == NET_CUT && e.opened == 0, SUBJECT, "who hangs up in the handshake has cut it");
        listen_end();
}

/* What balancers, limits and exports go by is an address of IPv4, whatever the socket calls it. */
static void test_both_families(void)
{
        static const uint8_t here[4] = {127, 0, 0, 1};
        struct sockaddr_in6  at = {.sin6_family = AF_INET6};
        socklen_t            len = sizeof at;
        int                  fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), alone = 0;
        if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &alone, sizeof alone) != 0
            || bind(fd, (const struct sockaddr *)&at, sizeof at) != 0
            || getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
                tap_skip("dial: a socket of both families", "there is no IPv6 here");
                return;
        }
        accept_more = (net_accept){};
        port = ntohs(at.sin6_port);
        listen_begin_on(fd, nullptr, 5000, 8, 8);
        end    e;
        bool   good = dial(&e, nullptr) && run_until(is_open, &e, 2000) && arrived == 1;
        net_peer p = good ? net_peer_of(server[0].conn) : (net_peer){};
        tap_ok(p.family == 4 && memcmp(p.address, here, sizeof here) == 0 && p.port != 0, SUBJECT,
               "who comes over IPv4 to a socket of both families is of IPv4");
        net_abort(e.conn, false);
        listen_end();
}

int main(void)
{
        pair_setup();
        test_reach();
        test_v6();
        test_both_families();
        test_certificates();
        test_handshake();
        return tap_done();
}
