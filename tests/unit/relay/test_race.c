/* covers: race.c */
#include "unit/relay/fixture.h"

static const char SUBJECT[] = "race";

#define ASK       "{\"model\":\"three\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
#define WHOLE_ASK "{\"model\":\"three\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
#define ROLE      "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"
#define TEXT(t)   "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" t "\"}}]}\n\n"
#define STOP      "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define DONE      "data: [DONE]\n\n"

static const char good[] = STREAM_HEAD ROLE TEXT("b") STOP DONE;
static const char good_body[] = ROLE TEXT("b") STOP DONE;

static catalog_model *three(void) { return &fx.catalog->models[catalog_find_model(fx.catalog, VIEW("three"))]; }

static void hedging(bool model, bool key, uint32_t ms)
{
        three()->hedge = model;
        three()->hedge_ms = ms;
        fx.catalog->keys[0].hedge = key;
}

/* The attempts of the last exchange, in the order they ended; false when it left other records. */
static bool attempts_were(const usage_basis *basis, size_t count, ending how)
{
        usage_record r = {};
        bool         same = true;
        for (size_t i = 0; i < count; i++)
                same = next_record(&r) && r.kind == USAGE_ATTEMPT && r.basis == basis[i] && same;
        return next_record(&r) && r.kind == USAGE_EXCHANGE && r.attempts == count && r.ending == how && same;
}

static void test_copy(void)
{
        hedging(true, true, 30);
        const vendor_step script[] = {{nullptr, VENDOR_SILENT}, {good, VENDOR_CLOSE}};
        vendor_does(script, 2);
        forget_records();
        uint64_t sent = counted(COUNTER_hedges), won = counted(COUNTER_hedges_won);
        tap_ok(ask_chat(ASK) == 200 && body_is(good_body) && head_has("\r\nx-lethe-attempts: 2\r\n")
                       && head_has("\r\nx-lethe-target: two/b\r\n"),
               SUBJECT, "what is late gets a second copy elsewhere, and the first to speak answers");
        tap_ok(counted(COUNTER_hedges) == sent + 1 && counted(COUNTER_hedges_won) == won + 1 && vendor.requests == 2,
               SUBJECT, "one copy, counted, and that it won");
        static const usage_basis both[] = {USAGE_ESTIMATED, USAGE_ESTIMATED};
        run_until(all_over, nullptr, 1000);
        tap_ok(attempts_were(both, 2, ENDING_WHOLE), SUBJECT, "both are accounted, the loser as possibly charged");
        run_for(20);
        bool open = false;
        for (size_t i = 0; i < vendor.connections; i++)
                open = open || (vendor.conns[i]->conn != nullptr && vendor.conns[i]->served > 0);
        tap_ok(!open, SUBJECT, "the loser's connection is closed");

        const vendor_step fails[] = {{nullptr, VENDOR_SILENT}, {FAULT("500", "{}"), VENDOR_KEEP}, {good, VENDOR_CLOSE}};
        vendor_does(fails, 3);
        fx.catalog->settings.stream_ms = 400;
        tap_ok(ask_chat(ASK) == 504 && vendor.requests == 2, SUBJECT,
               "a copy that fails ends alone: the first is still waited for");
        fx.catalog->settings.stream_ms = LIMIT_STREAM_MS;
        const vendor_step role[] = {{STREAM_HEAD ROLE, VENDOR_SILENT}, {good, VENDOR_CLOSE}};
        vendor_does(role, 2);
        tap_ok(ask_chat(ASK) == 200 && body_is(good_body), SUBJECT,
               "a head and a role are no content: the copy may still win, and its answer comes alone");
}

static void test_without(void)
{
        const vendor_step script[] = {{nullptr, VENDOR_SILENT}, {good, VENDOR_CLOSE}};
        fx.catalog->settings.stream_ms = 300;
        struct {
                bool        model, key;
                uint32_t    ms;
                const char *field, *body, *sentence;
        } rows[] = {
                {true, false, 30, "", ASK, "a key that does not pay gets no copy"},
                {false, true, 30, "", ASK, "nor does an alias that allows none"},
                {true, true, 30, "X-Lethe-Hedge: no\r\n", ASK, "nor a caller that does not want one"},
                {true, true, 0, "", ASK, "while too little is known there is no usual time to be late against"},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                hedging(rows[i].model, rows[i].key, rows[i].ms);
                vendor_does(script, 2);
                caller_dial();
                char fields[200];
                snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\n%s", fx.key[0], rows[i].field);
                say_request("POST /v1/chat/completions", fields, rows[i].body);
                tap_ok(answered() && me.status == 504 && vendor.requests == 1, SUBJECT, rows[i].sentence);
        }
        fx.catalog->settings.stream_ms = LIMIT_STREAM_MS;
}

static void test_leaves(void)
{
        hedging(true, true, 20);
        const vendor_step silent[] = {{nullptr, VENDOR_SILENT}};
        vendor_does(silent, 1);
        char fields[200];
        snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\n", fx.key[0]);
        caller_dial();
        say_request("POST /v1/chat/completions", fields, ASK);
        run_for(80);
        forget_records();
        bool two = vendor.requests == 2;
        caller_leave();
        static const usage_basis both[] = {USAGE_ESTIMATED, USAGE_ESTIMATED};
        tap_ok(two && run_until(all_over, nullptr, 1000) && attempts_were(both, 2, ENDING_CLIENT_ABORT), SUBJECT,
               "a caller that leaves two copies behind ends both");
}

static void test_first_token(void)
{
        hedging(false, false, 0);
        three()->first_token_ms = 100;
        const vendor_step script[] = {{STREAM_HEAD ROLE, VENDOR_SILENT}, {good, VENDOR_CLOSE}};
        vendor_does(script, 2);
        tap_ok(ask_chat(ASK) == 200 && body_is(good_body) && head_has("\r\nx-lethe-attempts: 2\r\n"), SUBJECT,
               "no content within the alias's limit: the next target");
        const vendor_step silent[] = {{STREAM_HEAD ROLE, VENDOR_SILENT}};
        vendor_does(silent, 1);
        fx.catalog->settings.stream_ms = 600;
        (void)ask_chat(ASK);
        tap_ok(vendor.requests == 3, SUBJECT, "as long as there is one: the last is waited for");
        fx.catalog->settings.stream_ms = LIMIT_STREAM_MS;
        const vendor_step slow[] = {{JSON_HEAD "{\"choices\":[]}", VENDOR_KEEP}};
        vendor_does(slow, 1);
        tap_ok(ask_chat(WHOLE_ASK) == 200 && head_has("\r\nx-lethe-attempts: 1\r\n"), SUBJECT,
               "a whole answer has no first token to wait for");
        three()->first_token_ms = 0;
}

int main(void)
{
        fx_begin();
        test_copy();
        test_without();
        test_leaves();
        test_first_token();
        return fx_end();
}
