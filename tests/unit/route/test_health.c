#include "route/health.h"

#include <string.h>
#include <sys/mman.h>

#include "support/tap.h"

static const char SUBJECT[] = "health";

static catalog_upstream upstream(const char *name, const char *host)
{
        catalog_upstream u = {.vendor = "acme", .port = 443, .credential_count = 3};
        snprintf(u.name, sizeof u.name, "%s", name);
        snprintf(u.host, sizeof u.host, "%s", host);
        strcpy(u.credentials[0].name, "one");
        strcpy(u.credentials[1].name, "two");
        strcpy(u.credentials[2].name, "three");
        return u;
}

static void test_ids(void)
{
        catalog_upstream a = upstream("a", "a.example.org"), b = upstream("b", "a.example.org");
        catalog_target small = {.model = "small"}, large = {.model = "large"};
        uint64_t ids[] = {
                health_key_id(&a, 0),        health_key_id(&a, 1),        health_key_id(&b, 0),
                health_group_id(&a, 0),      health_group_id(&a, 1),      health_upstream_id(&a),
                health_upstream_id(&b),      health_model_id(&a, &small), health_model_id(&a, &large),
                health_model_id(&b, &small),
        };
        bool good = true;
        for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
                for (size_t k = 0; k <= i; k++)
                        good = good && ids[i] != 0 && (k == i) == (ids[i] == ids[k]);
        tap_ok(good, SUBJECT, "keys, groups, upstreams and models have cells of their own");
        catalog_upstream again = upstream("a", "a.example.org");
        tap_ok(health_key_id(&again, 1) == ids[1] && health_model_id(&again, &small) == ids[7], SUBJECT,
               "the same ones in each process and after a reload");
        catalog_upstream moved = upstream("a", "b.example.org"), port = again, path = again, proxy = again;
        port.port = 8443;
        strcpy(path.path, "/v2");
        strcpy(proxy.proxy.host, "proxy.example.org");
        good = health_upstream_id(&moved) != ids[5] && health_upstream_id(&port) != ids[5]
               && health_upstream_id(&path) != ids[5] && health_upstream_id(&proxy) != ids[5]
               && health_key_id(&moved, 0) != ids[0] && health_model_id(&moved, &small) != ids[7];
        tap_ok(good, SUBJECT, "but not when the name stands for another place");
        catalog_upstream ab = upstream("ab", "c"), abc = upstream("a", "bc");
        tap_ok(health_upstream_id(&ab) != health_upstream_id(&abc), SUBJECT, "names do not run into each other");
}

static void test_groups(void)
{
        catalog_upstream a = upstream("a", "a.example.org"), b = upstream("b", "b.example.org");
        tap_ok(health_group_id(&a, 0) == health_group_id(&b, 0) && health_group_id(&a, 0) != health_group_id(&b, 1),
               SUBJECT, "a key in no group shares the limits of itself only, wherever it is used");
        strcpy(a.credentials[0].group, "account");
        strcpy(a.credentials[1].group, "account");
        strcpy(b.credentials[2].group, "account");
        tap_ok(health_group_id(&a, 0) == health_group_id(&a, 1) && health_group_id(&a, 0) == health_group_id(&b, 2),
               SUBJECT, "keys of one group of one vendor share theirs");
        strcpy(b.vendor, "other");
        tap_ok(health_group_id(&a, 0) != health_group_id(&b, 2), SUBJECT,
               "another vendor's group of that name does not");
        catalog_upstream none = {.name = "n", .host = "n.example.org", .vendor = "acme"}, other = none;
        strcpy(other.host, "o.example.org");
        tap_ok(health_group_id(&none, 0) != health_group_id(&other, 0), SUBJECT,
               "nor do two upstreams that need no key");
        strcpy(none.credentials[0].name, "account");
        tap_ok(health_group_id(&none, 0) != health_group_id(&a, 0), SUBJECT, "a key's name is not a group's");
}

static void test_read(board *b)
{
        int cell = board_cell_of(b, 4711);
        health *there = (void *)b->cells[cell].bytes, seen;
        there->breaker.window[9].calls = 7;
        there->last_fault = FAULT_RATE;
        there->attempts = 1ull << 40;
        health_read(b, cell, &seen);
        tap_ok(memcmp(&seen, there, sizeof seen) == 0, SUBJECT, "a cell is read whole");
        health_read(b, -1, &seen);
        health zero = {};
        tap_ok(memcmp(&seen, &zero, sizeof seen) == 0, SUBJECT, "no cell reads as nothing known");
}

static void test_setup(void)
{
        catalog_settings s = {
                .connect_ms = 5000,
                .first_byte_ms = 20'000,
                .breaker_calls = 21,
                .breaker_percent = 51,
                .breaker_slow_percent = 81,
                .breaker_open_ms = 5001,
                .breaker_open_most_ms = 300'001,
        };
        breaker_setup is = health_breaker_setup(&s);
        tap_ok(is.least_calls == 21 && is.failed_percent == 51 && is.slow_percent == 81 && is.open_ms == 5001
                       && is.open_most_ms == 300'001,
               SUBJECT, "a breaker's constants are the settings'");
        tap_ok(is.unreachable_run == 5 && is.probes == 3 && is.heal_ms == 60'000 && is.last_ms == 1000, SUBJECT,
               "and those that are fixed");
        bool short_lease = is.lease_ms == 35'000;
        s.first_byte_ms = 290'000;
        tap_ok(short_lease && health_breaker_setup(&s).lease_ms == 80'000, SUBJECT,
               "a probe has the time an answer may take and ten seconds, but no more than 80");
}

int main(void)
{
        board *b = mmap(nullptr, sizeof *b, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (b == MAP_FAILED)
                return 1;
        board_format(b);
        test_ids();
        test_groups();
        test_read(b);
        test_setup();
        return tap_done();
}
