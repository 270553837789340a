#include "role/resolver.h"

#include "base/clock.h"
#include "base/event.h"
#include "ipc/resolve.h"
#include "ipc/wire.h"
#include "role/resolver_cache.h"
#include "support/tap.h"
#include "unit/role/dns_double.h"

static const char SUBJECT[] = "resolver";

typedef struct play {
        int          control;
        pid_t        pid;
        dns_double   server;
        wire_message last;
} play;

static const char CONFIG[] =
        "{\"lethe\":\"config/1\",\"hosts\":[\"localhost\"],%s"
        "\"upstreams\":[{\"name\":\"up\",\"vendor\":\"acme\",\"base_url\":\"https://api.acme.example/v1\","
        "\"ca\":\"acme.pem\"}],"
        "\"models\":[{\"name\":\"small\",\"targets\":[{\"upstream\":\"up\",\"model\":\"m\"}]}],"
        "\"keys\":[{\"id\":\"abcdefgh\",\"hash\":\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\","
        "\"project\":\"alpha\",\"models\":[\"*\"]}]}";

static void must(bool good)
{
        if (!good)
                abort();
}

static int file_of(const char *text)
{
        int fd = memfd_create("file", 0);
        must(pwrite(fd, text, strlen(text), 0) == (ssize_t)strlen(text));
        return fd;
}

static int config_with(const char *dns_member)
{
        char text[1024];
        snprintf(text, sizeof text, CONFIG, dns_member);
        return file_of(text);
}

static void tell(play *p, wire_type type, uint16_t what, int fd)
{
        wire_message m = {.type = type, .what = what};
        must(!failed(wire_send(p->control, &m, fd)));
        if (fd >= 0)
                close(fd);
}

/* A relay's end of a new pair. */
static int pair_of(play *p)
{
        int pair[2];
        must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
        tell(p, WIRE_GRANT, GRANT_RESOLVER, pair[1]);
        return pair[0];
}

static bool hear(play *p)
{
        struct pollfd poll_for = {.fd = p->control, .events = POLLIN};
        int           fd;
        return poll(&poll_for, 1, 5000) > 0 && !failed(wire_receive(p->control, &p->last, &fd));
}

/* Starts a resolver that is given this configuration (-1: none) and this resolv.conf. True when it gets ready. */
static bool begin(play *p, int config, const char *conf)
{
        int pair[2];
        must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
        p->control = pair[0];
        p->pid = fork();
        if (p->pid == 0) {
                close(pair[0]);
                int quiet[2];
                must(pipe(quiet) == 0);
                event_setup("resolver", quiet[1]);
                resolver *r = resolver_open(pair[1]);
                _exit(r == nullptr ? EXIT_REFUSED : resolver_serve(r));
        }
        close(pair[1]);
        if (conf != nullptr)
                tell(p, WIRE_GRANT, GRANT_RESOLV_CONF, file_of(conf));
        tell(p, WIRE_START, 0, -1);
        while (hear(p) && p->last.type == WIRE_OPEN)
                tell(p, WIRE_FILE, 0, config);
        return p->last.type == WIRE_READY;
}

static int finish(play *p)
{
        int status = 0;
        waitpid(p->pid, &status, 0);
        close(p->control);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

static void ask(int fd, uint64_t id, const char *name)
{
        resolve_request q = {.id = id};
        snprintf(q.name, sizeof q.name, "%s", name);
        must(send(fd, &q, sizeof q, 0) == sizeof q);
}

static bool answer_within(int fd, int ms, resolve_answer *a)
{
        struct pollfd poll_for = {.fd = fd, .events = POLLIN};
        return poll(&poll_for, 1, ms) > 0 && recv(fd, a, sizeof *a, 0) == sizeof *a;
}

static void test_starts(play *p)
{
        char servers[64], conf[128];
        snprintf(servers, sizeof servers, "\"dns\":[\"127.0.0.1:%u\"],", p->server.port);
        tap_ok(!begin(p, -1, nullptr) && strcmp(p->last.fault.code, "NO_CONFIG") == 0 && finish(p) == EXIT_REFUSED,
               SUBJECT, "no configuration is refused with a reason");
        tap_ok(!begin(p, file_of("{\"lethe\":1}"), nullptr) && p->last.type == WIRE_REFUSED && p->last.fault.line == 1
                       && finish(p) == EXIT_REFUSED,
               SUBJECT, "a bad configuration is refused with its place");
        tap_ok(begin(p, config_with(""), nullptr), SUBJECT, "a box without name servers starts");
        resolve_answer a = {};
        int            relay = pair_of(p);
        ask(relay, 7, "both.test");
        tap_ok(answer_within(relay, 1000, &a) && a.id == 7 && a.failed == 1, SUBJECT, "and every name fails");
        tell(p, WIRE_GENERATION, 0, config_with(servers));
        ask(relay, 8, "later.test");
        tap_ok(answer_within(relay, 1000, &a) && a.id == 8 && a.count == 2, SUBJECT,
               "until a generation names a server");
        tell(p, WIRE_GENERATION, 0, file_of("{"));
        ask(relay, 9, "latest.test");
        tap_ok(answer_within(relay, 1000, &a) && a.count == 2, SUBJECT, "a bad generation changes nothing");
        close(relay);
        tell(p, WIRE_STOP, 0, -1);
        tap_ok(finish(p) == 0, SUBJECT, "told to stop it ends");
        snprintf(conf, sizeof conf, "nameserver 127.0.0.1\n");
        tap_ok(begin(p, config_with(servers), conf), SUBJECT, "the configuration's servers go before the system's");
}

static void test_questions(play *p)
{
        resolve_answer a = {};
        int            relay = pair_of(p), other = pair_of(p);
        ask(relay, 1, "both.test");
        tap_ok(answer_within(relay, 1000, &a) && a.id == 1 && a.count == 2 && a.addresses[0].family == 4
                       && a.addresses[1].family == 6 && a.ttl_s == 60,
               SUBJECT, "a name gets its addresses of both families");
        unsigned seen = *p->server.queries;
        ask(relay, 2, "both.test");
        tap_ok(answer_within(relay, 1000, &a) && a.id == 2 && a.count == 2 && *p->server.queries == seen, SUBJECT,
               "and a second time from memory");
        ask(relay, 3, "flip.test");
        must(answer_within(relay, 1000, &a));
        uint8_t first = a.addresses[0].bytes[3];
        ask(other, 4, "flip.test");
        tap_ok(answer_within(other, 1000, &a) && a.addresses[0].bytes[3] == first, SUBJECT,
               "a name that flips stays for five seconds");
        ask(relay, 5, "gone.test");
        tap_ok(answer_within(relay, 1000, &a) && a.id == 5 && a.failed == 1 && a.count == 0, SUBJECT,
               "a name that does not exist fails");
        seen = *p->server.queries;
        ask(relay, 6, "gone.test");
        tap_ok(answer_within(relay, 1000, &a) && a.failed == 1 && *p->server.queries == seen, SUBJECT,
               "and is not asked for again at once");
        ask(relay, 7, "large.test");
        tap_ok(answer_within(relay, 1000, &a) && a.id == 7 && a.count == LIMIT_ADDRESSES, SUBJECT,
               "an answer too long for a datagram comes by TCP");
        for (uint64_t i = 0; i < 10; i++)
                ask(i % 2 == 0 ? relay : other, 100 + i, "slow.test");
        bool all = true;
        seen = *p->server.queries;
        for (uint64_t i = 0; i < 10; i++)
                all = all && answer_within(i % 2 == 0 ? relay : other, 2000, &a) && a.id == 100 + i && a.count == 2;
        printf("# %u queries\n", *p->server.queries - seen);
        /* Two and what c-ares asks again on a busy machine; twenty would be one for each. */
        tap_ok(all && *p->server.queries < seen + 20, SUBJECT, "ten who ask the same share one question");
        close(relay);
        close(other);
}

static void test_bad_relays(play *p)
{
        resolve_answer  a = {};
        resolve_request q = {.id = 3};
        int             relay = pair_of(p), other = pair_of(p);
        memset(q.name, 'a', sizeof q.name);
        must(send(relay, &q, sizeof q, 0) == sizeof q);
        tap_ok(answer_within(relay, 1000, &a) && a.id == 3 && a.failed == 1, SUBJECT, "a name without end fails");
        ask(relay, 4, "Not a name");
        tap_ok(answer_within(relay, 1000, &a) && a.failed == 1, SUBJECT, "what is no name fails");
        must(send(relay, &q, sizeof q - 1, 0) > 0);
        struct pollfd gone = {.fd = relay, .events = POLLIN};
        tap_ok(poll(&gone, 1, 1000) > 0 && recv(relay, &a, sizeof a, 0) == 0, SUBJECT,
               "a message of another size ends the pair");
        ask(other, 5, "silent-gone.test");
        close(other);
        close(relay);
        relay = pair_of(p);
        ask(relay, 6, "still.test");
        tap_ok(answer_within(relay, 1000, &a) && a.count == 2, SUBJECT, "a relay that left is forgotten");
        close(relay);
}

static void test_silence(play *p)
{
        resolve_answer a = {};
        int            relay = pair_of(p), other = pair_of(p);
        uint64_t       before = clock_ms();
        unsigned       at_once = 0, in_time = 0;
        for (unsigned i = 0; i < 300; i++) {
                char name[32];
                snprintf(name, sizeof name, "silent%u.test", i);
                ask(relay, i, name);
                at_once += answer_within(relay, 0, &a);
        }
        while (at_once < 40 && answer_within(relay, 1000, &a))
                at_once++;
        tap_ok(at_once >= 40 && clock_ms() - before < 1900, SUBJECT, "of 300 questions the last are refused at once");
        ask(other, 1, "both.test");
        tap_ok(answer_within(other, 500, &a) && a.count == 2, SUBJECT, "while others wait, what is known is answered");
        while (at_once + in_time < 300 && answer_within(relay, 6000, &a))
                in_time += a.failed;
        uint64_t took = clock_ms() - before;
        printf("# %u at once, %u after %llu ms\n", at_once, in_time, (unsigned long long)took);
        tap_ok(at_once + in_time == 300 && took < 5500, SUBJECT, "a silent server is given up within the connect time");
        close(relay);
        close(other);
}

/* Whether an answer with this last byte comes within `least` to `most` ms of `from`. */
static bool said_between(int fd, uint8_t last, uint64_t from, uint64_t least, uint64_t most)
{
        resolve_answer a = {};
        bool           came = answer_within(fd, 5000, &a);
        uint64_t       took = clock_ms() - from;
        printf("# %u after %llu ms\n", a.addresses[0].bytes[3], (unsigned long long)took);
        return came && a.failed == 0 && a.count > 0 && a.addresses[0].bytes[3] == last && took >= least && took <= most;
}

/* Its addresses were good until five seconds after `learnt`, and its server needs three seconds now. */
static void test_patience(play *p, uint64_t learnt)
{
        int relay = pair_of(p), other = pair_of(p);
        while (clock_ms() < learnt + RESOLVER_TTL_MIN_S * 1000 + 50)
                usleep(10000);
        uint64_t before = clock_ms();
        ask(relay, 1, "late.test");
        usleep(1000000);
        ask(other, 2, "late.test");
        tap_ok(said_between(relay, 1, before, RESOLVER_PATIENCE_MS, 2500), SUBJECT,
               "while a server is silent the last good addresses are said after 1.8 s");
        tap_ok(said_between(other, 1, before, RESOLVER_PATIENCE_MS, 2500), SUBJECT,
               "to who asked later at the same time");
        uint64_t again = clock_ms();
        ask(other, 3, "late.test");
        tap_ok(said_between(other, 1, again, 0, 500), SUBJECT, "who asks then does not wait");
        resolve_answer a = {};
        bool           at_once = true;
        /* c-ares gives up after two to four seconds by a chance of its own; that is believed for five. */
        for (; at_once && a.addresses[0].bytes[3] != 2 && clock_ms() < before + 15000; usleep(50000)) {
                ask(other, 4, "late.test");
                at_once = answer_within(other, 500, &a) && a.failed == 0;
        }
        tap_ok(at_once && a.addresses[0].bytes[3] == 2, SUBJECT,
               "nor who asks later, and the new addresses come when the server speaks again");
        close(relay);
        close(other);
}

static uint64_t learn(play *p, const char *name)
{
        resolve_answer a = {};
        int            relay = pair_of(p);
        ask(relay, 1, name);
        must(answer_within(relay, 5000, &a) && a.count > 0);
        close(relay);
        return clock_ms();
}

static void test_conf(void)
{
        static const struct {
                const char *sentence, *text, *servers;
        } rows[] = {
                {"one server", "nameserver 192.0.2.1\n", "192.0.2.1"},
                {"two families, other lines and comments",
                 "# nameserver 1.1.1.1\nsearch x\nnameserver\t2001:db8::1 \n; x\nnameserver 192.0.2.1",
                 "2001:db8::1,192.0.2.1"},
                {"zones and names are passed over",
                 "nameserver fe80::1%eth0\nnameserver ns.example\nnameserver 1.2.3.4\r\n", "1.2.3.4"},
                {"three at most", "nameserver 1.0.0.1\nnameserver 1.0.0.2\nnameserver 1.0.0.3\nnameserver 1.0.0.4\n",
                 "1.0.0.1,1.0.0.2,1.0.0.3"},
                {"an empty file has none", "", ""},
                {"a bare word has none", "nameserver\n", ""},
                {"a longer word is another", "nameservers 1.0.0.1\n", ""},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                uint8_t bytes[256];
                bool    good = true;
                emit    out = emit_into(bytes, sizeof bytes);
                resolver_conf_read(view_of_text(rows[i].text), &out);
                good = view_equal((view){bytes, out.len}, view_of_text(rows[i].servers));
                for (size_t cut = 0; cut < strlen(rows[i].text); cut++) {
                        out = emit_into(bytes, sizeof bytes);
                        resolver_conf_read((view){(const uint8_t *)rows[i].text, cut}, &out);
                }
                tap_ok(good, "resolv.conf", rows[i].sentence);
        }
}

int main(void)
{
        play p = {};
        signal(SIGPIPE, SIG_IGN);
        dns_double_start(&p.server);
        test_conf();
        test_starts(&p);
        test_questions(&p);
        test_bad_relays(&p);
        uint64_t learnt = learn(&p, "late.test");
        test_silence(&p);
        test_patience(&p, learnt);
        close(p.control);
        int status = 0;
        waitpid(p.pid, &status, 0);
        tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == 1, SUBJECT, "the supervisor's death ends it");
        dns_double_stop(&p.server);
        return tap_done();
}
