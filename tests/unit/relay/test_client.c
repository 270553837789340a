#include "unit/relay/fixture.h"

static const char SUBJECT[] = "client";

#define BODY "{\"model\":\"m\",\"messages\":[]}"

static const vendor_step good[] = {{JSON_HEAD "{\"n\":1}", VENDOR_KEEP},
                                   {JSON_HEAD "{\"n\":2}", VENDOR_KEEP},
                                   {JSON_HEAD "{\"n\":3}", VENDOR_KEEP}};

static char field[200]; /* Authorization */

static bool is_gone(void *ctx)
{
        (void)ctx;
        return me.closed > 0;
}

static int answers_in(void)
{
        int n = 0;
        for (const char *at = me.in; (at = strstr(at, "HTTP/1.1 ")) != nullptr; at++)
                n++;
        return n;
}

static bool three_answers(void *ctx)
{
        (void)ctx;
        return strstr(me.in, "{\"n\":3}") != nullptr;
}

static void test_connection(void)
{
        vendor_does(good, 3);
        uint64_t before = counted(COUNTER_connections);
        caller_dial();
        bool same = ask_chat(BODY) == 200 && body_is("{\"n\":1}") && ask_chat(BODY) == 200 && body_is("{\"n\":2}")
                    && ask_chat(BODY) == 200 && body_is("{\"n\":3}");
        tap_ok(same && counted(COUNTER_connections) == before + 1, SUBJECT,
               "one connection carries one request after the other");
        vendor_does(good, 3);
        char text[3000], one[900];
        snprintf(one, sizeof one,
                 "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n%s", field,
                 strlen(BODY), BODY);
        snprintf(text, sizeof text, "%s%s%s", one, one, one);
        caller_dial();
        say(text);
        bool good_order = run_until(three_answers, nullptr, 3000);
        const char *first = strstr(me.in, "{\"n\":1}"), *second = strstr(me.in, "{\"n\":2}"),
                   *third = strstr(me.in, "{\"n\":3}");
        tap_ok(good_order && answers_in() == 3 && first != nullptr && second != nullptr && first < second
                       && second < third,
               SUBJECT, "requests sent at once are answered in their order");
        vendor_does(good, 3);
        caller_dial();
        for (const char *p = text; *p != '\0'; p++) {
                char byte[2] = {*p};
                say(byte);
                run_for(0);
        }
        tap_ok(run_until(three_answers, nullptr, 3000) && answers_in() == 3, SUBJECT, "byte by byte too");
        vendor_does(good, 1);
        char fields[300];
        snprintf(fields, sizeof fields, "%sConnection: close\r\n", field);
        say_request("POST /v1/chat/completions", fields, BODY);
        tap_ok(answered() && me.status == 200 && head_has("\r\nconnection: close\r\n")
                       && run_until(is_gone, nullptr, 1000) && me.why == NET_CLEAN,
               SUBJECT, "one that asks for it is closed after its answer");
}

static void test_bodies(void)
{
        char text[2000];
        vendor_does(good, 1);
        caller_dial();
        snprintf(text, sizeof text,
                 "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n%sExpect: 100-continue\r\nContent-Length: "
                 "%zu\r\n\r\n",
                 field, strlen(BODY));
        say(text);
        run_for(20);
        tap_ok(strcmp(me.in, "HTTP/1.1 100 Continue\r\n\r\n") == 0 && vendor.requests == 0, SUBJECT,
               "who waits for it is told to go on");
        say(BODY);
        tap_ok(answered() && me.status == 200, SUBJECT, "and answered");
        caller_dial();
        snprintf(text, sizeof text,
                 "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: "
                 "%zu\r\n\r\n",
                 strlen(BODY));
        say(text);
        tap_ok(answered() && me.status == 401 && head_has("\r\nconnection: close\r\n")
                       && run_until(is_gone, nullptr, 1500),
               SUBJECT, "one who is refused is not told to go on");
        vendor_does(good, 1);
        caller_dial();
        snprintf(text, sizeof text,
                 "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n%sTransfer-Encoding: "
                 "chunked\r\n\r\n1\r\n{\r\n%zx\r\n%s\r\n0\r\n\r\n",
                 field, strlen(BODY) - 1, BODY + 1);
        say(text);
        tap_ok(answered() && me.status == 200
                       && strstr(vendor.last, "{\"model\":\"vendor-m\",\"messages\":[]}") != nullptr,
               SUBJECT, "a body may come in chunks");
        vendor_does(good, 2);
        caller_dial();
        static char refused[4000];
        snprintf(refused, sizeof refused,
                 "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s", strlen(BODY),
                 BODY);
        say(refused);
        bool still = answered() && me.status == 401 && !head_has("connection: close") && ask_chat(BODY) == 200
                     && me.closed == 0;
        tap_ok(still, SUBJECT, "a small body that is refused is read past, and the connection goes on");
        caller_dial();
        snprintf(text, sizeof text,
                 "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: 99999999999\r\n\r\n",
                 field);
        say(text);
        tap_ok(answered() && me.status == 413 && head_has("\r\nconnection: close\r\n"), SUBJECT,
               "one that is too large is refused at its head");
}

static const struct {
        const char *sentence, *text;
        unsigned want; /* 0: closed without an answer */
} malformed[] = {
        {"no host", "GET /v1/models HTTP/1.1\r\n\r\n", 400},
        {"another host", "GET /v1/models HTTP/1.1\r\nHost: elsewhere\r\n\r\n", 400},
        {"two lengths",
         "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
         400},
        {"a length beside chunks",
         "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: "
         "chunked\r\n\r\n",
         400},
        {"no length", "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n\r\n", 411},
        {"another protocol", "SSH-2.0-OpenSSH\r\n", 400},
        {"another version", "GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505},
        {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0},
};

static void test_malformed(void)
{
        for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
                caller_dial();
                say(malformed[i].text);
                bool answer = answered();
                bool right = answer
                             && (malformed[i].want == 0
                                         ? me.len == 0
                                         : me.status == malformed[i].want && head_has("\r\nconnection: close\r\n"))
                             && run_until(is_gone, nullptr, 1500);
                if (!tap_ok(right, "malformed", malformed[i].sentence))
                        printf("# %u %s\n", me.status, me.in);
        }
}

static void test_deadlines(void)
{
        catalog_settings *s = &fx.catalog->settings, kept = *s;
        s->head_ms = s->body_ms = s->idle_ms = 200;
        caller_dial();
        tap_ok(run_until(is_gone, nullptr, 1500) && me.len == 0, "deadline", "who never says a word is left");
        caller_dial();
        say("GET /v1/mod");
        if (!tap_ok(answered() && me.status == 408 && head_has("\r\nconnection: close\r\n")
                            && run_until(is_gone, nullptr, 1500),
                    "deadline", "a head that does not end"))
                printf("# %d %zu %s\n", me.closed, me.len, me.in);
        char text[600];
        caller_dial();
        snprintf(text, sizeof text,
                 "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: 50\r\n\r\n{", field);
        say(text);
        tap_ok(answered() && me.status == 408 && body_has("request_timeout") && run_until(is_gone, nullptr, 1500),
               "deadline", "a body that does not end");
        vendor_does(good, 1);
        caller_dial();
        tap_ok(ask_chat(BODY) == 200 && run_until(is_gone, nullptr, 1500) && me.why == NET_CLEAN, "deadline",
               "a connection without a next request");
        *s = kept;
        s->write_stall_ms = 80;
        static char large[480 * 1024];
        size_t at = (size_t)snprintf(large, sizeof large,
                                     "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
        while (at < 470 * 1024)
                at += (size_t)snprintf(large + at, sizeof large - at,
                                       "data: {\"choices\":[{\"delta\":{\"content\":\"%01000d\"}}]}\n\n", 0);
        const vendor_step flood[] = {{large, VENDOR_SILENT}};
        vendor_does(flood, 1);
        caller_dial();
        net_pause(me.conn);
        say_request("POST /v1/chat/completions", field, "{\"model\":\"m\",\"stream\":true,\"messages\":[]}");
        run_for(30);
        forget_records();
        bool over = run_until(all_over, nullptr, 3000);
        usage_record r = {};
        while (next_record(&r) && r.kind != USAGE_EXCHANGE)
                continue;
        /* Where the kernel took all of it there is nothing to stall on. */
        if (!over && net_unsent(fx.relay->clients->conn) == 0)
                tap_skip("deadline: a caller that takes no byte", "the kernel's own buffers took everything");
        else
                tap_ok(over && r.ending == ENDING_CLIENT_STALL, "deadline", "a caller that takes no byte");
        *s = kept;
}

static void test_leaving(void)
{
        static const vendor_step silent[] = {{nullptr, VENDOR_SILENT}};
        vendor_does(silent, 1);
        forget_records();
        uint64_t aborts = counted(COUNTER_client_aborts);
        caller_dial();
        say_request("POST /v1/chat/completions", field, BODY);
        run_for(30);
        size_t running = fx.relay->exchanges;
        caller_leave();
        bool over = run_until(all_over, nullptr, 1000);
        usage_record a = {}, x = {};
        bool records = next_record(&a) && next_record(&x);
        tap_ok(running == 1 && over && records && a.kind == USAGE_ATTEMPT && x.ending == ENDING_CLIENT_ABORT
                       && counted(COUNTER_client_aborts) == aborts + 1,
               SUBJECT, "one that leaves ends its exchange, and the vendor's connection");
        tap_ok(vendor.conns[vendor.connections - 1]->conn == nullptr, SUBJECT, "at once");
}

int main(void)
{
        fx_begin();
        snprintf(field, sizeof field, "Authorization: Bearer %s\r\n", fx.key[0]);
        test_connection();
        test_bodies();
        test_malformed();
        test_deadlines();
        test_leaving();
        return fx_end();
}
