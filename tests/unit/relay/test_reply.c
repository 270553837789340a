/* covers: reply.c models.c */
#include "unit/relay/fixture.h"

static const char SUBJECT[] = "reply";

static void test_overloaded(void)
{
        const char *end = nullptr;
        bool good = true, after[4] = {};
        for (int close = 0; close < 2; close++)
                for (uint64_t spread = 0; spread < 3; spread++) {
                        const char *text = reply_overloaded(close == 1, spread),
                                   *length = strstr(text, "content-length: ");
                        end = strstr(text, "\r\n\r\n");
                        good = good && length != nullptr && strtoul(length + 16, nullptr, 10) == strlen(end + 4)
                               && (strstr(text, "\r\nconnection: close\r\n") != nullptr) == (close == 1)
                               && strstr(text, "\r\nx-lethe-end: LO\r\n") != nullptr;
                        after[strtoul(strstr(text, "\r\nretry-after: ") + 15, nullptr, 10) % 4] = true;
                }
        tap_ok(good, SUBJECT, "the prebuilt refusals have the length they say, and close or not");
        tap_ok(!after[0] && after[1] && after[2] && after[3], SUBJECT, "they ask for one to three seconds");
        arena a;
        openai_error e;
        arena_init(&a, 1 << 20);
        openai_error_read(view_of_text(end + 4), &a, &e);
        tap_ok(view_equal(e.message, view_of_text(err_describe(ERR_OVERLOADED)->text))
                       && view_equal(e.code, view_of_text(err_describe(ERR_OVERLOADED)->code)),
               SUBJECT, "and the words of its row");
        arena_end(&a);
}

static void test_head(void)
{
        char first[33] = "";
        bool good = ask("POST /nowhere", "{}") == 404 && head_has("\r\ncontent-type: application/json\r\n")
                    && head_has("\r\ncache-control: no-store\r\n") && head_has("\r\nx-lethe-end: LH\r\n")
                    && head_has("\r\nx-lethe-attempts: 0\r\n") && !head_has("retry-after")
                    && !head_has("x-should-retry");
        const char *id = strstr(me.in, "\r\nx-request-id: ");
        if (id != nullptr)
                snprintf(first, sizeof first, "%.32s", id + 16);
        tap_ok(good && strspn(first, "0123456789abcdef") == 32, SUBJECT,
               "every answer says who it is, how it ended and where the time went");
        good = ask("POST /nowhere", "{}") == 404;
        id = strstr(me.in, "\r\nx-request-id: ");
        tap_ok(good && id != nullptr && strncmp(id + 16, first, 32) != 0, SUBJECT, "no two have one id");
        fx.board->keeper = KEEPER_DOWN;
        good = ask("POST /v1/chat/completions", "{}") == 503 && head_has("\r\nretry-after: ")
               && head_has("\r\nx-lethe-end: LO\r\n");
        fx.board->keeper = KEEPER_OPEN;
        tap_ok(good, SUBJECT, "what may be tried later says when");
}

static bool lists(const char *model)
{
        char want[200];
        snprintf(want, sizeof want, "{\"id\":\"%s\",\"object\":\"model\",\"created\":0,\"owned_by\":\"lethe\"}", model);
        return body_has(want);
}

static void test_models(void)
{
        tap_ok(ask("GET /v1/models", nullptr) == 200 && lists("m") && lists("small") && lists("gone")
                       && strncmp(me.body, "{\"object\":\"list\",\"data\":[{", 26) == 0
                       && me.body[me.body_len - 1] == '}',
               "models", "a key that may use all sees all");
        tap_ok(ask("GET /v1/models/small", nullptr) == 200 && lists("small") && !lists("m"), "models",
               "one can be asked for");
        tap_ok(ask("GET /v1/models/nobody", nullptr) == 404 && body_has("model_not_found"), "models",
               "one that is not there is not there");
        char fields[200];
        snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\n", fx.key[1]);
        say_request("GET /v1/models", fields, nullptr);
        tap_ok(answered() && me.status == 200 && lists("small") && !lists("m") && !lists("gone"), "models",
               "a key that may use one sees one");
        say_request("GET /v1/models/m", fields, nullptr);
        tap_ok(answered() && me.status == 404 && body_has("model_not_found"), "models",
               "what it may not use is not there for it");
        say_request("GET /v1/models", "", nullptr);
        tap_ok(answered() && me.status == 401, "models", "without a key there are none");
}

int main(void)
{
        fx_begin();
        test_overloaded();
        test_head();
        test_models();
        return fx_end();
}
