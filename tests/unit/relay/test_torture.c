/* Memory is refused: each single request for it in turn, and from each one on, through whole exchanges. Linked with
 * --wrap, so that every malloc, calloc, mmap and mremap of the relay comes by here (scripts/mk/test.mk). src  curl's
 * torture tests: fail each fallible call once */
#include <stdarg.h>
#include <stdlib.h>

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *p, size_t bytes);
void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, long offset);
void *__real_mremap(void *at, size_t old, size_t bytes, int flags, ...);

#include "relay/exchange.h"

/* What the fixture's caller and vendor take is theirs: they are no part of what is tried. */
static void spared_write(net_conn *c, view plain);
#define calloc(count, bytes) __real_calloc(count, bytes)
#define net_write(c, plain)  spared_write(c, plain)
#include "unit/relay/fixture.h"
#undef calloc
#undef net_write

static const char SUBJECT[] = "torture";

enum { ALLOCATIONS_MOST = 400 };

static struct {
        unsigned asked, nth; /* since it was set; which one is refused, 0: none */
        bool on;             /* and all that follow */
} refusal;

static bool refused(void)
{
        if (refusal.nth == 0)
                return false;
        refusal.asked++;
        return refusal.asked == refusal.nth || (refusal.on && refusal.asked > refusal.nth);
}

static void spared_write(net_conn *c, view plain)
{
        unsigned nth = refusal.nth;
        refusal.nth = 0;
        net_write(c, plain);
        refusal.nth = nth;
}

void *__wrap_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes) { return refused() ? nullptr : __real_malloc(bytes); }

void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes) { return refused() ? nullptr : __real_calloc(count, bytes); }

/* In the product's form there is another already, which asks malloc: src/base/wiping_free.c. */
[[gnu::weak]] void *__wrap_realloc(void *p, size_t bytes);
void *__wrap_realloc(void *p, size_t bytes) { return refused() ? nullptr : __real_realloc(p, bytes); }

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, long offset);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, long offset)
{
        return refused() ? MAP_FAILED : __real_mmap(at, bytes, protection, flags, fd, offset);
}

void *__wrap_mremap(void *at, size_t old, size_t bytes, int flags, ...);
void *__wrap_mremap(void *at, size_t old, size_t bytes, int flags, ...)
{
        return refused() ? MAP_FAILED : __real_mremap(at, old, bytes, flags);
}

/* ---- what is asked ---- */

#define TEXT(t) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" t "\"}}]}\n\n"
#define STOP    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define DONE    "data: [DONE]\n\n"
#define WORDS   "\"messages\":[{\"role\":\"user\",\"content\":\"Write to jane.doe@example.com.\"}]}"
#define CHAT    "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"yes\"}}]}"

/* More than the first memory of an exchange holds: what it is kept in has to grow. */
enum : size_t { LONG_BYTES = 100 * 1024 };
static char long_request[LONG_BYTES + 256], long_chat[LONG_BYTES + 256], long_answer[LONG_BYTES + 512];

static void long_texts(void)
{
        static char words[LONG_BYTES + 1];
        for (size_t i = 0; i < LONG_BYTES; i++)
                words[i] = i % 8 == 7 ? ' ' : (char)('a' + i % 23);
        snprintf(long_request, sizeof long_request,
                 "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"jane.doe@example.com %s\"}]}", words);
        snprintf(long_chat, sizeof long_chat,
                 "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\"}}]}", words);
        snprintf(long_answer, sizeof long_answer, JSON_HEAD "%s", long_chat);
}

static const struct {
        const char *name, *line, *request, *want;
        vendor_step script[2];
        size_t steps;
} rows[] = {
        {"a plain answer",
         "POST /v1/chat/completions",
         "{\"model\":\"m\"," WORDS,
         CHAT,
         {{JSON_HEAD CHAT, VENDOR_KEEP}},
         1},
        {"a stream",
         "POST /v1/chat/completions",
         "{\"model\":\"m\",\"stream\":true," WORDS,
         TEXT("a") TEXT("b") STOP DONE,
         {{STREAM_HEAD TEXT("a") TEXT("b") STOP DONE, VENDOR_CLOSE}},
         1},
        {"a stream at the second target",
         "POST /v1/chat/completions",
         "{\"model\":\"three\",\"stream\":true," WORDS,
         TEXT("a") STOP DONE,
         {{FAULT("500", "{}"), VENDOR_KEEP}, {STREAM_HEAD TEXT("a") STOP DONE, VENDOR_CLOSE}},
         2},
        {"embeddings",
         "POST /v1/embeddings",
         "{\"model\":\"m\",\"input\":\"hello\"}",
         "{\"data\":[]}",
         {{JSON_HEAD "{\"data\":[]}", VENDOR_KEEP}},
         1},
        {"a long prompt and a long answer",
         "POST /v1/chat/completions",
         long_request,
         long_chat,
         {{long_answer, VENDOR_KEEP}},
         1},
};

/* The vendor hangs up everywhere, and nothing is in stock: the next exchange has to dial, and to ask for its memory. */
static void vendor_sweep(void)
{
        for (size_t i = 0; i < vendor.connections; i++) {
                if (vendor.conns[i]->conn != nullptr)
                        net_abort(vendor.conns[i]->conn, false);
                free(vendor.conns[i]);
        }
        vendor.connections = 0;
        run_for(2);
        arena_stock_clear(&fx.relay->chunks);
}

/* What has come of the body, chunks joined; true when its end has come too. */
static bool body_came(view *body)
{
        char *end = strstr(me.in, "\r\n\r\n"), *length = strstr(me.in, "\r\ncontent-length: ");
        if (end == nullptr)
                return false;
        if (length != nullptr && length < end) {
                *body = (view){(uint8_t *)end + 4, me.len - (size_t)(end + 4 - me.in)};
                return body->len == strtoul(length + 18, nullptr, 10);
        }
        bool whole = unchunk(&me, end + 4);
        *body = (view){(uint8_t *)me.body, me.body_len};
        return whole;
}

/* What a caller may take for a whole answer must be one; of one that is cut no byte in the middle may be missing. */
static bool honest(size_t row, unsigned status)
{
        view body = {}, want = view_of_text(rows[row].want);
        if (status != 200)
                return status >= 400 || me.len == 0;
        bool whole = body_came(&body), stream = strstr(rows[row].want, "[DONE]") != nullptr;
        if (whole && (!stream || body_has("[DONE]")))
                return body_is(rows[row].want);
        const char *fault = stream ? strstr(me.body, "data: {\"error\"") : nullptr;
        size_t      len = fault == nullptr ? body.len : (size_t)(fault - me.body);
        return len <= want.len && (len == 0 || memcmp(body.data, want.data, len) == 0);
}

/* One exchange with the n-th request for memory refused. Returns what is wrong; null: nothing. */
static const char *suffer(size_t row, unsigned nth, bool on)
{
        vendor_sweep();
        caller_dial();
        vendor_does(rows[row].script, rows[row].steps);
        refusal.on = on;
        refusal.asked = 0;
        refusal.nth = nth;
        unsigned status = me.conn == nullptr ? 0 : ask(rows[row].line, rows[row].request);
        bool hangs = status == 0 && me.closed == 0;
        refusal.nth = 0;
        if (hangs)
                return "nothing comes, not even an end";
        if (!honest(row, status))
                return "what came is not what was said, or not the whole of what it looks like";
        caller_leave();
        if (!run_until(all_over, nullptr, 2000))
                return "something is still held";
        if (counted(COUNTER_exchanges) != counted(COUNTER_exchanges_ended))
                return "an exchange has no end";
        forget_records();
        vendor_does(rows[row].script, rows[row].steps);
        if (ask(rows[row].line, rows[row].request) != 200 || !body_is(rows[row].want))
                return "the next one is not answered";
        forget_records();
        return nullptr;
}

static void torture(size_t row, bool on)
{
        unsigned nth = 0, asked = 0;
        const char *wrong = nullptr;
        while (wrong == nullptr && ++nth <= ALLOCATIONS_MOST) {
                wrong = suffer(row, nth, on);
                if (refusal.asked < nth)
                        break;
                asked = nth;
        }
        char sentence[160];
        snprintf(sentence, sizeof sentence, "%s: memory refused %s, at each of %u places", rows[row].name,
                 on ? "from then on" : "once", asked);
        if (!tap_ok(wrong == nullptr && asked > 5 && nth < ALLOCATIONS_MOST, SUBJECT, sentence))
                printf("# at place %u: %s; status %u, %.60s\n", nth, wrong == nullptr ? "-" : wrong, me.status, me.in);
}

int main(void)
{
        fx_begin();
        /* A neighbour's load is not this test's: nobody looks whether the processor is short. */
        net_timer_clear(fx.loop, &fx.relay->pulse);
        /* Where there is no memory to take its connection the vendor says nothing. */
        fx.catalog->settings.first_byte_ms = 1000;
        long_texts();
        for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
                torture(row, false);
                torture(row, true);
        }
        return fx_end();
}
