/* covers: answer.c vendor_message.c */
#include "unit/relay/fixture.h"

static const char SUBJECT[] = "answer";

#define MAIL "jane.doe@kontor-nord.de"
#define CHAT "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Write to " MAIL "\"}]}"

static char token[32];

static void does(const char *answer)
{
        const vendor_step one[] = {{answer, VENDOR_KEEP}};
        vendor_does(one, 1);
}

static void learn_token(void)
{
        does(JSON_HEAD "{}");
        (void)ask_chat(CHAT);
        const char *at = strstr(vendor.last, "EMAILx");
        snprintf(token, sizeof token, "%.14s", at == nullptr ? "(none)" : at);
}

static void test_restoring(void)
{
        char answer[1000], want[1000];
        snprintf(answer, sizeof answer,
                 JSON_HEAD "{ \"choices\":[{\"message\":{\"content\":\"to "
                           "%s.\",\"tool_calls\":[{\"id\":\"%s\",\"function\":{\"arguments\":\"{\\\"a\\\":\\\"%s\\\"}"
                           "\"}}]}}], \"n\":1.50 }",
                 token, token, token);
        snprintf(want, sizeof want,
                 "{ \"choices\":[{\"message\":{\"content\":\"to " MAIL
                 ".\",\"tool_calls\":[{\"id\":\"%s\",\"function\":{\"arguments\":\"{\\\"a\\\":\\\"" MAIL
                 "\\\"}\"}}]}}], \"n\":1.50 }",
                 token);
        does(answer);
        tap_ok(ask_chat(CHAT) == 200 && body_is(want), SUBJECT,
               "placeholders are put back where text stands, the rest stays to the byte");
        snprintf(answer, sizeof answer, JSON_HEAD "{\"data\":[{\"embedding\":[0.1]}],\"note\":\"%s\"}", token);
        does(answer);
        snprintf(want, sizeof want, "{\"data\":[{\"embedding\":[0.1]}],\"note\":\"%s\"}", token);
        tap_ok(ask("POST /v1/embeddings", "{\"model\":\"m\",\"input\":\"" MAIL "\"}") == 200 && body_is(want), SUBJECT,
               "embeddings have nothing to put back");
}

static const struct {
        const char *sentence, *answer, *code;
} broken[] = {
        {"one that is no JSON", JSON_HEAD "{\"choices\":[", "upstream_invalid"},
        {"one that is empty", JSON_HEAD "", "upstream_invalid"},
        {"an array", JSON_HEAD "[]", "upstream_invalid"},
        {"an error that says it is none", JSON_HEAD "{\"error\":{\"message\":\"m\"}}", "upstream_error"},
        {"a key twice", JSON_HEAD "{\"a\":1,\"a\":2}", "upstream_invalid"},
};

static void test_broken(void)
{
        for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
                does(broken[i].answer);
                tap_ok(ask_chat(CHAT) == 502 && body_has(broken[i].code), "broken", broken[i].sentence);
        }
        const vendor_step two[] = {{JSON_HEAD "{", VENDOR_KEEP}, {JSON_HEAD "{\"a\":1}", VENDOR_KEEP}};
        vendor_does(two, 2);
        tap_ok(ask_chat("{\"model\":\"three\",\"messages\":[]}") == 200 && body_is("{\"a\":1}"), "broken",
               "and the next target is asked");
}

static void test_large(void)
{
        static char answer[400 * 1024], want[400 * 1024];
        size_t a = (size_t)snprintf(answer, sizeof answer, JSON_HEAD "{\"choices\":[{\"message\":{\"content\":\"");
        size_t w = (size_t)snprintf(want, sizeof want, "{\"choices\":[{\"message\":{\"content\":\"");
        while (a < 300 * 1024) {
                a += (size_t)snprintf(answer + a, sizeof answer - a, "%s and some more \\u00e9; ", token);
                w += (size_t)snprintf(want + w, sizeof want - w, MAIL " and some more \xc3\xa9; ");
        }
        snprintf(answer + a, sizeof answer - a, "\"}}]}");
        snprintf(want + w, sizeof want - w, "\"}}]}");
        does(answer);
        tap_ok(ask_chat(CHAT) == 200 && body_is(want), SUBJECT,
               "a large one is restored over several turns of the loop");
}

static void test_messages(void)
{
        char answer[2000];
        snprintf(answer, sizeof answer,
                 FAULT("400",
                       "{\"error\":{\"message\":\"bad address %s\",\"type\":\"t\",\"param\":\"%s\",\"code\":\"c\"}}"),
                 token, token);
        does(answer);
        tap_ok(ask_chat(CHAT) == 400
                       && body_is("{\"error\":{\"message\":\"bad address " MAIL "\",\"type\":\"t\",\"param\":\"" MAIL
                                  "\",\"code\":\"c\"}}"),
               "message", "a vendor's words get the caller's values back");
        static const char key[] = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOP";
        snprintf(answer, sizeof answer,
                 FAULT("400",
                       "{\"error\":{\"message\":\"key %s is odd\",\"type\":\"%s\",\"param\":\"%s\",\"code\":\"%s\"}}"),
                 key, key, key, key);
        does(answer);
        tap_ok(ask_chat(CHAT) == 400 && !body_has("abcdefghij") && body_has("is odd"), "message",
               "a key in them is taken out, in every field");
        does(FAULT("400", "{\"error\":{\"message\":\"line\\nquote \\\" \\u00e9 ok\"}}"));
        tap_ok(ask_chat(CHAT) == 400 && body_has("\"message\":\"line\\nquote \\\" \xc3\xa9 ok\""), "message",
               "and are escaped again");
}

int main(void)
{
        fx_begin();
        learn_token();
        test_restoring();
        test_broken();
        test_large();
        test_messages();
        return fx_end();
}
