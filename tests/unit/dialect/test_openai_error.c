#include "dialect/openai_error.h"

#include "base/limit.h"
#include "codec/utf8.h"
#include "support/tap.h"

static const char SUBJECT[] = "error";

static const struct {
        const char *sentence;
        view body;
        const char *message, *type, *code, *param;
} rows[] = {
        {"the shape of OpenAI",
         VIEW_INIT("{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":\"p\",\"code\":\"c\"}}"), "m", "t", "c",
         "p"},
        {"with nulls", VIEW_INIT("{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":null}}"), "m",
         "t", "", ""},
        {"a number as code", VIEW_INIT("{\"error\":{\"message\":\"m\",\"code\":429}}"), "m", "", "429", ""},
        {"a text for an error", VIEW_INIT("{\"error\":\"sorry\"}"), "sorry", "", "", ""},
        {"a bare message", VIEW_INIT("{\"message\":\"m\",\"code\":\"c\",\"type\":\"t\"}"), "m", "t", "c", ""},
        {"both: the first counts", VIEW_INIT("{\"error\":{\"message\":\"in\"},\"message\":\"out\"}"), "in", "", "", ""},
        {"escapes are decoded", VIEW_INIT("{\"error\":{\"message\":\"a\\n\\u00e9\\ud83d\\ude00\"}}"),
         "a\n\xc3\xa9\xf0\x9f\x98\x80", "", "", ""},
        {"more than we know",
         VIEW_INIT("{\"error\":{\"message\":\"m\",\"details\":[{\"message\":\"x\"}],\"inner\":{\"code\":1}}}"), "m", "",
         "", ""},
        {"wrong types are nothing", VIEW_INIT("{\"error\":{\"message\":{},\"type\":1,\"code\":[],\"param\":true}}"), "",
         "", "", ""},
        {"no error", VIEW_INIT("{\"ok\":true}"), "", "", "", ""},
        {"Google's, in an array",
         VIEW_INIT("[{\"error\":{\"code\":429,\"message\":\"m\",\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"@"
                   "type\":"
                   "\"x\"},{\"retryDelay\":\"34s\"}]}}]"),
         "m", "RESOURCE_EXHAUSTED", "429", ""},
        {"Google's, without the array, with a reason",
         VIEW_INIT(
                 "{\"error\":{\"status\":\"INVALID_ARGUMENT\",\"code\":400,\"message\":\"m\",\"details\":[{\"reason\":"
                 "\"API_KEY_INVALID\"}]}}"),
         "m", "API_KEY_INVALID", "400", ""},
        {"a number as status is none", VIEW_INIT("{\"error\":{\"message\":\"m\",\"status\":400,\"code\":\"c\"}}"), "m",
         "", "c", ""},
        {"SiliconFlow's", VIEW_INIT("{\"code\":20012,\"message\":\"m\",\"data\":null}"), "m", "", "20012", ""},
        {"xAI's", VIEW_INIT("{\"code\":\"c\",\"error\":\"m\"}"), "m", "", "c", ""},
        {"Qianfan's", VIEW_INIT("{\"error_code\":18,\"error_msg\":\"m\"}"), "m", "", "18", ""},
        {"Qianfan's in a success", VIEW_INIT("{\"code\":336501,\"msg\":\"m\"}"), "m", "", "336501", ""},
        {"Mistral's",
         VIEW_INIT("{\"object\":\"error\",\"message\":{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"m\",\"type\":\"x\"},{"
                   "\"msg\":\"n\"}]}"
                   ",\"type\":\"t\",\"param\":\"p\",\"code\":3051}"),
         "m", "t", "3051", "p"},
        {"a list of details", VIEW_INIT("{\"detail\":[{\"loc\":[\"a\",0],\"msg\":\"m\",\"type\":\"missing\"}]}"), "m",
         "", "", ""},
        {"a text as detail", VIEW_INIT("{\"detail\":\"m\"}"), "m", "", "", ""},
        {"a gateway's", VIEW_INIT("{\"statusCode\":401,\"message\":\"m\"}"), "m", "", "401", ""},
        {"nothing but a text", VIEW_INIT("\"Invalid token\""), "Invalid token", "", "", ""},
        {"OpenRouter's, inside an answer",
         VIEW_INIT("{\"id\":\"i\",\"choices\":[{\"message\":{\"content\":\"hi\"},\"error\":{\"code\":502,\"message\":"
                   "\"m\"}}]}"),
         "m", "", "502", ""},
        {"OpenRouter's, beside an answer",
         VIEW_INIT("{\"id\":\"i\",\"choices\":[],\"error\":{\"code\":402,\"message\":\"m\",\"metadata\":{\"raw\":\"r\","
                   "\"code\":1}}}"),
         "m", "", "402", ""},
        {"Anthropic's",
         VIEW_INIT("{\"type\":\"error\",\"error\":{\"type\":\"t\",\"message\":\"m\"},\"request_id\":\"r\"}"), "m", "t",
         "", ""},
        {"the better place counts, wherever it stands",
         VIEW_INIT("{\"detail\":\"6\",\"msg\":\"4\",\"message\":\"2\",\"type\":\"3\",\"code\":\"1\",\"param\":\"1\","
                   "\"error\":{"
                   "\"param\":\"0\",\"code\":\"0\",\"status\":\"2\",\"type\":\"0\",\"message\":\"0\"}}"),
         "0", "0", "0", "0"},
        {"an empty better place does not",
         VIEW_INIT("{\"error\":{\"message\":\"\",\"code\":null},\"message\":\"m\",\"code\":7}"), "m", "", "7", ""},
        {"a number of another form stays as it is", VIEW_INIT("{\"code\":-1.5e2,\"message\":1}"), "", "", "-1.5e2", ""},
        {"an empty array", VIEW_INIT("[]"), "", "", "", ""},
        {"texts in an array", VIEW_INIT("[\"m\"]"), "", "", "", ""},
        {"what begins well and is no JSON leaves nothing", VIEW_INIT("{\"error\":{\"message\":\"m\",\"code\":\"c\"}"),
         "", "", "", ""},
        {"a page", VIEW_INIT("<html>502</html>"), "", "", "", ""},
        {"nothing", VIEW_INIT(""), "", "", "", ""},
};

static bool is(view v, const char *want) { return view_equal(v, view_of_text(want)); }

static void test_read(void)
{
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                arena a;
                openai_error e;
                arena_init(&a, 1 << 20);
                openai_error_read(rows[i].body, &a, &e);
                tap_ok(is(e.message, rows[i].message) && is(e.type, rows[i].type) && is(e.code, rows[i].code)
                               && is(e.param, rows[i].param),
                       SUBJECT, rows[i].sentence);
                arena_end(&a);
        }
}

static void test_cut(void)
{
        static char body[20000];
        bool whole = true;
        for (size_t shift = 0; shift < 5; shift++) {
                arena a;
                openai_error e;
                emit b = emit_into((uint8_t *)body, sizeof body);
                arena_init(&a, 1 << 20);
                emit_text(&b, "{\"error\":{\"message\":\"");
                for (size_t i = 0; i < shift; i++)
                        emit_byte(&b, 'x');
                for (size_t i = 0; i < 2000; i++)
                        emit_text(&b, "\xf0\x9f\x98\x80");
                emit_text(&b, "\"}}");
                openai_error_read((view){(uint8_t *)body, b.len}, &a, &e);
                whole = whole && e.message.len <= LIMIT_ERROR_MESSAGE_BYTES
                        && e.message.len > LIMIT_ERROR_MESSAGE_BYTES - 4 && (e.message.len - shift) % 4 == 0;
                arena_end(&a);
        }
        tap_ok(whole, SUBJECT, "a long message is cut at a code point");
        arena a;
        openai_error e;
        arena_init(&a, 0);
        openai_error_read(rows[0].body, &a, &e);
        tap_ok(e.message.len == 0 && e.code.len == 0, SUBJECT, "without memory nothing is read");
}

static void test_retry_delay(void)
{
        static const view bodies[] = {
                VIEW_INIT("{\"error\":{\"code\":429,\"details\":[{\"a\":1},{\"retryDelay\":\"34s\"}]}}"),
                VIEW_INIT(
                        "[{\"error\":{\"code\":429,\"details\":[{\"retryDelay\":\"34s\"},{\"retryDelay\":\"1s\"}]}}]"),
                VIEW_INIT("{\"error\":{\"code\":429,\"details\":[{\"retryDelay\":34}]},\"retryDelay\":\"34s\"}")};
        arena a;
        openai_error e[3];
        arena_init(&a, 1 << 20);
        for (size_t i = 0; i < 3; i++)
                openai_error_read(bodies[i], &a, &e[i]);
        tap_ok(is(e[0].retry_delay, "34s") && is(e[1].retry_delay, "34s") && e[2].retry_delay.len == 0, SUBJECT,
               "says when to come back");
        arena_end(&a);
}

/* A body that called itself a success may be as long as an answer: of a long text no more is decoded than counts. */
static void test_long(void)
{
        enum : size_t { LONG = 3 << 20 };
        static uint8_t body[LONG + 64];
        static const char *const units[] = {"x", "\\n", "\\u00e9", "\\ud83d\\ude00", "\xf0\x9f\x98\x80"};
        bool whole = true;
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
                arena a;
                openai_error e;
                emit b = emit_into(body, sizeof body);
                arena_init(&a, 1 << 20);
                emit_text(&b, "{\"code\":1,\"msg\":\"x");
                while (b.len < LONG)
                        emit_text(&b, units[u]);
                emit_text(&b, "\"}");
                openai_error_read((view){body, b.len}, &a, &e);
                whole = whole && is(e.code, "1") && e.message.len <= LIMIT_ERROR_MESSAGE_BYTES
                        && e.message.len > LIMIT_ERROR_MESSAGE_BYTES - 4;
                arena_end(&a);
        }
        tap_ok(whole, SUBJECT, "of a text of megabytes the beginning is read, in little memory");
}

static void test_write(void)
{
        uint8_t room[1024];
        emit out = emit_into(room, sizeof room);
        const openai_error e = {.message = VIEW("a\"b\n"), .type = VIEW("t"), .param = VIEW("p\\"), .code = VIEW("c")};
        openai_error_write(&e, &out);
        tap_ok(view_equal((view){room, out.len}, VIEW("{\"error\":{\"message\":\"a\\\"b\\n\",\"type\":\"t\",\"param\":"
                                                      "\"p\\\\\",\"code\":\"c\"}}")),
               SUBJECT, "is written escaped");
        out = emit_into(room, sizeof room);
        openai_error_write(&(openai_error){}, &out);
        tap_ok(view_equal((view){room, out.len},
                          VIEW("{\"error\":{\"message\":\"\",\"type\":\"\",\"param\":null,\"code\":null}}")),
               SUBJECT, "what is empty is null where that may be");
        out = emit_into(room, sizeof room);
        openai_error_write_own(ERR_PII_BLOCKED, VIEW("CREDIT_CARD"), &out);
        arena a;
        openai_error back;
        arena_init(&a, 1 << 20);
        openai_error_read((view){room, out.len}, &a, &back);
        tap_ok(is(back.code, err_describe(ERR_PII_BLOCKED)->code)
                       && view_starts(back.message, view_of_text(err_describe(ERR_PII_BLOCKED)->text))
                       && back.message.len > 14
                       && is(view_slice(back.message, back.message.len - 14, back.message.len), " (CREDIT_CARD)"),
               SUBJECT, "our own names what it is about");
        bool good = true;
        for (int c = 1; c < ERR_COUNT; c++) {
                out = emit_into(room, sizeof room);
                openai_error_write_own((err_code)c, (view){}, &out);
                openai_error_read((view){room, out.len}, &a, &back);
                good = good && !out.full && is(back.message, err_describe((err_code)c)->text)
                       && is(back.type, err_describe((err_code)c)->type)
                       && is(back.code, err_describe((err_code)c)->code);
        }
        tap_ok(good, SUBJECT, "every row of ours comes back as it stands in the table");
        arena_end(&a);
}

int main(void)
{
        test_read();
        test_cut();
        test_retry_delay();
        test_long();
        test_write();
        return tap_done();
}
