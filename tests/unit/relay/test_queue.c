#include "unit/relay/fixture.h"

static const char SUBJECT[] = "queue";

#define BODY "{\"model\":\"m\",\"messages\":[]}"

enum : size_t { CROWD = 8 };
static caller crowd[CROWD];

static const vendor_step good[] = {{JSON_HEAD "{}", VENDOR_KEEP}};
static const vendor_step silent[] = {{nullptr, VENDOR_SILENT}};

static catalog_settings *settings(void) { return &fx.catalog->settings; }

static void dial(caller *c)
{
        net_target to = {.family = 4, .address = {127, 0, 0, 1}, .port = fx.port};
        if (c->conn != nullptr)
                net_abort(c->conn, false);
        *c = (caller){};
        c->conn = net_dial(fx.loop, &to, &caller_user, c);
        run_until(caller_settled, c, 2000);
}

static void chat_by(caller *c, int key, const char *fields)
{
        static char text[1000];
        if (c->conn == nullptr)
                dial(c);
        c->len = 0;
        c->in[0] = '\0';
        snprintf(text, sizeof text,
                 "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
                 "%s\r\n%sContent-Length: "
                 "%zu\r\n\r\n%s",
                 fx.key[key], fields, strlen(BODY), BODY);
        net_write(c->conn, view_of_text(text));
        run_for(5);
}

static unsigned status(caller *c, uint64_t ms)
{
        return run_until(caller_whole, c, ms) && c->in[0] != '\0' ? c->status : 0;
}

static bool has_answer(const caller *c) { return c->len > 0; }

static void all_leave(void)
{
        for (size_t i = 0; i < CROWD; i++) {
                if (crowd[i].conn != nullptr)
                        net_abort(crowd[i].conn, true);
                crowd[i].conn = nullptr;
        }
        run_until(all_over, nullptr, 1000);
}

/* One place, and crowd[0] has it. */
static void take_the_place(void)
{
        all_leave();
        fx.relay->queue.codel = (codel){};
        settings()->exchanges = 1;
        vendor_does(silent, 1);
        chat_by(&crowd[0], 0, "");
}

static void free_the_place(void)
{
        vendor_does(good, 1);
        net_abort(crowd[0].conn, true);
        crowd[0].conn = nullptr;
        run_for(5);
}

/* The next one's vendor says nothing. */
static void next_place(caller *gone)
{
        vendor_does(silent, 1);
        net_abort(gone->conn, true);
        gone->conn = nullptr;
        run_for(10);
}

static void test_order(void)
{
        take_the_place();
        uint64_t queued = counted(COUNTER_queued);
        for (size_t i = 1; i < 3; i++)
                chat_by(&crowd[i], 0, "");
        tap_ok(fx.relay->queue.count == 2 && counted(COUNTER_queue_now) == 2 && counted(COUNTER_queued) == queued + 2
                       && fx.relay->exchanges == 1 && !has_answer(&crowd[1]),
               SUBJECT, "who comes when there is no place waits");
        next_place(&crowd[0]);
        tap_ok(fx.relay->exchanges == 1 && fx.relay->queue.count == 1 && crowd[1].len == 0, SUBJECT,
               "when one is free, one gets it");
        vendor_does(good, 1);
        net_abort(crowd[1].conn, true);
        crowd[1].conn = nullptr;
        tap_ok(status(&crowd[2], 1000) == 200 && fx.relay->queue.count == 0 && counted(COUNTER_queue_now) == 0, SUBJECT,
               "then the next, and it is served");
        const char *timing = strstr(crowd[2].in, "server-timing: queue;dur=");
        tap_ok(timing != nullptr && strtod(timing + 25, nullptr) >= 10, SUBJECT, "its answer says how long it waited");
}

static void test_priority(void)
{
        fx.catalog->keys[2].expires_s = UINT64_MAX;
        fx.catalog->keys[2].priority = PRIORITY_HIGH;
        fx.catalog->keys[1].any_model = true;
        fx.catalog->keys[1].priority = PRIORITY_LOW;
        take_the_place();
        chat_by(&crowd[1], 1, "");
        chat_by(&crowd[2], 0, "");
        next_place(&crowd[0]);
        bool normal = fx.relay->queue.first[PRIORITY_NORMAL] == nullptr && fx.relay->queue.count == 1;
        chat_by(&crowd[3], 2, "");
        next_place(&crowd[2]);
        tap_ok(normal && fx.relay->queue.first[PRIORITY_HIGH] == nullptr && fx.relay->queue.count == 1, SUBJECT,
               "high before normal before low, whoever came first");
        uint64_t shed = counted(COUNTER_shed_priority);
        chat_by(&crowd[2], 0, "");
        tap_ok(fx.relay->queue.count == 2 && counted(COUNTER_shed_priority) == shed, SUBJECT,
               "as many as twice the places may wait");
        chat_by(&crowd[4], 0, "");
        tap_ok(status(&crowd[1], 500) == 503 && counted(COUNTER_shed_priority) == shed + 1 && !has_answer(&crowd[4]),
               SUBJECT, "when all do, one of lower priority gives way");
        uint64_t full = counted(COUNTER_shed_queue);
        chat_by(&crowd[5], 0, "");
        tap_ok(status(&crowd[5], 500) == 503 && counted(COUNTER_shed_queue) == full + 1
                       && strstr(crowd[5].in, "\r\nretry-after: ") != nullptr && crowd[5].closed == 0,
               SUBJECT, "and when there is none, the newcomer, who keeps the connection");
}

static void test_shed(void)
{
        take_the_place();
        uint64_t began = net_now_ms(fx.loop), shed = counted(COUNTER_shed_queue);
        chat_by(&crowd[1], 0, "");
        chat_by(&crowd[2], 0, "x-lethe-deadline-ms: 300\r\n");
        tap_ok(status(&crowd[2], 1000) == 503 && net_now_ms(fx.loop) - began < 600, SUBJECT,
               "nobody waits longer than his own deadline");
        tap_ok(status(&crowd[1], 3000) == 503 && net_now_ms(fx.loop) - began >= 1000 && fx.relay->queue.codel.stands
                       && counted(COUNTER_shed_queue) == shed + 2,
               SUBJECT, "when it stands through a window, who has waited long is shed");
        began = net_now_ms(fx.loop);
        chat_by(&crowd[3], 0, "");
        chat_by(&crowd[4], 0, "");
        free_the_place();
        tap_ok(status(&crowd[4], 500) == 200, SUBJECT, "while it stands the newest is served first");
        tap_ok(status(&crowd[3], 500) == 200 && net_now_ms(fx.loop) - began < 300, SUBJECT, "then the others");
        take_the_place();
        settings()->queue_ms = 200;
        began = net_now_ms(fx.loop);
        chat_by(&crowd[1], 0, "");
        uint64_t took = (status(&crowd[1], 1000), net_now_ms(fx.loop) - began);
        tap_ok(crowd[1].status == 503 && took >= 200 && took < 400, SUBJECT, "nobody waits longer than queue_ms");
        settings()->queue_ms = 0;
        uint64_t queued = counted(COUNTER_queued);
        chat_by(&crowd[1], 0, "");
        tap_ok(status(&crowd[1], 100) == 503 && counted(COUNTER_queued) == queued, SUBJECT, "0: nobody waits at all");
        settings()->queue_ms = 5000;
}

static void test_ends(void)
{
        take_the_place();
        chat_by(&crowd[1], 0, "");
        uint64_t held = fx.relay->body_bytes;
        net_abort(crowd[1].conn, false);
        crowd[1].conn = nullptr;
        run_for(20);
        tap_ok(fx.relay->queue.count == 0 && fx.relay->body_bytes < held, SUBJECT, "who leaves is free at once");
        chat_by(&crowd[1], 0, "");
        fx.relay->pressure.level = fx.relay->pressure.rung[PRESSURE_MEMORY] = 3;
        for (int i = 0; i < 5; i++)
                fx.relay->pressure.near_ms[PRESSURE_MEMORY][i] = net_now_ms(fx.loop);
        tap_ok(status(&crowd[1], 200) == 503, SUBJECT, "nobody waits on the third rung");
        fx.relay->pressure = (pressure){};
        settings()->bodies_bytes = fx.relay->body_bytes + 10'000;
        chat_by(&crowd[2], 0, "");
        tap_ok(status(&crowd[2], 200) == 503 && fx.relay->queue.count == 0, SUBJECT,
               "nor where no memory is left to wait in");
        settings()->bodies_bytes = 1 << 30;
        settings()->key_exchanges = 1;
        chat_by(&crowd[3], 0, "");
        tap_ok(status(&crowd[3], 200) == 429, SUBJECT, "nor whose key has no place");
        settings()->key_exchanges = 64;
}

/* A request in pieces, of which only the head may have come: what comes while it waits is kept for its turn. */
static void test_pieces(void)
{
        static char text[300 * 1024];
        bool all = true;
        int n = snprintf(
                text, sizeof text,
                "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nConnection: "
                "close\r\nContent-Length: %zu\r\n\r\n%s",
                fx.key[0], strlen(BODY), BODY);
        for (int cut = n - (int)strlen(BODY) - 5; cut <= n; cut++) {
                take_the_place();
                dial(&crowd[1]);
                net_write(crowd[1].conn, (view){(const uint8_t *)text, (size_t)cut});
                run_for(4);
                net_write(crowd[1].conn, (view){(const uint8_t *)text + cut, (size_t)(n - cut)});
                run_for(4);
                bool waits = fx.relay->queue.count == 1;
                free_the_place();
                all = all && waits && status(&crowd[1], 1000) == 200
                      && strstr(vendor.last, "\"messages\":[]}") != nullptr;
        }
        tap_ok(all, SUBJECT, "a request that comes in two pieces is whole after waiting, wherever it is cut");

        take_the_place();
        dial(&crowd[1]);
        n = snprintf(text, sizeof text,
                     "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nExpect: "
                     "100-continue\r\nContent-Length: %zu\r\n\r\n",
                     fx.key[0], strlen(BODY));
        net_write(crowd[1].conn, (view){(const uint8_t *)text, (size_t)n});
        run_for(10);
        bool asked = crowd[1].len > 0;
        free_the_place();
        run_for(20);
        tap_ok(!asked && strncmp(crowd[1].in, "HTTP/1.1 100 ", 13) == 0, SUBJECT,
               "who asks before sending is told to send when there is a place");
        net_write(crowd[1].conn, VIEW(BODY));
        tap_ok(status(&crowd[1], 1000) == 200, SUBJECT, "and is served");

        take_the_place();
        dial(&crowd[1]);
        static char long_body[250 * 1024];
        memset(long_body, ' ', sizeof long_body - 1);
        memcpy(long_body, BODY, strlen(BODY));
        n = snprintf(
                text, sizeof text,
                "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: "
                "%zu\r\n\r\n%s",
                fx.key[0], sizeof long_body - 1, long_body);
        net_write(crowd[1].conn, (view){(const uint8_t *)text, (size_t)n});
        run_for(30);
        bool little =
                fx.relay->queue.count == 1
                && fx.relay->queue.first[PRIORITY_NORMAL]->client->held.len <= LIMIT_QUEUE_LOW_BYTES + LIMIT_READ_BYTES;
        free_the_place();
        tap_ok(little && status(&crowd[1], 1000) == 200, SUBJECT, "of a long body little is read before");
}

static void test_burst(void)
{
        all_leave();
        settings()->exchanges = 2;
        vendor_does(good, 1);
        for (size_t i = 0; i < CROWD; i++)
                dial(&crowd[i]);
        fx.relay->queue.codel = (codel){};
        for (int round = 0; round < 10; round++) {
                static char text[600];
                int n = snprintf(text, sizeof text,
                                 "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
                                 "%s\r\nContent-Length: %zu\r\n\r\n%s",
                                 fx.key[0], strlen(BODY), BODY);
                for (size_t i = 0; i < 6; i++) {
                        crowd[i].len = 0;
                        crowd[i].in[0] = '\0';
                        net_write(crowd[i].conn, (view){(const uint8_t *)text, (size_t)n});
                }
                for (size_t i = 0; i < 6; i++)
                        if (status(&crowd[i], 1000) != 200)
                                round = 100;
                if (round == 9)
                        tap_ok(true, SUBJECT, "a burst of three times the places is served whole, again and again");
                else if (round >= 100)
                        tap_ok(false, SUBJECT, "a burst of three times the places is served whole, again and again");
        }
        all_leave();
}

int main(void)
{
        fx_begin();
        catalog_settings kept = *settings();
        test_order();
        test_priority();
        test_shed();
        test_ends();
        test_pieces();
        test_burst();
        all_leave();
        *settings() = kept;
        return fx_end();
}
