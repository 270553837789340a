#include "prog/lethectl_https.h"

#include "codec/http1.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/tls.h"
#include "prog/lethectl.h"
#include "route/address.h"
#include "vault/container.h"

enum : uint16_t { HTTPS_PORT = 443 };
enum : size_t { HOSTS_BYTES = 1024 * 1024, REQUEST_BYTES = 8 * 1024, ANSWER_HEAD_BYTES = 256 * 1024 };

struct https_client {
        net_loop *loop;
        tls_client *tls;
        net_target target;
        char host[LIMIT_HOST_BYTES];
        char authority[LIMIT_HOST_BYTES + 16]; /* the Host field */
        uint8_t token[512];
        size_t token_len;
        void (*sent)(void *ctx, size_t bytes); /* null: nobody asks */
        void *sent_ctx;
};

/* One request on its way. */
typedef struct call {
        https_client *client;
        const https_request *request;
        https_answer *answer;
        net_conn *conn; /* null: it has gone */
        http1 parser;
        http1_setup setup;
        arena memory;
        net_timer deadline;
        err result;
        net_end end;
        size_t given; /* bytes of the request's body */
        bool full;
} call;

void https_say(https_why *why, const char *first, const char *second, const char *third)
{
        *why = (https_why){};
        emit e = emit_into((uint8_t *)why->text, sizeof why->text - 1);
        emit_text(&e, first);
        emit_text(&e, second);
        emit_text(&e, third);
}

/* ---- where to ---- */

static bool copy_host(https_client *c, view host)
{
        if (host.len == 0 || host.len >= sizeof c->host)
                return false;
        for (size_t i = 0; i < host.len; i++) {
                uint8_t b = ascii_lower(host.data[i]);
                bool good = (b >= 'a' && b <= 'z') || (b >= '0' && b <= '9') || b == '.' || b == '-' || b == ':';
                if (!good)
                        return false;
                c->host[i] = (char)b;
        }
        return true;
}

/* host[:port][/], with an IPv6 address in brackets. */
static bool split_url(https_client *c, view url)
{
        static const view scheme = VIEW_INIT("https://");
        if (!view_equal_nocase(view_slice(url, 0, scheme.len), scheme))
                return false;
        view rest = view_slice(url, scheme.len, url.len);
        if (rest.len > 0 && rest.data[rest.len - 1] == '/')
                rest.len--;
        emit authority = emit_into((uint8_t *)c->authority, sizeof c->authority - 1);
        emit_view(&authority, rest);
        bool bracket = rest.len > 0 && rest.data[0] == '[';
        const uint8_t *end = rest.len > 0 ? memchr(rest.data, bracket ? ']' : ':', rest.len) : nullptr;
        if (bracket && end == nullptr)
                return false;
        size_t host_end = end != nullptr ? (size_t)(end - rest.data) : rest.len;
        view port = view_slice(rest, host_end + (bracket ? 1 : 0), rest.len);
        uint64_t number = HTTPS_PORT;
        if (port.len > 0
            && (port.data[0] != ':' || !view_decimal(view_slice(port, 1, port.len), UINT16_MAX, &number)
                || number == 0))
                return false;
        c->target.port = (uint16_t)number;
        return !authority.full && copy_host(c, view_slice(rest, bracket ? 1 : 0, host_end));
}

static view next_word(view *line)
{
        size_t from = 0, to;
        while (from < line->len && (line->data[from] == ' ' || line->data[from] == '\t'))
                from++;
        for (to = from; to < line->len && line->data[to] != ' ' && line->data[to] != '\t'; to++)
                ;
        view word = view_slice(*line, from, to);
        *line = view_slice(*line, to, line->len);
        return word;
}

static bool hosts_line(view line, view name, catalog_address *out)
{
        const uint8_t *comment = line.len > 0 ? memchr(line.data, '#', line.len) : nullptr;
        if (comment != nullptr)
                line.len = (size_t)(comment - line.data);
        view address = next_word(&line), word;
        while ((word = next_word(&line)).len > 0)
                if (view_equal_nocase(word, name) && address_parse(address, out))
                        return true;
        return false;
}

static bool find_in_hosts(view name, catalog_address *out)
{
        region file;
        bool found = false;
        if (!failed(file_read("/etc/hosts", HOSTS_BYTES, &file))) {
                view rest = region_view(&file);
                while (!found && rest.len > 0) {
                        const uint8_t *end = memchr(rest.data, '\n', rest.len);
                        size_t len = end != nullptr ? (size_t)(end - rest.data) : rest.len;
                        found = hosts_line(view_slice(rest, 0, len), name, out);
                        rest = view_slice(rest, len + 1, rest.len);
                }
        }
        region_end(&file);
        return found;
}

static bool find_address(https_client *c)
{
        static const catalog_address loopback = {4, {127, 0, 0, 1}};
        catalog_address at;
        view host = view_of_text(c->host);
        if (view_equal(host, VIEW("localhost")))
                at = loopback;
        else if (!address_parse(host, &at) && !find_in_hosts(host, &at))
                return false;
        c->target.family = at.family;
        memcpy(c->target.address, at.bytes, sizeof c->target.address);
        return true;
}

static err prepare(https_client *c, const char *url, tls_client_setup setup, https_why *why)
{
        const char *reason = nullptr;
        if (!split_url(c, view_of_text(url))) {
                https_say(why, "this is not the address of an admin plane: it must be https://HOST[:PORT]", "", "");
                return FAIL(OUT_OF_RANGE);
        }
        if (!find_address(c)) {
                https_say(why, "no address is known for ", c->host,
                          ": lethectl asks no DNS server; give the address, or add the name to the hosts file");
                return FAIL(OUT_OF_RANGE);
        }
        c->loop = net_loop_new();
        if (c->loop == nullptr || failed(tls_setup())) {
                https_say(why, "the system refused what a connection needs", "", "");
                return FAIL(SYSTEM);
        }
        setup.host = c->host;
        err e = tls_client_new(&setup, &c->tls, &reason);
        if (failed(e))
                https_say(why, "the CA file cannot be used: ", reason != nullptr ? reason : "it holds no certificate",
                          "");
        c->target.tls = c->tls;
        return e;
}

static err client_open(const char *url, const tls_client_setup *setup, view token, https_client **out, https_why *why)
{
        /* Loop and TLS context live as long as their process, which talks to one admin plane. */
        static https_client only;
        https_client *c = &only;
        *c = (https_client){};
        if (token.len > sizeof c->token) {
                https_say(why, "the token is too long", "", "");
                return FAIL(OUT_OF_RANGE);
        }
        if (token.len > 0)
                memcpy(c->token, token.data, token.len);
        c->token_len = token.len;
        err e = prepare(c, url, *setup, why);
        if (failed(e)) {
                https_close(c);
                return e;
        }
        *out = c;
        return OK;
}

err https_open(const char *url, view ca, view token, https_client **out, https_why *why)
{
        const tls_client_setup setup = {.ca_pem = ca};
        return client_open(url, &setup, token, out, why);
}

err https_open_only(const char *url, https_known *known, view token, https_client **out, https_why *why)
{
        const tls_client_setup setup = {.only = known->only, .seen = known->seen};
        return client_open(url, &setup, token, out, why);
}

void https_watch(https_client *c, void (*sent)(void *ctx, size_t bytes), void *ctx)
{
        c->sent = sent;
        c->sent_ctx = ctx;
}

void https_close(https_client *c) { wipe(c->token, sizeof c->token); }

/* ---- one call ---- */

static void finish(call *k, err result)
{
        k->result = result;
        if (k->conn != nullptr)
                net_abort(k->conn, false);
        k->conn = nullptr;
        net_timer_clear(k->client->loop, &k->deadline);
        net_loop_stop(k->client->loop);
}

/* In pieces, as they are taken: a body may be as large as an update. */
static void give_body(call *k)
{
        view body = k->request->body;
        while (k->conn != nullptr && k->given < body.len && net_unsent(k->conn) < LIMIT_QUEUE_HIGH_BYTES) {
                view piece = view_slice(body, k->given, k->given + LIMIT_READ_BYTES);
                k->given += piece.len;
                net_write(k->conn, piece);
        }
        if (k->client->sent != nullptr)
                k->client->sent(k->client->sent_ctx, k->given);
}

static void on_drained(void *ctx) { give_body(ctx); }

static void on_opened(void *ctx)
{
        call *k = ctx;
        const https_request *q = k->request;
        uint8_t room[REQUEST_BYTES];
        emit e = emit_into(room, sizeof room);
        emit_text(&e, q->method);
        emit_byte(&e, ' ');
        emit_view(&e, q->path);
        emit_text(&e, " HTTP/1.1\r\nHost: ");
        emit_text(&e, k->client->authority);
        if (k->client->token_len > 0) {
                emit_text(&e, "\r\nAuthorization: Bearer ");
                emit_view(&e, (view){k->client->token, k->client->token_len});
        }
        if (q->body.len > 0)
                emit_text(&e, "\r\nContent-Type: application/json");
        emit_text(&e, "\r\nConnection: close\r\nContent-Length: ");
        emit_u64(&e, q->body.len);
        emit_text(&e, "\r\n\r\n");
        if (e.full) {
                finish(k, FAIL(OUT_OF_RANGE));
        } else {
                net_write(k->conn, (view){e.bytes, e.len});
                give_body(k);
        }
        wipe(room, sizeof room);
}

static void answered(call *k)
{
        const http1_head *head = k->parser.head;
        k->answer->status = head->status;
        (void)view_decimal(http1_get(head, VIEW("export-sequence")), UINT64_MAX, &k->answer->sequence);
        finish(k, k->full ? FAIL(UPSTREAM_BROKEN) : OK);
}

static void on_data(void *ctx, view in)
{
        call *k = ctx;
        http1_event event = HTTP1_MORE;
        do {
                size_t used = 0;
                err e = http1_feed(&k->parser, in, &used, &event);
                if (failed(e)) {
                        finish(k, FAIL(UPSTREAM_BROKEN));
                        return;
                }
                in = view_slice(in, used, in.len);
                if (event == HTTP1_DONE) {
                        answered(k);
                        return;
                }
        } while (in.len > 0 || event == HTTP1_HEAD);
}

static void on_closed(void *ctx, net_end end)
{
        call *k = ctx;
        bool done = false;
        k->conn = nullptr;
        k->end = end;
        if (end == NET_CERTIFICATE)
                finish(k, FAIL(UPSTREAM_CERTIFICATE));
        else if (http1_begun(&k->parser) && !failed(http1_eof(&k->parser, end == NET_CLEAN, &done)) && done)
                answered(k);
        else
                finish(k, FAIL(GONE));
}

static void on_deadline(void *ctx) { finish(ctx, FAIL(UPSTREAM_TIMEOUT)); }

static void on_body(void *ctx, view piece)
{
        call *k = ctx;
        if (failed(region_append(&k->answer->body, piece)))
                k->full = true;
}

static void explain(const call *k, https_why *why)
{
        const char *where = k->client->authority;
        if (k->result.code == ERR_UPSTREAM_CERTIFICATE)
                https_say(why, "the certificate of ", where,
                          " was not accepted: name its CA by --ca or SSL_CERT_FILE, and use a host it is made for");
        else if (k->result.code == ERR_UPSTREAM_TIMEOUT)
                https_say(why, where, " did not answer in time", "");
        else if (k->result.code == ERR_GONE && k->end == NET_UNREACHABLE)
                https_say(why, "nothing answers at ", where, ": is lethed running, and is this its --admin address?");
        else if (k->result.code == ERR_GONE && k->end == NET_TLS_FAILED)
                https_say(why, where, " speaks no TLS 1.3", "");
        else if (k->result.code == ERR_GONE)
                https_say(why, where, " closed the connection before it answered", "");
        else
                https_say(why, where, " answered what no admin plane answers", "");
}

err https_call(https_client *c, const https_request *q, https_answer *a, https_why *why)
{
        static const net_user user = {on_opened, on_data, on_drained, on_closed};
        call k = {.client = c, .request = q, .answer = a, .end = NET_UNREACHABLE};
        *a = (https_answer){};
        region_init(&a->body, CONTAINER_SLOT_BYTES);
        arena_init(&k.memory, ANSWER_HEAD_BYTES);
        k.setup = (http1_setup){.side = HTTP1_RESPONSE, .body = on_body, .ctx = &k, .body_limit = CONTAINER_SLOT_BYTES};
        k.deadline.fire = on_deadline;
        k.deadline.ctx = &k;
        k.result = http1_begin(&k.parser, &k.setup, &k.memory);
        if (!failed(k.result)) {
                k.conn = net_dial(c->loop, &c->target, &user, &k);
                k.result = FAIL(GONE);
        }
        if (k.conn != nullptr) {
                net_timer_set(c->loop, &k.deadline, q->timeout_ms);
                net_loop_run(c->loop);
        }
        arena_end(&k.memory);
        if (failed(k.result)) {
                explain(&k, why);
                region_end(&a->body);
        }
        return k.result;
}
