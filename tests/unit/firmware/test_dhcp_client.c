#include "firmware/dhcp_client.h"

#include "dhcp_double.h"
#include "support/tap.h"

static const char SUBJECT[] = "dhcp_client";

static dhcp_client c;
static dhcp_event  event;
static uint64_t    now;

static dhcp_answer answer(dhcp_kind kind, uint8_t last)
{
        dhcp_answer a = {.kind = kind, .number = c.number, .server = {10, 0, 2, 2},
                         .lease = {.address = {10, 0, 2, last}, .prefix = 24, .seconds = 3600}};
        return a;
}

/* Turns until something is sent; returns after how long. */
static uint64_t until_sent(void)
{
        uint64_t began = now;
        for (int i = 0; i < 100; i++) {
                uint64_t wait = dhcp_wait_ms(&c, now);
                if (wait == DHCP_NEVER)
                        return DHCP_NEVER;
                now += wait;
                dhcp_event e;
                bool       sent = dhcp_turn(&c, now, &e);
                event = e != DHCP_NOTHING ? e : event;
                if (sent)
                        return now - began;
        }
        return DHCP_NEVER;
}

static void begin(void)
{
        event = DHCP_NOTHING;
        now = 1000000;
        dhcp_begin(&c, DOUBLE_MAC, 42);
        dhcp_link(&c, true, now);
}

/* From nothing to a bound address. */
static bool bound(uint8_t last, uint32_t seconds)
{
        bool        good = until_sent() != DHCP_NEVER && c.ask.kind == DHCP_DISCOVER;
        dhcp_answer a = answer(DHCP_OFFER, last);
        good = good && dhcp_hear(&c, &a, now) == DHCP_NOTHING && until_sent() == 0 && c.ask.kind == DHCP_REQUEST;
        a = answer(DHCP_ACK, last);
        a.lease.seconds = seconds;
        good = good && dhcp_hear(&c, &a, now) == DHCP_NOTHING && c.state == DHCP_PROBES;
        now += dhcp_wait_ms(&c, now);
        return good && !dhcp_turn(&c, now, &event) && event == DHCP_LEASED && c.state == DHCP_BOUND && c.held;
}

static void test_first(void)
{
        dhcp_begin(&c, DOUBLE_MAC, 0);
        tap_ok(!dhcp_turn(&c, 5, &event) && dhcp_wait_ms(&c, 5) == DHCP_NEVER, SUBJECT, "without a link it waits");
        begin();
        uint64_t waits[12], all = 0;
        bool     spread = true;
        until_sent();
        for (int i = 0; i < 12; i++)
                all += waits[i] = until_sent();
        for (int i = 0; i < 12; i++) {
                uint64_t plain = i < 4 ? 4000ULL << i : 64000;
                spread = spread && waits[i] >= plain - 1000 && waits[i] < plain + 1000;
        }
        tap_ok(spread && all > 500000 && c.ask.kind == DHCP_DISCOVER && c.ask.seconds > 500, SUBJECT,
               "nobody answers: 4 s, twice as long each time, 64 s at most, for ever");
        tap_ok(bound(15, 3600), SUBJECT, "then one does: offer, request, grant, a probe, bound");
        tap_ok(dhcp_wait_ms(&c, now) <= 1800000 && dhcp_wait_ms(&c, now) > 1790000, SUBJECT,
               "half of the time is quiet");
}

static void test_renewal(void)
{
        begin();
        bound(15, 3600);
        until_sent();
        tap_ok(c.state == DHCP_RENEWS && memcmp(c.ask.to, "\x0a\0\2\2", 4) == 0 && c.ask.mine[3] == 15
                       && c.ask.requested[0] == 0 && c.ask.server[0] == 0,
               SUBJECT, "at half of its time the server is asked, by name of neither");
        dhcp_answer a = answer(DHCP_ACK, 15);
        tap_ok(dhcp_hear(&c, &a, now) == DHCP_LEASED && c.state == DHCP_BOUND && c.end_ms == now + 3600000, SUBJECT,
               "it grants another hour, from the question on");
        unsigned renews = 0, rebinds = 0;
        event = DHCP_NOTHING;
        uint64_t first_rebind = 0, end = c.end_ms;
        while (event == DHCP_NOTHING && until_sent() != DHCP_NEVER && c.state != DHCP_SELECTS) {
                renews += c.state == DHCP_RENEWS;
                rebinds += c.state == DHCP_REBINDS;
                if (rebinds == 1 && c.state == DHCP_REBINDS)
                        first_rebind = now;
        }
        tap_ok(renews >= 3 && rebinds >= 2 && end - first_rebind <= 450000 && end - first_rebind > 440000, SUBJECT,
               "no answer: the server, from seven eighths on everyone");
        tap_ok(event == DHCP_LOST && now == end && !c.held && c.ask.kind == DHCP_DISCOVER, SUBJECT,
               "and at its end the address is gone, and it asks anew");
        begin();
        bound(15, 3600);
        while (until_sent() != DHCP_NEVER && c.state != DHCP_REBINDS)
                continue;
        a = answer(DHCP_ACK, 15);
        a.server[3] = 9;
        tap_ok(c.ask.to[0] == 0 && dhcp_hear(&c, &a, now) == DHCP_LEASED && c.server[3] == 9, SUBJECT,
               "another server may take it over");
        a = answer(DHCP_ACK, 15);
        tap_ok(dhcp_hear(&c, &a, now) == DHCP_NOTHING, SUBJECT, "an answer that comes twice counts once");
}

static void test_refusals(void)
{
        begin();
        uint64_t last = 0;
        bool     grows = true;
        for (int i = 0; i < 8; i++) {
                uint64_t wait = until_sent();
                grows = grows && wait >= last && wait <= 32000;
                last = wait;
                dhcp_answer a = answer(DHCP_OFFER, 15);
                dhcp_hear(&c, &a, now);
                until_sent();
                a = answer(DHCP_NAK, 0);
                grows = grows && dhcp_hear(&c, &a, now) == DHCP_NOTHING && c.state == DHCP_WAITS;
        }
        tap_ok(grows && last == 32000, SUBJECT, "a server that offers and refuses is asked less and less often");
        begin();
        bound(15, 3600);
        until_sent();
        dhcp_answer a = answer(DHCP_NAK, 0);
        a.server[3] = 9;
        tap_ok(dhcp_hear(&c, &a, now) == DHCP_NOTHING && c.held, SUBJECT, "a refusal of another server is not heard");
        a = answer(DHCP_NAK, 0);
        tap_ok(dhcp_hear(&c, &a, now) == DHCP_LOST && !c.held, SUBJECT, "a refusal of its own takes the address away");
        a = answer(DHCP_NAK, 0);
        begin();
        bound(15, 3600);
        tap_ok(dhcp_hear(&c, &a, now) == DHCP_NOTHING && c.held, SUBJECT, "a refusal nobody asked for is not heard");
}

static void test_foreign(void)
{
        begin();
        until_sent();
        dhcp_answer a = answer(DHCP_OFFER, 15);
        a.number++;
        dhcp_hear(&c, &a, now);
        tap_ok(c.state == DHCP_SELECTS, SUBJECT, "an answer to another's question");
        a = answer(DHCP_ACK, 15);
        dhcp_hear(&c, &a, now);
        tap_ok(c.state == DHCP_SELECTS, SUBJECT, "a grant that was not asked for");
        a = answer(DHCP_OFFER, 15);
        a.lease.prefix = 0;
        dhcp_hear(&c, &a, now);
        tap_ok(c.state == DHCP_SELECTS, SUBJECT, "an offer that is not sound");
        a = answer(DHCP_OFFER, 15);
        dhcp_hear(&c, &a, now);
        until_sent();
        a = answer(DHCP_ACK, 16);
        tap_ok(dhcp_hear(&c, &a, now) == DHCP_NOTHING && c.state == DHCP_REQUESTS, SUBJECT,
               "another address than the one asked for");
        a = answer(DHCP_ACK, 15);
        a.server[3] = 9;
        tap_ok(dhcp_hear(&c, &a, now) == DHCP_NOTHING && c.state == DHCP_REQUESTS, SUBJECT, "another server's grant");
        uint64_t began = now;
        while (until_sent() != DHCP_NEVER && c.ask.kind == DHCP_REQUEST)
                continue;
        tap_ok(c.state == DHCP_SELECTS && now - began < 70000, SUBJECT, "an offer that is not granted is given up");
}

static void test_times(void)
{
        static const struct {
                const char *sentence;
                uint32_t    seconds, renew, rebind;
                uint64_t    renew_s, rebind_s, end_s;
        } rows[] = {
                {"a server's own times", 3600, 600, 1200, 600, 1200, 3600},
                {"times behind the end", 3600, 9000, 9000, 1800, 3150, 3600},
                {"renewal behind rebinding", 3600, 2000, 1000, 500, 1000, 3600},
                {"a second is a minute", 1, 0, 0, 30, 52, 60},
                {"a renewal each second", 3600, 1, 2, 30, 30, 3600},
                {"the longest that ends", LEASE_FOR_EVER - 1, 0, 0, 2147483647, 3758096382, 4294967294},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                begin();
                until_sent();
                dhcp_answer a = answer(DHCP_OFFER, 15);
                dhcp_hear(&c, &a, now);
                until_sent();
                a = answer(DHCP_ACK, 15);
                a.lease.seconds = rows[i].seconds;
                a.renew_s = rows[i].renew;
                a.rebind_s = rows[i].rebind;
                dhcp_hear(&c, &a, now);
                tap_ok(c.renew_ms - now == rows[i].renew_s * 1000 && c.rebind_ms - now == rows[i].rebind_s * 1000
                               && c.end_ms - now == rows[i].end_s * 1000,
                       SUBJECT, rows[i].sentence);
        }
        begin();
        tap_ok(bound(15, LEASE_FOR_EVER) && until_sent() == DHCP_NEVER, SUBJECT, "for ever is never asked again");
}

static void test_link(void)
{
        begin();
        bound(15, 3600);
        now += 60000;
        dhcp_link(&c, false, now);
        tap_ok(c.held && !dhcp_turn(&c, now, &event), SUBJECT, "a pulled cable takes nothing away");
        dhcp_link(&c, true, now + 5000);
        now += 5000;
        tap_ok(until_sent() == 0 && c.ask.kind == DHCP_REQUEST && c.ask.requested[3] == 15 && c.ask.server[0] == 0
                       && c.ask.mine[0] == 0,
               SUBJECT, "put in again, the address is asked for again");
        dhcp_answer a = answer(DHCP_NAK, 0);
        a.server[3] = 9;
        tap_ok(dhcp_hear(&c, &a, now) == DHCP_LOST, SUBJECT, "another network refuses it");
        begin();
        bound(15, 3600);
        dhcp_link(&c, false, now);
        dhcp_link(&c, true, now);
        until_sent();
        until_sent();
        while (c.state == DHCP_REBOOTS)
                now += dhcp_wait_ms(&c, now), dhcp_turn(&c, now, &event);
        tap_ok(c.state == DHCP_BOUND && c.held, SUBJECT, "nobody objects: it is used on");
        dhcp_link(&c, false, now);
        event = DHCP_NOTHING;
        now += dhcp_wait_ms(&c, now);
        dhcp_turn(&c, now, &event);
        tap_ok(event == DHCP_LOST && now == c.end_ms && dhcp_wait_ms(&c, now) == DHCP_NEVER, SUBJECT,
               "it ends in its time, cable or not");
}

static void test_conflict(void)
{
        begin();
        until_sent();
        dhcp_answer a = answer(DHCP_OFFER, 15);
        dhcp_hear(&c, &a, now);
        until_sent();
        a = answer(DHCP_ACK, 15);
        dhcp_hear(&c, &a, now);
        tap_ok(dhcp_conflict(&c, now) && c.ask.kind == DHCP_DECLINE && c.ask.requested[3] == 15 && c.ask.server[3] == 2,
               SUBJECT, "a neighbour has the address: the server is told");
        tap_ok(until_sent() == DHCP_PAUSE_MS && c.ask.kind == DHCP_DISCOVER && !c.held, SUBJECT,
               "and asked for another ten seconds later");
        tap_ok(!dhcp_conflict(&c, now), SUBJECT, "a conflict that nobody probes for is none");
}

int main(void)
{
        test_first();
        test_renewal();
        test_refusals();
        test_foreign();
        test_times();
        test_link();
        test_conflict();
        return tap_done();
}
