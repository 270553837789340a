#include "unit/relay/fixture.h"

static const char SUBJECT[] = "forward";

#define CHAT(model) "{\"model\":\"" model "\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"

static const char good_body[] = "{\"id\":\"x\",\"choices\":[]}";
static const char good[] = JSON_HEAD "{\"id\":\"x\",\"choices\":[]}";

static void test_one(void)
{
        static const vendor_step script[] = {{good, VENDOR_KEEP}};
        vendor_does(script, 1);
        tap_ok(ask_chat(CHAT("m")) == 200 && body_is(good_body), SUBJECT, "an answer comes back byte for byte");
        tap_ok(strstr(vendor.last, "POST /v1/chat/completions HTTP/1.1\r\n") != nullptr
                       && strstr(vendor.last, "{\"model\":\"vendor-m\",") != nullptr,
               SUBJECT, "the vendor is asked for its own model, at its own path");
        tap_ok(head_has("\r\nx-lethe-attempts: 1\r\n") && head_has("\r\nx-lethe-end: --\r\n")
                       && head_has("\r\nserver-timing: queue;dur="),
               SUBJECT, "the caller is told how it went");
        tap_ok(ask("POST /v1/embeddings", "{\"model\":\"m\",\"input\":\"hi\"}") == 200
                       && strstr(vendor.last, "POST /v1/embeddings HTTP/1.1\r\n") != nullptr,
               SUBJECT, "embeddings go to their own path");
}

static void test_failover(void)
{
        static const vendor_step fails[] = {{FAULT("503", "{}"), VENDOR_KEEP}, {good, VENDOR_KEEP}};
        vendor_does(fails, 2);
        uint64_t failovers = counted(COUNTER_failovers);
        tap_ok(ask_chat(CHAT("three")) == 200 && body_is(good_body) && head_has("\r\nx-lethe-attempts: 2\r\n")
                       && vendor.requests == 2 && strstr(vendor.last, "POST /v2/") != nullptr
                       && strstr(vendor.last, "\"model\":\"b\"") != nullptr,
               SUBJECT, "a fault of the vendor's is tried at the next target");
        tap_ok(counted(COUNTER_failovers) == failovers + 1, SUBJECT, "and counted");
        static const vendor_step chance[] = {{FAULT("500", "{}"), VENDOR_KEEP}, {good, VENDOR_KEEP}};
        vendor_does(chance, 2);
        tap_ok(ask_chat(CHAT("three")) == 200 && vendor.requests == 2 && strstr(vendor.last, "POST /v1/") != nullptr,
               SUBJECT, "what may have been chance is asked once more of the model that comes first");
        static const vendor_step all[] = {{FAULT("503", "{}"), VENDOR_KEEP}};
        vendor_does(all, 1);
        tap_ok(ask_chat(CHAT("three")) == 503 && vendor.requests == 3 && head_has("\r\nx-should-retry: false\r\n")
                       && head_has("\r\nx-lethe-end: VF\r\n"),
               SUBJECT, "three attempts, then the caller is told, and told not to multiply them");
        static const vendor_step cut[] = {
                {nullptr, VENDOR_RESET},
                {"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{", VENDOR_CLOSE},
                {good, VENDOR_KEEP}};
        upstreams_close_idle(fx.relay->upstreams);
        vendor_does(cut, 3);
        tap_ok(ask_chat(CHAT("three")) == 200 && body_is(good_body) && head_has("\r\nx-lethe-attempts: 3\r\n"), SUBJECT,
               "one that hangs up, before or in its answer, is left for the next");
        static const vendor_step nonsense[] = {
                {"SSH-2.0-x\r\n\r\n", VENDOR_KEEP}, {FAULT("301", ""), VENDOR_KEEP}, {good, VENDOR_KEEP}};
        vendor_does(nonsense, 3);
        tap_ok(ask_chat(CHAT("three")) == 200 && head_has("\r\nx-lethe-attempts: 3\r\n"), SUBJECT,
               "so is one that does not speak the protocol");
}

static const struct {
        const char *sentence, *answer;
        unsigned want;
        const char *says;
        unsigned again; /* requests beyond the first */
} told[] = {
        {"a bad request keeps the vendor's words",
         FAULT("400", "{\"error\":{\"message\":\"bad temperature\",\"type\":\"t\",\"param\":\"p\",\"code\":\"c\"}}"),
         400, "{\"error\":{\"message\":\"bad temperature\",\"type\":\"t\",\"param\":\"p\",\"code\":\"c\"}}", 0},
        {"without words it gets ours", FAULT("400", "{}"), 400, "\"code\":\"upstream_refused\"", 0},
        {"without a body too", FAULT("422", ""), 400, "\"code\":\"upstream_refused\"", 0},
        {"our key's refusal is not the caller's", FAULT("401", "{\"error\":{\"message\":\"key sk\"}} "), 502,
         "\"code\":\"upstream_auth\"", 0},
        {"nor is our empty account", FAULT("429", "{\"error\":{\"code\":\"insufficient_quota\"}}  "), 503,
         "\"code\":\"upstream_quota\"", 0},
        {"a rate limit is told as one", FAULT("429", "{}"), 429, "\"code\":\"rate_limit_exceeded\"", 0},
        {"a server's fault gets our words", FAULT("500", "{\"error\":{\"message\":\"stack\"}}  "), 502,
         "\"code\":\"upstream_error\"", 1},
        {"a page is no answer", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>", 502,
         "\"code\":\"upstream_invalid\"", 1},
};

static void test_words(void)
{
        for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
                const vendor_step one[] = {{told[i].answer, VENDOR_CLOSE}};
                vendor_does(one, 1);
                unsigned status = ask_chat(CHAT("m"));
                if (!tap_ok(status == told[i].want && body_has(told[i].says) && vendor.requests == 1 + told[i].again,
                            SUBJECT,
                            told[i].sentence))
                        printf("# %u %s\n", status, me.body);
        }
        static const vendor_step wait[] = {
                {"HTTP/1.1 429 X\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n", VENDOR_KEEP}};
        vendor_does(wait, 1);
        tap_ok(ask_chat(CHAT("m")) == 429
                       && (head_has("\r\nretry-after: 17\r\n") || head_has("\r\nretry-after: 18\r\n")
                           || head_has("\r\nretry-after: 19\r\n"))
                       && !head_has("x-should-retry"),
               SUBJECT, "a vendor's Retry-After is passed on, and a little more");
        tap_ok(ask_chat(CHAT("gone")) == 502 && body_has("upstream_unreachable"), SUBJECT,
               "one that cannot be reached is told");
        vendor_does(wait, 1);
        tap_ok(ask_chat(CHAT("astray")) == 502 && body_has("upstream_auth") && vendor.requests == 0, SUBJECT,
               "a key bound to another host never leaves");
        tap_ok(ask_chat(CHAT("keyless")) == 502 && body_has("upstream_auth") && vendor.requests == 0, SUBJECT,
               "without its key a vendor is not asked");
}

/* Warm connections that are dead by the time they are used, at every target: each costs a record more. */
static void test_stale(void)
{
        static const vendor_step ok[] = {{good, VENDOR_KEEP}}, dies[] = {{nullptr, VENDOR_CLOSE}};
        static const vendor_step bad = {FAULT("500", "{}"), VENDOR_KEEP};
        upstreams_close_idle(fx.relay->upstreams);
        run_for(5);
        vendor_does(ok, 1);
        (void)ask_chat(CHAT("m"));
        vendor_does(dies, 1);
        vendor.first_of_conn = ok[0];
        uint64_t reused = counted(COUNTER_upstream_reused);
        tap_ok(ask_chat(CHAT("m")) == 200 && vendor.requests == 2 && counted(COUNTER_upstream_reused) == reused + 1
                       && head_has("x-lethe-attempts: 1\r\n"),
               SUBJECT, "a warm connection that was dead costs the caller nothing");
        /* Three warm ones, to one target each. */
        upstreams_close_idle(fx.relay->upstreams);
        static const vendor_step warm[] = {
                {FAULT("500", "{}"), VENDOR_KEEP}, {FAULT("500", "{}"), VENDOR_KEEP}, {good, VENDOR_KEEP}};
        vendor_does(warm, 3);
        (void)ask_chat(CHAT("three"));
        forget_records();
        vendor_does(dies, 1);
        vendor.first_of_conn = bad;
        tap_ok(ask_chat(CHAT("three")) == 502 && vendor.requests == 6, SUBJECT,
               "dead at every target, and every target failing, is an answer too");
        usage_record r = {};
        int attempts = 0;
        while (next_record(&r) && r.kind == USAGE_ATTEMPT)
                attempts++;
        tap_ok(attempts == 6 && r.kind == USAGE_EXCHANGE && r.attempts == 3 && r.ending == ENDING_UPSTREAM_ERROR,
               SUBJECT, "with a record of each");
}

static void test_large(void)
{
        static char body[200 * 1024], answer[300 * 1024];
        emit e = emit_into((uint8_t *)body, sizeof body - 1);
        emit_text(&e, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"");
        for (size_t i = 0; i < 150 * 1024; i++)
                emit_byte(&e, (uint8_t)('a' + i % 26));
        emit_text(&e, "\"}]}");
        snprintf(answer, sizeof answer,
                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
                 body);
        const vendor_step one[] = {{answer, VENDOR_KEEP}};
        vendor_does(one, 1);
        tap_ok(ask_chat(body) == 200 && body_is(body), SUBJECT, "a large answer comes whole");
        const char *sent = strstr(vendor.last, "\r\n\r\n");
        tap_ok(sent != nullptr && strlen(sent + 4) == strlen(body) + 7 && strcmp(sent + 4 + 20, body + 13) == 0,
               SUBJECT, "and a large request goes whole");
}

int main(void)
{
        fx_begin();
        test_one();
        test_failover();
        test_words();
        test_stale();
        test_large();
        return fx_end();
}
