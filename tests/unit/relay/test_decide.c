#include "unit/relay/fixture.h"

static const char SUBJECT[] = "decide";

static const vendor_step good[] = {{JSON_HEAD "{}", VENDOR_KEEP}};

static const struct {
        const char *sentence, *body, *says;
        unsigned want;
} refused[] = {
        {"a body that is no JSON", "{\"model\":\"m\",", "invalid_json", 400},
        {"no body", "", "invalid_json", 400},
        {"a key named twice", "{\"model\":\"m\",\"model\":\"m\",\"messages\":[]}", "duplicate_key", 400},
        {"a known key in another case", "{\"model\":\"m\",\"Messages\":[]}", "duplicate_key", 400},
        {"bytes that are no UTF-8", "{\"model\":\"m\",\"messages\":[],\"x\":\"\xff\"}", "invalid_utf8", 400},
        {"a field of the wrong type", "{\"model\":\"m\",\"messages\":{}}", "invalid_body", 400},
        {"a field that is missing", "{\"model\":\"m\"}", "invalid_body", 400},
        {"a model nobody knows", "{\"model\":\"nobody\",\"messages\":[]}", "model_not_found", 404},
        {"a private key",
         "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"-----BEGIN PRIVATE "
         "KEY-----\\nMC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAA\\n-----END PRIVATE KEY-----\"}]}",
         "(PRIVATE_KEY)", 422},
};

static void test_refused(void)
{
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
                vendor_does(good, 1);
                unsigned status = ask_chat(refused[i].body);
                if (!tap_ok(status == refused[i].want && body_has(refused[i].says) && vendor.requests == 0
                                    && !body_has("MC4CAQ"),
                            "refused", refused[i].sentence))
                        printf("# %u %s\n", status, me.body);
        }
        tap_ok(ask("POST /v1/embeddings", "{\"model\":\"m\",\"input\":[1,2,3]}") == 422 && body_has("policy_limit")
                       && vendor.requests == 0,
               "refused", "token ids, which nobody here can read");
        char fields[200];
        snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\n", fx.key[1]);
        say_request("POST /v1/chat/completions", fields, "{\"model\":\"m\",\"messages\":[]}");
        tap_ok(answered() && me.status == 403 && body_has("model_not_allowed") && vendor.requests == 0, "refused",
               "a model this key may not use");
        say_request("POST /v1/chat/completions", fields, "{\"model\":\"sm\\u0061ll\",\"messages\":[]}");
        tap_ok(answered() && me.status == 200 && strstr(vendor.last, "{\"model\":\"vendor-s\",") != nullptr, SUBJECT,
               "a name spelled in escapes is the name");
        forget_records();
        (void)ask_chat("{\"model\":\"m\",\"messages\":[{\"content\":\"-----BEGIN PRIVATE "
                       "KEY-----\\nMC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAA\\n-----END PRIVATE KEY-----\"}]}");
        usage_record r = {};
        tap_ok(next_record(&r) && r.kind == USAGE_EXCHANGE && r.ending == ENDING_REJECTED_POLICY && r.attempts == 0,
               SUBJECT, "a refusal is one record, without an attempt");
}

#define MAIL "jane.doe@kontor-nord.de"

static void test_edits(void)
{
        vendor_does(good, 1);
        static const char body[] =
                "{ \"temperature\": 1.50e0, \"model\" : \"m\", \"messages\":[{\"role\":\"user\",\"content\":\"" MAIL
                " \\u0041\"}], \"zz\":[1,2 ] }";
        unsigned status = ask_chat(body);
        const char *sent = strstr(vendor.last, "\r\n\r\n{ \"temperature\": 1.50e0, \"model\" : \"vendor-m\", "
                                               "\"messages\":[{\"role\":\"user\",\"content\":\"EMAILx");
        tap_ok(status == 200 && sent != nullptr && strstr(sent, " \\u0041\"}], \"zz\":[1,2 ] }") != nullptr
                       && strstr(vendor.last, MAIL) == nullptr,
               SUBJECT, "only the model and what policy found are changed, the rest stays to the byte");
        forget_records();
        (void)ask_chat(body);
        usage_record r = {};
        while (next_record(&r) && r.kind != USAGE_EXCHANGE)
                continue;
        tap_ok(r.redactions[ENTITY_EMAIL_ADDRESS] == 1, SUBJECT, "what was found is counted by its kind");
        tap_ok(ask("POST /v1/embeddings", "{\"model\":\"m\",\"input\":[\"" MAIL "\"]}") == 200
                       && strstr(vendor.last, MAIL) == nullptr,
               SUBJECT, "in embeddings too");
}

static void test_large(void)
{
        static char body[240 * 1024];
        emit e = emit_into((uint8_t *)body, sizeof body - 1);
        emit_text(&e, "{\"messages\":[{\"role\":\"user\",\"content\":\"");
        while (e.len < 200 * 1024)
                emit_text(&e, "some words and " MAIL " and more; ");
        emit_text(&e, "\"}],\"model\":\"m\"}");
        vendor_does(good, 1);
        tap_ok(ask_chat(body) == 200 && strstr(vendor.last, MAIL) == nullptr
                       && strstr(vendor.last, "and EMAILx") != nullptr,
               SUBJECT, "a body that takes several turns of the loop is walked to its end");
        caller_leave();
        run_until(all_over, nullptr, 1000);
        char fields[200];
        snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\n", fx.key[0]);
        vendor_does(good, 1);
        say_request("POST /v1/chat/completions", fields, body);
        for (int i = 0; i < 50 && counted(COUNTER_exchanges_now) == 0; i++)
                run_for(1);
        caller_leave();
        tap_ok(run_until(all_over, nullptr, 1000), SUBJECT, "a caller that leaves meanwhile leaves nothing behind");
}

int main(void)
{
        fx_begin();
        test_refused();
        test_edits();
        test_large();
        return fx_end();
}
