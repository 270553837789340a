/* Through a proxy: what it is told, what its answers mean, and attempts over real TCP to a TLS vendor behind it. */
#include "unit/relay/vendor_side.h"

static const char SUBJECT[] = "tunnel";

/* ---- without the network ---- */

static tunnel_step fed(const char *text, size_t cut, size_t *early, uint16_t *status)
{
        tunnel *n = tunnel_begin();
        view all = view_of_text(text), rest = {};
        tunnel_step step = tunnel_feed(n, view_slice(all, 0, cut), &rest, status);
        size_t left = rest.len;
        if (step == TUNNEL_OPEN)
                left += all.len - cut;
        if (step == TUNNEL_MORE && cut < all.len) {
                step = tunnel_feed(n, view_slice(all, cut, all.len), &rest, status);
                left = rest.len;
        }
        *early = left;
        tunnel_end(n);
        return step;
}

static const struct {
        const char *sentence, *answer;
        tunnel_step want;
        uint16_t status;
        size_t early;
} answers[] = {
        {"200 opens", "HTTP/1.1 200 Connection established\r\n\r\n", TUNNEL_OPEN, 200, 0},
        {"so it does in HTTP/1.0", "HTTP/1.0 200 OK\r\nProxy-Agent: x\r\n\r\n", TUNNEL_OPEN, 200, 0},
        {"an interim answer before it changes nothing", "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", TUNNEL_OPEN,
         200, 0},
        {"what follows the head is the tunnel's already", "HTTP/1.1 200 OK\r\n\r\nearly", TUNNEL_OPEN, 200, 5},
        {"a length means nothing there", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", TUNNEL_OPEN, 200, 3},
        {"chunks neither", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", TUNNEL_OPEN, 200, 5},
        {"407 refuses", "HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", TUNNEL_REFUSED,
         407, 0},
        {"403 refuses", "HTTP/1.1 403 No\r\n\r\n", TUNNEL_REFUSED, 403, 0},
        {"502 refuses", "HTTP/1.1 502 Bad\r\nContent-Length: 4\r\n\r\nnone", TUNNEL_REFUSED, 502, 4},
        {"a redirect refuses", "HTTP/1.1 302 F\r\nLocation: http://a/\r\n\r\n", TUNNEL_REFUSED, 0, 0},
        {"204 is no tunnel", "HTTP/1.1 204 No Content\r\n\r\n", TUNNEL_REFUSED, 0, 0},
        {"another protocol refuses", "SSH-2.0-OpenSSH\r\n", TUNNEL_REFUSED, 0, 0},
        {"TLS refuses", "\x15\x03\x03\x01\x02\x02\x28", TUNNEL_REFUSED, 0, 0},
        {"half a head is none yet", "HTTP/1.1 200 OK\r\nVia: a", TUNNEL_MORE, 0, 0},
};

/* The same at every cut. */
static void test_answers(void)
{
        for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
                bool good = true;
                for (size_t cut = 0; cut <= strlen(answers[i].answer); cut++) {
                        size_t early = 0;
                        uint16_t status = 0;
                        tunnel_step step = fed(answers[i].answer, cut, &early, &status);
                        good = good && step == answers[i].want
                               && (step != TUNNEL_OPEN || (early == answers[i].early && status == 200))
                               && (step != TUNNEL_REFUSED || status == answers[i].status);
                }
                tap_ok(good, SUBJECT, answers[i].sentence);
        }
        static char endless[200 * 1024];
        memset(endless, 'a', sizeof endless - 1);
        memcpy(endless, "HTTP/1.1 200 OK\r\nA: ", 20);
        size_t early;
        uint16_t status;
        tap_ok(fed(endless, 7, &early, &status) == TUNNEL_REFUSED, SUBJECT, "a head without an end refuses");
}

static void proxy_of(size_t i, const char *host, uint16_t port, const char *credential)
{
        catalog_proxy *p = &row(i)->proxy;
        *p = (catalog_proxy){.port = port, .address_count = 1, .addresses = {v4(2)}};
        memcpy(p->host, host, strlen(host));
        memcpy(p->credential, credential, strlen(credential));
}

static void test_question(void)
{
        uint8_t bytes[1024];
        emit e = emit_into(bytes, sizeof bytes);
        catalog_upstream kept = *row(1);
        row(1)->port = 8443;
        proxy_of(1, "proxy.example", 3128, "proxy");
        static const char want[] = "CONNECT localhost:8443 HTTP/1.1\r\nHost: localhost:8443\r\n"
                                   "Proxy-Authorization: Basic dXNyOnBhc3N3b3Jk\r\n\r\n";
        tap_ok(!failed(tunnel_ask(&vs.up->setup, 1, &e)) && view_equal((view){bytes, e.len}, view_of_text(want)),
               SUBJECT, "a proxy is told host, port and its own credential");
        static const char plain[] = "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n";
        memcpy(row(1)->host, "2001:db8::1", 12);
        row(1)->port = 443;
        row(1)->proxy.credential[0] = '\0';
        e = emit_into(bytes, sizeof bytes);
        tap_ok(!failed(tunnel_ask(&vs.up->setup, 1, &e)) && view_equal((view){bytes, e.len}, view_of_text(plain)),
               SUBJECT, "without a credential none is sent; IPv6 stands in brackets and the port is always told");
        proxy_of(1, "proxy.example", 3128, "astray");
        e = emit_into(bytes, sizeof bytes);
        tap_ok(tunnel_ask(&vs.up->setup, 1, &e).code == ERR_NO_TARGET, SUBJECT,
               "a credential bound to another host is not written");
        proxy_of(1, "proxy.example", 3128, "unknown");
        e = emit_into(bytes, sizeof bytes);
        tap_ok(tunnel_ask(&vs.up->setup, 1, &e).code == ERR_NO_TARGET, SUBJECT, "nor one the vault has not");
        proxy_of(1, "proxy.example", 3128, "proxy");
        e = emit_into(bytes, 60);
        tap_ok(tunnel_ask(&vs.up->setup, 1, &e).code == ERR_NO_ROOM, SUBJECT, "what does not fit is told");
        *row(1) = kept;
}

/* ---- a proxy over TCP, and a vendor behind it ---- */

/* Places 0: the proxy at 127.0.0.2; 1: the vendor at 127.0.0.1. */
static struct {
        const char *answer; /* of the proxy, before or instead of the tunnel */
        bool opens;
        char head[8192];      /* what it was told */
        char seen[64 * 1024]; /* what went through it, both ways */
        size_t seen_len;
} proxy;

typedef struct far_end {
        place_conn *near; /* the relay's side of the proxy */
        net_conn *conn;
        size_t waiting;
        uint8_t wait[16 * 1024];
        bool open;
} far_end;

static void see(view bytes)
{
        size_t n = sizeof proxy.seen - proxy.seen_len < bytes.len ? sizeof proxy.seen - proxy.seen_len : bytes.len;
        memcpy(proxy.seen + proxy.seen_len, bytes.data, n);
        proxy.seen_len += n;
}

static void far_opened(void *ctx)
{
        far_end *f = ctx;
        f->open = true;
        if (f->near->conn != nullptr)
                net_write(f->near->conn, view_of_text(proxy.answer));
}

static void far_data(void *ctx, view bytes)
{
        far_end *f = ctx;
        see(bytes);
        if (f->near->conn != nullptr)
                net_write(f->near->conn, bytes);
}

static void far_closed(void *ctx, net_end) { ((far_end *)ctx)->conn = nullptr; }

static const net_user far_user = {far_opened, far_data, nullptr, far_closed};

static far_end fars[32];
static size_t far_count;

static void proxy_said(place_conn *c, view bytes)
{
        far_end *f = c->ctx;
        if (f != nullptr) {
                see(bytes);
                if (f->conn != nullptr)
                        net_write(f->conn, bytes);
                return;
        }
        memcpy(c->in + c->len, bytes.data, bytes.len);
        c->len += bytes.len;
        c->in[c->len] = '\0';
        if (strstr(c->in, "\r\n\r\n") == nullptr)
                return;
        snprintf(proxy.head, sizeof proxy.head, "%s", c->in);
        if (!proxy.opens) {
                if (proxy.answer != nullptr)
                        net_write(c->conn, view_of_text(proxy.answer));
                return;
        }
        if (far_count == sizeof fars / sizeof *fars)
                abort();
        f = &fars[far_count++];
        *f = (far_end){.near = c};
        c->ctx = f;
        const net_target to = {.family = 4, .address = {127, 0, 0, 1}, .port = vs.port};
        f->conn = net_dial(vs.loop, &to, &far_user, f);
}

static bool seen(const char *text) { return memmem(proxy.seen, proxy.seen_len, text, strlen(text)) != nullptr; }

static int through(uint16_t upstream, bool opens, const char *answer)
{
        proxy.opens = opens;
        proxy.answer = answer;
        proxy.seen_len = 0;
        proxy.head[0] = '\0';
        ways_forget();
        return try_ended(upstream, true);
}

static const char OPENED[] = "HTTP/1.1 200 Connection established\r\n\r\n";

static void test_through(void)
{
        place *vendor = &places[1];
        row(1)->credentials[0] = (catalog_credential){.name = "first"};
        row_addresses(1, (const catalog_address[]){{4, {10, 0, 0, 1}}}, 1);
        char want[200];
        snprintf(want, sizeof want,
                 "CONNECT localhost:%u HTTP/1.1\r\nHost: localhost:%u\r\nProxy-Authorization: Basic "
                 "dXNyOnBhc3N3b3Jk\r\n\r\n",
                 vs.port, vs.port);
        uint64_t tunnels = vs_counted(COUNTER_tunnels);
        tap_ok(through(1, true, OPENED) == ATTEMPT_DONE && t.head.status == 200 && strcmp(t.text, "{}") == 0
                       && t.facts.dial_us > 0,
               SUBJECT, "a vendor behind a proxy answers");
        tap_ok(strcmp(proxy.head, want) == 0 && vs_counted(COUNTER_tunnels) == tunnels + 1, SUBJECT,
               "the proxy was told where to, and the tunnel is counted");
        tap_ok(vendor->arrived == 1 && proxy.seen_len > 200 && !seen("sk-first") && !seen("HTTP/1.1") && !seen("/v1/p"),
               SUBJECT, "of what went through it, it could read nothing");
        tap_ok(try_ended(1, false) == ATTEMPT_DONE && t.facts.reused && vendor->arrived == 1, SUBJECT,
               "the way through it is used again");
}

static void test_identity(void)
{
        place *vendor = &places[1];
        proxy_of(2, "proxy.example", vs.port, "proxy");
        size_t before = vendor->arrived;
        tap_ok(through(2, true, OPENED) == ATTEMPT_CERTIFICATE && !t.facts.sent && vendor->arrived == before + 1,
               SUBJECT, "the vendor's certificate is checked through it");
        row(2)->proxy.host[0] = '\0';
}

static void test_refusals(void)
{
        static const struct {
                const char *sentence, *answer;
        } rows[] = {
                {"407 is the network", "HTTP/1.1 407 X\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"},
                {"403 too", "HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n"},
                {"502 too", "HTTP/1.1 502 X\r\nContent-Length: 0\r\n\r\n"},
                {"garbage too", "\x01\x02garbage\r\n\r\n"},
                {"a tunnel that speaks first, and no TLS, too", "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"},
        };
        place *vendor = &places[1];
        size_t before = vendor->arrived;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                tap_ok(through(1, false, rows[i].answer) == ATTEMPT_NETWORK && !t.facts.sent
                               && vendor->arrived == before,
                       SUBJECT, rows[i].sentence);
        vs.catalog->settings.connect_ms = 200;
        tap_ok(through(1, false, nullptr) == ATTEMPT_NETWORK && !t.facts.sent, SUBJECT,
               "a silent proxy too, after connect_ms");
        tap_ok(through(1, false, OPENED) == ATTEMPT_NETWORK && !t.facts.sent, SUBJECT, "and a silent vendor behind it");
        vs.catalog->settings.connect_ms = 2000;
        proxy_of(1, "proxy.example", vs.port, "astray");
        tap_ok(through(1, true, OPENED) == ATTEMPT_NETWORK && proxy.head[0] == '\0', SUBJECT,
               "a credential bound elsewhere is not sent to it, nor anything else");
        proxy_of(1, "proxy.example", vs.port, "proxy");
        try_begin(1, true);
        proxy.answer = nullptr;
        proxy.opens = false;
        run_for(30);
        attempt_facts facts;
        upstream_cancel(t.attempt, &facts);
        run_for(20);
        tap_ok(t.ends == 0 && place_live(&places[0]) <= 1, SUBJECT,
               "while the proxy thinks the attempt can be cancelled");
}

static void on_hang_up(place_conn *c, view)
{
        net_abort(c->conn, false);
        c->conn = nullptr;
}

static void test_second(void)
{
        catalog_proxy *p = &row(1)->proxy;
        p->address_count = 2;
        p->addresses[0] = v4(3);
        p->addresses[1] = v4(2);
        place *first = place_open(2, v4(3), nullptr, nullptr);
        first->said = on_hang_up;
        tap_ok(through(1, true, OPENED) == ATTEMPT_DONE && first->arrived == 1, SUBJECT,
               "where one address of the proxy hangs up the next one is asked");
        size_t dead = 0;
        for (size_t i = 0; i < LIMIT_ADDRESSES; i++)
                dead += vs.up->ways[1].dead[i].until_ms != 0;
        tap_ok(dead == 0, SUBJECT, "what it says is no fault of its address");
        p->addresses[0] = v4(9);
        tap_ok(through(1, true, OPENED) == ATTEMPT_DONE && t.facts.dial_us < 240000, SUBJECT,
               "an address of the proxy nobody listens at is passed over");
}

int main(void)
{
        vs_begin();
        test_answers();
        test_question();
        place_open(0, v4(2), nullptr, nullptr)->said = proxy_said;
        place_open(1, v4(1), vs.server, VS_ANSWER);
        proxy_of(1, "proxy.example", vs.port, "proxy");
        test_through();
        test_identity();
        test_refusals();
        test_second();
        upstreams_close_idle(vs.up);
        for (size_t i = 0; i < far_count; i++)
                if (fars[i].conn != nullptr)
                        net_abort(fars[i].conn, false);
        return vs_end();
}
