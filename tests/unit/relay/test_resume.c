#include "unit/relay/fixture.h"

static const char SUBJECT[] = "resume";

#define CHUNK(id, inside)                                               \
        "data: {\"id\":\"" id "\",\"created\":1" id ",\"model\":\"m" id \
        "\",\"choices\":[{\"index\":0,\"delta\":{" inside "}]}\n\n"
#define ROLE(id)    CHUNK(id, "\"role\":\"assistant\",\"content\":\"\"}")
#define TEXT(id, t) CHUNK(id, "\"content\":\"" t "\"}")
#define STOP(id)    CHUNK(id, "},\"finish_reason\":\"stop\"")
#define SUM         "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3}}\n\n"
#define DONE        "data: [DONE]\n\n"
#define ASK(more, words) \
        "{\"model\":\"three\",\"stream\":true," more "\"messages\":[{\"role\":\"user\",\"content\":\"" words "\"}]}"

#define HALF  STREAM_HEAD ROLE("1") TEXT("1", "Once upon")
#define REST  STREAM_HEAD ROLE("2") TEXT("2", " a time") STOP("2") SUM DONE
#define WHOLE ROLE("1") TEXT("1", "Once upon") TEXT("1", " a time") STOP("1") DONE

static catalog_model *three(void) { return &fx.catalog->models[catalog_find_model(fx.catalog, VIEW("three"))]; }

static void allow(bool continuation, catalog_prefill first, catalog_prefill second, catalog_prefill third)
{
        three()->continuation = continuation;
        three()->targets[0].prefill = first;
        three()->targets[1].prefill = second;
        three()->targets[2].prefill = third;
}

static bool trailer_is(const char *code)
{
        char want[40];
        snprintf(want, sizeof want, "\r\nx-lethe-end: %s\r\n\r\n", code);
        return me.len > strlen(want) && strcmp(me.in + me.len - strlen(want), want) == 0;
}

/* All text of the answer, as it stands in its events. */
static const char *text_of(void)
{
        static char text[512 * 1024];
        size_t len = 0;
        text[0] = '\0';
        for (const char *at = me.body; (at = strstr(at, "\"content\":\"")) != nullptr;) {
                at += 11;
                size_t n = strcspn(at, "\"");
                memcpy(text + len, at, n);
                len += n;
                text[len] = '\0';
        }
        return text;
}

/* The honest end: what came, one error event, no terminator. */
static bool is_honest(const char *text, const char *end)
{
        return me.status == 200 && strcmp(text_of(), text) == 0 && body_has("\"code\":\"stream_interrupted\"")
               && !body_has("[DONE]") && !body_has("finish_reason") && trailer_is(end);
}

/* The fixture has places for 64 connections in all; here are more. They stay until the process ends. And a connection
 * whose stream ended in an error is about to be closed: the next request takes another. */
static struct {
        vendor_conn *conns[512];
        size_t count;
} over;

static void make_place(void)
{
        size_t kept = 0;
        for (size_t i = 0; i < vendor.connections; i++) {
                vendor_conn *c = vendor.conns[i];
                if (c->conn != nullptr || over.count == 512)
                        vendor.conns[kept++] = c;
                else
                        over.conns[over.count++] = c;
        }
        vendor.connections = kept;
        caller_leave();
}

static bool goes(const char *first, const char *second, const char *request)
{
        const vendor_step script[] = {{first, VENDOR_CLOSE}, {second, VENDOR_CLOSE}};
        make_place();
        vendor_does(script, 2);
        return ask_chat(request) == 200;
}

static void test_whole(void)
{
        allow(true, PREFILL_NONE, PREFILL_PLAIN, PREFILL_NONE);
        uint64_t continued = counted(COUNTER_continuations);
        forget_records();
        bool good = goes(HALF, REST, ASK("", "hi"));
        if (!tap_ok(good && body_is(WHOLE) && trailer_is("-C") && vendor.requests == 2, SUBJECT,
                    "a cut stream goes on elsewhere, in one envelope, and its end code says so"))
                printf("# %s\n", me.in);
        tap_ok(strstr(vendor.last, "POST /v2/") != nullptr && strstr(vendor.last, "\"model\":\"b\"") != nullptr
                       && strstr(vendor.last, "\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":\"Once upon\"}]")
                                  != nullptr,
               SUBJECT, "the second vendor gets the text so far as the assistant's last message");
        run_until(all_over, nullptr, 1000);
        usage_record a = {}, b = {}, x = {};
        good = next_record(&a) && next_record(&b) && next_record(&x) && a.kind == USAGE_ATTEMPT
               && b.kind == USAGE_ATTEMPT && x.kind == USAGE_EXCHANGE;
        tap_ok(good && a.basis == USAGE_ESTIMATED && a.tokens[TOKENS_OUTPUT] == 1 && b.basis == USAGE_REPORTED
                       && b.tokens[TOKENS_OUTPUT] == 3 && a.vendor != b.vendor && x.attempts == 2
                       && x.ending == ENDING_WHOLE,
               SUBJECT, "two attempts are accounted: the first estimated, the second as reported");
        tap_ok(counted(COUNTER_continuations) == continued + 1, SUBJECT, "and it is counted");
        good = goes(HALF, STREAM_HEAD ROLE("2") TEXT("2", "Once ") TEXT("2", "upon a time") STOP("2") DONE,
                    ASK("", "hi"));
        tap_ok(good && body_is(WHOLE) && trailer_is("-C"), SUBJECT, "what the second vendor says again is left out");
        good = goes(HALF, REST, ASK("\"stream_options\":{\"include_usage\":true},", "hi"));
        tap_ok(good && body_has("\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3}") && trailer_is("-C"), SUBJECT,
               "usage that was asked for is the last vendor's");
        good = goes(STREAM_HEAD TEXT("1", "O") TEXT("1", "n") TEXT("1", "c") TEXT("1", "e"), REST,
                    ASK("\"max_tokens\":50,", "hi"));
        good = good && strstr(vendor.last, "\"max_tokens\":46,") != nullptr
               && goes(HALF, REST, ASK("\"max_tokens\":50,", "hi"));
        tap_ok(good && strstr(vendor.last, "\"max_tokens\":48,") != nullptr, SUBJECT,
               "the second may write as much less as the first has written");
}

static void test_flags(void)
{
        static const struct {
                catalog_prefill kind;
                const char *want;
        } rows[] = {{PREFILL_PLAIN, "\"content\":\"Once upon\"}]"},
                    {PREFILL_PREFIX, "\"content\":\"Once upon\",\"prefix\":true}]"},
                    {PREFILL_PARTIAL, "\"content\":\"Once upon\",\"partial\":true}]"}};
        bool good = true;
        for (size_t i = 0; i < 3; i++) {
                allow(true, PREFILL_NONE, PREFILL_NONE, rows[i].kind);
                good = goes(HALF, REST, ASK("", "hi")) && body_is(WHOLE) && strstr(vendor.last, "POST /v3/") != nullptr
                       && strstr(vendor.last, rows[i].want) != nullptr && good;
        }
        tap_ok(good, SUBJECT, "only a target with a prefill is asked, and told in its own way to go on");
        allow(true, PREFILL_PLAIN, PREFILL_NONE, PREFILL_NONE);
        tap_ok(goes(HALF, REST, ASK("", "hi")) && body_is(WHOLE) && strstr(vendor.last, "POST /v1/") != nullptr,
               SUBJECT, "the one that broke, where it is the only one");
        allow(true, PREFILL_PLAIN, PREFILL_PLAIN, PREFILL_NONE);
        tap_ok(goes(HALF, REST, ASK("", "hi")) && body_is(WHOLE) && strstr(vendor.last, "POST /v2/") != nullptr,
               SUBJECT, "and not where there is another");
}

static void test_faults(void)
{
        static const struct {
                const char *sentence, *answer;
                vendor_act then;
        } rows[] = {
                {"that falls silent", HALF, VENDOR_SILENT},
                {"that breaks its protocol", HALF "data: {oops\n\n" TEXT("1", "!") STOP("1") DONE, VENDOR_CLOSE},
                {"whose event breaks behind its text",
                 HALF "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" a ti\"}}],\n\n", VENDOR_CLOSE},
                {"that says it failed", HALF "data: {\"error\":{\"message\":\"m\",\"code\":\"server_error\"}}\n\n",
                 VENDOR_CLOSE},
                {"that ends without an end", HALF DONE, VENDOR_CLOSE},
        };
        allow(true, PREFILL_NONE, PREFILL_PLAIN, PREFILL_NONE);
        uint64_t gap = fx.catalog->settings.gap_ms;
        fx.catalog->settings.gap_ms = 150;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                const vendor_step script[] = {{rows[i].answer, rows[i].then}, {REST, VENDOR_CLOSE}};
                make_place();
                vendor_does(script, 2);
                unsigned status = ask_chat(ASK("", "hi"));
                if (!tap_ok(status == 200 && body_is(WHOLE) && trailer_is("-C"), "goes on with one", rows[i].sentence))
                        printf("# %s\n", me.in);
        }
        fx.catalog->settings.gap_ms = gap;
}

static void test_honest(void)
{
        static const struct {
                const char *sentence, *first, *request, *text;
        } rows[] = {
                {"a tool call",
                 STREAM_HEAD TEXT("1", "Once upon") CHUNK("1", "\"tool_calls\":[{\"index\":0,\"id\":\"x\"}]}"),
                 ASK("", "hi"), "Once upon"},
                {"thoughts without text", STREAM_HEAD CHUNK("1", "\"reasoning_content\":\"hm\"}"), ASK("", "hi"), ""},
                {"several choices", HALF, ASK("\"n\":2,", "hi"), "Once upon"},
                {"JSON", HALF, ASK("\"response_format\":{\"type\":\"json_object\"},", "hi"), "Once upon"},
                {"tokens used up", HALF, ASK("\"max_completion_tokens\":2,", "hi"), "Once upon"},
                {"an address that the vendor made up",
                 STREAM_HEAD TEXT("1", "Ask joe@") TEXT("1", "kontor-nord.de now"), ASK("", "hi"),
                 "Ask joe@kontor-nord.de now"},
                {"what the vendor says is the caller's fault",
                 HALF "data: {\"error\":{\"message\":\"m\",\"code\":\"content_policy_violation\"}}\n\n", ASK("", "hi"),
                 "Once upon"},
        };
        allow(true, PREFILL_NONE, PREFILL_PLAIN, PREFILL_PLAIN);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                (void)goes(rows[i].first, REST, rows[i].request);
                if (!tap_ok((is_honest(rows[i].text, "VS") || is_honest(rows[i].text, "VF")) && vendor.requests == 1,
                            "none goes on with", rows[i].sentence))
                        printf("# %s\n", me.in);
        }
        (void)goes("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9999\r\n\r\n" TEXT(
                           "1", "Once upon") STOP("1"),
                   REST, ASK("", "hi"));
        tap_ok(vendor.requests == 1 && body_has("stream_interrupted") && !body_has("[DONE]") && trailer_is("VS"),
               "none goes on with", "an answer that has finished");
        allow(false, PREFILL_PLAIN, PREFILL_PLAIN, PREFILL_PLAIN);
        (void)goes(HALF, REST, ASK("", "hi"));
        tap_ok(is_honest("Once upon", "VS") && vendor.requests == 1, SUBJECT,
               "an alias that does not allow it ends honestly");
        allow(true, PREFILL_NONE, PREFILL_NONE, PREFILL_NONE);
        (void)goes(HALF, REST, ASK("", "hi"));
        tap_ok(is_honest("Once upon", "VS") && vendor.requests == 1, SUBJECT, "so does one without a target that can");
}

static void test_again(void)
{
        allow(true, PREFILL_NONE, PREFILL_PLAIN, PREFILL_PLAIN);
        const vendor_step twice[] = {
                {HALF, VENDOR_CLOSE},
                {STREAM_HEAD TEXT("2", " a") TEXT("2", " ti"), VENDOR_CLOSE},
                {STREAM_HEAD ROLE("3") TEXT("3", "Once upon a time") STOP("3") DONE, VENDOR_CLOSE}};
        make_place();
        vendor_does(twice, 3);
        tap_ok(ask_chat(ASK("\"max_tokens\":50,", "hi")) == 200 && strcmp(text_of(), "Once upon a time") == 0
                       && trailer_is("-C") && strstr(vendor.last, "\"content\":\"Once upon a ti\"}]") != nullptr
                       && strstr(vendor.last, "\"max_tokens\":47,") != nullptr && !body_has("m2") && !body_has("m3"),
               SUBJECT, "the second may be cut too: a third goes on with both");
        const vendor_step dead[] = {{HALF, VENDOR_CLOSE}, {nullptr, VENDOR_CLOSE}, {REST, VENDOR_CLOSE}};
        make_place();
        vendor_does(dead, 3);
        tap_ok(ask_chat(ASK("", "hi")) == 200 && body_is(WHOLE) && vendor.requests == 3, SUBJECT,
               "or not answer at all");
        const vendor_step refused[] = {{HALF, VENDOR_CLOSE},
                                       {FAULT("400", "{\"error\":{\"message\":\"no prefill here\"}}"), VENDOR_CLOSE},
                                       {REST, VENDOR_CLOSE}};
        make_place();
        vendor_does(refused, 3);
        tap_ok(ask_chat(ASK("", "hi")) == 200 && body_is(WHOLE) && trailer_is("-C") && vendor.requests == 3, SUBJECT,
               "or refuse what the caller never asked: another may take it");
        allow(true, PREFILL_NONE, PREFILL_PLAIN, PREFILL_NONE);
        make_place();
        vendor_does(refused, 2);
        (void)ask_chat(ASK("", "hi"));
        tap_ok(is_honest("Once upon", "VF") && !body_has("no prefill here") && vendor.requests == 2, SUBJECT,
               "where there is no other the caller hears that the stream broke, not of that request");
        const vendor_step cut[] = {{HALF, VENDOR_CLOSE}};
        make_place();
        vendor_does(cut, 1);
        (void)ask_chat(ASK("", "hi"));
        tap_ok(is_honest("Once upon", "VS") && vendor.requests == 3, SUBJECT, "three attempts, and no more");
}

#define MAIL "jane.doe@kontor-nord.de"

static const char *placeholder(void)
{
        static char token[32];
        const char *at = strstr(vendor.last, "EMAILx");
        snprintf(token, sizeof token, "%.14s", at == nullptr ? "(none)" : at);
        return token;
}

/* The vendor's text holds a placeholder of this request, and is cut inside it. */
static void test_placeholders(void)
{
        allow(true, PREFILL_NONE, PREFILL_PLAIN, PREFILL_NONE);
        (void)goes(REST, REST, ASK("", "Write to " MAIL));
        char token[32];
        snprintf(token, sizeof token, "%s", placeholder());
        bool good = true, sent = true;
        for (int cut = 0; cut <= 14; cut++)
                for (int again = 0; again < 2; again++) {
                        char first[1000], second[1000], want[200];
                        snprintf(first, sizeof first, STREAM_HEAD TEXT("1", "Mail %s, %.*s"), token, cut, token);
                        snprintf(second, sizeof second,
                                 STREAM_HEAD TEXT("2", "%s%s%s%.*s") TEXT("2", "%s.") STOP("2") DONE,
                                 again ? "Mail " : "", again ? token : "", again ? ", " : "", again ? cut : 0, token,
                                 token + cut);
                        good = goes(first, second, ASK("", "Write to " MAIL)) && trailer_is("-C")
                               && strcmp(text_of(), "Mail " MAIL ", " MAIL ".") == 0 && good;
                        snprintf(want, sizeof want, "\"content\":\"Mail %s, %.*s\"}]", token, cut, token);
                        sent = sent && strstr(vendor.last, want) != nullptr && strstr(vendor.last, MAIL) == nullptr;
                }
        tap_ok(good, "placeholders", "one that the cut goes through is put back whole");
        tap_ok(sent, "placeholders", "and the second vendor sees no more than the first");
}

/* What no caller has is not kept: a write that fails for want of memory ends honestly. */
static void test_bounds(void)
{
        static char long_text[LIMIT_SAID_BYTES + 128 * 1024];
        allow(true, PREFILL_NONE, PREFILL_PLAIN, PREFILL_NONE);
        size_t at = (size_t)snprintf(long_text, sizeof long_text, STREAM_HEAD), said = 0;
        static char event[32 * 1024 + 1];
        memset(event, 'a', sizeof event - 1);
        for (size_t i = 0; i < sizeof event - 1; i += 7)
                event[i] = ' ';
        for (; said <= LIMIT_SAID_BYTES + sizeof event; said += sizeof event - 1)
                at += (size_t)snprintf(long_text + at, sizeof long_text - at,
                                       "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}\n\n", event);
        (void)goes(long_text, REST, ASK("", "hi"));
        tap_ok(me.status == 200 && body_has("stream_interrupted") && trailer_is("VS") && vendor.requests == 1
                       && strlen(text_of()) == said,
               SUBJECT, "a text beyond the bound is delivered and not kept");

        const vendor_step kept[] = {{HALF, VENDOR_KEEP}, {REST, VENDOR_CLOSE}};
        make_place();
        vendor_does(kept, 2);
        char fields[200];
        snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\n", fx.key[0]);
        caller_dial();
        say_request("POST /v1/chat/completions", fields, ASK("", "hi"));
        run_for(50);
        exchange *x = fx.relay->clients->exchange;
        bool going = x != nullptr && x->run != nullptr && x->said.len == 9;
        if (going)
                x->run->out.cap = 16;
        for (size_t i = 0; i < vendor.connections; i++)
                if (vendor.conns[i]->conn != nullptr)
                        net_write(vendor.conns[i]->conn, VIEW(TEXT("1", " a ti")));
        tap_ok(going && answered() && body_has("stream_interrupted") && vendor.requests == 1, SUBJECT,
               "text that could not be written is in no prefill: the end is honest");
}

int main(void)
{
        fx_begin();
        test_whole();
        test_flags();
        test_faults();
        test_honest();
        test_again();
        test_placeholders();
        test_bounds();
        int result = fx_end();
        for (size_t i = 0; i < over.count; i++)
                free(over.conns[i]);
        return result;
}
