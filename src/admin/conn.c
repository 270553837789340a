#include "admin/conn.h"

#include <assert.h>

#include "vault/container.h"

/* What a browser must not do with our answers. src  Content Security Policy Level 3; Fetch; read 2026-11-20 */
static const char security_lines[] =
        "Cache-Control: no-store\r\n"
        "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Referrer-Policy: no-referrer\r\n"
        "Cross-Origin-Opener-Policy: same-origin\r\n"
        "Cross-Origin-Resource-Policy: same-origin\r\n"
        "Permissions-Policy: accelerometer=(), camera=(), geolocation=(), microphone=(), payment=(), usb=()\r\n";

static void run(admin_conn *c);

/* ---- the end of an exchange and of a connection ---- */

static void exchange_end(admin_conn *c)
{
        admin_exchange *x = &c->exchange;
        net_timer_clear(x->box->loop, &x->timer);
        keeper_link_forget(&x->box->keeper, &x->call);
        box_link_forget(&x->box->link, &x->box_call);
        if (x->box->reload == x)
                x->box->reload = nullptr;
        admin_upload_end(x);
        region_end(&x->file);
        region_end(&c->body);
        arena_end(&x->memory);
        x->work = nullptr;
        x->sequence = 0;
        x->asked = EXPORT_BODY;
}

/* Frees the place; the network's connection is the caller's to close, when it still lives. */
static net_conn *let_go(admin_conn *c)
{
        net_conn *net = c->net;
        exchange_end(c);
        net_timer_clear(c->shared->box.loop, &c->clock);
        region_end(&c->early);
        c->net = nullptr;
        c->serial++;
        return net;
}

void conn_drop(admin_conn *c) { net_abort(let_go(c), false); }

static void leave(admin_conn *c) { net_close(let_go(c)); }

void conn_retire(admin_conn *c)
{
        if (c->phase == CONN_READING && !http1_begun(&c->parser))
                leave(c);
        else
                c->last = true;
}

/* ---- answers ---- */

static void set_clock(admin_conn *c, uint64_t ms)
{
        c->taken = net_taken(c->net);
        net_timer_set(c->shared->box.loop, &c->clock, ms);
}

static void next_request(admin_conn *c)
{
        c->verdict = ERR_NONE;
        c->route = nullptr;
        c->swallowed = 0;
        c->too_much = false;
        if (failed(http1_begin(&c->parser, &c->setup, &c->exchange.memory))) {
                conn_drop(c);
                return;
        }
        set_clock(c, LIMIT_ADMIN_IDLE_MS);
        if (net_unsent(c->net) > LIMIT_QUEUE_HIGH_BYTES) {
                c->phase = CONN_BLOCKED;
                return;
        }
        c->phase = CONN_READING;
        net_resume(c->net);
        run(c);
}

/* Browsers that saw this line on "localhost" or an address would insist on TLS for every other local service. */
static bool host_is_a_name(const http1_head *head)
{
        view host = head == nullptr ? (view){} : http1_get(head, VIEW("host"));
        bool dot = false;
        for (size_t i = 0; i < host.len && host.data[i] != ':'; i++) {
                uint8_t c = ascii_lower(host.data[i]);
                if (c == '.')
                        dot = true;
                else if (dot && c >= 'a' && c <= 'z')
                        return true;
        }
        return false;
}

static void write_head(const admin_conn *c, const admin_reply *r, emit *out)
{
        emit_text(out, "HTTP/1.1 ");
        emit_u64(out, r->status);
        emit_text(out, " \r\nContent-Type: ");
        emit_view(out, r->type);
        emit_text(out, "\r\nContent-Length: ");
        emit_u64(out, r->body.len);
        emit_text(out, c->last ? "\r\nConnection: close\r\n" : "\r\nConnection: keep-alive\r\n");
        emit_text(out, security_lines);
        if (host_is_a_name(c->parser.head))
                emit_text(out, "Strict-Transport-Security: max-age=31536000\r\n");
        emit_view(out, r->extra);
        emit_text(out, "\r\n");
}

void admin_answer(admin_exchange *x, const admin_reply *r)
{
        admin_conn *c = (admin_conn *)x;
        assert(c->net != nullptr && c->phase == CONN_WORKING);
        if (c->shared->stopping)
                c->last = true;
        uint8_t room[2048];
        emit head = emit_into(room, sizeof room);
        write_head(c, r, &head);
        assert(!head.full);
        net_write(c->net, (view){head.bytes, head.len});
        net_write(c->net, r->body);
        if (c->last) {
                leave(c);
                return;
        }
        exchange_end(c);
        next_request(c);
}

/* ---- requests ---- */

static void begin_work(admin_conn *c)
{
        c->phase = CONN_WORKING;
        net_pause(c->net);
        net_timer_clear(c->shared->box.loop, &c->clock);
}

static void refuse_late(void *ctx)
{
        admin_exchange *x = ctx;
        admin_answer_error(x, ERR_NO_KEY);
}

static void refuse_method(admin_conn *c)
{
        uint8_t room[64], body[512];
        emit allow = emit_into(room, sizeof room), out = emit_into(body, sizeof body);
        emit_text(&allow, "Allow: ");
        if (c->parser.head != nullptr)
                route_methods(c->parser.head->target, &allow);
        emit_text(&allow, "\r\n");
        admin_fault_write(admin_fault_of(ERR_BAD_METHOD), &out);
        admin_answer(&c->exchange,
                     &(admin_reply){405, VIEW("application/json"), {out.bytes, out.len}, {allow.bytes, allow.len}});
}

static void refuse_tries(admin_conn *c)
{
        uint8_t room[64], body[512];
        emit wait = emit_into(room, sizeof room), out = emit_into(body, sizeof body);
        emit_text(&wait, "Retry-After: ");
        emit_u64(&wait, c->wait_s);
        emit_text(&wait, "\r\n");
        admin_fault_write(admin_fault_of(ERR_UPSTREAM_RATE), &out);
        admin_answer(&c->exchange,
                     &(admin_reply){429, VIEW("application/json"), {out.bytes, out.len}, {wait.bytes, wait.len}});
}

static void refuse(admin_conn *c)
{
        admin_exchange *x = &c->exchange;
        if (c->verdict == ERR_NO_KEY) {
                /* A guesser waits; nobody else does. */
                x->timer.fire = refuse_late;
                x->timer.ctx = x;
                net_timer_set(x->box->loop, &x->timer, LIMIT_ADMIN_REFUSE_MS);
        } else if (c->verdict == ERR_BAD_METHOD) {
                refuse_method(c);
        } else if (c->verdict == ERR_UPSTREAM_RATE) {
                refuse_tries(c);
        } else {
                admin_answer_error(x, c->verdict);
        }
}

static bool says_json(const http1_head *head)
{
        static const view json = VIEW_INIT("application/json");
        view type = http1_get(head, VIEW("content-type"));
        return view_equal_nocase(view_slice(type, 0, json.len), json)
               && (type.len == json.len || type.data[json.len] == ';' || type.data[json.len] == ' ');
}

static void on_done(admin_conn *c)
{
        const http1_head *head = c->parser.head;
        if (!head->keep_alive)
                c->last = true;
        begin_work(c);
        if (c->verdict == ERR_NONE && c->route->body && !says_json(head))
                c->verdict = ERR_ENCODED_BODY;
        if (c->verdict != ERR_NONE) {
                refuse(c);
                return;
        }
        c->exchange.body = region_view(&c->body);
        c->route->handle(&c->exchange);
}

static err judge(admin_conn *c, const http1_head *head)
{
        admin_box *box = &c->shared->box;
        TRY(access_judge(&box->access, head, net_now_ms(box->loop), &c->wait_s));
        c->exchange.query = route_query(head->target);
        TRY(route_find(head->method, head->target, &c->route, &c->exchange.rest));
        c->body.cap = route_body_most(c->route);
        return head->sized && head->length > c->body.cap ? FAIL(TOO_LARGE) : OK;
}

static void on_bad(admin_conn *c, err_code code)
{
        if (code == ERR_GONE) {
                leave(c);
                return;
        }
        c->verdict = code;
        c->last = true;
        begin_work(c);
        refuse(c);
}

static bool uploads(const admin_conn *c) { return c->verdict == ERR_NONE && route_uploads(c->route); }

/* What will not be read, so that the connection has no next message. */
static void cut_off(admin_conn *c)
{
        if (c->verdict == ERR_NONE)
                c->verdict = ERR_TOO_LARGE;
        c->last = true;
        begin_work(c);
        refuse(c);
}

static void on_head(admin_conn *c)
{
        const http1_head *head = c->parser.head;
        c->verdict = judge(c, head).code;
        if (c->verdict == ERR_TOO_LARGE) {
                /* What will not be taken is not waited for. */
                on_bad(c, ERR_TOO_LARGE);
                return;
        }
        if (uploads(c))
                c->verdict = admin_upload_begin(&c->exchange).code;
        set_clock(c, LIMIT_ADMIN_HEAD_MS);
        if (c->verdict != ERR_NONE && head->length > LIMIT_ADMIN_CONFIG_BYTES) {
                cut_off(c);
                return;
        }
        if (!head->expect)
                return;
        if (c->verdict == ERR_NONE) {
                net_write(c->net, VIEW("HTTP/1.1 100 Continue\r\n\r\n"));
                return;
        }
        /* The body will not be read, so the connection has no next message. */
        c->last = true;
        begin_work(c);
        refuse(c);
}

static void step(admin_conn *c)
{
        view in = view_slice(region_view(&c->early), c->early_at, c->early.len);
        size_t used = 0;
        http1_event event = HTTP1_MORE;
        if (!http1_begun(&c->parser))
                set_clock(c, LIMIT_ADMIN_HEAD_MS);
        err e = http1_feed(&c->parser, in, &used, &event);
        c->early_at += used;
        c->ask_parser = event == HTTP1_HEAD;
        if (failed(e))
                on_bad(c, e.code);
        else if (c->too_much)
                cut_off(c);
        else if (event == HTTP1_HEAD)
                on_head(c);
        else if (event == HTTP1_DONE)
                on_done(c);
}

static void run(admin_conn *c)
{
        if (c->running)
                return;
        c->running = true;
        uint64_t serial = c->serial;
        while (c->phase == CONN_READING && (c->early_at < c->early.len || c->ask_parser)) {
                step(c);
                if (c->serial != serial)
                        return;
        }
        c->running = false;
        if (c->early_at == c->early.len) {
                region_clear(&c->early);
                c->early_at = 0;
        }
}

/* ---- what the network says ---- */

static void on_data(void *ctx, view plain)
{
        admin_conn *c = ctx;
        if (failed(region_append(&c->early, plain)))
                conn_drop(c);
        else
                run(c);
}

static void on_drained(void *ctx)
{
        admin_conn *c = ctx;
        if (c->phase != CONN_BLOCKED)
                return;
        c->phase = CONN_READING;
        net_resume(c->net);
        run(c);
}

static void on_closed(void *ctx, net_end why)
{
        (void)why;
        (void)let_go(ctx);
}

static void on_clock(void *ctx)
{
        admin_conn *c = ctx;
        if (c->phase == CONN_READING && http1_begun(&c->parser)) {
                on_bad(c, ERR_TIMEOUT_CLIENT);
                return;
        }
        if (net_unsent(c->net) > 0 && net_taken(c->net) != c->taken)
                set_clock(c, LIMIT_ADMIN_IDLE_MS);
        else if (net_unsent(c->net) > 0)
                conn_drop(c);
        else
                leave(c);
}

static bool host_allowed(void *ctx, view host)
{
        const admin_conn *c = ctx;
        return c->shared->box.access.any_host || catalog_host_allowed(c->shared->catalog, host);
}

static void on_body(void *ctx, view piece)
{
        admin_conn *c = ctx;
        if (uploads(c)) {
                c->verdict = admin_upload_take(&c->exchange, piece).code;
                set_clock(c, LIMIT_ADMIN_HEAD_MS);
                return;
        }
        c->swallowed += piece.len;
        c->too_much = c->swallowed > LIMIT_ADMIN_CONFIG_BYTES;
        if (c->verdict == ERR_NONE && failed(region_append(&c->body, piece)))
                c->verdict = ERR_TOO_LARGE;
}

static void on_opened(void *ctx) { next_request(ctx); }

const net_user *conn_start(admin_conn *c, conn_shared *shared, net_conn *net)
{
        static const net_user user = {on_opened, on_data, on_drained, on_closed};
        uint64_t serial = c->serial;
        *c = (admin_conn){.shared = shared, .net = net, .serial = serial};
        c->exchange.box = &shared->box;
        c->setup = (http1_setup){HTTP1_REQUEST, host_allowed, on_body, c, BOX_BUNDLE_BYTES};
        c->clock.fire = on_clock;
        c->clock.ctx = c;
        arena_init(&c->exchange.memory, LIMIT_ADMIN_MEMORY_BYTES);
        region_init(&c->exchange.file, CONTAINER_SLOT_BYTES);
        region_init(&c->body, LIMIT_ADMIN_BODY_BYTES);
        region_init(&c->early, LIMIT_ADMIN_EARLY_BYTES);
        return &user;
}
