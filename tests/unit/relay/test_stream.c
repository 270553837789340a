#include "unit/relay/fixture.h"

static const char SUBJECT[] = "stream";

#define ASK(more) "{\"model\":\"m\",\"stream\":true," more "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
#define USAGE     "\"stream_options\":{\"include_usage\":true},"
#define ROLE      "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"
#define TEXT(t)   "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" t "\"}}]}\n\n"
#define STOP      "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define SUM       "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3}}\n\n"
#define DONE      "data: [DONE]\n\n"

static unsigned streamed(const char *answer, const char *request)
{
        const vendor_step one[] = {{answer, VENDOR_CLOSE}};
        vendor_does(one, 1);
        return ask_chat(request);
}

static bool trailer_is(const char *code)
{
        char want[40];
        snprintf(want, sizeof want, "\r\nx-lethe-end: %s\r\n\r\n", code);
        return me.len > strlen(want) && strcmp(me.in + me.len - strlen(want), want) == 0;
}

static const struct {
        const char *sentence, *request, *answer, *want, *end;
} rows[] = {
        {"a stream comes through as it was", ASK(USAGE), STREAM_HEAD ROLE TEXT("a") TEXT("b") STOP SUM DONE,
         ROLE TEXT("a") TEXT("b") STOP SUM DONE, "--"},
        {"without [DONE] its finish and the end of its message are enough", ASK(""), STREAM_HEAD ROLE TEXT("a") STOP,
         ROLE TEXT("a") STOP DONE, "--"},
        {"one event that is none is left out, and the end code says so", ASK(""),
         STREAM_HEAD ROLE TEXT("a") "data: {oops\n\n" TEXT("b") STOP DONE, ROLE TEXT("a") TEXT("b") STOP DONE, "-M"},
        {"usage that was not asked for is left out", ASK(""), STREAM_HEAD ROLE TEXT("a") STOP SUM DONE,
         ROLE TEXT("a") STOP DONE, "--"},
        {"comments, names and ids are the vendor's own affair", ASK(""),
         STREAM_HEAD ": c\n\nid: 7\nevent: x\nretry: 9\n" TEXT("a") STOP DONE, TEXT("a") STOP DONE, "--"},
        {"line ends of every kind", ASK(""),
         STREAM_HEAD "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\n\r\ndata: "
                     "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\r\rdata: [DONE]\n\n",
         "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: "
         "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" DONE,
         "--"},
        {"data over several lines is one", ASK(""),
         STREAM_HEAD "data: {\"choices\":[{\"delta\":{\ndata: \"content\":\"a\"}}]}\n\n" STOP DONE,
         "data: {\"choices\":[{\"delta\":{ \"content\":\"a\"}}]}\n\n" STOP DONE, "--"},
        {"a last event without its empty line", ASK(""), STREAM_HEAD TEXT("a") STOP "data: [DONE]", TEXT("a") STOP DONE,
         "--"},
        {"what follows the terminator is nothing", ASK(""),
         STREAM_HEAD TEXT("a") STOP DONE TEXT("b") "data: {broken\n\n", TEXT("a") STOP DONE, "--"},
};

static void test_whole(void)
{
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                unsigned status = streamed(rows[i].answer, rows[i].request);
                if (!tap_ok(status == 200 && body_is(rows[i].want) && trailer_is(rows[i].end), SUBJECT,
                            rows[i].sentence))
                        printf("# %u %s\n", status, me.in);
        }
        tap_ok(head_has("\r\ncontent-type: text/event-stream; charset=utf-8\r\n")
                       && head_has("\r\ntransfer-encoding: chunked\r\n") && head_has("\r\ntrailer: x-lethe-end\r\n")
                       && me.closed == 0,
               SUBJECT, "its head says what it is, and the connection stays");
        tap_ok(strstr(vendor.last, "\"stream_options\":{\"include_usage\":true}") != nullptr
                       && strstr(vendor.last, "Accept: text/event-stream\r\n") != nullptr,
               SUBJECT, "usage is always asked for");
}

static const struct {
        const char *sentence, *answer, *text, *code, *end;
} cuts[] = {
        {"one without its finish", STREAM_HEAD TEXT("a") DONE, TEXT("a"), "stream_interrupted", "VS"},
        {"one that ends in the middle", STREAM_HEAD TEXT("a"), TEXT("a"), "stream_interrupted", "VS"},
        {"one that breaks its protocol, and again", STREAM_HEAD TEXT("a") "data: {oops\n\ndata: oops\n\n" STOP DONE,
         TEXT("a"), "stream_interrupted", "VF"},
        {"one that fails in the middle", STREAM_HEAD TEXT("a") "data: {\"error\":{\"message\":\"secret reason\"}}\n\n",
         TEXT("a"), "stream_interrupted", "VF"},
};

static void test_cut(void)
{
        for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
                unsigned status = streamed(cuts[i].answer, ASK(""));
                size_t text = strlen(cuts[i].text);
                bool good = status == 200 && me.body_len > text && memcmp(me.body, cuts[i].text, text) == 0
                            && body_has(cuts[i].code) && strncmp(me.body + text, "data: {\"error\":", 15) == 0
                            && !body_has("[DONE]") && !body_has("secret reason") && trailer_is(cuts[i].end);
                good = good && run_until(caller_gone, &me, 3000);
                if (!tap_ok(good, SUBJECT, cuts[i].sentence))
                        printf("# %u %s\n", status, me.in);
        }
}

static void test_before_commit(void)
{
        static const char *const failing[] = {
                STREAM_HEAD ROLE,
                STREAM_HEAD "data: {\"error\":{\"message\":\"m\"}}\n\n",
                STREAM_HEAD ROLE "data: oops\n\n",
                STREAM_HEAD ROLE DONE,
                STREAM_HEAD,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"};
        bool good = true;
        for (size_t i = 0; i < sizeof failing / sizeof *failing; i++) {
                const vendor_step script[] = {{failing[i], VENDOR_CLOSE},
                                              {STREAM_HEAD ROLE TEXT("b") STOP DONE, VENDOR_CLOSE}};
                vendor_does(script, 2);
                unsigned status = ask_chat(
                        "{\"model\":\"three\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}");
                if (status != 200 || !body_is(ROLE TEXT("b") STOP DONE) || !trailer_is("--")
                    || !head_has("x-lethe-attempts: 2\r\n")) {
                        good = false;
                        printf("# %zu: %u %s\n", i, status, me.in);
                }
        }
        tap_ok(good, SUBJECT,
               "a role alone commits to nothing: what fails before text is taken from the next target, whole");
        const vendor_step all[] = {{STREAM_HEAD ROLE, VENDOR_CLOSE}};
        vendor_does(all, 1);
        tap_ok(ask_chat(ASK("")) == 502 && body_has("stream_interrupted") && head_has("\r\nx-lethe-end: VS\r\n"),
               SUBJECT, "with no other target it is a plain error");
        const vendor_step refused[] = {
                {FAULT("400", "{\"error\":{\"message\":\"too long\",\"code\":\"context_length_exceeded\"}}"),
                 VENDOR_CLOSE}};
        vendor_does(refused, 1);
        tap_ok(ask_chat(ASK("")) == 400 && body_has("\"message\":\"too long\"")
                       && head_has("\r\ncontent-type: application/json\r\n"),
               SUBJECT, "a refusal is a plain error too");
}

#define MAIL "jane.doe@kontor-nord.de"

/* The placeholder the vendor saw last. */
static const char *placeholder(void)
{
        static char token[32];
        const char *at = strstr(vendor.last, "EMAILx");
        snprintf(token, sizeof token, "%.14s", at == nullptr ? "(none)" : at);
        return token;
}

static void test_restoring(void)
{
        static const char ask_mail[] =
                "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Write to " MAIL
                "\"}]}";
        (void)streamed(STREAM_HEAD TEXT("a") STOP DONE, ask_mail);
        const char *token = placeholder();
        tap_ok(strstr(vendor.last, MAIL) == nullptr && strlen(token) == 14, SUBJECT,
               "an address leaves as a placeholder");
        bool good = true;
        for (int cut = 0; cut <= 14; cut++) {
                char answer[2000];
                snprintf(answer, sizeof answer, STREAM_HEAD TEXT("To %.*s") TEXT("%s.") TEXT("%.3s") STOP DONE, cut,
                         token, token + cut, token);
                unsigned status = streamed(answer, ask_mail);
                char text[200] = "";
                for (char *at = me.body; (at = strstr(at, "\"content\":\"")) != nullptr; at++)
                        snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s", (int)strcspn(at + 11, "\""),
                                 at + 11);
                good = good && status == 200 && strcmp(text, "To " MAIL ".EMA") == 0 && trailer_is("--");
        }
        tap_ok(good, SUBJECT, "and comes back in a stream however it is cut, with what only looked like one");
        tap_ok(counted(COUNTER_restored) >= 15, SUBJECT, "and is counted");
}

/* A slow reader stops its vendor's socket. */
static void test_slow(void)
{
        static char answer[900 * 1024];
        size_t at = (size_t)snprintf(answer, sizeof answer, STREAM_HEAD), events = 0;
        for (; at < 700 * 1024; events++)
                at += (size_t)snprintf(answer + at, sizeof answer - at,
                                       TEXT("%04zu xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
                                       events);
        snprintf(answer + at, sizeof answer - at, STOP DONE);
        const vendor_step one[] = {{answer, VENDOR_CLOSE}};
        vendor_does(one, 1);
        caller_dial();
        net_pause(me.conn);
        char fields[200];
        snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\n", fx.key[0]);
        say_request("POST /v1/chat/completions", fields, ASK(""));
        run_for(60);
        size_t held = fx.relay->clients == nullptr ? 0 : net_unsent(fx.relay->clients->conn);
        tap_ok(held < LIMIT_QUEUE_HIGH_BYTES + 128 * 1024, SUBJECT,
               "a caller that does not read fills no more than its queue");
        net_resume(me.conn);
        bool good = answered() && me.status == 200 && trailer_is("--");
        size_t seen = 0;
        for (const char *p = me.body; (p = strstr(p, "\"content\":\"")) != nullptr; p++, seen++)
                good = good && strtoul(p + 11, nullptr, 10) == seen;
        tap_ok(good && seen == events, SUBJECT, "and gets every event in its order when it reads");
}

int main(void)
{
        fx_begin();
        test_whole();
        test_cut();
        test_before_commit();
        test_restoring();
        test_slow();
        return fx_end();
}
