#include "unit/relay/fixture.h"

#include "base/clock.h"

static const char SUBJECT[] = "pressure";

#define BODY   "{\"model\":\"m\",\"messages\":[]}"
#define STREAM "{\"model\":\"m\",\"stream\":true,\"messages\":[]}"
#define TEXT   "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n"

static const vendor_step good[] = {{JSON_HEAD "{}", VENDOR_KEEP}};
static const vendor_step endless[] = {{STREAM_HEAD TEXT, VENDOR_SILENT}};

enum : size_t { CROWD = 6 };
static caller crowd[CROWD];

static catalog_settings *settings(void) { return &fx.catalog->settings; }

static void dial(caller *c)
{
        net_target to = {.family = 4, .address = {127, 0, 0, 1}, .port = fx.port};
        *c = (caller){};
        c->conn = net_dial(fx.loop, &to, &caller_user, c);
}

static void stream_by(caller *c, size_t more)
{
        static char text[300 * 1024];
        dial(c);
        run_until(caller_settled, c, 2000);
        int n = snprintf(text, sizeof text,
                         "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
                         "%s\r\nContent-Length: %zu\r\n\r\n%s",
                         fx.key[0], strlen(STREAM) + more, STREAM);
        memset(text + n, ' ', more);
        net_write(c->conn, (view){(const uint8_t *)text, (size_t)n + more});
        run_for(40);
}

static void leave(void)
{
        for (size_t i = 0; i < CROWD; i++) {
                if (crowd[i].conn != nullptr)
                        net_abort(crowd[i].conn, true);
                crowd[i].conn = nullptr;
        }
        run_until(all_over, nullptr, 1000);
}

/* Puts the ledger at so many thousandths of its bound and lets the relay see it. */
static void at_share(uint64_t thousandths)
{
        settings()->memory_bytes = pressure_memory(fx.relay) * 1000 / thousandths;
        run_for(230);
}

static void over(void)
{
        settings()->memory_bytes = LIMIT_MEMORY_BYTES;
        fx.relay->pressure = (pressure){};
        net_listener_pause(fx.relay->listener, false);
        leave();
}

static void test_ledger(void)
{
        uint64_t empty = pressure_memory(fx.relay);
        tap_ok(empty > 1 << 20, SUBJECT, "the process itself is in the ledger");
        vendor_does(endless, 1);
        stream_by(&crowd[0], 200 * 1024);
        uint64_t one = pressure_memory(fx.relay);
        tap_ok(one >= empty + EXCHANGE_BYTES + 200 * 1024 && fx.relay->body_bytes >= 200 * 1024, SUBJECT,
               "so are an exchange, its connections and its body");
        run_for(220);
        tap_ok(counted(COUNTER_memory_now) == one && counted(COUNTER_pressure_now) == 0, SUBJECT,
               "the board says how large it is");
        leave();
        run_for(20);
        tap_ok(pressure_memory(fx.relay) <= empty + 256 * 1024 && fx.relay->body_bytes == 0, SUBJECT,
               "what has ended is not");
}

static void test_rungs(void)
{
        vendor_does(good, 1);
        tap_ok(ask_chat(BODY) == 200, SUBJECT, "without pressure all are served");
        at_share(880);
        tap_ok(counted(COUNTER_pressure_now) == 2 && ask_chat(BODY) == 200, SUBJECT, "on the second rung too");
        uint64_t low = counted(COUNTER_shed_priority), others = counted(COUNTER_shed_pressure);
        fx.catalog->keys[0].priority = PRIORITY_LOW;
        tap_ok(ask_chat(BODY) == 503 && head_has("\r\nretry-after: ") && counted(COUNTER_shed_priority) == low + 1,
               SUBJECT, "but not who has low priority");
        fx.catalog->keys[0].priority = PRIORITY_NORMAL;
        char fields[200];
        snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\nContent-Length: 1048577\r\n", fx.key[0]);
        say_request("POST /v1/chat/completions", fields, nullptr);
        tap_ok(answered() && me.status == 503 && counted(COUNTER_shed_pressure) == others + 1, SUBJECT,
               "nor what is larger than a mebibyte");
        caller_leave();
        at_share(930);
        tap_ok(counted(COUNTER_pressure_now) == 3, SUBJECT, "the third rung");
        over();
}

static void test_closed(void)
{
        vendor_does(endless, 1);
        stream_by(&crowd[0], 0);
        caller_dial();
        at_share(950);
        uint64_t refused = counted(COUNTER_shed_pressure), overload = counted(COUNTER_refused_overload);
        say_request("POST /v1/chat/completions", "Authorization: Bearer nobody\r\n", BODY);
        tap_ok(answered() && me.status == 503 && head_has("\r\nconnection: close\r\n")
                       && counted(COUNTER_shed_pressure) == refused + 1
                       && counted(COUNTER_refused_overload) == overload + 1,
               SUBJECT, "refuses all, before it is known who they are, and closes");
        dial(&crowd[1]);
        run_until(caller_settled, &crowd[1], 500);
        net_write(crowd[1].conn, VIEW("GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        run_for(100);
        tap_ok(crowd[1].len == 0 && crowd[1].closed == 0, SUBJECT, "takes no connection");
        vendor_conn *v = vendor.conns[vendor.connections - 1];
        net_write(v->conn, VIEW("data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: "
                                "[DONE]\n\n"));
        net_close(v->conn);
        v->conn = nullptr;
        tap_ok(run_until(caller_whole, &crowd[0], 1000) && strstr(crowd[0].body, "[DONE]") != nullptr, SUBJECT,
               "lets what runs end whole");
        settings()->memory_bytes = LIMIT_MEMORY_BYTES;
        uint64_t began = net_now_ms(fx.loop);
        tap_ok(run_until(caller_whole, &crowd[1], 8000) && crowd[1].status == 401 && net_now_ms(fx.loop) - began > 4000,
               SUBJECT, "until it has been over for 5 s: then who waited in the kernel is heard");
        over();
}

static void test_shed(void)
{
        forget_records();
        vendor_does(endless, 1);
        for (size_t i = 0; i < 3; i++)
                stream_by(&crowd[i], i * 100 * 1024);
        uint64_t shed = counted(COUNTER_shed_streams);
        /* The largest alone is enough to come below 97 %. */
        settings()->memory_bytes = pressure_memory(fx.relay) * 1000 / 985;
        run_for(150);
        tap_ok(counted(COUNTER_pressure_now) == 4 && counted(COUNTER_shed_streams) == shed + 1
                       && run_until(caller_whole, &crowd[2], 500) && crowd[0].closed + crowd[1].closed == 0
                       && fx.relay->exchanges == 2,
               SUBJECT, "on the fourth rung the one that holds most is ended, and no more than needed");
        tap_ok(strstr(crowd[2].body, "\"overloaded\"") != nullptr && strstr(crowd[2].body, "[DONE]") == nullptr
                       && strstr(crowd[2].in, "x-lethe-end: LO\r\n") != nullptr,
               SUBJECT, "its caller is told");
        usage_record a = {}, x = {};
        tap_ok(next_record(&a) && next_record(&x) && x.ending == ENDING_SHED, SUBJECT, "and it is accounted as shed");
        settings()->memory_bytes = 1 << 20;
        run_for(250);
        tap_ok(fx.relay->exchanges == 0 && counted(COUNTER_shed_streams) == shed + 3, SUBJECT,
               "when that does not help, all are ended");
        over();
}

/* Who takes nothing is not told, because words would only wait behind what he has not taken. */
static void test_stuck(void)
{
        static char text[400 * 1024];
        size_t n = (size_t)snprintf(text, sizeof text, "%s", STREAM_HEAD);
        while (n < sizeof text - 200)
                n += (size_t)snprintf(text + n, sizeof text - n, "%s", TEXT);
        const vendor_step much[] = {{text, VENDOR_SILENT}};
        vendor_does(much, 1);
        dial(&crowd[0]);
        run_until(caller_settled, &crowd[0], 1000);
        net_pause(crowd[0].conn);
        char request[500];
        snprintf(request, sizeof request,
                 "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: "
                 "%zu\r\n\r\n%s",
                 fx.key[0], strlen(STREAM), STREAM);
        net_write(crowd[0].conn, view_of_text(request));
        run_for(300);
        size_t unsent = fx.relay->clients == nullptr ? 0 : net_unsent(fx.relay->clients->conn);
        settings()->memory_bytes = pressure_memory(fx.relay);
        run_for(150);
        tap_ok(fx.relay->exchanges == 0 && (unsent <= LIMIT_QUEUE_LOW_BYTES || fx.relay->client_count == 0), SUBJECT,
               "a caller who takes nothing is cut");
        printf("# unsent %zu\n", unsent);
        net_resume(crowd[0].conn);
        run_for(50);
        over();
}

static void test_idle(void)
{
        settings()->idle_ms = 60'000;
        vendor_does(good, 1);
        caller_leave();
        tap_ok(ask_chat(BODY) == 200, SUBJECT, "a caller who has asked and stays");
        settings()->memory_bytes = pressure_memory(fx.relay) * 1000 / 930;
        tap_ok(run_until(caller_gone, &me, 4500) && me.why == NET_CLEAN, SUBJECT,
               "is let go soon when memory is scarce");
        settings()->idle_ms = LIMIT_IDLE_MS;
        over();
}

static void test_lag(void)
{
        run_for(1300);
        uint64_t calm = fx.relay->lag_us;
        uint64_t until = clock_us() + 300'000;
        while (clock_us() < until)
                continue;
        run_for(120);
        tap_ok(calm < 150'000 && fx.relay->lag_us >= 200'000 && counted(COUNTER_lag_us) == fx.relay->lag_us
                       && fx.relay->pressure.level == 0,
               SUBJECT, "one late turn is known, but no load");
        until = clock_us() + 400'000;
        while (clock_us() < until)
                continue;
        run_for(120);
        tap_ok(fx.relay->pressure.rung[PRESSURE_LAG] == 3 && !pressure_scarce(&fx.relay->pressure), SUBJECT,
               "a second within a second is");
        run_for(3300);
        tap_ok(fx.relay->pressure.level <= 1 && fx.relay->lag_us < 200'000, SUBJECT, "and over 2 s after it");
        over();
}

/* What a refused request costs, from its bytes to those of its answer: without the system's share of reading and
 * writing, which no relay can save. */
static void test_cost(void)
{
        enum : int { BATCHES = 40, BATCH = 50 };
        char request[500];
        int n = snprintf(
                request, sizeof request,
                "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: "
                "%zu\r\n\r\n%s",
                fx.key[0], strlen(BODY), BODY);
        double best[2] = {1e9, 1e9};
        for (int kind = 0; kind < 2; kind++) {
                caller_leave();
                caller_dial();
                for (int i = 0; i < BATCHES; i++) {
                        fx.relay->pressure = (pressure){.level = kind == 0 ? 3 : 0, .rung = {[PRESSURE_LAG] = 3}};
                        settings()->exchanges = 0;
                        settings()->queue_ms = 0;
                        me.len = 0;
                        uint64_t from = clock_us();
                        for (int k = 0; k < BATCH; k++)
                                client_user.data(fx.relay->clients, (view){(const uint8_t *)request, (size_t)n});
                        double us = (double)(clock_us() - from) / BATCH;
                        best[kind] = us < best[kind] ? us : best[kind];
                        run_for(3);
                }
        }
        printf("# a refusal: %.2f us on the third rung, %.2f us with its key looked at\n", best[0], best[1]);
#ifndef __SANITIZE_ADDRESS__
        tap_ok(best[0] < 20 && best[1] < 20, SUBJECT, "a refusal costs less than 20 us");
#endif
        settings()->exchanges = LIMIT_EXCHANGES;
        settings()->queue_ms = LIMIT_QUEUE_MS;
        over();
        caller_leave();
}

int main(void)
{
        fx_begin();
        test_ledger();
        test_rungs();
        test_closed();
        test_shed();
        test_stuck();
        test_idle();
        test_lag();
        test_cost();
        return fx_end();
}
