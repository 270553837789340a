#include "net/guard.h"

#include <stdlib.h>

#include "base/secret.h"
#include "support/tap.h"

static const char SUBJECT[] = "guard";

/* Documentation addresses: 203.0.x.y, and 2001:db8:x::/64 with a changing end. */
static net_peer v4(unsigned n)
{
        return (net_peer){.family = 4, .address = {203, 0, (uint8_t)(n >> 8), (uint8_t)n}, .port = (uint16_t)n};
}

static net_peer v6(unsigned n, uint8_t last)
{
        return (net_peer){.family = 6,
                          .address = {0x20, 0x01, 0x0d, 0xb8, 0, 0, (uint8_t)(n >> 8), (uint8_t)n, [15] = last}};
}

static guard_verdict enter(guard *g, net_peer p, uint64_t now, guard_source *s)
{
        guard_source ignored;
        return guard_enter(g, &p, now, s != nullptr ? s : &ignored);
}

static guard *make(size_t connections, size_t handshakes, uint32_t rate)
{
        guard *g = guard_new(connections, handshakes, rate);
        if (g == nullptr)
                abort();
        return g;
}

static void test_crowds(void)
{
        guard *g = make(3, 0, 0);
        guard_source s;
        bool good = true;
        for (int i = 0; i < 3; i++)
                good = good && enter(g, v4(1), 5, &s) == GUARD_GO;
        tap_ok(good && enter(g, v4(1), 5, nullptr) == GUARD_REFUSE, SUBJECT, "a source has so many connections");
        tap_ok(enter(g, v4(2), 5, nullptr) == GUARD_GO, SUBJECT, "another has its own");
        guard_settle(g, s);
        tap_ok(enter(g, v4(1), 5, nullptr) == GUARD_REFUSE, SUBJECT, "a handshake that is over leaves the connection");
        guard_leave(g, s);
        tap_ok(enter(g, v4(1), 5, nullptr) == GUARD_GO && enter(g, v4(1), 5, nullptr) == GUARD_REFUSE, SUBJECT,
               "one that leaves makes room for one");
        for (uint8_t i = 0; i < 3; i++)
                good = good && enter(g, v6(1, i), 5, nullptr) == GUARD_GO;
        tap_ok(good && enter(g, v6(1, 77), 5, nullptr) == GUARD_REFUSE, SUBJECT, "an IPv6 /64 is one source");
        tap_ok(enter(g, v6(2, 0), 5, nullptr) == GUARD_GO, SUBJECT, "the next /64 is another");
        guard_free(g);
        g = make(0, 0, 0);
        for (int i = 0; i < 1000; i++)
                good = good && enter(g, v4(1), 5, nullptr) == GUARD_GO;
        tap_ok(good, SUBJECT, "no bound is no bound");
        guard_free(g);
}

static void test_turns(void)
{
        guard *g = make(5, 2, 0);
        guard_source s;
        bool good = enter(g, v4(1), 5, &s) == GUARD_GO && enter(g, v4(1), 5, &s) == GUARD_GO;
        tap_ok(good && enter(g, v4(1), 5, &s) == GUARD_WAIT && enter(g, v4(1), 5, &s) == GUARD_WAIT, SUBJECT,
               "beyond so many unfinished handshakes a source waits");
        tap_ok(enter(g, v4(2), 5, nullptr) == GUARD_GO, SUBJECT, "another does not");
        guard_settle(g, s);
        guard_begin(g, s);
        tap_ok(enter(g, v4(1), 5, &s) == GUARD_WAIT, SUBJECT, "a turn goes to who waited");
        tap_ok(enter(g, v4(1), 5, nullptr) == GUARD_REFUSE, SUBJECT, "who waits is a connection of its source");
        guard_leave(g, s);
        guard_settle(g, s);
        tap_ok(enter(g, v4(1), 5, nullptr) == GUARD_GO, SUBJECT, "and a free turn to who comes");
        guard_free(g);
}

static void test_loopback(void)
{
        guard *g = make(1, 1, 0);
        net_peer here[] = {{.family = 4, .address = {127, 0, 0, 1}},
                           {.family = 4, .address = {127, 9, 9, 9}},
                           {.family = 6, .address = {[15] = 1}},
                           {}};
        bool good = true;
        for (size_t i = 0; i < 4; i++)
                for (int n = 0; n < 50; n++) {
                        guard_source s = 99;
                        good = good && enter(g, here[i], 5, &s) == GUARD_GO && s == 0
                               && !guard_penalise(g, s, 60000, 5);
                        guard_begin(g, s);
                        guard_settle(g, s);
                        guard_leave(g, s);
                }
        tap_ok(good, SUBJECT, "loopback, and who is unknown, is no source");
        guard_free(g);
}

static void test_penalties(void)
{
        guard *g = make(0, 0, 0);
        guard_source s, other;
        bool good = enter(g, v4(1), 1000, &s) == GUARD_GO && enter(g, v4(2), 1000, &other) == GUARD_GO;
        for (int i = 0; i < 14; i++)
                good = good && !guard_penalise(g, s, 1000, 1000);
        tap_ok(good && enter(g, v4(1), 1000, nullptr) == GUARD_GO, SUBJECT, "who owes less than 15 s is served");
        tap_ok(guard_penalise(g, s, 1000, 1000) && enter(g, v4(1), 1000, nullptr) == GUARD_REFUSE, SUBJECT,
               "who owes 15 s is refused");
        tap_ok(enter(g, v4(2), 1000, nullptr) == GUARD_GO && !guard_penalise(g, other, 1000, 1000), SUBJECT,
               "others are not");
        tap_ok(enter(g, v4(1), 15999, nullptr) == GUARD_REFUSE, SUBJECT, "until all of it has passed");
        tap_ok(guard_penalise(g, s, 1000, 15999) && enter(g, v4(1), 16999, nullptr) == GUARD_REFUSE, SUBJECT,
               "what it does meanwhile is added");
        tap_ok(enter(g, v4(1), 17000, nullptr) == GUARD_GO && !guard_penalise(g, s, 1000, 17000), SUBJECT,
               "then it begins anew");
        for (int i = 0; i < 200; i++)
                guard_penalise(g, s, 1000, 20000);
        tap_ok(enter(g, v4(1), 79999, nullptr) == GUARD_REFUSE && enter(g, v4(1), 80000, nullptr) == GUARD_GO, SUBJECT,
               "nobody owes more than a minute");
        good = true;
        for (uint64_t now = 100000; now < 400000; now += 1000)
                good = good && !guard_penalise(g, s, 1000, now);
        tap_ok(good, SUBJECT, "one failure a second is never too much");
        good = enter(g, v6(1, 1), 0, &s) == GUARD_GO && guard_penalise(g, s, 15000, 0);
        tap_ok(good && enter(g, v6(1, 2), 1, nullptr) == GUARD_REFUSE, SUBJECT, "a /64 owes together");
        guard_free(g);
}

static void test_table(void)
{
        guard *g = make(2, 0, 0);
        guard_source bad, s;
        bool good = enter(g, v4(65535), 0, &bad) == GUARD_GO && guard_penalise(g, bad, 20000, 0);
        guard_leave(g, bad);
        good = good && enter(g, v6(1, 0), 0, &s) == GUARD_GO && enter(g, v6(1, 0), 0, &s) == GUARD_GO;
        for (unsigned n = 2; n < 60000 && good; n++) {
                guard_source one = 0;
                good = enter(g, v6(n, 0), 10, &one) == GUARD_GO && one != 0;
                guard_penalise(g, one, 1000, 10);
                guard_leave(g, one);
        }
        tap_ok(good, SUBJECT, "more sources than there are places are served all the same");
        tap_ok(enter(g, v4(65535), 10, nullptr) == GUARD_REFUSE, SUBJECT, "and do not make it forget who owes most");
        tap_ok(enter(g, v6(1, 0), 10, nullptr) == GUARD_REFUSE, SUBJECT, "nor who is connected");
        size_t known = 0, unknown = 0;
        for (unsigned n = 2; n < 60000; n++) {
                guard_source one = 0;
                good = good && enter(g, v6(n, 0), 10, &one) == GUARD_GO;
                *(one == 0 ? &unknown : &known) += 1;
        }
        tap_ok(good && unknown > 0 && known > 16000 && known <= 16384, SUBJECT,
               "when every place holds a connection, who comes then has no bound");
        guard_free(g);
}

/* ---- the same by a list that keeps everything ---- */

enum : size_t { SOURCES = 40, OPEN = 200, STEPS = 200000 };

typedef struct book {
        uint64_t paid_at;
        unsigned connections, handshakes;
        bool refused;
} book;

typedef struct visit {
        guard_source source;
        unsigned who;
        bool in, turn, waits;
} visit;

static uint32_t next_random(void)
{
        static uint64_t state = 0x9E3779B97F4A7C15u;
        state = state * 6364136223846793005u + 1442695040888963407u;
        return (uint32_t)(state >> 33);
}

static guard_verdict expected(book *b, uint64_t now)
{
        if (b->paid_at <= now)
                b->refused = false;
        if (b->refused || b->connections >= 7)
                return GUARD_REFUSE;
        b->connections++;
        if (b->handshakes >= 3)
                return GUARD_WAIT;
        b->handshakes++;
        return GUARD_GO;
}

static bool expected_refusal(book *b, uint32_t ms, uint64_t now)
{
        if (b->paid_at <= now) {
                b->paid_at = now;
                b->refused = false;
        }
        b->paid_at += ms;
        b->refused = b->refused || b->paid_at - now >= 15000;
        if (b->paid_at > now + 60000)
                b->paid_at = now + 60000;
        return b->refused;
}

static bool step(guard *g, book *books, visit *v, uint64_t now)
{
        book *b = &books[v->who];
        if (!v->in) {
                v->who = next_random() % SOURCES;
                b = &books[v->who];
                guard_verdict want = expected(b, now);
                net_peer from = v->who % 2 == 0 ? v4(v->who) : v6(v->who, (uint8_t)next_random());
                guard_verdict got = guard_enter(g, &from, now, &v->source);
                v->in = want != GUARD_REFUSE;
                v->turn = want == GUARD_GO;
                v->waits = want == GUARD_WAIT;
                return got == want;
        }
        switch (next_random() % 4) {
        case 0: {
                uint32_t ms = next_random() % 3000;
                return guard_penalise(g, v->source, ms, now) == expected_refusal(b, ms, now);
        }
        case 1:
                if (v->turn) {
                        guard_settle(g, v->source);
                        b->handshakes--;
                        v->turn = false;
                }
                return true;
        case 2:
                if (v->waits && b->handshakes < 3) {
                        guard_begin(g, v->source);
                        b->handshakes++;
                        v->turn = true;
                        v->waits = false;
                }
                return true;
        default:
                if (v->turn) {
                        guard_settle(g, v->source);
                        b->handshakes--;
                }
                guard_leave(g, v->source);
                b->connections--;
                v->in = v->turn = v->waits = false;
                return true;
        }
}

static void test_model(void)
{
        guard *g = make(7, 3, 0);
        static book books[SOURCES];
        static visit visits[OPEN];
        uint64_t now = 1;
        bool same = true;
        for (size_t i = 0; i < STEPS && same; i++) {
                now += next_random() % 40;
                same = step(g, books, &visits[next_random() % OPEN], now);
        }
        tap_ok(same, SUBJECT, "200,000 random steps of 40 sources agree with a list that keeps everything");
        guard_free(g);
}

/* ---- how fast ---- */

static void test_rate(void)
{
        guard *g = make(0, 0, 100);
        size_t at_once = 0;
        for (; guard_wait_ms(g, 1000) == 0 && at_once < 1000; at_once++)
                guard_spend(g, 1000);
        tap_ok(at_once == 100, SUBJECT, "one second's handshakes may begin at once");
        tap_ok(guard_wait_ms(g, 1000) == 10 && guard_wait_ms(g, 1004) == 6 && guard_wait_ms(g, 1010) == 0, SUBJECT,
               "the next when its time has come");
        size_t begun = 0;
        for (uint64_t now = 1010; now < 6010; now++)
                for (; guard_wait_ms(g, now) == 0; begun++)
                        guard_spend(g, now);
        tap_ok(begun == 500, SUBJECT, "from then on so many a second");
        guard_spend(g, 6010);
        guard_spend(g, 6010);
        guard_spend(g, 6010);
        tap_ok(guard_wait_ms(g, 6010) == 30, SUBJECT, "those that begin before their time are owed");
        at_once = 0;
        for (; guard_wait_ms(g, 1000000000) == 0 && at_once < 1000; at_once++)
                guard_spend(g, 1000000000);
        tap_ok(at_once == 100, SUBJECT, "a long silence saves no more than a second's");
        guard_free(g);
        g = make(0, 0, 0);
        bool good = true;
        for (int i = 0; i < 5000; i++) {
                good = good && guard_wait_ms(g, 7) == 0;
                guard_spend(g, 7);
        }
        tap_ok(good, SUBJECT, "no rate is no bound");
        guard_free(g);
}

static void test_shedding(void)
{
        bool none = true, all = true, rising = true;
        size_t before = 0;
        for (size_t unfinished = 0; unfinished <= 64; unfinished++) {
                size_t shed = 0;
                for (uint32_t r = 0; r < 4500; r++)
                        shed += guard_sheds(unfinished, 64, r);
                none = none && (unfinished > 19 || shed == 0);
                all = all && (unfinished < 64 || shed == 4500);
                rising = rising && shed >= before && (unfinished <= 19 || shed == (unfinished - 19) * 100);
                before = shed;
        }
        tap_ok(none && rising && all, SUBJECT, "from 30 % of the bound ever more give way, at the bound always one");
        tap_ok(!guard_sheds(0, 1, 0) && guard_sheds(1, 1, 5) && !guard_sheds(0, 0, 0), SUBJECT,
               "there is nobody to give way where nobody is");
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        test_crowds();
        test_turns();
        test_loopback();
        test_penalties();
        test_table();
        test_model();
        test_rate();
        test_shedding();
        return tap_done();
}
