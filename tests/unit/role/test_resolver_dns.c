#include "role/resolver_dns.h"

#include "base/clock.h"
#include "support/tap.h"
#include "unit/role/dns_double.h"

static const char SUBJECT[] = "resolver_dns";

typedef struct heard {
        bool           done;
        resolve_answer found;
} heard;

static void on_done(void *context, const resolve_answer *found)
{
        heard *h = context;
        h->done = true;
        h->found = *found;
}

static heard resolve(dns *d, const char *name)
{
        heard h = {};
        dns_ask(d, name, on_done, &h);
        while (!h.done) {
                struct pollfd fds[DNS_SOCKETS];
                size_t        n = dns_poll(d, fds);
                poll(fds, n, dns_wait_ms(d, 1000));
                dns_turn(d, fds, n);
        }
        return h;
}

static bool is_four(const heard *h, unsigned i, uint8_t last)
{
        return h->found.addresses[i].family == 4 && memcmp(h->found.addresses[i].bytes, "\xc0\x00\x02", 3) == 0
               && h->found.addresses[i].bytes[3] == last;
}

static void test_answers(dns *d)
{
        heard h = resolve(d, "both.test");
        tap_ok(h.found.count == 2 && is_four(&h, 0, 1) && h.found.addresses[1].family == 6
                       && h.found.addresses[1].bytes[0] == 0x20 && h.found.addresses[1].bytes[15] == 1,
               SUBJECT, "both families are found");
        tap_ok(h.found.ttl_s == 60, SUBJECT, "with their time to live");
        h = resolve(d, "four.test");
        tap_ok(h.found.count == 1 && is_four(&h, 0, 1), SUBJECT, "a name with one family has that one");
        h = resolve(d, "gone.test");
        tap_ok(h.found.count == 0, SUBJECT, "a name that does not exist has none");
        h = resolve(d, "broken.test");
        tap_ok(h.found.count == 0, SUBJECT, "a failing server has none");
        h = resolve(d, "cut.test");
        tap_ok(h.found.count == 0, SUBJECT, "an answer that is cut has none");
        h = resolve(d, "large.test");
        bool alternating = h.found.count == LIMIT_ADDRESSES;
        for (unsigned i = 0; alternating && i < LIMIT_ADDRESSES; i++)
                alternating = h.found.addresses[i].family == (i % 2 == 0 ? 4 : 6);
        tap_ok(alternating, SUBJECT, "a long answer comes by TCP, and eight of it are kept, families in turn");
        h = resolve(d, "forged.test");
        tap_ok(h.found.count == 2 && is_four(&h, 0, 1), SUBJECT,
               "answers with another number or to another question are passed over");
}

static void test_servers(dns *d)
{
        uint64_t before = clock_ms();
        tap_ok(failed(dns_servers(d, "not a server")), SUBJECT, "what is no address is no server");
        tap_ok(!failed(dns_servers(d, "::1,[::1]:5353,192.0.2.1")), SUBJECT, "servers come in three forms");
        tap_ok(!failed(dns_servers(d, "")), SUBJECT, "no server at all is allowed");
        heard h = resolve(d, "both.test");
        tap_ok(h.found.count == 0 && clock_ms() - before < 1000, SUBJECT, "then every question fails at once");
}

int main(void)
{
        dns_double server;
        char       servers[32];
        dns       *d = nullptr;
        dns_double_start(&server);
        snprintf(servers, sizeof servers, "127.0.0.1:%u", server.port);
        tap_ok(!failed(dns_open(servers, &d)), SUBJECT, "it opens without a file");
        test_answers(d);
        test_servers(d);
        dns_close(d);
        dns_double_stop(&server);
        return tap_done();
}
