#include "unit/relay/fixture.h"

static const char SUBJECT[] = "admit";

#define BODY "{\"model\":\"m\",\"messages\":[]}"

static const vendor_step good[] = {{JSON_HEAD "{}", VENDOR_KEEP}};
static const vendor_step silent[] = {{nullptr, VENDOR_SILENT}};

static unsigned with(const char *line, const char *fields, const char *body)
{
        me.status = 0;
        say_request(line, fields, body);
        return answered() ? me.status : 0;
}

static const struct {
        const char *sentence, *line, *body, *code;
        unsigned want;
} routes[] = {
        {"another address is nothing", "GET /", nullptr, "unknown_url", 404},
        {"nor is one that begins alike", "POST /v1/chat/completions/", "{}", "unknown_url", 404},
        {"nor one in another spelling", "POST /v1/Chat/completions", "{}", "unknown_url", 404},
        {"nor one that would have to be resolved", "POST /v1/../v1/chat/completions", "{}", "unknown_url", 404},
        {"nor one with escapes", "POST /v1/chat%2fcompletions", "{}", "unknown_url", 404},
        {"nor one with a second slash", "POST //v1/chat/completions", "{}", "unknown_url", 404},
        {"a known one by another method is told so", "GET /v1/chat/completions", nullptr, "method_not_allowed", 405},
        {"and the other way round", "POST /v1/models", "{}", "method_not_allowed", 405},
        {"PUT is no method here", "PUT /v1/embeddings", "{}", "method_not_allowed", 405},
        {"a question mark begins what is not looked at", "POST /v1/chat/completions?api-version=1", BODY, "", 200},
};

static void test_routes(void)
{
        for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
                vendor_does(good, 1);
                unsigned status = ask(routes[i].line, routes[i].body);
                if (!tap_ok(status == routes[i].want && body_has(routes[i].code), "route", routes[i].sentence))
                        printf("# %u %s\n", status, me.in);
        }
}

static void test_keys(void)
{
        static const char *const names[] = {"Authorization: Bearer", "authorization: bearer",
                                            "x-api-key:", "x-goog-api-key:"};
        char fields[600];
        bool all = true;
        vendor_does(good, 1);
        for (size_t i = 0; i < 4; i++) {
                snprintf(fields, sizeof fields, "%s %s\r\n", names[i], fx.key[0]);
                all = all && with("POST /v1/chat/completions", fields, BODY) == 200;
        }
        tap_ok(all, "key", "is taken from any of three fields");
        snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\nx-api-key: %s\r\n", fx.key[0], fx.key[0]);
        tap_ok(with("POST /v1/chat/completions", fields, BODY) == 200, "key", "the same in two of them is one");
        snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\nx-api-key: %s\r\n", fx.key[0], fx.key[1]);
        uint64_t refused = counted(COUNTER_refused_auth);
        tap_ok(with("POST /v1/chat/completions", fields, BODY) == 400, "key", "two different ones are a contradiction");
        snprintf(fields, sizeof fields, "Authorization: Basic %s\r\n", fx.key[0]);
        tap_ok(with("POST /v1/chat/completions", fields, BODY) == 401, "key", "another scheme is none");
        tap_ok(with("POST /v1/chat/completions", "", BODY) == 401 && body_has("invalid_api_key"), "key",
               "none is none");
        snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\n", fx.key[2]);
        tap_ok(with("POST /v1/chat/completions", fields, BODY) == 401, "key", "one that has expired is none");
        char wrong[2][CLIENT_KEY_BYTES + 1], id[9];
        memcpy(wrong[0], fx.key[0], sizeof wrong[0]);
        wrong[0][20] = wrong[0][20] == 'a' ? 'b' : 'a';
        emit e = emit_into((uint8_t *)wrong[1], CLIENT_KEY_BYTES);
        client_key_text(&e, id);
        wrong[1][CLIENT_KEY_BYTES] = '\0';
        for (int i = 0; i < 2; i++) {
                snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\n", wrong[i]);
                tap_ok(with("POST /v1/chat/completions", fields, BODY) == 401, "key",
                       i == 0 ? "one letter wrong is none" : "one that nobody was given is none");
        }
        snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\n", fx.key[0]);
        char url[200];
        snprintf(url, sizeof url, "POST /v1/chat/completions?key=%s", fx.key[0]);
        tap_ok(with(url, "", BODY) == 401, "key", "never from the address");
        tap_ok(counted(COUNTER_refused_auth) == refused + 6, "key", "refusals are counted");
}

static void test_serving(void)
{
        vendor_does(good, 1);
        fx.board->keeper = KEEPER_SEALED;
        tap_ok(ask_chat(BODY) == 503 && body_has("vault_sealed") && head_has("\r\nretry-after: "), SUBJECT,
               "nothing is served while the vault is sealed");
        fx.board->keeper = KEEPER_DOWN;
        tap_ok(ask_chat(BODY) == 503 && body_has("no_accounting"), SUBJECT, "nor without a keeper");
        fx.board->keeper = KEEPER_OPEN;
        lease_write_begin(fx.lease);
        lease_write_end(fx.lease, false);
        tap_ok(ask_chat(BODY) == 503 && body_has("vault_sealed"), SUBJECT, "nor without what it lends");
        lease_write_begin(fx.lease);
        lease_write_end(fx.lease, true);
        tap_ok(ask_chat(BODY) == 200, SUBJECT, "after it all is as before");
}

/* One request that stays open on a connection of its own. */
static caller other;

static void hold_one(void)
{
        static char text[1000];
        net_target to = {.family = 4, .address = {127, 0, 0, 1}, .port = fx.port};
        vendor_does(silent, 1);
        other = (caller){};
        other.conn = net_dial(fx.loop, &to, &caller_user, &other);
        run_until(caller_settled, &other, 2000);
        snprintf(text, sizeof text,
                 "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: "
                 "%zu\r\n\r\n%s",
                 fx.key[0], strlen(BODY), BODY);
        net_write(other.conn, view_of_text(text));
        run_for(20);
}

static void let_go(void)
{
        net_abort(other.conn, true);
        run_until(all_over, nullptr, 1000);
}

static void test_bounds(void)
{
        catalog_settings *s = &fx.catalog->settings, kept = *s;
        hold_one();
        s->exchanges = 1;
        tap_ok(fx.relay->exchanges == 1 && ask_chat(BODY) == 503 && body_has("\"overloaded\"")
                       && head_has("\r\nretry-after: "),
               SUBJECT, "more exchanges than the limit are refused");
        *s = kept;
        s->key_exchanges = 1;
        uint64_t busy = counted(COUNTER_refused_key_busy);
        tap_ok(ask_chat(BODY) == 429 && body_has("too_many_concurrent")
                       && counted(COUNTER_refused_key_busy) == busy + 1,
               SUBJECT, "more exchanges of one key too");
        char fields[200];
        snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\n", fx.key[1]);
        vendor_does(good, 1);
        tap_ok(with("POST /v1/chat/completions", fields, "{\"model\":\"small\",\"messages\":[]}") == 200, SUBJECT,
               "another key is another's");
        let_go();
        tap_ok(ask_chat(BODY) == 200, SUBJECT, "and there is room again when it ends");
        *s = kept;
        s->bodies_bytes = 100;
        static char long_body[400];
        memset(long_body, ' ', sizeof long_body - 1);
        memcpy(long_body, BODY, sizeof BODY - 1);
        tap_ok(ask_chat(BODY) == 200 && ask_chat(long_body) == 503 && body_has("\"overloaded\""), SUBJECT,
               "more bytes of bodies than the limit are refused");
        *s = kept;
        tap_ok(ask_chat(long_body) == 200 && fx.relay->body_bytes == 0, SUBJECT, "no byte stays counted");
}

int main(void)
{
        fx_begin();
        test_routes();
        test_keys();
        test_serving();
        test_bounds();
        return fx_end();
}
