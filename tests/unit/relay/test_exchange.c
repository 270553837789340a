/* covers: exchange.c account.c */
#include <sys/syscall.h>

#include "unit/relay/fixture.h"

static const char SUBJECT[] = "exchange";

#define SECRET     "Zitronenfalter"
#define CHAT(more) "{\"model\":\"m\"," more "\"messages\":[{\"role\":\"user\",\"content\":\"" SECRET "\"}]}"
#define TEXT(t)    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" t "\"}}]}\n\n"
#define STOP       "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"

/* Stands before the C library's: what goes back to the kernel is looked at. */
static size_t unmaps, left_behind;

int munmap(void *p, size_t len)
{
        unmaps++;
        left_behind += memmem(p, len, SECRET, sizeof SECRET - 1) != nullptr || memmem(p, len, "lk1_", 4) != nullptr;
        return (int)syscall(SYS_munmap, p, len);
}

static void does(const char *answer, vendor_act then)
{
        const vendor_step one[] = {{answer, then}};
        vendor_does(one, 1);
        forget_records();
}

static const struct {
        const char *sentence, *request, *answer;
        vendor_act then;
        usage_basis basis;
        uint64_t tokens[TOKENS_CLASSES]; /* input, cache read, cache write, output, reasoning */
        ending ending;
        bool streamed, suspect;
} rows[] = {
        {"a vendor's statement is taken in its classes",
         CHAT(""),
         JSON_HEAD "{\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":9,\"prompt_tokens_details\":{\"cached_"
                   "tokens\":5,\"cache_write_tokens\":3},"
                   "\"completion_tokens_details\":{\"reasoning_tokens\":4}}}",
         VENDOR_KEEP,
         USAGE_REPORTED,
         {12, 5, 3, 5, 4},
         ENDING_WHOLE,
         false,
         false},
        {"in a stream too, though it is hidden",
         CHAT("\"stream\":true,"),
         STREAM_HEAD TEXT("a") STOP
         "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n",
         VENDOR_CLOSE,
         USAGE_REPORTED,
         {7, 0, 0, 2, 0},
         ENDING_WHOLE,
         true,
         false},
        {"an impossible one is marked",
         CHAT(""),
         JSON_HEAD "{\"usage\":{\"prompt_tokens\":2,\"prompt_tokens_details\":{\"cached_tokens\":5}}}",
         VENDOR_KEEP,
         USAGE_REPORTED,
         {0, 2, 0, 0, 0},
         ENDING_WHOLE,
         false,
         true},
        {"without one it is estimated, by four bytes a token",
         CHAT(""),
         JSON_HEAD "{\"id\":\"12345678\"}",
         VENDOR_KEEP,
         USAGE_ESTIMATED,
         {19, 0, 0, 5, 0},
         ENDING_WHOLE,
         false,
         false},
        {"a stream without one by its events",
         CHAT("\"stream\":true,"),
         STREAM_HEAD TEXT("a") TEXT("b") STOP "data: [DONE]\n\n",
         VENDOR_CLOSE,
         USAGE_ESTIMATED,
         {33, 0, 0, 3, 0},
         ENDING_WHOLE,
         true,
         false},
        {"one that is cut is estimated",
         CHAT("\"stream\":true,"),
         STREAM_HEAD TEXT("a"),
         VENDOR_CLOSE,
         USAGE_ESTIMATED,
         {33, 0, 0, 1, 0},
         ENDING_UPSTREAM_CUT,
         true,
         false},
        {"a refusal costs nothing",
         CHAT(""),
         FAULT("400", "{\"error\":{\"message\":\"m\"}}"),
         VENDOR_KEEP,
         USAGE_NOT_BILLED,
         {},
         ENDING_REJECTED_INPUT,
         false,
         false},
        {"nor does a rate limit",
         CHAT(""),
         FAULT("429", "{}"),
         VENDOR_KEEP,
         USAGE_NOT_BILLED,
         {},
         ENDING_UPSTREAM_ERROR,
         false,
         false},
        {"a server's fault may have",
         CHAT(""),
         FAULT("500", "{}"),
         VENDOR_KEEP,
         USAGE_ESTIMATED,
         {19, 0, 0, 0, 0},
         ENDING_UPSTREAM_ERROR,
         false,
         false},
};

static void test_records(void)
{
        fx.catalog->settings.attempts = 1;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                does(rows[i].answer, rows[i].then);
                caller_dial();
                (void)ask_chat(rows[i].request);
                usage_record a = {}, x = {}, none;
                bool good = next_record(&a) && next_record(&x) && !next_record(&none);
                good = good && a.kind == USAGE_ATTEMPT && a.basis == rows[i].basis
                       && memcmp(a.tokens, rows[i].tokens, sizeof a.tokens) == 0 && a.suspect == rows[i].suspect
                       && a.streamed == rows[i].streamed;
                good = good && x.kind == USAGE_EXCHANGE && x.ending == rows[i].ending && x.attempts == 1
                       && x.sequence == a.sequence + 1;
                good = good && a.version == 1 && a.generation == 7 && a.project == x.project && a.model == 0
                       && a.vendor == 0 && x.vendor == 0;
                if (!tap_ok(good, "record", rows[i].sentence))
                        printf("# basis %u tokens %lu %lu ending %u\n", a.basis, a.tokens[0], a.tokens[3], x.ending);
        }
        fx.catalog->settings.attempts = LIMIT_ATTEMPTS;
        does(JSON_HEAD "{}", VENDOR_KEEP);
        (void)ask("GET /v1/models", nullptr);
        (void)ask("POST /nowhere", "{}");
        fx.board->keeper = KEEPER_SEALED;
        (void)ask_chat(CHAT(""));
        fx.board->keeper = KEEPER_OPEN;
        usage_record none;
        tap_ok(!next_record(&none), "record", "what was not admitted leaves none");
        does(FAULT("503", "{}"), VENDOR_KEEP);
        (void)ask_chat("{\"model\":\"three\",\"messages\":[]}");
        usage_record r[4] = {};
        bool good = next_record(&r[0]) && next_record(&r[1]) && next_record(&r[2]) && next_record(&r[3]);
        tap_ok(good && r[0].vendor == 0 && r[1].vendor == 1 && r[2].vendor == 2 && r[3].kind == USAGE_EXCHANGE
                       && r[3].attempts == 3,
               "record", "every attempt has its own, with its vendor");
        uint64_t admitted = usage_ring_admitted(fx.ring);
        (void)ask_chat(CHAT(""));
        tap_ok(usage_ring_admitted(fx.ring) == admitted + 1 && counted(COUNTER_exchanges) == admitted + 1, "record",
               "who owes one is counted when admitted");
}

static void test_deadline(void)
{
        catalog_settings *s = &fx.catalog->settings, kept = *s;
        s->stream_ms = 100;
        does(nullptr, VENDOR_SILENT);
        tap_ok(ask_chat(CHAT("")) == 504 && body_has("upstream_timeout") && head_has("\r\nx-lethe-end: VT\r\n")
                       && run_until(all_over, nullptr, 1000),
               "deadline", "of the whole exchange: a plain error");
        does(STREAM_HEAD TEXT("a"), VENDOR_SILENT);
        tap_ok(ask_chat(CHAT("\"stream\":true,")) == 200 && body_has("\"a\"") && body_has("upstream_timeout")
                       && !body_has("[DONE]"),
               "deadline", "in a stream: an error event");
        does(JSON_HEAD "{}", VENDOR_KEEP);
        char text[500];
        caller_dial();
        snprintf(text, sizeof text,
                 "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: "
                 "200\r\n\r\n{",
                 fx.key[0]);
        say(text);
        bool once = answered() && me.status == 504 && head_has("\r\nconnection: close\r\n");
        tap_ok(once, "deadline", "while the request is coming: the connection ends, for what follows is no request");
        static char large[510 * 1024];
        size_t at = (size_t)snprintf(
                large, sizeof large,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{\"a\":\"", 500 * 1024);
        memset(large + at, 'x', 500 * 1024 - 8);
        memcpy(large + at + 500 * 1024 - 8, "\"}", 3);
        does(large, VENDOR_KEEP);
        caller_dial();
        net_pause(me.conn);
        snprintf(text, sizeof text, "Authorization: Bearer %s\r\n", fx.key[0]);
        say_request("POST /v1/chat/completions", text, CHAT(""));
        run_for(50);
        bool held = fx.relay->exchanges == 1;
        run_until(all_over, nullptr, 1000);
        net_resume(me.conn);
        run_for(50);
        const char *second = strstr(me.in, "HTTP/1.1 ");
        second = second == nullptr ? nullptr : strstr(second + 1, "HTTP/1.1 ");
        if (!held)
                tap_skip("deadline: in the middle of a whole answer nothing is said any more",
                         "the kernel's own buffers took everything");
        else
                tap_ok(second == nullptr && me.closed == 1, "deadline",
                       "in the middle of a whole answer nothing is said any more");
        *s = kept;
}

static void test_wiping(void)
{
        caller_leave();
        unmaps = left_behind = 0;
        does(JSON_HEAD "{\"choices\":[{\"message\":{\"content\":\"" SECRET "\"}}]}", VENDOR_KEEP);
        bool good = ask_chat(CHAT("")) == 200;
        does(STREAM_HEAD TEXT(SECRET) STOP "data: [DONE]\n\n", VENDOR_CLOSE);
        good = good && ask_chat(CHAT("\"stream\":true,")) == 200;
        does(FAULT("400", "{\"error\":{\"message\":\"" SECRET "\"}}"), VENDOR_CLOSE);
        good = good && ask_chat(CHAT("")) == 400;
        does(nullptr, VENDOR_SILENT);
        char fields[200];
        snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\n", fx.key[0]);
        say_request("POST /v1/chat/completions", fields, CHAT(""));
        run_for(20);
        caller_leave();
        good = good && run_until(all_over, nullptr, 1000);
        tap_ok(good && unmaps >= 4 && left_behind == 0, SUBJECT,
               "what it gives back holds nothing of it, however it ended");
}

int main(void)
{
        fx_begin();
        test_records();
        test_deadline();
        test_wiping();
        return fx_end();
}
