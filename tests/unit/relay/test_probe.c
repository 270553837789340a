/* Health probes over real connections: when one is asked, with what, and what its answer means. */
#include "relay/probe.h"

#include "route/health.h"
#include "unit/relay/vendor_side.h"

static const char SUBJECT[] = "probe";

enum : uint32_t { EVERY_MS = 40 };

static struct {
        int good, bad;
        uint16_t upstream;
} told;

static void on_result(void *, uint16_t upstream, bool reached)
{
        told.upstream = upstream;
        if (reached)
                told.good++;
        else
                told.bad++;
}

static probes *begin(size_t column)
{
        const probes_setup setup = {vs.loop,   vs.up,  vs.catalog, vs.board, &vs.board->columns[column],
                                    on_result, nullptr};
        memset(&told, 0, sizeof told);
        probes *p = probes_begin(&setup);
        if (p == nullptr)
                abort();
        return p;
}

static void end(probes *p)
{
        probes_stop(p);
        run_for(5);
        free(p);
}

static health *cell(uint64_t id)
{
        int at = board_cell_of(vs.board, id);
        if (at < 0)
                abort();
        void *bytes = vs.board->cells[at].bytes;
        return bytes;
}

static health *of_upstream(void) { return cell(health_upstream_id(row(1))); }

static const catalog_target *target(void) { return &vs.catalog->models[1].targets[1]; }

static health *of_model(void) { return cell(health_model_id(row(1), target())); }

static bool is_told(void *) { return told.good + told.bad > 0; }

static int told_within(uint64_t ms)
{
        run_until(is_told, nullptr, ms);
        return told.good - told.bad;
}

static void test_when(place *vendor)
{
        probes *p = begin(0);
        run_for(EVERY_MS * 4);
        tap_ok(vendor->arrived == 0 && !is_told(nullptr), SUBJECT, "while all breakers are closed nothing is asked");
        of_upstream()->breaker.state = BREAKER_OPEN;
        uint64_t asked = vs_counted(COUNTER_health_probes), attempts = vs_counted(COUNTER_attempts);
        tap_ok(told_within(1000) == 1 && told.upstream == 1 && vendor->arrived >= 1, SUBJECT,
               "an upstream whose breaker is open is asked");
        static const char want[] = "GET /v1/models HTTP/1.1\r\nHost: localhost:";
        tap_ok(strncmp(vendor->conns[0]->in, want, sizeof want - 1) == 0
                       && strstr(vendor->conns[0]->in, "Authorization: Bearer sk-first\r\n") != nullptr,
               SUBJECT, "for its health_path, with a key");
        tap_ok(vs_counted(COUNTER_health_probes) > asked && vs_counted(COUNTER_attempts) == attempts, SUBJECT,
               "it is counted as a probe and not as an attempt");
        run_for(EVERY_MS * 3);
        tap_ok(told.good >= 2, SUBJECT, "and again");
        of_upstream()->breaker.state = BREAKER_CLOSED;
        run_for(EVERY_MS * 2);
        int good = told.good;
        run_for(EVERY_MS * 3);
        tap_ok(told.good == good, SUBJECT, "until it is closed");
        of_model()->breaker.state = BREAKER_HALF_OPEN;
        told.good = 0;
        tap_ok(told_within(1000) == 1, SUBJECT, "one of its models being half-open is enough");
        of_model()->breaker.state = BREAKER_CLOSED;
        end(p);
        row(1)->health_path[0] = '\0';
        of_upstream()->breaker.state = BREAKER_OPEN;
        p = begin(0);
        run_for(EVERY_MS * 4);
        tap_ok(!is_told(nullptr), SUBJECT, "without a health_path nothing is asked");
        end(p);
        memcpy(row(1)->health_path, "/models", 8);
}

static void test_leader(void)
{
        of_upstream()->breaker.state = BREAKER_OPEN;
        row(1)->health_ms = 100;
        uint64_t asked = vs_counted(COUNTER_health_probes) + vs.board->columns[1].counters[COUNTER_health_probes];
        probes *a = begin(0), *b = begin(1);
        run_for(1050);
        asked = vs_counted(COUNTER_health_probes) + vs.board->columns[1].counters[COUNTER_health_probes] - asked;
        tap_ok(asked >= 4 && asked <= 11, SUBJECT, "of several processes one asks");
        of_upstream()->probed_ms = UINT64_MAX;
        told.good = 0;
        tap_ok(told_within(1000) == 1, SUBJECT, "a time that cannot be does not end it");
        of_upstream()->probed_ms = net_now_ms(vs.loop) + 50;
        told.good = 0;
        run_for(110);
        tap_ok(told.good == 0, SUBJECT, "one a little ahead of ours is just now");
        int at = board_cell_find(vs.board, health_upstream_id(row(1)));
        bool locked = board_cell_lock(vs.board, at, &vs.board->columns[5]);
        run_for(50);
        told.good = 0;
        run_for(300);
        tap_ok(locked && told.good == 0, SUBJECT, "a cell that somebody holds is not waited for");
        board_cell_unlock(vs.board, at);
        tap_ok(told_within(1000) == 1, SUBJECT, "and asked for again later");
        end(a);
        end(b);
        row(1)->health_ms = EVERY_MS;
}

static void test_keys(place *vendor)
{
        row(1)->credential_count = 2;
        row(1)->credentials[1] = (catalog_credential){.name = "second"};
        health *first = cell(health_key_id(row(1), 0)), *second = cell(health_key_id(row(1), 1));
        first->parked_until_ms = net_now_ms(vs.loop) + 60'000;
        size_t at = vendor->arrived;
        probes *p = begin(0);
        bool good = told_within(1000) == 1 && strstr(vendor->conns[at]->in, "sk-second") != nullptr;
        end(p);
        tap_ok(good, SUBJECT, "a parked key is passed over");
        first->parked_until_ms = 0;
        first->disabled_until_ms = UINT64_MAX;
        at = vendor->arrived;
        p = begin(0);
        good = told_within(1000) == 1 && strstr(vendor->conns[at]->in, "sk-second") != nullptr;
        end(p);
        tap_ok(good, SUBJECT, "one that is set aside too");
        second->parked_until_ms = net_now_ms(vs.loop) + 60'000;
        at = vendor->arrived;
        p = begin(0);
        good = told_within(1000) == 1 && strstr(vendor->conns[at]->in, "sk-first") != nullptr;
        end(p);
        tap_ok(good, SUBJECT, "where none is left the first one asks");
        row(1)->credential_count = 1;
        row(1)->credentials[0] = (catalog_credential){.name = "unknown"};
        p = begin(0);
        run_for(EVERY_MS * 4);
        tap_ok(!is_told(nullptr), SUBJECT, "a key that is missing here says nothing of the vendor");
        end(p);
        row(1)->credentials[0] = (catalog_credential){.name = "first"};
}

static int verdict(place *vendor, const char *answer)
{
        vendor->answer = answer;
        ways_forget();
        probes *p = begin(0);
        int v = told_within(1500);
        end(p);
        return v;
}

static void test_answers(place *vendor)
{
        tap_ok(verdict(vendor, "HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n") == 1, SUBJECT, "404 is reached");
        tap_ok(verdict(vendor, "HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n") == 1, SUBJECT, "401 too");
        tap_ok(verdict(vendor, "HTTP/1.1 429 X\r\nContent-Length: 0\r\n\r\n") == 1, SUBJECT, "429 too");
        tap_ok(verdict(vendor, "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n") == -1, SUBJECT, "500 is not");
        tap_ok(verdict(vendor, "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n") == -1, SUBJECT, "nor 503");
        tap_ok(verdict(vendor, "garbage\r\n\r\n") == -1, SUBJECT, "nor what is no HTTP");
        vs.catalog->settings.first_byte_ms = 100;
        tap_ok(verdict(vendor, nullptr) == -1, SUBJECT, "nor silence");
        vs.catalog->settings.first_byte_ms = 2000;
        static char large[140 * 1024];
        snprintf(large, sizeof large, "HTTP/1.1 200 OK\r\nContent-Length: 120000\r\n\r\n%0120000d", 7);
        tap_ok(verdict(vendor, large) == 1 && told.bad == 0, SUBJECT, "a large answer is given up, and good");
        vendor->answer = VS_ANSWER;
        row_addresses(1, (const catalog_address[]){v4(7)}, 1);
        tap_ok(verdict(vendor, VS_ANSWER) == -1, SUBJECT, "where nobody listens it is not reached");
        row_addresses(1, (const catalog_address[]){v4(1)}, 1);
        row(1)->credentials[0] = (catalog_credential){};
        tap_ok(verdict(vendor, VS_ANSWER) == 1, SUBJECT, "an upstream without a key is asked without one");
        row(1)->credentials[0] = (catalog_credential){.name = "first"};
}

static void test_stop(place *vendor)
{
        vendor->answer = nullptr;
        ways_forget();
        run_for(10);
        probes *p = begin(0);
        size_t at = vendor->arrived;
        for (int i = 0; i < 100 && vendor->arrived == at; i++)
                run_for(5);
        run_for(20);
        probes_stop(p);
        run_for(EVERY_MS * 3);
        tap_ok(vendor->arrived == at + 1 && !is_told(nullptr) && place_live(vendor) == 0, SUBJECT,
               "stopped, it gives up what runs and asks nothing more");
        free(p);
        vs.catalog->settings.connect_ms = 100;
        vs.catalog->settings.first_byte_ms = 60'000;
        p = begin(0);
        tap_ok(told_within(7000) == -1, SUBJECT, "an answer that does not come is waited for 5 s and connect_ms");
        end(p);
}

int main(void)
{
        vs_begin();
        row_addresses(1, (const catalog_address[]){v4(1)}, 1);
        row(1)->credentials[0] = (catalog_credential){.name = "first"};
        row(1)->health_ms = EVERY_MS;
        memcpy(row(1)->health_path, "/models", 8);
        vs.catalog->model_count = 2;
        vs.catalog->models[0] =
                (catalog_model){.name = "a", .target_count = 1, .targets = {{.upstream = 0, .model = "x"}}};
        vs.catalog->models[1] =
                (catalog_model){.name = "b",
                                .target_count = 2,
                                .targets = {{.upstream = 0, .model = "y"}, {.upstream = 1, .model = "z"}}};
        place *vendor = place_open(0, v4(1), vs.server, VS_ANSWER);
        test_when(vendor);
        test_leader();
        test_keys(vendor);
        test_answers(vendor);
        test_stop(vendor);
        return vs_end();
}
