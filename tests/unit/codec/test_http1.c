/* Verdicts, of vectors and of the rows here, are written as tests/vectors/README.md says. */
#include "base/arena.h"
#include "codec/base64.h"
#include "codec/http1.h"
#include "support/tap.h"

typedef struct outcome {
        char     verdict[160];
        uint64_t digest; /* of heads, bodies and the offsets at which they ended */
        http1_head head; /* of the last message; its texts are gone */
} outcome;

typedef struct course {
        http1_setup setup;
        uint64_t    digest, body;
} course;

static uint64_t digest_add(uint64_t d, const void *bytes, size_t len)
{
        for (size_t i = 0; i < len; i++)
                d = (d ^ ((const uint8_t *)bytes)[i]) * 0x100000001B3u;
        return d;
}

static void on_body(void *ctx, view piece)
{
        course *c = ctx;
        c->digest = digest_add(c->digest, piece.data, piece.len);
        c->body += piece.len;
}

static bool host_is_a(void *, view host)
{
        return view_equal_nocase(host, VIEW("a"));
}

static void head_digest(course *c, const http1_head *h, size_t at)
{
        c->digest = digest_add(c->digest, &at, sizeof at);
        c->digest = digest_add(c->digest, h->target.data, h->target.len);
        for (size_t i = 0; i < h->count; i++) {
                c->digest = digest_add(c->digest, h->fields[i].name.data, h->fields[i].name.len);
                c->digest = digest_add(c->digest, h->fields[i].value.data, h->fields[i].value.len);
        }
}

static void say(outcome *o, const char *what)
{
        size_t len = strlen(o->verdict);
        snprintf(o->verdict + len, sizeof o->verdict - len, "%s%s", len > 0 ? ", " : "", what);
}

static void say_refused(outcome *o, const http1 *p, err e)
{
        char text[32];
        bool keep = e.code == ERR_BAD_METHOD && p->head != nullptr && p->head->keep_alive;
        snprintf(text, sizeof text, "%u%s", err_describe(e.code)->http, keep ? "" : " close");
        say(o, e.code == ERR_GONE ? "drop" : text);
}

static void say_end(outcome *o, const course *c, http1 *p)
{
        bool done;
        char text[32];
        err  e = http1_eof(p, true, &done);
        if (failed(e)) {
                say(o, "cut");
                return;
        }
        snprintf(text, sizeof text, "until-close %llu", (unsigned long long)c->body);
        say(o, failed(http1_eof(p, false, &done)) ? text : "complete at the end of the connection");
}

/* How the bytes are cut: all pieces `step` long, but a cut at `cut` in any case. */
typedef struct cutting {
        size_t step, cut;
} cutting;

static size_t piece_end(cutting how, size_t at, size_t len)
{
        size_t end = len - at > how.step ? at + how.step : len;
        return at < how.cut && end > how.cut ? how.cut : end;
}

/* One message from bytes[*at]. False: nothing more can follow on the connection. */
static bool message_run(course *c, arena *a, view bytes, size_t *at, cutting how, outcome *o)
{
        http1       p = {};
        http1_event event = HTTP1_MORE;
        c->body = 0;
        if (failed(http1_begin(&p, &c->setup, a)))
                return false;
        do {
                size_t used, end = piece_end(how, *at, bytes.len);
                err    e = http1_feed(&p, view_slice(bytes, *at, end), &used, &event);
                *at += used;
                if (p.head != nullptr)
                        o->head = *p.head;
                if (failed(e)) {
                        say_refused(o, &p, e);
                        return false;
                }
                if (event == HTTP1_HEAD)
                        head_digest(c, p.head, *at);
        } while (event == HTTP1_HEAD || (event == HTTP1_MORE && *at < bytes.len));
        if (event == HTTP1_MORE) {
                say_end(o, c, &p);
                return false;
        }
        c->digest = digest_add(c->digest, at, sizeof *at);
        bool again = p.head->keep_alive && (c->setup.side == HTTP1_REQUEST || *at == bytes.len);
        char text[64];
        snprintf(text, sizeof text, "accept %llu %s", (unsigned long long)c->body, again ? "keep" : "close");
        say(o, text);
        return again && *at < bytes.len;
}

static outcome run(http1_side side, view bytes, uint64_t body_limit, cutting how)
{
        outcome o = {};
        course  c = {.setup = {side, host_is_a, on_body, nullptr, body_limit}};
        arena   a;
        size_t  at = 0;
        c.setup.ctx = &c;
        arena_init(&a, 1024 * 1024);
        while (message_run(&c, &a, bytes, &at, how, &o))
                ;
        arena_end(&a);
        o.digest = c.digest;
        return o;
}

/* "415" allows "415 close" too, and a 404 is the router's. */
static bool verdict_fits(const char *want, const char *got)
{
        if (strcmp(want, "404") == 0)
                return strncmp(got, "accept ", 7) == 0;
        size_t len = strlen(want);
        return strcmp(want, got) == 0 || (len == 3 && strncmp(want, got, len) == 0);
}

static bool same(const outcome *a, const outcome *b)
{
        return strcmp(a->verdict, b->verdict) == 0 && a->digest == b->digest;
}

/* Whole, bytewise, at every single cut. */
static bool invariant(http1_side side, view bytes, uint64_t body_limit, const char *want)
{
        outcome whole = run(side, bytes, body_limit, (cutting){SIZE_MAX, 0});
        if (!verdict_fits(want, whole.verdict)) {
                printf("# want '%s', got '%s'\n", want, whole.verdict);
                return false;
        }
        outcome bytewise = run(side, bytes, body_limit, (cutting){1, 0});
        if (!same(&whole, &bytewise)) {
                printf("# whole '%s', bytewise '%s'\n", whole.verdict, bytewise.verdict);
                return false;
        }
        for (size_t cut = 1; cut < bytes.len; cut++) {
                outcome in_two = run(side, bytes, body_limit, (cutting){SIZE_MAX, cut});
                if (!same(&whole, &in_two)) {
                        printf("# whole '%s', cut at %zu '%s'\n", whole.verdict, cut, in_two.verdict);
                        return false;
                }
        }
        return true;
}

/* The value of a string member; the file has no escapes. */
static bool member(const char *line, const char *name, char *out, size_t cap)
{
        char key[32];
        snprintf(key, sizeof key, "\"%s\":\"", name);
        const char *start = strstr(line, key);
        if (start == nullptr)
                return false;
        start += strlen(key);
        const char *end = strchr(start, '"');
        if (end == nullptr || (size_t)(end - start) >= cap)
                return false;
        memcpy(out, start, (size_t)(end - start));
        out[end - start] = '\0';
        return true;
}

static void vectors_test(void)
{
        static char    line[128 * 1024], text[128 * 1024];
        static uint8_t bytes[96 * 1024];
        FILE          *f = fopen("tests/vectors/http1.jsonl", "r");
        int            count = 0;
        while (f != nullptr && fgets(line, sizeof line, f) != nullptr) {
                char id[64], side[16], verdict[64];
                emit e = emit_into(bytes, sizeof bytes);
                bool good = member(line, "id", id, sizeof id) && member(line, "side", side, sizeof side)
                            && member(line, "verdict", verdict, sizeof verdict)
                            && member(line, "bytes", text, sizeof text) && base64_read(view_of_text(text), &e);
                count++;
                if (!tap_ok(good && !e.full, "vector file", "the line can be read"))
                        continue;
                http1_side s = strcmp(side, "request") == 0 ? HTTP1_REQUEST : HTTP1_RESPONSE;
                tap_ok(invariant(s, (view){bytes, e.len}, 16 * 1024 * 1024, verdict), id, verdict);
        }
        if (f != nullptr)
                fclose(f);
        tap_ok(count == 208, "vector file", "has 208 vectors");
}

#define POST "POST /v1/x HTTP/1.1\r\nHost: a\r\n"
#define GET  "GET /v1/x HTTP/1.1\r\nHost: a\r\n"
#define RES  "HTTP/1.1 200 OK\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"

static const struct {
        const char *name;
        http1_side  side;
        view        bytes;
        const char *verdict;
} rows[] = {
        {"one empty line before a request is skipped", HTTP1_REQUEST, VIEW_INIT("\r\n" GET "\r\n"), "accept 0 keep"},
        {"a CR alone before a request is refused", HTTP1_REQUEST, VIEW_INIT("\rG"), "400 close"},
        {"RTSP is not HTTP", HTTP1_REQUEST, VIEW_INIT("GET /x RTSP/1.1\r\nHost: a\r\n\r\n"), "400 close"},
        {"a method of RTSP alone is refused", HTTP1_REQUEST,
         VIEW_INIT("DESCRIBE /x HTTP/1.1\r\nHost: a\r\n\r\n"), "400 close"},
        {"HTTP/1.0 is told what is spoken", HTTP1_REQUEST,
         VIEW_INIT("GET /x HTTP/1.0\r\nHost: a\r\n\r\n"), "505 close"},
        {"HEAD is refused and the connection closed", HTTP1_REQUEST,
         VIEW_INIT("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n"), "405 close"},
        {"an unknown method without a body keeps the connection", HTTP1_REQUEST,
         VIEW_INIT("PATCH /x HTTP/1.1\r\nHost: a\r\n\r\n"), "405"},
        {"an unknown method with a body closes it", HTTP1_REQUEST,
         VIEW_INIT("PATCH /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"), "405 close"},
        {"PUT carries a body", HTTP1_REQUEST,
         VIEW_INIT("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"), "accept 1 keep"},
        {"DELETE carries none", HTTP1_REQUEST,
         VIEW_INIT("DELETE /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"), "400 close"},
        {"GET may say that it has no body", HTTP1_REQUEST, VIEW_INIT(GET "Content-Length: 0\r\n\r\n"), "accept 0 keep"},
        {"another host is refused", HTTP1_REQUEST, VIEW_INIT("GET /x HTTP/1.1\r\nHost: b\r\n\r\n"), "400 close"},
        {"an empty host is refused", HTTP1_REQUEST, VIEW_INIT("GET /x HTTP/1.1\r\nHost:\r\n\r\n"), "400 close"},
        {"%00 in the target is refused", HTTP1_REQUEST, VIEW_INIT("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n"), "400 close"},
        {"two equal keys in two places are one", HTTP1_REQUEST,
         VIEW_INIT(GET "Authorization: bearer k\r\nx-api-key: k\r\n\r\n"), "accept 0 keep"},
        {"two different keys are refused", HTTP1_REQUEST,
         VIEW_INIT(GET "Authorization: Bearer k\r\nx-goog-api-key: l\r\n\r\n"), "400 close"},
        {"two Connection lines are refused in a request", HTTP1_REQUEST,
         VIEW_INIT(GET "Connection: keep-alive\r\nConnection: close\r\n\r\n"), "400 close"},
        {"close is found in a list", HTTP1_REQUEST,
         VIEW_INIT(GET "Connection: x ,\t Close\t, y\r\n\r\n"), "accept 0 close"},
        {"deflate under chunked is not spoken", HTTP1_REQUEST,
         VIEW_INIT(POST "Transfer-Encoding: deflate , Chunked\r\n\r\n0\r\n\r\n"), "501 close"},
        {"an unknown coding under chunked is nonsense", HTTP1_REQUEST,
         VIEW_INIT(POST "Transfer-Encoding: br, chunked\r\n\r\n0\r\n\r\n"), "400 close"},
        {"identity content coding is no coding", HTTP1_REQUEST,
         VIEW_INIT(POST "Content-Encoding: Identity\r\nContent-Length: 1\r\n\r\nx"), "accept 1 keep"},
        {"sixteen digits of a chunk size are read", HTTP1_REQUEST,
         VIEW_INIT(POST CHUNKED "0000000000000001\r\nx\r\n0\r\n\r\n"), "accept 1 keep"},
        {"seventeen are refused", HTTP1_REQUEST,
         VIEW_INIT(POST CHUNKED "00000000000000001\r\nx\r\n0\r\n\r\n"), "400 close"},
        {"digits count anew in each chunk", HTTP1_REQUEST,
         VIEW_INIT(POST CHUNKED "000000001\r\nx\r\n000000002\r\nyz\r\n000000000\r\n\r\n"), "accept 3 keep"},
        {"chunks of one body are summed", HTTP1_REQUEST,
         VIEW_INIT(POST CHUNKED "40\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n"
                   "1\r\nx\r\n0\r\n\r\n"), "413 close"},
        {"a body of the limit is taken", HTTP1_REQUEST,
         VIEW_INIT(POST "Content-Length: 64\r\n\r\n"
                   "0123456789012345678901234567890123456789012345678901234567890123"), "accept 64 keep"},
        {"one byte more is refused at the head", HTTP1_REQUEST,
         VIEW_INIT(POST "Content-Length: 65\r\n\r\n"), "413 close"},
        {"eight trailer fields are dropped", HTTP1_REQUEST,
         VIEW_INIT(POST CHUNKED "0\r\na:b\r\nc:\r\ne:f\r\ng:h\r\ni:j\r\nk:l\r\nm:n\r\no:p\r\n\r\n"), "accept 0 keep"},
        {"nine are refused", HTTP1_REQUEST,
         VIEW_INIT(POST CHUNKED "0\r\na:b\r\nc:d\r\ne:f\r\ng:h\r\ni:j\r\nk:l\r\nm:n\r\no:p\r\nq:r\r\n\r\n"),
         "400 close"},
        {"three requests in one piece", HTTP1_REQUEST,
         VIEW_INIT(GET "\r\n" POST "Content-Length: 2\r\n\r\n{}" GET "\r\n"),
         "accept 0 keep, accept 2 keep, accept 0 keep"},
        {"a fault in the second ends the connection", HTTP1_REQUEST, VIEW_INIT(GET "\r\nGET\r\n" GET "\r\n"),
         "accept 0 keep, 400 close"},
        {"nothing at all", HTTP1_REQUEST, VIEW_INIT(""), "cut"},

        {"eight interim answers are skipped", HTTP1_RESPONSE,
         VIEW_INIT("HTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 C\r\nX: y\r\n\r\nHTTP/1.1 100 C\r\n\r\n"
                   "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\n"
                   RES "Content-Length: 2\r\n\r\n{}"), "accept 2 keep"},
        {"102 is not expected", HTTP1_RESPONSE, VIEW_INIT("HTTP/1.1 102 P\r\n\r\n" RES "\r\n"), "502 close"},
        {"an empty line before the status line is refused", HTTP1_RESPONSE, VIEW_INIT("\r\n" RES "\r\n"), "502 close"},
        {"HTTP/2.0 in clear is refused", HTTP1_RESPONSE, VIEW_INIT("HTTP/2.0 200\r\n\r\n"), "502 close"},
        {"close in a second Connection line counts", HTTP1_RESPONSE,
         VIEW_INIT(RES "Connection: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), "accept 0 close"},
        {"chunked from HTTP/1.0 is refused", HTTP1_RESPONSE,
         VIEW_INIT("HTTP/1.0 200 OK\r\n" CHUNKED "0\r\n\r\n"), "502 close"},
        {"an error status is an answer", HTTP1_RESPONSE,
         VIEW_INIT("HTTP/1.1 429 Slow\r\nContent-Length: 2\r\n\r\n{}"), "accept 2 keep"},
        {"chunks and an extension", HTTP1_RESPONSE,
         VIEW_INIT(RES CHUNKED "3;q=\"a b\"\r\nabc\r\nA\r\n0123456789\r\n0\r\nx: y\r\n\r\n"), "accept 13 keep"},
        {"a body without length ends with the connection", HTTP1_RESPONSE, VIEW_INIT(RES "\r\nabc"), "until-close 3"},
        {"a body without length is bounded too", HTTP1_RESPONSE,
         VIEW_INIT(RES "\r\n01234567890123456789012345678901234567890123456789012345678901234"), "502 close"},
        {"a sized answer is bounded", HTTP1_RESPONSE, VIEW_INIT(RES "Content-Length: 65\r\n\r\n"), "502 close"},
        {"nothing from a vendor", HTTP1_RESPONSE, VIEW_INIT(""), "cut"},
};

static void rows_test(void)
{
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
                tap_ok(invariant(rows[i].side, rows[i].bytes, 64, rows[i].verdict), "http1", rows[i].name);
}

/* A head made of `before`, `count` times `unit`, and an end. */
static bool repeated(http1_side side, const char *before, const char *unit, size_t count, const char *after,
                     const char *verdict)
{
        static char text[64 * 1024];
        size_t      len = (size_t)snprintf(text, sizeof text, "%s", before);
        for (size_t i = 0; i < count && len + strlen(unit) < sizeof text; i++)
                len += (size_t)snprintf(text + len, sizeof text - len, "%s", unit);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s", after);
        return invariant(side, (view){(const uint8_t *)text, len}, 64, verdict);
}

static void bounds_test(void)
{
        const char *end = " HTTP/1.1\r\nHost: a\r\n\r\n";
        tap_ok(repeated(HTTP1_REQUEST, "GET /", "x", LIMIT_HEAD_TARGET_BYTES - 1, end, "accept 0 keep"), "http1",
               "a target of 8 KiB is taken");
        tap_ok(repeated(HTTP1_REQUEST, "GET /", "x", LIMIT_HEAD_TARGET_BYTES, end, "414 close"), "http1",
               "one byte more is too long");
        tap_ok(repeated(HTTP1_REQUEST, GET, "a:b\r\n", LIMIT_HEAD_FIELDS - 1, "\r\n", "accept 0 keep"), "http1",
               "64 fields are taken");
        tap_ok(repeated(HTTP1_REQUEST, GET, "a:b\r\n", LIMIT_HEAD_FIELDS, "\r\n", "431 close"), "http1",
               "65 are too many");
        tap_ok(repeated(HTTP1_RESPONSE, RES "Content-Length: 0\r\n", "a:b\r\n", LIMIT_RESPONSE_FIELDS - 1, "\r\n",
                        "accept 0 keep"), "http1", "100 fields of a vendor are taken");
        tap_ok(repeated(HTTP1_RESPONSE, RES "Content-Length: 0\r\n", "a:b\r\n", LIMIT_RESPONSE_FIELDS, "\r\n",
                        "502 close"), "http1", "101 are too many");
        tap_ok(repeated(HTTP1_REQUEST, GET "a:", "x", LIMIT_HEAD_FIELD_BYTES - 4, "\r\n\r\n", "accept 0 keep"), "http1",
               "a field of 16 KiB is taken");
        tap_ok(repeated(HTTP1_REQUEST, GET "a:", "x", LIMIT_HEAD_FIELD_BYTES - 3, "\r\n\r\n", "431 close"), "http1",
               "one byte more is too large");
        tap_ok(repeated(HTTP1_REQUEST, GET "a:", "xxxxxxxxxxxxxxx\r\nb:", 2000, "\r\n\r\n", "431 close"), "http1",
               "many middling fields are too many bytes or fields");
        tap_ok(repeated(HTTP1_REQUEST, POST CHUNKED, "1;abc\r\nx\r\n", 64, "0\r\n\r\n", "accept 64 keep"), "http1",
               "extensions of 256 bytes in sum are dropped");
        tap_ok(repeated(HTTP1_REQUEST, POST CHUNKED, "1;abcd\r\nx\r\n", 52, "0\r\n\r\n", "400 close"), "http1",
               "more are refused");
        tap_ok(repeated(HTTP1_REQUEST, POST CHUNKED "0\r\na:", "x", LIMIT_TRAILER_BYTES - 6, "\r\n\r\n",
                        "accept 0 keep"), "http1", "a trailer of 1 KiB is dropped");
        tap_ok(repeated(HTTP1_REQUEST, POST CHUNKED "0\r\na:", "x", LIMIT_TRAILER_BYTES - 5, "\r\n\r\n", "400 close"),
               "http1", "one byte more is refused");
        tap_ok(repeated(HTTP1_REQUEST, GET, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", 700, "",
                        "431 close"), "http1", "a name without end is refused");
}

static void head_test(void)
{
        const view  in = VIEW("POST /v1/x?y HTTP/1.1\r\nHost: a\r\nX-Some_Name: \t v w\t \r\nExpect: 100-Continue\r\n"
                              "Empty:\r\nContent-Length: 2\r\n\r\n{}");
        http1_setup setup = {.side = HTTP1_REQUEST, .body_limit = 64};
        http1       p = {};
        arena       a;
        size_t      used;
        http1_event event;
        arena_init(&a, 64 * 1024);
        bool good = !failed(http1_begin(&p, &setup, &a));
        tap_ok(good && a.mapped == 0 && !http1_begun(&p), "http1", "an idle parser takes no memory");
        good = !failed(http1_feed(&p, VIEW("\r\n"), &used, &event));
        tap_ok(good && !http1_begun(&p), "http1", "an empty line begins nothing");
        good = !failed(http1_feed(&p, in, &used, &event)) && event == HTTP1_HEAD;
        tap_ok(good && used == in.len - 2 && http1_begun(&p), "http1", "feeding stops behind the head");
        tap_ok(good && p.head->method == HTTP1_POST && view_equal(p.head->target, VIEW("/v1/x?y")), "http1",
               "method and target stand in the head");
        tap_ok(view_equal(http1_get(p.head, VIEW("x-some_name")), VIEW("v w")), "http1",
               "names are lower case and values trimmed");
        tap_ok(http1_get(p.head, VIEW("empty")).len == 0 && http1_get(p.head, VIEW("none")).len == 0, "http1",
               "an empty and an absent field look alike");
        tap_ok(p.head->expect && p.head->sized && p.head->length == 2 && !p.head->chunked, "http1",
               "expectation and length are known");
        good = !failed(http1_feed(&p, VIEW("{"), &used, &event)) && event == HTTP1_MORE;
        bool done = true;
        tap_ok(good && http1_eof(&p, true, &done).code == ERR_BAD_HTTP && !done, "http1",
               "a body cut short is a bad request");
        good = !failed(http1_feed(&p, VIEW("}x"), &used, &event)) && event == HTTP1_DONE && used == 1;
        tap_ok(good, "http1", "bytes behind the body are left alone");
        tap_ok(!failed(http1_eof(&p, false, &done)) && done, "http1", "a closed connection does not undo a message");
        arena_end(&a);
}

static void refusal_test(void)
{
        http1_setup setup = {.side = HTTP1_REQUEST, .body_limit = 64};
        http1       p = {};
        arena       a;
        size_t      used;
        bool        done;
        http1_event event;
        arena_init(&a, 64 * 1024);
        bool good = !failed(http1_begin(&p, &setup, &a));
        tap_ok(good && http1_eof(&p, true, &done).code == ERR_GONE, "http1", "a connection may end between requests");
        good = http1_feed(&p, VIEW("get"), &used, &event).code == ERR_BAD_HTTP;
        tap_ok(good && http1_feed(&p, VIEW("GET"), &used, &event).code == ERR_BAD_HTTP && used == 0, "http1",
               "an error stays");
        tap_ok(http1_eof(&p, true, &done).code == ERR_BAD_HTTP, "http1", "at the end too");
        good = !failed(http1_begin(&p, &setup, &a))
               && http1_feed(&p, VIEW("PATCH /x HTTP/1.1\r\nHost: a\r\n\r\nG"), &used, &event).code == ERR_BAD_METHOD;
        tap_ok(good && p.head->keep_alive && used == 30, "http1", "what follows a refused method can be read");
        setup.side = HTTP1_RESPONSE;
        good = !failed(http1_begin(&p, &setup, &a)) && !failed(http1_feed(&p, VIEW(RES), &used, &event));
        tap_ok(good && http1_eof(&p, true, &done).code == ERR_UPSTREAM_CUT, "http1", "a vendor may break off");
        arena_end(&a);
}

/* Every size of arena from none to enough gives NO_ROOM or the head, never anything else. */
static void room_test(void)
{
        static char text[20 * 1024];
        int         len = snprintf(text, sizeof text, GET "X: %015000d\r\nY: %0600d\r\n\r\n", 1, 2);
        view        in = {(const uint8_t *)text, (size_t)len};
        http1_setup setup = {.side = HTTP1_REQUEST, .body_limit = 64};
        int         refused = 0, taken = 0, other = 0;
        for (size_t cap = 0; cap <= 128 * 1024; cap += 4096) {
                http1       p = {};
                arena       a;
                size_t      used;
                http1_event event;
                arena_init(&a, cap);
                err e = http1_begin(&p, &setup, &a);
                for (size_t at = 0; !failed(e) && at < in.len; at += used) {
                        e = http1_feed(&p, view_slice(in, at, at + 100), &used, &event);
                        if (failed(e))
                                break;
                }
                refused += e.code == ERR_NO_ROOM;
                taken += e.code == ERR_NONE && view_equal(http1_get(p.head, VIEW("x")), view_slice(in, 32, 15032));
                other += e.code != ERR_NONE && e.code != ERR_NO_ROOM;
                arena_end(&a);
        }
        tap_ok(refused > 1 && taken > 1 && other == 0, "http1", "a full arena is its own error at every step");
}

int main(void)
{
        vectors_test();
        rows_test();
        bounds_test();
        head_test();
        refusal_test();
        room_test();
        return tap_done();
}
