#include "role/resolver_cache.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/tap.h"

static const char SUBJECT[] = "resolver_cache";
static constexpr uint64_t S = 1000;
static constexpr uint64_t START = 1000000;

static resolve_answer found_with(uint32_t ttl_s, uint8_t last)
{
        resolve_answer a = {.count = 1, .ttl_s = ttl_s};
        a.addresses[0].family = 4;
        a.addresses[0].bytes[3] = last;
        return a;
}

static void test_names(void)
{
        static const struct {
                const char *sentence, *name;
                bool        valid;
        } rows[] = {
                {"a host name is a name", "api.example.com", true},
                {"digits, hyphens and underscores are allowed", "a-1._dns.example", true},
                {"an empty name is none", "", false},
                {"capitals are not sent", "API.example.com", false},
                {"a space is no part of a name", "a b", false},
                {"a colon is no part of a name", "::1", false},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                char name[LIMIT_HOST_BYTES] = {};
                snprintf(name, sizeof name, "%s", rows[i].name);
                tap_ok(resolver_name_valid(name) == rows[i].valid, SUBJECT, rows[i].sentence);
        }
        char name[LIMIT_HOST_BYTES];
        memset(name, 'a', sizeof name);
        tap_ok(!resolver_name_valid(name), SUBJECT, "a name without its end is none");
        name[254] = '\0';
        tap_ok(!resolver_name_valid(name), SUBJECT, "254 characters are too many");
        name[253] = '\0';
        tap_ok(resolver_name_valid(name), SUBJECT, "253 are not");
}

static void test_times(void)
{
        resolver_name  n = {.text = "a"};
        resolve_answer a, found = found_with(100, 1);
        tap_ok(resolver_cache_look(&n, START, &a) == RESOLVER_ASK, SUBJECT, "an unknown name is asked for");
        resolver_cache_good(&n, &found, START);
        tap_ok(resolver_cache_look(&n, START + 10 * S, &a) == RESOLVER_ANSWER && a.count == 1 && a.ttl_s == 90, SUBJECT,
               "a known one is answered, with what is left of its time");
        tap_ok(resolver_cache_look(&n, START + 80 * S, &a) == RESOLVER_REFRESH && a.count == 1, SUBJECT,
               "at four fifths of its time it is asked for beside the answer");
        tap_ok(resolver_cache_look(&n, START + 100 * S, &a) == RESOLVER_ASK, SUBJECT, "after its time it is asked for");
        resolver_cache_failed(&n, START + 101 * S);
        resolver_cache_outcome(&n, START + 101 * S, &a);
        tap_ok(a.failed == 0 && a.count == 1 && a.ttl_s == RESOLVER_TTL_MIN_S, SUBJECT,
               "when that fails, the last good addresses are answered for a short time");
        tap_ok(resolver_cache_look(&n, START + 103 * S, &a) == RESOLVER_ANSWER && a.count == 1, SUBJECT,
               "a failure is believed for five seconds");
        tap_ok(resolver_cache_look(&n, START + 107 * S, &a) == RESOLVER_REFRESH && a.count == 1, SUBJECT,
               "then it is tried again, and nobody waits for it");
        tap_ok(resolver_cache_look(&n, START + 3700 * S, &a) == RESOLVER_ASK && a.failed == 1, SUBJECT,
               "an hour after its time the last good one is forgotten");
        found = found_with(100, 2);
        resolver_cache_good(&n, &found, START + 200 * S);
        tap_ok(resolver_cache_look(&n, START + 201 * S, &a) == RESOLVER_ANSWER && a.addresses[0].bytes[3] == 2, SUBJECT,
               "a new answer ends the failure");
}

static void test_patience(void)
{
        resolver_name  n = {.text = "a"};
        resolve_answer a, found = found_with(100, 1);
        resolver_cache_asked(&n, START);
        tap_ok(n.asking && resolver_cache_wait_ms(&n, START + 60 * S) == RESOLVER_TO_ITS_END, SUBJECT,
               "who waits for a name that was never known waits to the question's end");
        resolver_cache_good(&n, &found, START);
        uint64_t out = START + 100 * S;
        resolver_cache_asked(&n, out);
        tap_ok(resolver_cache_look(&n, out, &a) == RESOLVER_ASK
                       && resolver_cache_wait_ms(&n, out) == RESOLVER_PATIENCE_MS,
               SUBJECT, "who waits for one whose time is over waits 1.8 s");
        tap_ok(resolver_cache_look(&n, out + 1799, &a) == RESOLVER_ASK && resolver_cache_wait_ms(&n, out + 1799) == 1,
               SUBJECT, "counted from the question's begin");
        tap_ok(resolver_cache_look(&n, out + 1800, &a) == RESOLVER_ANSWER && a.count == 1 && a.failed == 0
                       && a.ttl_s == RESOLVER_TTL_MIN_S && resolver_cache_wait_ms(&n, out + 1800) == 0,
               SUBJECT, "then the last good addresses are said, for a short time");
        resolver_cache_good(&n, &found, out + 2 * S);
        tap_ok(!n.asking && resolver_cache_look(&n, out + 102 * S, &a) == RESOLVER_ASK, SUBJECT,
               "the next question is waited for anew");
        resolver_cache_asked(&n, out + 3701 * S);
        tap_ok(resolver_cache_wait_ms(&n, out + 3701 * S + 900) == 900
                       && resolver_cache_wait_ms(&n, out + 3703 * S) == RESOLVER_TO_ITS_END,
               SUBJECT, "an hour after their time the addresses are nobody's answer any more");
}

static void test_failures(void)
{
        resolver_name  n = {.text = "a"};
        resolve_answer a;
        resolver_cache_failed(&n, START);
        tap_ok(resolver_cache_look(&n, START + 4 * S, &a) == RESOLVER_ANSWER && a.failed == 1 && a.count == 0, SUBJECT,
               "a name that never had an address fails for five seconds");
        tap_ok(resolver_cache_look(&n, START + 5 * S, &a) == RESOLVER_ASK, SUBJECT, "and is asked for again");
}

static void test_clamps(void)
{
        resolver_name  n = {.text = "a"};
        resolve_answer a, found = found_with(0, 1);
        resolver_cache_good(&n, &found, START);
        tap_ok(resolver_cache_look(&n, START + 3 * S, &a) == RESOLVER_ANSWER && n.good.ttl_s == RESOLVER_TTL_MIN_S,
               SUBJECT, "a TTL of 0 becomes 5 seconds");
        found = found_with(86400, 1);
        resolver_cache_good(&n, &found, START);
        tap_ok(n.good.ttl_s == RESOLVER_TTL_MAX_S && resolver_cache_look(&n, START + 300 * S, &a) == RESOLVER_ASK,
               SUBJECT, "a TTL of a day becomes 300 seconds");
}

static void test_places(void)
{
        static resolver_cache c;
        char                  name[32];
        for (unsigned i = 0; i < RESOLVER_NAMES; i++) {
                snprintf(name, sizeof name, "n%u", i);
                resolver_cache_find(&c, name, START + i)->asking = i % 2 == 0;
        }
        resolver_name *first = resolver_cache_find(&c, "n1", START + 9999);
        tap_ok(first == &c.names[1], SUBJECT, "a name keeps its place");
        resolver_name *fresh = resolver_cache_find(&c, "new", START + 10000);
        tap_ok(fresh == &c.names[3] && strcmp(fresh->text, "new") == 0 && fresh->good.count == 0, SUBJECT,
               "a new one takes the place that was used longest ago and is not being asked for");
        for (unsigned i = 0; i < RESOLVER_NAMES; i++)
                c.names[i].asking = true;
        tap_ok(resolver_cache_find(&c, "newer", START) == nullptr, SUBJECT,
               "when all are being asked for there is no place");
        tap_ok(resolver_cache_find(&c, "new", START) == fresh, SUBJECT, "but a known name is found");
}

int main(void)
{
        test_names();
        test_times();
        test_patience();
        test_failures();
        test_clamps();
        test_places();
        return tap_done();
}
