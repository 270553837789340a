#include "route/fault.h"

#include <stdlib.h>
#include <string.h>

#include "dialect/openai_error.h"
#include "support/tap.h"

typedef enum row_kind { CODE, HINT, STATUS, TEXT, START } row_kind;

#define VENDOR_NAME(family, other)
#define FAULT_SAID(kind, family, words, class) {kind, FAULT_##class, family, words},
static const struct {
        row_kind kind;
        fault_class class;
        const char *family, *words;
} table[] = {
#include "route/fault_vendor.def"
};
#undef VENDOR_NAME
#undef FAULT_SAID

#define VENDOR_NAME(family, other) {family, other},
#define FAULT_SAID(kind, family, words, class)
static const struct {
        const char *family, *other;
} names[] = {
#include "route/fault_vendor.def"
};
#undef VENDOR_NAME
#undef FAULT_SAID

enum : size_t { TABLE = sizeof table / sizeof *table, NAMES = sizeof names / sizeof *names };

static fault_class of(const char *vendor, uint16_t status, const char *code, const char *message)
{
        return fault_of(&(fault_said){
                .vendor = vendor, .status = status, .code = view_of_text(code), .message = view_of_text(message)});
}

static fault_class of_type(const char *vendor, uint16_t status, const char *type)
{
        return fault_of(&(fault_said){.vendor = vendor, .status = status, .type = view_of_text(type)});
}

/* A word as a vendor would write it: a row that ends in '*' is a beginning. */
static const char *spoken(const char *words)
{
        static char room[64];
        size_t len = strlen(words);
        if (words[len - 1] != '*')
                return words;
        snprintf(room, sizeof room, "%.*sSomething", (int)len - 1, words);
        return room;
}

static bool for_all(const char *family) { return family[0] == '*'; }

/* Callers' words may stand in the sentence: beside a code it speaks against a key only where a vendor says it so. */
static fault_class with_code(size_t i)
{
        bool heard = !for_all(table[i].family) || fault_describe(table[i].class)->blame == BLAME_NOBODY;
        return heard ? table[i].class : FAULT_BAD_REQUEST;
}

/* What a message may still make of a class; a status that has a row of its own, or is 5xx, stands against a hint. */
static bool row_is_heard(size_t i)
{
        const char *words = table[i].words, *vendor = for_all(table[i].family) ? "house" : table[i].family;
        fault_class want = table[i].class;
        char sentence[128];
        switch (table[i].kind) {
        case CODE:
                words = spoken(words);
                return of(vendor, 400, words, "") == want && of(vendor, 200, words, "") == want
                       && of(vendor, 429, words, "") == want && of(vendor, 503, words, "") == want
                       && of_type(vendor, 422, words) == want && of_type(vendor, 500, words) == want;
        case HINT:
                return of(vendor, 400, words, "") == want && of(vendor, 200, words, "") == want
                       && of_type(vendor, 422, words) == want && of(vendor, 401, words, "") == FAULT_AUTH
                       && of(vendor, 429, words, "") == FAULT_RATE && of(vendor, 503, words, "") == FAULT_OVERLOADED
                       && of(vendor, 500, words, "") == FAULT_SERVER;
        case STATUS:
                return of(vendor, (uint16_t)atoi(words), "", "") == want && of(vendor, 200, words, "") == want
                       && of(vendor, 418, words, "") == want;
        case TEXT:
        case START:
                snprintf(sentence, sizeof sentence, "%c%s 7 s.", words[0] - 'a' + 'A', words + 1);
                return of(vendor, 400, "", sentence) == want && of(vendor, 200, "", sentence) == want
                       && of(vendor, 413, "", sentence) == want
                       && of(vendor, 400, "invalid_request_error", sentence) == with_code(i)
                       && of(vendor, 500, "", sentence) == FAULT_SERVER && of(vendor, 401, "", sentence) == FAULT_AUTH
                       && of(vendor, 400, "content_filter", sentence) == FAULT_FILTER;
        }
        return false;
}

/* Does the same row, or an equal one of all vendors, speak for another vendor too? */
static bool row_keeps_to_its_own(size_t i)
{
        if (for_all(table[i].family))
                return true;
        for (size_t j = 0; j < TABLE; j++)
                if (j != i && table[j].kind == table[i].kind && strcmp(table[j].words, table[i].words) == 0)
                        return true;
        const char *words = spoken(table[i].words);
        uint16_t bare = table[i].kind == STATUS ? (uint16_t)atoi(words) : 418;
        if (table[i].kind == CODE && strlen(words) == 3 && atoi(words) >= 400)
                return true;
        if (table[i].kind >= TEXT)
                return of("house", 400, "", words) == FAULT_BAD_REQUEST;
        return of("house", bare, table[i].kind == STATUS ? "" : words, "") == FAULT_BAD_REQUEST
               && of_type(nullptr, bare, table[i].kind == STATUS ? "" : words) == FAULT_BAD_REQUEST;
}

static void test_table(void)
{
        for (size_t i = 0; i < TABLE; i++) {
                tap_ok(row_is_heard(i), table[i].family, table[i].words);
                if (!row_keeps_to_its_own(i))
                        tap_ok(false, "bound to its vendor", table[i].words);
        }
        bool order = true;
        for (size_t i = 1; i < TABLE; i++)
                order = order && !(for_all(table[i - 1].family) && !for_all(table[i].family));
        tap_ok(order, "table", "the rows of vendors stand before those of all");
        bool named = true;
        for (size_t i = 0; i < NAMES; i++) {
                char upper[32] = {};
                for (size_t c = 0; names[i].other[c] != '\0'; c++)
                        upper[c] = (char)(names[i].other[c] >= 'a' && names[i].other[c] <= 'z' ? names[i].other[c] - 32
                                                                                               : names[i].other[c]);
                for (size_t r = 0; r < TABLE; r++)
                        if (strcmp(table[r].family, names[i].family) == 0 && table[r].kind == CODE)
                                named = named && of(names[i].other, 418, spoken(table[r].words), "") == table[r].class
                                        && of(upper, 418, spoken(table[r].words), "") == table[r].class;
        }
        tap_ok(named, "table", "every other name of a vendor means that vendor, in any case");
        tap_ok(of("zhipu-cn", 429, "1113", "") == FAULT_BILLING && of("glm.2", 429, "1113", "") == FAULT_BILLING
                       && of("glmx", 429, "1113", "") == FAULT_RATE && of("gl", 429, "1113", "") == FAULT_RATE
                       && of("", 429, "1113", "") == FAULT_RATE,
               "vendor", "a name counts up to its first sign that is neither letter nor digit, and whole");
}

static fault_class want_of_status(uint16_t status)
{
        for (size_t i = 0; i < TABLE; i++)
                if (table[i].kind == STATUS && for_all(table[i].family) && atoi(table[i].words) == status)
                        return table[i].class;
        return status >= 400 && status < 500 ? FAULT_BAD_REQUEST : FAULT_SERVER;
}

static void test_order(void)
{
        bool alone = true, unheard = true, number = true;
        for (uint16_t status = 200; status < 600; status++) {
                char digits[8];
                snprintf(digits, sizeof digits, "%u", status);
                alone = alone && of("house", status, "", "") == want_of_status(status);
                unheard = unheard && of("house", status, "Model_Not_Found", "") == want_of_status(status);
                number = number
                         && of("house", 200, digits, "") == (status < 400 ? FAULT_SERVER : want_of_status(status))
                         && of("house", 500, digits, "") == FAULT_SERVER;
        }
        tap_ok(alone, "status", "alone it decides, each of them");
        tap_ok(unheard, "status", "it decides beside a word nobody knows; case counts in words");
        tap_ok(number, "status", "a number in the code stands for one, from 400 on, but not against a 5xx");
        tap_ok(of("house", 400, "429", "") == FAULT_RATE && of("house", 429, "0429", "") == FAULT_RATE
                       && of("house", 400, "99999999999999999999", "") == FAULT_BAD_REQUEST
                       && of("house", 400, "4290", "") == FAULT_BAD_REQUEST,
               "status", "a number that is none is only a word");
        const fault_said both = {.status = 400, .code = VIEW("rate_limit_exceeded"), .type = VIEW("billing_error")};
        tap_ok(fault_of(&both) == FAULT_RATE, "code", "stands before the type");
        tap_ok(of("qwen", 429, "insufficient_quota", "") == FAULT_RATE
                       && of("openai", 429, "insufficient_quota", "") == FAULT_BILLING,
               "code", "a vendor's own meaning stands before that of all");
        tap_ok(of("groq", 498, "", "") == FAULT_OVERLOADED && of("cohere", 498, "", "") == FAULT_FILTER
                       && of("house", 498, "", "") == FAULT_BAD_REQUEST,
               "498", "is no capacity at one, a denied word at the other, and no known thing elsewhere");
        tap_ok(of("mistral", 429, "1300", "") == FAULT_RATE && of("glm", 400, "1300", "") == FAULT_BAD_REQUEST
                       && of("mistral", 400, "1302", "") == FAULT_BAD_REQUEST,
               "code", "the same digits mean another thing elsewhere");
}

static void test_text(void)
{
        char far[2200];
        memset(far, 'x', sizeof far);
        snprintf(far + 2060, 40, " maximum context length");
        tap_ok(of("house", 400, "", far) == FAULT_BAD_REQUEST, "text", "only its first 2 KiB are read");
        memmove(far, far + 60, 2060);
        tap_ok(of("house", 400, "", far) == FAULT_CONTEXT, "text", "all of its first 2 KiB are read");
        tap_ok(of("house", 400, "", "status 429, code 401, error 402, 503") == FAULT_BAD_REQUEST, "text",
               "numbers in it are nothing");
        tap_ok(of("house", 400, "", "Invalid value 'my credit balance'") == FAULT_BAD_REQUEST
                       && of("house", 400, "", "Bad `try again in 3s`") == FAULT_BAD_REQUEST
                       && of("house", 400, "", "Unknown \"credit balance\"") == FAULT_BAD_REQUEST,
               "text", "what it quotes sets no key aside");
        tap_ok(of("house", 400, "", "In 'messages': maximum context length is 8192") == FAULT_CONTEXT, "text",
               "what blames nobody may stand behind a quotation");
        tap_ok(of("xai", 400, "", "Wrong: incorrect API key provided") == FAULT_BAD_REQUEST
                       && of("house", 429, "", "Sorry. Request too large for x") == FAULT_RATE,
               "text", "a beginning must stand at the beginning");
        tap_ok(of("groq", 413, "rate_limit_exceeded", "Request too large for model `m` in organization `o`")
                               == FAULT_CONTEXT
                       && of("openai", 429, "rate_limit_exceeded", "Request too large for m: Limit 3, Requested 4")
                                  == FAULT_CONTEXT
                       && of("openai", 429, "rate_limit_exceeded", "Rate limit reached for m") == FAULT_RATE,
               "text", "one request too large for a key's rate does not park the key");
        tap_ok(of("openai", 429, "insufficient_quota", "Please try again in 3s") == FAULT_BILLING
                       && of("openai", 500, "", "Please try again in 3s") == FAULT_SERVER
                       && of("house", 429, "", "prompt is too long") == FAULT_RATE,
               "text", "it never stands against what code or status say");
        tap_ok(of("house", 200, "server_error", "credit balance") == FAULT_SERVER
                       && of("house", 200, "", "whatever") == FAULT_SERVER,
               "text", "an error in a success is the vendor's fault until something says more");
}

/* Bodies as vendors send them, and what they must mean. */
static const struct {
        const char *vendor;
        uint16_t status;
        fault_class want;
        const char *body;
} samples[] = {
        {"openai", 400, FAULT_CONTEXT,
         "{\"error\":{\"message\":\"This model's maximum context length is 8192 "
         "tokens.\",\"type\":\"invalid_request_error\",\"param\":\"messages\",\"code\":\"context_length_exceeded\"}}"},
        {"openai", 401, FAULT_AUTH,
         "{\"error\":{\"message\":\"Incorrect API key "
         "provided\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"invalid_api_key\"}}"},
        {"openai", 401, FAULT_AUTH,
         "{\"error\":{\"message\":\"You didn't provide an API "
         "key.\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}"},
        {"openai", 404, FAULT_NOT_FOUND,
         "{\"error\":{\"message\":\"The model `x` does not "
         "exist\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"model_not_found\"}}"},
        {"openai", 429, FAULT_BILLING,
         "{\"error\":{\"message\":\"You exceeded your current "
         "quota\",\"type\":\"insufficient_quota\",\"param\":null,\"code\":\"insufficient_quota\"}}"},
        {"openai", 429, FAULT_RATE,
         "{\"error\":{\"message\":\"Rate limit reached for m. Please try again in "
         "20ms.\",\"type\":\"tokens\",\"param\":null,\"code\":\"rate_limit_exceeded\"}}"},
        {"openai", 500, FAULT_SERVER,
         "{\"error\":{\"message\":\"The server had an "
         "error\",\"type\":\"server_error\",\"param\":null,\"code\":null}}"},
        {"openai", 503, FAULT_OVERLOADED,
         "{\"error\":{\"message\":\"The engine is "
         "overloaded\",\"type\":\"server_error\",\"param\":null,\"code\":null}}"},
        {"openai", 400, FAULT_BAD_REQUEST,
         "{\"error\":{\"message\":\"Invalid 'temperature': expected a value <= "
         "2.\",\"type\":\"invalid_request_error\",\"param\":\"temperature\",\"code\":\"decimal_above_max_value\"}}"},
        {"deepseek", 402, FAULT_BILLING,
         "{\"error\":{\"message\":\"Insufficient "
         "Balance\",\"type\":\"unknown_error\",\"param\":null,\"code\":\"invalid_request_error\"}}"},
        {"deepseek", 503, FAULT_OVERLOADED,
         "{\"error\":{\"message\":\"busy\",\"type\":\"x\",\"param\":null,\"code\":\"invalid_request_error\"}}"},
        {"moonshot", 429, FAULT_BILLING,
         "{\"error\":{\"message\":\"not enough balance\",\"type\":\"exceeded_current_quota_error\"}}"},
        {"moonshot", 429, FAULT_OVERLOADED,
         "{\"error\":{\"message\":\"The engine is currently overloaded\",\"type\":\"engine_overloaded_error\"}}"},
        {"kimi", 400, FAULT_CONTEXT,
         "{\"error\":{\"message\":\"Invalid request: Your request exceeded model token limit: 262144 (requested: "
         "269030)\",\"type\":\"invalid_request_error\"}}"},
        {"kimi", 400, FAULT_FILTER, "{\"error\":{\"message\":\"high risk\",\"type\":\"content_filter\"}}"},
        {"kimi", 500, FAULT_SERVER, "{\"error\":{\"message\":\"x\",\"type\":\"unexpected_output\"}}"},
        {"zhipu", 429, FAULT_BILLING, "{\"error\":{\"code\":\"1113\",\"message\":\"arrears\"}}"},
        {"zhipu", 429, FAULT_RATE, "{\"error\":{\"code\":\"1302\",\"message\":\"too many\"}}"},
        {"zhipu", 429, FAULT_OVERLOADED, "{\"error\":{\"code\":\"1305\",\"message\":\"busy\"}}"},
        {"bigmodel", 429, FAULT_AUTH, "{\"error\":{\"code\":\"1112\",\"message\":\"locked\"}}"},
        {"glm", 400, FAULT_CONTEXT, "{\"error\":{\"code\":1261,\"message\":\"Prompt exceeds max length\"}}"},
        {"glm", 400, FAULT_FILTER, "{\"error\":{\"code\":\"1301\",\"message\":\"unsafe\"}}"},
        {"qwen", 400, FAULT_BILLING,
         "{\"error\":{\"code\":\"Arrearage\",\"param\":null,\"message\":\"Access "
         "denied\",\"type\":\"Arrearage\"},\"request_id\":\"r\"}"},
        {"dashscope", 429, FAULT_RATE,
         "{\"code\":\"Throttling.AllocationQuota\",\"message\":\"m\",\"request_id\":\"r\"}"},
        {"dashscope", 400, FAULT_CONTEXT,
         "{\"error\":{\"code\":\"InvalidParameter\",\"message\":\"Range of input length should be [1, "
         "30720]\",\"type\":\"invalid_request_error\"}}"},
        {"dashscope", 400, FAULT_FILTER,
         "{\"error\":{\"code\":\"data_inspection_failed\",\"message\":\"Input data may contain inappropriate "
         "content.\"}}"},
        {"dashscope", 403, FAULT_AUTH, "{\"code\":\"AccessDenied.Unpurchased\",\"message\":\"m\"}"},
        {"qianfan", 200, FAULT_RATE, "{\"code\":336501,\"msg\":\"Rate limit reached for RPM\"}"},
        {"qianfan", 200, FAULT_RATE, "{\"error_code\":18,\"error_msg\":\"Open api qps request limit reached\"}"},
        {"qianfan", 429, FAULT_RATE,
         "{\"error\":{\"code\":\"rpm_rate_limit_exceeded\",\"message\":\"m\",\"type\":\"rate_limit_error\"},\"id\":"
         "\"as-1\"}"},
        {"qianfan", 401, FAULT_NOT_FOUND,
         "{\"error\":{\"code\":\"invalid_model\",\"message\":\"No permission to use the "
         "model\",\"type\":\"invalid_request_error\"}}"},
        {"qianfan", 400, FAULT_CONTEXT,
         "{\"error\":{\"code\":\"tokens_too_long\",\"message\":\"m\",\"type\":\"invalid_request_error\"}}"},
        {"siliconflow", 400, FAULT_NOT_FOUND,
         "{\"code\":20012,\"message\":\"Model does not exist. Please check it carefully.\",\"data\":null}"},
        {"siliconflow", 403, FAULT_BILLING,
         "{\"code\":30001,\"message\":\"Sorry, your account balance is insufficient\",\"data\":null}"},
        {"siliconflow", 503, FAULT_OVERLOADED,
         "{\"code\":50505,\"message\":\"Model service overloaded. Please try again later.\",\"data\":null}"},
        {"siliconflow", 401, FAULT_AUTH, "\"Invalid token\""},
        {"openrouter", 402, FAULT_BILLING,
         "{\"error\":{\"code\":402,\"message\":\"Insufficient credits\"},\"user_id\":\"u\"}"},
        {"openrouter", 200, FAULT_RATE,
         "{\"id\":\"g\",\"error\":{\"code\":429,\"message\":\"limited\",\"metadata\":{\"provider_name\":\"p\",\"raw\":"
         "\"401\"}}}"},
        {"openrouter", 200, FAULT_SERVER,
         "{\"id\":\"g\",\"choices\":[{\"delta\":{},\"finish_reason\":\"error\"}],\"error\":{\"code\":502,\"message\":"
         "\"provider down\"}}"},
        {"openrouter", 200, FAULT_FILTER,
         "{\"choices\":[{\"message\":{\"content\":\"\"},\"error\":{\"code\":403,\"message\":\"moderation\"}}]}"},
        {"openrouter", 403, FAULT_FILTER,
         "{\"error\":{\"code\":403,\"message\":\"flagged\",\"metadata\":{\"reasons\":[\"x\"]}}}"},
        {"mistral", 422, FAULT_BAD_REQUEST,
         "{\"detail\":[{\"loc\":[\"body\",\"x\"],\"msg\":\"Extra inputs are not "
         "permitted\",\"type\":\"extra_forbidden\"}]}"},
        {"mistral", 429, FAULT_RATE,
         "{\"object\":\"error\",\"message\":\"Rate limit "
         "exceeded\",\"type\":\"rate_limited\",\"param\":null,\"code\":\"1300\"}"},
        {"mistral", 429, FAULT_OVERLOADED,
         "{\"object\":\"error\",\"message\":\"Service tier capacity exceeded for this "
         "model.\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}"},
        {"groq", 498, FAULT_OVERLOADED,
         "{\"error\":{\"message\":\"Flex tier capacity exceeded\",\"type\":\"x\",\"code\":\"capacity_exceeded\"}}"},
        {"groq", 413, FAULT_CONTEXT,
         "{\"error\":{\"message\":\"Request too large for model "
         "`m`\",\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\"}}"},
        {"xai", 400, FAULT_AUTH,
         "{\"code\":\"Client specified an invalid argument\",\"error\":\"Incorrect API key provided: x. You can obtain "
         "one.\"}"},
        {"xai", 400, FAULT_BAD_REQUEST,
         "{\"code\":\"Client specified an invalid argument\",\"error\":\"The model expects text.\"}"},
        {"together", 500, FAULT_SERVER, "{\"error\":\"oops\"}"},
        {"together", 404, FAULT_NOT_FOUND, "{\"message\":\"no such model\",\"type\":\"invalid_request_error\"}"},
        {"gemini", 429, FAULT_RATE,
         "[{\"error\":{\"code\":429,\"message\":\"Quota\",\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"@type\":"
         "\"t\",\"retryDelay\":\"34s\"}]}}]"},
        {"gemini", 400, FAULT_AUTH,
         "[{\"error\":{\"code\":400,\"message\":\"API key not "
         "valid.\",\"status\":\"INVALID_ARGUMENT\",\"details\":[{\"@type\":\"t\",\"reason\":\"API_KEY_INVALID\"}]}}]"},
        {"gemini", 400, FAULT_BILLING,
         "[{\"error\":{\"code\":400,\"message\":\"billing\",\"status\":\"FAILED_PRECONDITION\"}}]"},
        {"cohere", 498, FAULT_FILTER, "{\"id\":\"i\",\"message\":\"blocked input\"}"},
        {"cohere", 429, FAULT_RATE, "{\"message\":\"trial key\"}"},
        {"azure", 400, FAULT_FILTER,
         "{\"error\":{\"message\":\"The response was "
         "filtered\",\"type\":null,\"param\":\"prompt\",\"code\":\"content_filter\",\"status\":400,\"innererror\":{"
         "\"code\":\"ResponsibleAIPolicyViolation\"}}}"},
        {"azure", 401, FAULT_AUTH,
         "{\"statusCode\":401,\"message\":\"Access denied due to invalid subscription key.\"}"},
        {"azure", 404, FAULT_NOT_FOUND, "{\"error\":{\"code\":\"DeploymentNotFound\",\"message\":\"m\"}}"},
        {"azure", 429, FAULT_RATE, "{\"error\":{\"code\":\"429\",\"message\":\"Please retry after 12 seconds\"}}"},
        {"anthropic", 400, FAULT_BILLING,
         "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Your credit balance is too "
         "low\"}}"},
        {"anthropic", 529, FAULT_OVERLOADED,
         "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}"},
        {"anthropic", 200, FAULT_OVERLOADED,
         "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}"},
        {"vllm", 400, FAULT_CONTEXT,
         "{\"object\":\"error\",\"message\":\"This model's maximum context length is 4096 tokens. However, you "
         "requested 5000\",\"type\":\"BadRequestError\",\"param\":null,\"code\":400}"},
        {"vllm", 200, FAULT_SERVER, "{\"error\":{\"message\":\"m\",\"type\":\"InternalServerError\",\"code\":500}}"},
        {"ollama", 404, FAULT_NOT_FOUND,
         "{\"error\":{\"message\":\"model not found\",\"type\":\"not_found_error\",\"param\":null,\"code\":null}}"},
        {"ollama", 503, FAULT_OVERLOADED,
         "{\"error\":{\"message\":\"queue is full\",\"type\":\"api_error\",\"param\":null,\"code\":null}}"},
        {"llama.cpp", 400, FAULT_CONTEXT,
         "{\"error\":{\"code\":400,\"message\":\"m\",\"type\":\"exceed_context_size_error\",\"n_prompt_tokens\":13392,"
         "\"n_ctx\":8192}}"},
        {"llama.cpp", 503, FAULT_OVERLOADED,
         "{\"error\":{\"code\":503,\"message\":\"Loading model\",\"type\":\"unavailable_error\"}}"},
        {"llama.cpp", 501, FAULT_BAD_REQUEST,
         "{\"error\":{\"code\":501,\"message\":\"no\",\"type\":\"not_supported_error\"}}"},
        {"house", 502, FAULT_SERVER, "<html>502 Bad Gateway</html>"},
        {"house", 503, FAULT_OVERLOADED, ""},
        {"house", 400, FAULT_BAD_REQUEST, "{\"error\":{\"code\":\"1113\",\"message\":\"m\"}}"},
};

static void test_samples(void)
{
        for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
                arena a;
                openai_error e;
                arena_init(&a, 1 << 20);
                openai_error_read(view_of_text(samples[i].body), &a, &e);
                fault_class c =
                        fault_of(&(fault_said){samples[i].status, samples[i].vendor, e.code, e.type, e.message});
                tap_ok(c == samples[i].want, samples[i].vendor, samples[i].body);
                arena_end(&a);
        }
}

static bool is(fault_class c, fault_where where, fault_blame blame, bool callers, bool billed)
{
        const fault_row *r = fault_describe(c);
        return r->where == where && r->blame == blame && r->callers == callers && r->billed == billed;
}

static void test_meaning(void)
{
        bool told = true, named = true;
        for (int c = 0; c < FAULT_CLASSES; c++) {
                const fault_row *r = fault_describe((fault_class)c);
                uint16_t http = err_describe(r->answer)->http;
                told = told && http >= 400 && http < 600 && (r->callers || http == 429 || http >= 500);
                named = named && fault_name((fault_class)c)[0] != '\0';
                for (int d = 0; d < c; d++)
                        named = named && strcmp(fault_name((fault_class)c), fault_name((fault_class)d)) != 0;
        }
        tap_ok(told, "classes", "what is not the caller's making is not answered as if it were");
        tap_ok(named && strcmp(fault_name(FAULT_RATE), "rate") == 0
                       && strcmp(fault_name(FAULT_LOST_RACE), "lost_race") == 0,
               "classes", "each has a name of its own");
        tap_ok(is(FAULT_BAD_REQUEST, WHERE_NOWHERE, BLAME_NOBODY, true, false)
                       && is(FAULT_FILTER, WHERE_NOWHERE, BLAME_NOBODY, true, false)
                       && is(FAULT_TOO_LARGE, WHERE_NOWHERE, BLAME_NOBODY, true, false),
               "classes", "the caller's own faults are told and not tried again, and nobody is blamed");
        tap_ok(is(FAULT_CONTEXT, WHERE_LARGER, BLAME_NOBODY, true, false)
                       && is(FAULT_NOT_FOUND, WHERE_TARGET, BLAME_NOBODY, true, false),
               "classes", "a larger window heals a long prompt, another target a missing model");
        tap_ok(is(FAULT_AUTH, WHERE_KEY, BLAME_KEY, false, false)
                       && is(FAULT_BILLING, WHERE_KEY, BLAME_KEY, false, false),
               "classes", "a refused key is that key's fault, and not shown to the caller");
        tap_ok(is(FAULT_RATE, WHERE_KEY, BLAME_RATE, false, false), "classes", "a rate limit parks its key");
        tap_ok(is(FAULT_OVERLOADED, WHERE_ELSEWHERE, BLAME_MODEL, false, false)
                       && is(FAULT_NETWORK, WHERE_ELSEWHERE, BLAME_UPSTREAM, false, false)
                       && is(FAULT_CERTIFICATE, WHERE_TARGET, BLAME_UPSTREAM, false, false),
               "classes", "what was never begun is not billed");
        tap_ok(is(FAULT_SERVER, WHERE_ANYWHERE, BLAME_MODEL, false, true)
                       && is(FAULT_TIMEOUT, WHERE_ELSEWHERE, BLAME_MODEL, false, true)
                       && is(FAULT_SLOW, WHERE_TARGET, BLAME_MODEL, false, true)
                       && is(FAULT_CUT, WHERE_ANYWHERE, BLAME_MODEL, false, true)
                       && is(FAULT_BROKEN, WHERE_ANYWHERE, BLAME_MODEL, false, true)
                       && is(FAULT_LOST_RACE, WHERE_NOWHERE, BLAME_NOBODY, false, true),
               "classes", "what may have been charged is accounted");
}

int main(void)
{
        test_table();
        test_order();
        test_text();
        test_samples();
        test_meaning();
        return tap_done();
}
