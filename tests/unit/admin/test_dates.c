#include "admin/dates.h"

#include "harness.h"
#include "route/health.h"

static const char SUBJECT[] = "dates";
enum : uint64_t { NOW_MS = 100'000'000, MIN_MS = 60'000 };

static catalog *c;

/* Row `u` leads to `host` and was told so there; 0: never. */
static void row(size_t u, const char *host, int64_t origin_s, uint64_t dated_ms)
{
        catalog_upstream *up = &c->upstreams[u];
        snprintf(up->name, sizeof up->name, "u%zu", u);
        snprintf(up->host, sizeof up->host, "%s", host);
        if (c->upstream_count <= u)
                c->upstream_count = u + 1;
        health *at = (void *)h.board->cells[board_cell_of(h.board, health_upstream_id(up))].bytes;
        at->origin_s = origin_s;
        at->dated_ms = dated_ms;
}

static box_dates now_of(void) { return dates_of(c, h.board, 1000, NOW_MS); }

static bool is(box_dates d, uint32_t agree, uint32_t of, int64_t origin_s)
{
        bool good = d.agree == agree && d.of == of && d.origin_s == origin_s;
        if (!good)
                printf("# %u of %u say %lld\n", d.agree, d.of, (long long)d.origin_s);
        return good;
}

static void clear(void)
{
        memset(h.board->cells, 0, sizeof h.board->cells);
        c->upstream_count = 0;
}

static void test_hosts(void)
{
        tap_ok(is(now_of(), 0, 0, 0), SUBJECT, "nothing is known at first");
        row(0, "a", 500, NOW_MS - MIN_MS);
        row(1, "a", 510, NOW_MS - 2 * MIN_MS);
        tap_ok(is(now_of(), 1, 1, 500), SUBJECT, "two upstreams of one host are one voice: its newest");
        row(2, "b", 501, NOW_MS - 3 * MIN_MS);
        tap_ok(is(now_of(), 2, 2, 500) && now_of().oldest_ms == NOW_MS - 3 * MIN_MS, SUBJECT,
               "two hosts, and how old the older is");
        row(3, "c", 500 - DATES_NEAR_S, NOW_MS - 4 * MIN_MS);
        row(4, "d", 900, NOW_MS - 5 * MIN_MS);
        tap_ok(is(now_of(), 3, 4, 500) && now_of().oldest_ms == NOW_MS - 4 * MIN_MS, SUBJECT,
               "one that is far away does not agree, and its age does not count");
        row(2, "b", 1000, NOW_MS);
        row(3, "c", -9, NOW_MS);
        row(0, "a", -9, NOW_MS);
        tap_ok(is(now_of(), 2, 4, -9), SUBJECT, "half of them are told as half");
        clear();
        row(0, "a", 0, NOW_MS);
        row(1, "b", 86400, NOW_MS);
        tap_ok(is(now_of(), 1, 2, 0), SUBJECT, "two that differ do not agree on a time between them");
        row(2, "c", 86401, NOW_MS);
        tap_ok(is(now_of(), 2, 3, 86400), SUBJECT, "a third one decides");
        clear();
        for (size_t u = 0; u < LIMIT_UPSTREAMS; u++) {
                char host[8];
                snprintf(host, sizeof host, "h%zu", u);
                row(u, host, 7 - (int64_t)(u % 5), NOW_MS);
        }
        tap_ok(is(now_of(), LIMIT_UPSTREAMS, LIMIT_UPSTREAMS, 5), SUBJECT, "as many as there can be");
        clear();
}

static void test_age(void)
{
        static const struct {
                const char *sentence;
                int64_t origin_s;
                uint64_t dated_ms;
                bool counts;
        } rows[] = {
                {"two hours old", 5, NOW_MS - DATES_FRESH_MS, true},
                {"older", 5, NOW_MS - DATES_FRESH_MS - 1, false},
                {"of now", 5, NOW_MS, true},
                {"of what is to come", 5, NOW_MS + 1, false},
                {"of never", 5, 0, false},
                {"more than a clock can say", INT64_MAX, NOW_MS, false},
                {"less than a clock can say", INT64_MIN, NOW_MS, false},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                row(0, "a", rows[i].origin_s, rows[i].dated_ms);
                tap_ok((now_of().of == 1) == rows[i].counts, SUBJECT, rows[i].sentence);
        }
        row(0, "a", 5, NOW_MS - 1);
        tap_ok(dates_of(c, h.board, NOW_MS, NOW_MS).of == 0, SUBJECT, "nor what came before this role");
        clear();
}

static box_message told;

/* What PID 1 is told next; false: nothing within so long. */
static bool hears(uint64_t ms, box_dates *out)
{
        static net_timer late;
        late = (net_timer){.fire = (void (*)(void *))harness_stop, .ctx = nullptr};
        net_timer_set(h.box.loop, &late, ms);
        harness_run();
        net_timer_clear(h.box.loop, &late);
        int fd;
        if (failed(box_receive(h.pid1, &told, &fd)) || told.op != BOX_TELL_DATES || told.len != sizeof *out)
                return false;
        memcpy(out, told.bytes, sizeof *out);
        return true;
}

static void test_telling(void)
{
        static dates_teller t;
        box_dates d;
        dates_begin(&t, c, h.board, &h.box.link);
        tap_ok(!hears(1500, &d), SUBJECT, "nothing is not told");
        uint64_t now_ms = net_now_ms(h.box.loop);
        row(0, "a", 77, now_ms);
        row(1, "b", 78, now_ms);
        tap_ok(hears(1500, &d) && is(d, 2, 2, 77) && d.oldest_ms == now_ms, SUBJECT, "two hosts are, within seconds");
        row(0, "a", 177, now_ms);
        row(1, "b", 178, now_ms);
        tap_ok(hears(1500, &d) && is(d, 2, 2, 177), SUBJECT, "and that they say another time");
        t.told_ms -= MIN_MS;
        tap_ok(hears(1500, &d) && is(d, 2, 2, 177), SUBJECT, "and again after a minute");
        clear();
        tap_ok(hears(1500, &d) && is(d, 0, 0, 0), SUBJECT, "that they have gone is told too");
        dates_end(&t);
        dates_end(&(dates_teller){});
}

int main(void)
{
        harness_start();
        harness_box();
        c = calloc(1, sizeof *c);
        if (c == nullptr)
                return 1;
        test_hosts();
        test_age();
        test_telling();
        free(c);
        return harness_done();
}
