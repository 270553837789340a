#include "live.h"

#define HOST  "Host: 127.0.0.1\r\n"
#define TOKEN "Authorization: Bearer right\r\n"

static void one_by_one(void)
{
        static const struct {
                const char *name;
                const char *request;
                unsigned status;
                const char *part;
        } rows[] = {
                {"health needs no token", "GET /healthz HTTP/1.1\r\n" HOST "\r\n", 200, "\r\n\r\nok\n"},
                {"metrics need no token", "GET /metrics HTTP/1.1\r\n" HOST "\r\n", 200, "\n# EOF\n"},
                {"the page needs no token", "GET / HTTP/1.1\r\n" HOST "\r\n", 200, "<!doctype html>"},
                {"management wants a token", "GET /admin/v1/status HTTP/1.1\r\n" HOST "\r\n", 401,
                 "WWW-Authenticate: Bearer"},
                {"so does what does not exist there", "GET /admin/none HTTP/1.1\r\n" HOST "\r\n", 401, "unauthorized"},
                {"with a token it is told apart", "GET /admin/none HTTP/1.1\r\n" HOST TOKEN "\r\n", 404, "unknown_url"},
                {"the right token is let in", "GET /admin/v1/status HTTP/1.1\r\n" HOST TOKEN "\r\n", 200,
                 "\"vault\":null"},
                {"another method is 405 and says which", "DELETE /healthz HTTP/1.1\r\n" HOST "\r\n", 405,
                 "Allow: GET\r\n"},
                {"a method of no use is 405", "OPTIONS /healthz HTTP/1.1\r\n" HOST "\r\n", 405, "method_not_allowed"},
                {"another host is refused", "GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", 400, "bad_http"},
                {"no host is refused", "GET /healthz HTTP/1.1\r\n\r\n", 400, "bad_http"},
                {"no HTTP is refused", "nonsense\r\n\r\n", 400, "bad_http"},
                {"a body must be JSON by name",
                 "POST /admin/v1/keys/hash HTTP/1.1\r\n" HOST TOKEN "Content-Length: 2\r\n\r\n{}", 415,
                 "unsupported_media_type"},
                {"a bad body has its place",
                 "POST /admin/v1/keys/hash HTTP/1.1\r\n" HOST TOKEN
                 "Content-Type: application/json; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}",
                 400, "MISSING_KEY"},
                {"a body by chunks is a body",
                 "POST /admin/v1/keys/hash HTTP/1.1\r\n" HOST TOKEN
                 "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
                 400, "MISSING_KEY"},
                {"a body too large is refused at its head",
                 "POST /admin/v1/keys/hash HTTP/1.1\r\n" HOST TOKEN
                 "Content-Type: application/json\r\nContent-Length: 65537\r\n\r\n",
                 413, "request_too_large"},
                {"a change without a keeper is 503",
                 "DELETE /admin/v1/vault/credentials/a HTTP/1.1\r\n" HOST TOKEN "\r\n", 503, "no_keeper"},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
                tap_ok(live_has(live_ask(rows[i].request), rows[i].status, rows[i].part), "conn", rows[i].name);
}

static void headers(void)
{
        static const char *const lines[] = {
                "Cache-Control: no-store\r\n",
                "default-src 'none'",
                "frame-ancestors 'none'",
                "X-Content-Type-Options: nosniff\r\n",
                "Referrer-Policy: no-referrer\r\n",
                "Cross-Origin-Opener-Policy: same-origin\r\n",
                "Cross-Origin-Resource-Policy: same-origin\r\n",
                "Permissions-Policy: ",
                "Connection: keep-alive\r\n",
        };
        live_answer *a = live_ask("GET /healthz HTTP/1.1\r\n" HOST "\r\n");
        bool all = true;
        for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
                all &= strstr(a->text, lines[i]) != nullptr;
        tap_ok(all, "conn", "every answer has the security lines");
        tap_ok(strstr(a->text, "Strict-Transport") == nullptr, "conn", "an address is not bound to TLS");
        a = live_ask("GET /healthz HTTP/1.1\r\nHost: a.example:9443\r\n\r\n");
        tap_ok(live_has(a, 200, "Strict-Transport-Security: "), "conn", "a real name is");
}

static void guessing(void)
{
        int wrong = live_connect();
        uint64_t before = clock_ms();
        live_send(wrong, VIEW("GET /admin/v1/status HTTP/1.1\r\n" HOST "Authorization: Bearer wrong\r\n\r\n"));
        live_answer *a = live_ask("GET /healthz HTTP/1.1\r\n" HOST "\r\n");
        tap_ok(a->status == 200 && clock_ms() - before < 150, "conn", "a guesser holds up nobody");
        a = live_take(wrong, 3000);
        tap_ok(a->status == 401 && clock_ms() - before >= 190, "conn", "but waits");
        live_send(wrong, VIEW("GET /healthz HTTP/1.1\r\n" HOST "\r\n"));
        tap_ok(live_take(wrong, 3000)->status == 200, "conn", "and may go on");
        live_send(wrong, VIEW("GET /admin/v1/status HTTP/1.1\r\n" HOST "\r\n"));
        close(wrong);
}

static void sequences(void)
{
        int fd = live_connect();
        live_send(fd, VIEW("GET /healthz HTTP/1.1\r\n" HOST "\r\nGET /readyz HTTP/1.1\r\n" HOST
                           "\r\nGET /admin/v1/status HTTP/1.1\r\n" HOST "\r\nGET /healthz HTTP/1.1\r\n" HOST
                           "Connection: close\r\n\r\nGET /healthz HTTP/1.1\r\n" HOST "\r\n"));
        bool good = live_take(fd, 3000)->status == 200;
        good &= live_take(fd, 3000)->status == 503;
        good &= live_take(fd, 3000)->status == 401;
        live_answer *a = live_take(fd, 3000);
        good &= live_has(a, 200, "Connection: close\r\n");
        tap_ok(good && live_ended(fd), "conn", "requests in one go are answered in order, up to a close");
        close(fd);
        fd = live_connect();
        static const char request[] = "POST /admin/v1/keys/hash HTTP/1.1\r\n" HOST TOKEN
                                      "Content-Type: application/json\r\nContent-Length: 3\r\n\r\n{ }";
        for (size_t i = 0; i + 1 < sizeof request; i++) {
                live_send(fd, (view){(const uint8_t *)request + i, 1});
                usleep(200);
        }
        tap_ok(live_has(live_take(fd, 3000), 400, "MISSING_KEY"), "conn", "a request may come byte by byte");
        close(fd);
}

static void continues(void)
{
        int fd = live_connect();
        live_send(fd, VIEW("POST /admin/v1/keys/hash HTTP/1.1\r\n" HOST TOKEN
                           "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
        bool good = live_take(fd, 3000)->status == 100;
        live_send(fd, VIEW("{}"));
        tap_ok(good && live_take(fd, 3000)->status == 400, "conn", "a body that asks first is asked for");
        close(fd);
        fd = live_connect();
        live_send(fd, VIEW("POST /admin/v1/keys/hash HTTP/1.1\r\n" HOST
                           "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
        good = live_has(live_take(fd, 3000), 401, "Connection: close\r\n");
        tap_ok(good && live_ended(fd), "conn", "but not from who may not send it");
        close(fd);
}

static void keeper_answers(void)
{
        static keeper_message m;
        live_keeper();
        int fd = live_connect(), gone = live_connect();
        live_send(gone, VIEW("GET /admin/v1/vault HTTP/1.1\r\n" HOST TOKEN "\r\n"));
        bool heard = recv(l.keeper, &m, sizeof m, 0) == 16 && m.op == KEEPER_STATUS;
        live_send(fd, VIEW("GET /admin/v1/vault HTTP/1.1\r\n" HOST TOKEN "\r\nGET /healthz HTTP/1.1\r\n" HOST "\r\n"));
        close(gone);
        keeper_status s = {.open = 1};
        for (int i = 0; i < 2; i++) {
                m = (keeper_message){.op = KEEPER_STATUS, .len = sizeof s};
                memcpy(m.bytes, &s, sizeof s);
                if (i == 1)
                        heard &= recv(l.keeper, &m, 16, MSG_TRUNC) == 16 && m.op == KEEPER_STATUS;
                m.len = sizeof s;
                heard &= send(l.keeper, &m, 16 + sizeof s, 0) > 0;
        }
        heard &= live_has(live_take(fd, 3000), 200, "\"state\":\"open\"");
        tap_ok(heard && live_take(fd, 3000)->status == 200, "conn",
               "what waits for the keeper is answered in its turn");
        live_send(fd, VIEW("GET /admin/v1/vault HTTP/1.1\r\n" HOST TOKEN "\r\n"));
        heard = recv(l.keeper, &m, sizeof m, 0) == 16;
        close(l.keeper);
        tap_ok(heard && live_has(live_take(fd, 3000), 503, "no_keeper"), "conn", "a keeper that dies ends the wait");
        close(fd);
}

/* Counts answers until `want` have come or nothing more comes. */
static int drain(int fd, int want)
{
        static char room[256 * 1024];
        static const char end[] = "\n# EOF\n";
        size_t kept = 0;
        int seen = 0;
        while (seen < want && live_readable(fd, 3000)) {
                ssize_t n = recv(fd, room + kept, sizeof room - kept, 0);
                if (n <= 0)
                        break;
                kept += (size_t)n;
                char *at = room, *hit;
                while ((hit = memmem(at, (size_t)(room + kept - at), end, sizeof end - 1)) != nullptr) {
                        seen++;
                        at = hit + sizeof end - 1;
                }
                size_t rest = (size_t)(room + kept - at);
                size_t tail = rest < sizeof end ? rest : sizeof end;
                memmove(room, room + kept - tail, tail);
                kept = tail;
        }
        return seen;
}

static void greedy(void)
{
        int fd = live_connect(), asked = 0, patience = 100;
        static const char one[] = "GET /metrics HTTP/1.1\r\n" HOST "\r\n";
        while (asked < 100000 && patience > 0) {
                ssize_t n = send(fd, one, sizeof one - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (n == sizeof one - 1) {
                        asked++;
                        continue;
                }
                if (n >= 0)
                        break;
                patience--;
                usleep(2000);
        }
        tap_ok(asked < 100000, "conn", "who takes no answers is not read for ever");
        tap_ok(live_ask("GET /healthz HTTP/1.1\r\n" HOST "\r\n")->status == 200, "conn", "and nobody else notices");
        tap_ok(drain(fd, asked) == asked, "conn", "who takes them in the end gets all of them");
        close(fd);
}

/* Ten real seconds: the deadlines are rows of the limit table. */
static void slow(void)
{
        int fd = live_connect();
        uint64_t before = clock_ms();
        live_send(fd, VIEW("GET /healthz HTTP/1.1\r\nHos"));
        bool late = live_has(live_take(fd, 12000), 408, "Connection: close\r\n") && clock_ms() - before > 9000;
        tap_ok(late && live_ended(fd), "conn", "half a head is not waited for longer than its deadline");
        close(fd);
}

int main(void)
{
        live_start();
        one_by_one();
        headers();
        guessing();
        sequences();
        continues();
        keeper_answers();
        greedy();
        slow();
        close(l.control);
        tap_ok(live_wait() == 9, "conn", "the server lived to the end");
        return tap_done();
}
