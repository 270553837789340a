/* Happy eyeballs over real sockets: whose turn is when, who wins, and what is remembered of those who did not. */
#include "unit/relay/vendor_side.h"

static const char SUBJECT[] = "dialing";

static struct {
        int opened, failed;
        attempt_end why;
        net_conn *conn;
        net_peer peer;
        uint64_t begun_ms, took_ms;
        dialing *dialing;
} d;

static const net_user nobody = {.data = nullptr};

static void on_opened(void *, net_conn *c)
{
        d.opened++;
        d.conn = c;
        d.peer = net_peer_of(c);
        d.took_ms = net_now_ms(vs.loop) - d.begun_ms;
        net_own(c, &nobody, nullptr);
        net_pause(c);
}

static void on_failed(void *, attempt_end why)
{
        d.failed++;
        d.why = why;
        d.took_ms = net_now_ms(vs.loop) - d.begun_ms;
}

static const dialing_user user = {on_opened, on_failed};

static void dial(uint16_t upstream)
{
        if (d.conn != nullptr)
                net_abort(d.conn, false);
        memset(&d, 0, sizeof d);
        run_for(1);
        d.begun_ms = net_now_ms(vs.loop);
        d.dialing = dialing_begin(vs.up, upstream, &user, nullptr);
        if (d.dialing == nullptr || d.opened + d.failed != 0) {
                tap_ok(false, SUBJECT, "never calls back from inside");
                abort();
        }
}

static bool is_settled(void *) { return d.opened + d.failed > 0; }

/* True when a connection stands. */
static bool reaches(uint16_t upstream)
{
        dial(upstream);
        return run_until(is_settled, nullptr, 5000) && d.opened == 1 && d.failed == 0;
}

static bool fails_with(uint16_t upstream, attempt_end why)
{
        dial(upstream);
        return run_until(is_settled, nullptr, 5000) && d.opened == 0 && d.failed == 1 && d.why == why;
}

static bool at(const place *p)
{
        return d.peer.family == p->address.family && memcmp(d.peer.address, p->address.bytes, 16) == 0;
}

static void done(void)
{
        if (d.conn != nullptr)
                net_abort(d.conn, false);
        d.conn = nullptr;
        for (size_t i = 0; i < PLACES; i++)
                place_shut(&places[i]);
        ways_forget();
}

/* ---- whose turn is when ---- */

static void test_refused(void)
{
        const catalog_address two[] = {v4(2), v4(1)};
        row_addresses(0, two, 2);
        place *good = place_open(0, v4(1), nullptr, nullptr);
        tap_ok(reaches(0) && at(good) && d.took_ms < 200, SUBJECT,
               "where nobody listens the next one has its turn at once");
        uint64_t connects = vs_counted(COUNTER_upstream_connects);
        tap_ok(reaches(0) && at(good) && vs_counted(COUNTER_upstream_connects) == connects + 1, SUBJECT,
               "and is tried first from then on");
        place *second = place_open(1, v4(2), nullptr, nullptr);
        tap_ok(reaches(0) && at(good), SUBJECT, "the dead one stays behind the others");
        for (size_t i = 0; i < LIMIT_ADDRESSES; i++)
                if (vs.up->ways[0].dead[i].until_ms != 0)
                        vs.up->ways[0].dead[i].until_ms = net_now_ms(vs.loop);
        tap_ok(reaches(0) && at(second), SUBJECT, "until its 30 s are over");
        place_shut(good);
        place_shut(second);
        ways_forget();
        tap_ok(fails_with(0, ATTEMPT_NETWORK) && vs.up->ways[0].dial_failed, SUBJECT,
               "when all refuse it is the network");
        place_open(0, v4(1), nullptr, nullptr);
        tap_ok(reaches(0) && !vs.up->ways[0].dial_failed, SUBJECT, "all being dead, all are tried all the same");
        done();
}

static void test_hole(void)
{
        const catalog_address two[] = {v4(2), v4(1)};
        row_addresses(0, two, 2);
        place_hole(0, v4(2));
        place *good = place_open(1, v4(1), nullptr, nullptr);
        tap_ok(reaches(0) && at(good) && d.took_ms >= 240 && d.took_ms < 450, SUBJECT,
               "where nobody answers the next one has its turn after 250 ms");
        tap_ok(reaches(0) && at(good) && d.took_ms < 200, SUBJECT, "and is tried first from then on");
        place_shut(good);
        ways_forget();
        vs.catalog->settings.connect_ms = 400;
        tap_ok(fails_with(0, ATTEMPT_TIMEOUT) && d.took_ms >= 390 && d.took_ms < 700, SUBJECT,
               "connect_ms bounds all of it");
        vs.catalog->settings.connect_ms = 2000;
        tap_ok(vs.up->ways[0].dead[0].until_ms > net_now_ms(vs.loop), SUBJECT, "who was silent until then is dead");
        done();
}

static void test_half(void)
{
        const catalog_address eight[] = {v4(2), v4(3), v4(4), v4(5), v4(6), v4(7), v4(8), v4(9)};
        row_addresses(0, eight, 8);
        place_hole(0, v4(2));
        place_hole(1, v4(4));
        place *good[] = {place_open(2, v4(6), nullptr, nullptr), place_open(3, v4(7), nullptr, nullptr)};
        bool first = reaches(0) && at(good[0]) && d.took_ms < 600;
        size_t slow = 0;
        for (int i = 0; i < 20; i++)
                slow += reaches(0) && d.took_ms < 150 ? 0 : 1;
        tap_ok(first && slow == 0, SUBJECT, "with half of the addresses dead the first attempt pays, and no other");
        place_shut(good[0]);
        tap_ok(reaches(0) && at(good[1]) && d.took_ms < 200, SUBJECT, "when one more dies the next living one is used");
        done();
}

/* ---- families ---- */

static void test_families(void)
{
        catalog_address probe = v6_loopback();
        int fd = vs_bind(&probe, 0);
        if (fd < 0) {
                tap_skip("dialing: families", "there is no IPv6 here");
                return;
        }
        close(fd);
        const catalog_address three[] = {v4(1), v4(2), v6_loopback()};
        row_addresses(0, three, 3);
        place *four = place_open(0, v4(1), nullptr, nullptr), *six = place_open(1, v6_loopback(), nullptr, nullptr);
        tap_ok(reaches(0) && at(six), SUBJECT, "IPv6 is first");
        place_shut(six);
        tap_ok(reaches(0) && at(four) && vs.up->ways[0].v6_bad_until_ms > 0, SUBJECT, "IPv4 is next");
        for (size_t i = 0; i < LIMIT_ADDRESSES; i++)
                vs.up->ways[0].dead[i] = (dead_address){};
        six = place_open(1, v6_loopback(), nullptr, nullptr);
        tap_ok(reaches(0) && at(four), SUBJECT,
               "an upstream whose IPv6 failed is tried over IPv4 first, whatever its address");
        vs.up->ways[0].v6_bad_until_ms = 0;
        tap_ok(reaches(0) && at(six), SUBJECT, "and later over IPv6 again");
        place_shut(six);
        place_hole(1, v6_loopback());
        ways_forget();
        tap_ok(reaches(0) && at(four) && d.took_ms >= 240 && d.took_ms < 450, SUBJECT, "broken IPv6 costs 250 ms");
        tap_ok(reaches(0) && at(four) && d.took_ms < 150, SUBJECT, "once");
        done();
}

static void test_allowed(void)
{
        const catalog_address two[] = {{4, {10, 0, 0, 1}}, v4(1)};
        row_addresses(0, two, 2);
        place *good = place_open(0, v4(1), nullptr, nullptr);
        uint64_t connects = vs_counted(COUNTER_upstream_connects);
        tap_ok(reaches(0) && at(good) && vs_counted(COUNTER_upstream_connects) == connects + 1, SUBJECT,
               "an address that is not allowed is passed over");
        row_addresses(0, two, 1);
        tap_ok(fails_with(0, ATTEMPT_NETWORK) && vs_counted(COUNTER_upstream_connects) == connects + 1, SUBJECT,
               "and where there is no other, nobody is dialled");
        done();
}

/* ---- TLS ---- */

static void test_tls(void)
{
        const catalog_address two[] = {v4(2), v4(1)};
        row_addresses(1, two, 2);
        row_addresses(2, two, 2);
        place *silent = place_open(0, v4(2), nullptr, nullptr), *good = place_open(1, v4(1), vs.server, nullptr);
        tap_ok(reaches(1) && at(good) && d.took_ms >= 240, SUBJECT,
               "who connects and then says nothing has lost after 250 ms");
        run_for(20);
        tap_ok(place_live(silent) == 0 && place_live(good) == 1, SUBJECT, "and is let go");
        place_shut(silent);
        ways_forget();
        place_open(0, v4(2), vs.server, nullptr);
        tap_ok(fails_with(2, ATTEMPT_CERTIFICATE) && good->arrived == 1, SUBJECT,
               "a wrong certificate ends it at once: no other address is tried");
        done();
}

static void plaintext(place_conn *c, view) { net_write(c->conn, VIEW("HTTP/1.1 400 Bad Request\r\n\r\n")); }

static void test_not_tls(void)
{
        const catalog_address two[] = {v4(2), v4(1)};
        row_addresses(1, two, 2);
        place *odd = place_open(0, v4(2), nullptr, nullptr), *good = place_open(1, v4(1), vs.server, nullptr);
        odd->said = plaintext;
        tap_ok(reaches(1) && at(good) && d.took_ms < 240, SUBJECT, "who speaks no TLS is passed over at once");
        place_shut(good);
        tap_ok(fails_with(1, ATTEMPT_NETWORK), SUBJECT, "and where there is no other, it is the network");
        done();
}

/* ---- names ---- */

static void channel(void)
{
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
                abort();
        net_resolver_channel(vs.resolver, pair[0]);
        if (vs.names > 0)
                close(vs.names);
        vs.names = pair[1];
}

static bool answer_name(const char *want, const catalog_address *a, size_t count)
{
        resolve_request asked;
        if (recv(vs.names, &asked, sizeof asked, 0) != sizeof asked || strcmp(asked.name, want) != 0)
                return false;
        resolve_answer say = {.id = asked.id, .failed = count == 0, .ttl_s = 5, .count = (uint32_t)count};
        for (size_t i = 0; i < count; i++) {
                say.addresses[i].family = a[i].family;
                memcpy(say.addresses[i].bytes, a[i].bytes, 16);
        }
        return send(vs.names, &say, sizeof say, 0) == sizeof say;
}

static void test_names(void)
{
        row_addresses(0, nullptr, 0);
        tap_ok(fails_with(0, ATTEMPT_NETWORK), SUBJECT, "a name and no resolver");
        channel();
        place *good = place_open(0, v4(1), nullptr, nullptr);
        const catalog_address full[] = {v4(1), v4(2), v4(3), v4(4), v4(5), v4(6), v4(7), v4(8)};
        dial(0);
        bool told = answer_name("localhost", full, 8);
        tap_ok(told && run_until(is_settled, nullptr, 1000) && d.opened == 1 && at(good), SUBJECT,
               "what the resolver says is dialled");
        dial(0);
        told = answer_name("localhost", nullptr, 0);
        tap_ok(told && run_until(is_settled, nullptr, 1000) && d.failed == 1 && d.why == ATTEMPT_NETWORK, SUBJECT,
               "a name without addresses");
        const catalog_address inside[] = {{4, {10, 0, 0, 1}}, {4, {169, 254, 169, 254}}, {6, {[0] = 0xfc}}};
        dial(0);
        told = answer_name("localhost", inside, 3);
        uint64_t connects = vs_counted(COUNTER_upstream_connects);
        tap_ok(told && run_until(is_settled, nullptr, 1000) && d.failed == 1
                       && vs_counted(COUNTER_upstream_connects) == connects,
               SUBJECT, "a name that leads inside leads nowhere");
        vs.catalog->settings.connect_ms = 100;
        tap_ok(fails_with(0, ATTEMPT_TIMEOUT), SUBJECT, "the time for the name counts");
        vs.catalog->settings.connect_ms = 2000;
        memcpy(row(0)->host, "127.0.0.1", 10);
        tap_ok(reaches(0) && at(good), SUBJECT, "an address for a name needs no resolver");
        memcpy(row(0)->host, "localhost", 10);
        done();
}

/* ---- giving up ---- */

static void test_cancel(void)
{
        const catalog_address two[] = {v4(2), v4(1)};
        row_addresses(0, two, 2);
        dial(0);
        dialing_cancel(d.dialing);
        run_for(20);
        tap_ok(d.opened + d.failed == 0, SUBJECT, "cancelled at once nothing is heard of it");
        place_hole(0, v4(2));
        place *good = place_open(1, v4(1), nullptr, nullptr);
        dial(0);
        run_for(100);
        dialing_cancel(d.dialing);
        run_for(300);
        tap_ok(d.opened + d.failed == 0 && good->arrived == 0, SUBJECT, "nor in the middle of the race");
        row_addresses(0, nullptr, 0);
        dial(0);
        run_for(5);
        dialing_cancel(d.dialing);
        (void)answer_name("localhost", two, 2);
        run_for(20);
        tap_ok(d.opened + d.failed == 0 && good->arrived == 0, SUBJECT, "nor while the name is looked up");
        memcpy(row(0)->host, "no resolver", 12);
        net_resolver *kept = vs.up->setup.resolver;
        vs.up->setup.resolver = net_resolver_new(vs.loop);
        dial(0);
        dialing_cancel(d.dialing);
        run_for(20);
        tap_ok(d.opened + d.failed == 0, SUBJECT, "nor when it had failed already");
        free(vs.up->setup.resolver);
        vs.up->setup.resolver = kept;
        memcpy(row(0)->host, "localhost", 10);
        done();
}

int main(void)
{
        vs_begin();
        test_refused();
        test_hole();
        test_half();
        test_families();
        test_allowed();
        test_tls();
        test_not_tls();
        test_names();
        test_cancel();
        return vs_end();
}
