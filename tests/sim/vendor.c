/* The vendors' side of the wire: reads requests, judges them, sends what vendor_answer.c wrote, and misbehaves between
 * answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/play.h"

typedef struct vendor_conn {
        net_conn *conn;
        size_t vendor;
        text in;
        vendor_script script;
        size_t sent, pause;
        request *request;
        net_timer timer;
        bool answering, stopped, asked, used, warm;
} vendor_conn;

static struct {
        net_loop *loop;
        net_listener *listeners[VENDORS];
        size_t busy;
} side;

size_t vendors_busy(void) { return side.busy; }

const char *vendor_secret(size_t vendor)
{
        static const char *const secrets[VENDORS] = {"sk-first-vendor", "sk-second-vendor", "sk-third-vendor"};
        return secrets[vendor];
}

static void over(vendor_conn *c)
{
        if (c->answering)
                side.busy--;
        c->answering = false;
        net_timer_clear(side.loop, &c->timer);
        text_free(&c->script.bytes);
}

/* ---- between answers ---- */

static void on_idle(void *ctx)
{
        static const char unasked[] = "HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        vendor_conn *c = ctx;
        if (c->conn == nullptr)
                return;
        if (sim_chance(play.storm) && sim_chance(50)) {
                sim_say("vendor speaks unasked");
                net_write(c->conn, view_of_text(unasked));
        }
        if (play.storm == 0 || sim_chance(50))
                net_close(c->conn);
        else
                net_abort(c->conn, sim_chance(50));
        c->conn = nullptr;
}

static void idle_begin(vendor_conn *c)
{
        c->timer = (net_timer){.fire = on_idle, .ctx = c};
        /* No fault: every vendor ends connections that have nothing to say, and some at the very moment of a request.
         */
        uint64_t ms = sim_between(1, sim_chance(50) ? 1500 : 60000);
        net_timer_set(side.loop, &c->timer, ms);
}

/* ---- an answer ---- */

static void sent_up_to(const vendor_conn *c)
{
        vendor_answer *a = &play.answers[c->script.answer];
        if (c->request == nullptr)
                return;
        a->stated = c->script.stated_at <= c->sent;
        a->finished = c->sent >= c->script.finished_at;
}

static void then_do(vendor_conn *c)
{
        vendor_then then = c->script.then;
        if (then == THEN_SILENCE)
                return; /* until the other side has enough of it */
        over(c);
        /* What dies on a warm connection before a byte of its answer came is tried once more without being counted. */
        if (c->request != nullptr && c->warm && (then == THEN_RESET || (c->sent == 0 && then != THEN_KEEP)))
                c->request->stale++;
        switch (then) {
        case THEN_CLOSE:
                net_close(c->conn);
                break;
        case THEN_CUT:
                sim_cut(c->conn);
                break;
        case THEN_RESET:
                net_abort(c->conn, true);
                break;
        case THEN_KEEP:
        case THEN_SILENCE:
                idle_begin(c);
                return;
        }
        c->conn = nullptr;
}

static void on_speak(void *ctx)
{
        vendor_conn *c = ctx;
        vendor_script *s = &c->script;
        size_t to = s->stop;
        uint64_t pause_ms = 0;
        if (c->pause < s->pause_count && s->pauses[c->pause].at < to) {
                to = s->pauses[c->pause].at;
                pause_ms = s->pauses[c->pause++].ms;
        }
        /* The answer's last byte and the first that are too much come together: alone they could be anybody's. */
        size_t extra = s->extra_at + sizeof EXTRA_BEGIN - 1;
        if (s->extra_at > 0 && c->sent < extra && to > extra) {
                to = extra;
                pause_ms = sim_below(4);
                sim_glue(c->conn, sizeof EXTRA_BEGIN);
        }
        if (to > c->sent)
                net_write(c->conn, view_slice(text_view(&s->bytes), c->sent, to));
        c->sent = to > c->sent ? to : c->sent;
        sent_up_to(c);
        if (to < s->stop)
                net_timer_set(side.loop, &c->timer, pause_ms);
        else
                then_do(c);
}

static void answer_begin(vendor_conn *c, const vendor_question *q)
{
        c->answering = true;
        side.busy++;
        c->sent = c->pause = 0;
        vendor_write(q, &c->script);
        net_timer_clear(side.loop, &c->timer);
        c->timer = (net_timer){.fire = on_speak, .ctx = c};
        net_timer_set(side.loop, &c->timer, c->script.first_ms);
}

/* ---- a request ---- */

static void judge_key(const vendor_conn *c, view head)
{
        char want[100];
        snprintf(want, sizeof want, "\r\nAuthorization: Bearer %s", vendor_secret(c->vendor));
        if (text_find(head, 0, want) == SIZE_MAX)
                sim_fail("vendor %zu got a request without the key that is its own", c->vendor);
}

/* Promise P3: nothing that a detector finds leaves. */
static void judge_secrecy(view bytes)
{
        if (text_find(bytes, 0, MAIL_DOMAIN) != SIZE_MAX)
                sim_fail("a caller's address has reached a vendor");
}

static request *request_of(view body)
{
        size_t at = text_find(body, 0, "zeta mk");
        uint32_t serial = at == SIZE_MAX ? UINT32_MAX : text_serial(view_slice(body, at + 5, body.len));
        if (serial == UINT32_MAX)
                sim_fail("a vendor got a request that no caller sent");
        return &play.requests[serial];
}

static void judge_attempt(vendor_conn *c, request *r, bool goes_on)
{
        uint64_t begun = sim_begun_us(c->conn);
        r->received++;
        c->warm = c->used || sim_warm(c->conn);
        if (r->received - r->stale > play.attempts)
                sim_fail("request %u reached vendors %u times", r->serial, r->received);
        if (r->content_us != 0 && begun > r->content_us && !goes_on)
                sim_fail("request %u was tried again after its first content had reached the caller", r->serial);
        if (r->whole && begun > r->content_us)
                sim_fail("request %u was tried again after it had been answered", r->serial);
}

static void asked(vendor_conn *c, view head, view body)
{
        vendor_question q = {};
        judge_secrecy(head);
        judge_secrecy(body);
        if (body.len > 0) {
                judge_key(c, head);
                request *r = request_of(body);
                size_t mail = text_find(body, 0, " mail "),
                       end = mail == SIZE_MAX ? mail : text_find(body, mail, " over");
                size_t last = text_find(body, 0, "\"role\":\"assistant\"");
                text prefill = {};
                if (last != SIZE_MAX && (last = text_find(body, last, "\"content\":\"")) != SIZE_MAX)
                        text_string(body, last + 11, &prefill);
                q.request = c->request = r;
                if (end != SIZE_MAX)
                        q.mail = view_slice(body, mail + 6, end);
                q.prefill = text_view(&prefill);
                q.stream = text_find(body, 0, "\"stream\":true") != SIZE_MAX;
                q.usage = text_find(body, 0, "\"include_usage\":true") != SIZE_MAX;
                r->resumed = r->resumed || prefill.len > 0;
                if (prefill.len > 0 && r->model != MODEL_GOES_ON)
                        sim_fail("request %u goes on at another vendor although its model may not", r->serial);
                judge_attempt(c, r, prefill.len > 0);
                answer_begin(c, &q);
                text_free(&prefill);
        } else {
                c->request = nullptr;
                answer_begin(c, &q);
        }
        sim_begin_again(c->conn);
}

static void on_hear_on(void *ctx)
{
        vendor_conn *c = ctx;
        net_resume(c->conn);
}

/* Some have heard enough before they have heard it all. */
static void answer_early(vendor_conn *c)
{
        static const char refusal[] =
                "HTTP/1.1 429 Too Many\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        sim_say("vendor answers early");
        net_timer_clear(side.loop, &c->timer);
        c->stopped = c->used = true;
        net_write(c->conn, view_of_text(refusal));
        if (sim_chance(30)) {
                net_close(c->conn);
                c->conn = nullptr;
                return;
        }
        net_pause(c->conn);
        c->timer = (net_timer){.fire = on_hear_on, .ctx = c};
        net_timer_set(side.loop, &c->timer, sim_below(300));
}

/* Who reuses the connection before it has said the whole of its request has the next one taken for the rest. */
static void judge_rest(view body)
{
        if (text_find(body, 0, " HTTP/1.1\r\n") != SIZE_MAX)
                sim_fail("a vendor heard a request where the body of another should go on");
}

/* No fault: it was about to end the connection when the request came. */
static bool gone_meanwhile(vendor_conn *c)
{
        if (c->in.len > 0 || c->stopped || c->answering || !sim_warm(c->conn) || !sim_chance(2))
                return false;
        sim_say("vendor ends a warm connection");
        net_timer_clear(side.loop, &c->timer);
        net_abort(c->conn, sim_chance(50));
        c->conn = nullptr;
        return true;
}

static void on_data(void *ctx, view plain)
{
        vendor_conn *c = ctx;
        if (plain.len > 0 && gone_meanwhile(c))
                return;
        size_t before = c->in.len;
        text_add(&c->in, plain);
        view in = text_view(&c->in);
        if (in.len == 0)
                return;
        size_t end = text_find(in, 0, "\r\n\r\n"), length = text_find(in, 0, "Content-Length: ");
        if (end == SIZE_MAX)
                return;
        c->in.bytes[c->in.len] = '\0';
        size_t need = length < end ? strtoul((const char *)in.data + length + 16, nullptr, 10) : 0;
        if (c->stopped)
                judge_rest(view_slice(in, before > end + 4 ? before : end + 4, end + 4 + need));
        if (c->stopped && in.len >= end + 4 + need) {
                /* What was answered early has been heard to its end at last; the connection may go on. */
                c->stopped = c->asked = false;
                c->in.len = in.len - (end + 4 + need);
                memmove(c->in.bytes, c->in.bytes + end + 4 + need, c->in.len);
                sim_begin_again(c->conn);
                on_data(c, (view){});
                return;
        }
        if (c->stopped)
                return;
        if (in.len < end + 4 + need) {
                if (!c->asked && sim_chance(need > 20000 ? play.storm : play.storm / 8))
                        answer_early(c);
                c->asked = true;
                return;
        }
        c->asked = false;
        if (in.len > end + 4 + need)
                sim_fail("a vendor got more than one request at a time");
        if (c->answering)
                sim_fail("a vendor got a request while it was answering another");
        asked(c, view_slice(in, 0, end + 4), view_slice(in, end + 4, in.len));
        c->in.len = 0;
}

static void on_closed(void *ctx, net_end why)
{
        vendor_conn *c = ctx;
        (void)why;
        judge_secrecy(text_view(&c->in));
        c->conn = nullptr;
        over(c);
}

static const net_user vendor_user = {.data = on_data, .closed = on_closed};

static void *on_arrived(void *ctx, net_conn *conn, const net_user **user)
{
        vendor_conn *c = sim_alloc(sizeof *c);
        c->conn = conn;
        c->vendor = (size_t)(uintptr_t)ctx;
        c->timer = (net_timer){.fire = on_idle, .ctx = c};
        *user = &vendor_user;
        return c;
}

/* ---- where they live ---- */

void sim_place_of(const net_target *t, sim_place *out)
{
        static const sim_way ways[] = {WAY_REFUSED, WAY_REFUSED, WAY_BLACKHOLE, WAY_TLS_FAILS, WAY_CERTIFICATE};
        size_t vendor = t->family == 4 ? t->address[2] : t->address[7];
        if (vendor >= VENDORS || t->address[0] != (t->family == 4 ? 9 : 0x26))
                sim_fail("the relay dials an address that nobody gave it");
        out->listener = side.listeners[vendor];
        out->latency_us = sim_between(100, 40000);
        out->way = sim_chance(play.storm / 3) ? ways[sim_below(sizeof ways / sizeof *ways)] : WAY_GOOD;
        if (t->tls == nullptr && out->way >= WAY_TLS_FAILS)
                out->way = WAY_REFUSED;
        sim_say("relay dials vendor %zu, way %d", vendor, out->way);
}

/* Names are v0.vendor.net and so on; their addresses say which: 9.9.N.x and 2620:fe:0:N::x. */
uint64_t sim_name_of(const char *name, resolve_answer *out)
{
        size_t vendor = (size_t)(name[1] - '0');
        *out = (resolve_answer){.ttl_s = 60};
        if (name[0] != 'v' || vendor >= VENDORS)
                sim_fail("the relay asks for a name that nobody gave it");
        if (sim_chance(play.storm / 4)) {
                sim_say("the name of vendor %zu is not found", vendor);
                out->failed = 1;
                return sim_chance(20) ? UINT64_MAX : sim_below(5000000);
        }
        out->count = (uint32_t)sim_between(1, 4);
        for (uint32_t i = 0; i < out->count; i++) {
                bool v6 = sim_chance(40);
                out->addresses[i].family = v6 ? 6 : 4;
                const uint8_t four[4] = {9, 9, (uint8_t)vendor, (uint8_t)(i + 1)};
                const uint8_t six[16] = {0x26, 0x20, 0, 0xfe, 0, 0, 0, (uint8_t)vendor, [15] = (uint8_t)(i + 1)};
                if (v6)
                        memcpy(out->addresses[i].bytes, six, 16);
                else
                        memcpy(out->addresses[i].bytes, four, 4);
                /* An address of this machine's own network must be passed over. */
                if (out->count > 1 && i == 0 && sim_chance(play.storm / 2))
                        memcpy(out->addresses[i].bytes,
                               v6 ? (const uint8_t[16]){[15] = 1} : (const uint8_t[4]){10, 0, 9, 9}, v6 ? 16 : 4);
        }
        return sim_below(50000);
}

void vendors_begin(net_loop *l)
{
        side.loop = l;
        for (size_t v = 0; v < VENDORS; v++) {
                const net_accept accept = {.arrived = on_arrived,
                                           .ctx = (void *)(uintptr_t)v,
                                           .handshake_ms = 20000,
                                           .max_connections = 10000,
                                           .max_handshakes = 10000};
                side.listeners[v] = net_listen(l, -1, &accept);
        }
}
