/* What needs a whole message to be seen stands in test_http1.c; here are the judgements on single heads. */
#include "codec/http1_check.h"
#include "support/tap.h"

static http1_head head_of(const http1_field *fields, uint16_t count)
{
        http1_head h = {.method = HTTP1_GET, .status = 200, .target = VIEW("/v1/x"), .count = count};
        for (size_t i = 0; i < count; i++)
                h.fields[i] = fields[i];
        return h;
}

static const http1_line  v11 = {.major = 1, .minor = 1};
static const http1_setup any_host = {.side = HTTP1_REQUEST, .body_limit = 64};

static void host_test(void)
{
        static const struct {
                view value;
                bool good;
        } hosts[] = {
                {VIEW_INIT("a"), true}, {VIEW_INIT("A-1.b_c"), true}, {VIEW_INIT("a:8443"), true},
                {VIEW_INIT("[::1]"), true}, {VIEW_INIT("[fe80::1]:443"), true}, {VIEW_INIT("127.0.0.1:1"), true},
                {VIEW_INIT(""), false}, {VIEW_INIT("a:"), false}, {VIEW_INIT("a:x"), false},
                {VIEW_INIT("a:65536"), false}, {VIEW_INIT("a:080"), false}, {VIEW_INIT("[::1"), false},
                {VIEW_INIT("[]"), false}, {VIEW_INIT("[::g]"), false}, {VIEW_INIT("[::1]x"), false},
                {VIEW_INIT(":1"), false}, {VIEW_INIT("a/b"), false}, {VIEW_INIT("a b"), false},
                {VIEW_INIT("a:1:2"), false}, {VIEW_INIT("caf\xC3\xA9"), false},
        };
        for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
                http1_field host = {VIEW("host"), hosts[i].value};
                http1_head  h = head_of(&host, 1);
                tap_ok(failed(http1_check_request(&h, v11, &any_host)) != hosts[i].good,
                       hosts[i].good ? "host allowed" : "host refused", (const char *)hosts[i].value.data);
        }
}

/* Every field that may stand once is refused when it stands twice, though both say the same. */
static void once_test(void)
{
        static const struct {
                view name, value;
                bool once_in_response;
        } fields[] = {
                {VIEW_INIT("host"), VIEW_INIT("a"), false},
                {VIEW_INIT("content-length"), VIEW_INIT("0"), true},
                {VIEW_INIT("transfer-encoding"), VIEW_INIT("chunked"), true},
                {VIEW_INIT("content-encoding"), VIEW_INIT("identity"), true},
                {VIEW_INIT("content-type"), VIEW_INIT("application/json"), true},
                {VIEW_INIT("connection"), VIEW_INIT("keep-alive"), false},
                {VIEW_INIT("expect"), VIEW_INIT("100-continue"), false},
                {VIEW_INIT("authorization"), VIEW_INIT("Bearer k"), false},
                {VIEW_INIT("x-api-key"), VIEW_INIT("k"), false},
                {VIEW_INIT("x-goog-api-key"), VIEW_INIT("k"), false},
        };
        http1_setup response = {.side = HTTP1_RESPONSE, .body_limit = 64};
        for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
                http1_field three[] = {{VIEW("host"), VIEW("a")},
                                       {fields[i].name, fields[i].value}, {fields[i].name, fields[i].value}};
                bool        interim;
                http1_head  once = head_of(three + (i == 0), 2), twice = head_of(three, 3);
                once.method = twice.method = HTTP1_PUT;
                once.count = i == 0 ? 1 : 2;
                err e = http1_check_request(&once, v11, &any_host);
                tap_ok(e.code == ERR_NONE || e.code == ERR_NO_LENGTH, "a request may have once",
                       (const char *)fields[i].name.data);
                tap_ok(http1_check_request(&twice, v11, &any_host).code == ERR_BAD_HTTP, "but not twice",
                       (const char *)fields[i].name.data);
                twice = head_of(three + 1, 2);
                tap_ok(failed(http1_check_response(&twice, v11, &response, &interim)) == fields[i].once_in_response,
                       fields[i].once_in_response ? "a response may not have twice" : "a response may have twice",
                       (const char *)fields[i].name.data);
        }
}

static void status_test(void)
{
        http1_setup response = {.side = HTTP1_RESPONSE, .body_limit = 64};
        bool        good = true;
        for (uint16_t status = 0; status < 1000; status++) {
                http1_field length = {VIEW("content-length"), VIEW("0")};
                http1_head  bare = head_of(nullptr, 0), sized = head_of(&length, 1);
                bool        interim, announced = status == 100 || status == 103;
                bool        final = status >= 200 && status <= 599 && status / 100 != 3;
                final = final && status != 204 && status != 205;
                bare.status = sized.status = status;
                good = good && failed(http1_check_response(&sized, v11, &response, &interim)) == !final;
                good = good && failed(http1_check_response(&bare, v11, &response, &interim)) == !(final || announced);
                good = good && interim == announced;
        }
        tap_ok(good, "http1_check", "every status from 0 to 999 is judged");
}

static void small_test(void)
{
        http1_field fields[] = {{VIEW("host"), VIEW("a")}, {VIEW("expect"), VIEW("100-continue")}};
        http1_head  h = head_of(fields, 2);
        tap_ok(!failed(http1_check_request(&h, v11, &any_host)) && !h.expect && h.keep_alive, "http1_check",
               "who sends no body is not told to go on");
        fields[1] = (http1_field){VIEW("upgrade"), VIEW("h2c")};
        h = head_of(fields, 2);
        tap_ok(!failed(http1_check_request(&h, v11, &any_host)) && !h.keep_alive, "http1_check",
               "an upgrade is not made, and the connection ends");
        h = head_of(fields, 1);
        h.method = HTTP1_OTHER;
        tap_ok(http1_check_request(&h, (http1_line){1, 1, .connect = true}, &any_host).code == ERR_BAD_METHOD
                       && !h.keep_alive, "http1_check", "CONNECT ends the connection");
        tap_ok(view_equal(http1_trim(VIEW(" \t a b\t ")), VIEW("a b")) && http1_trim(VIEW(" \t")).len == 0,
               "http1_check", "spaces and tabs are trimmed at both ends");
        tap_ok(http1_frames(VIEW("content-length")) && http1_frames(VIEW("transfer-encoding"))
                       && !http1_frames(VIEW("content-type")), "http1_check", "two names frame a message");
}

int main(void)
{
        host_test();
        once_test();
        status_test();
        small_test();
        return tap_done();
}
