/* The callers: most behave well; the others leave, stall, dribble, shout or say nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/play.h"

typedef enum manner : uint8_t {
        GOOD,
        PIPELINES,
        DRIBBLES,   /* sends slowly, but in time */
        READS_LATE, /* stops reading for a while */
        LEAVES,     /* at some byte of the answer, or some time after asking */
        LEAVES_ASKING,
        HALF_CLOSES,
        NEVER_ENDS, /* its request */
        NEVER_READS,
        GARBAGE,
        WRONG_KEY,
        MUTE, /* no handshake */
        MANNERS
} manner;

typedef enum reading : uint8_t { AT_HEAD, AT_LENGTH, AT_SIZE, AT_CHUNK, AT_CHUNK_END, AT_TRAILER } reading;

enum : size_t { MOST_WAITING = 4 };

typedef struct caller {
        uint32_t index;
        uint16_t project;
        const char *key;
        net_conn *conn;
        manner manner;
        request *waiting[MOST_WAITING]; /* asked, not answered; the first is being answered */
        size_t waiting_count, answered; /* on this connection */
        unsigned again;                 /* asked once more because a connection had gone before it could be answered */
        unsigned pauses;                /* that are left to it */
        text out, head, body;
        size_t sent, leave_at, heard;
        reading reading;
        size_t left;
        unsigned status;
        net_timer act, patience;
        uint64_t until_us;
        bool open, resting, calm;
        unsigned calm_left; /* requests */
} caller;

enum : size_t { MOST_CALLERS = 16 };
static caller callers[MOST_CALLERS];
static size_t caller_count;

static void rest(caller *c);
static void ask(caller *c);

static bool behaves(const caller *c) { return c->manner <= READS_LATE; }

static void hang_up(caller *c, bool reset)
{
        if (c->conn != nullptr)
                net_abort(c->conn, reset);
        c->conn = nullptr;
        c->open = false;
}

static void finished(caller *c)
{
        if (c->conn != nullptr)
                net_resume(c->conn);
        c->waiting_count = 0;
        net_timer_clear(sim_loop, &c->patience);
        rest(c);
}

/* ---- asking ---- */

static request *request_new(caller *c)
{
        static const uint8_t kinds[] = {ASK_STREAM, ASK_STREAM,     ASK_STREAM, ASK_WHOLE,
                                        ASK_WHOLE,  ASK_EMBEDDINGS, ASK_MODELS};
        if (play.request_count == MOST_REQUESTS)
                sim_fail("more requests than the simulation has room for");
        request *r = &play.requests[play.request_count];
        *r = (request){.serial = (uint32_t)play.request_count++,
                       .caller = c->index,
                       .project = c->project,
                       .kind = (ask_kind)kinds[sim_below(sizeof kinds)],
                       .has_mail = sim_chance(60),
                       .usage_wanted = sim_chance(50),
                       .calm = c->calm,
                       .begun_us = sim_now_us()};
        r->pieces = (uint16_t)sim_between(1, sim_chance(96) ? 60 : c->calm || sim_chance(70) ? 12000 : 40000);
        if (c->manner == NEVER_READS)
                r->pieces = 40000;
        r->model = (uint16_t)(r->kind == ASK_EMBEDDINGS ? MODEL_VECTORS : sim_below(MODEL_VECTORS));
        /* With one target nothing hides what happens to it. */
        if (c->calm && r->kind != ASK_EMBEDDINGS && sim_chance(50))
                r->model = MODEL_SOLO;
        return r;
}

static void body_write(const request *r, text *body)
{
        char marker[MARKER_BYTES + 1], mail[MAIL_BYTES];
        text said = {};
        text_marker(r->serial, marker);
        text_mail(r->serial, mail);
        text_put(&said, "zeta %s mail %s over", marker, r->has_mail ? mail : "nobody");
        for (uint64_t pad = sim_chance(8) ? sim_below(sim_chance(20) ? 60000 : 9000) : sim_below(40); pad > 0; pad--)
                text_put(&said, " lorem");
        text_put(body, "{\"model\":\"%s\",", model_names[r->model]);
        if (r->kind == ASK_STREAM)
                text_put(body, "\"stream\":true,");
        if (r->kind == ASK_STREAM && r->usage_wanted)
                text_put(body, "\"stream_options\":{\"include_usage\":true},");
        text_put(body, r->kind == ASK_EMBEDDINGS ? "\"input\":\"" : "\"messages\":[{\"role\":\"user\",\"content\":\"");
        text_add(body, text_view(&said));
        text_put(body, r->kind == ASK_EMBEDDINGS ? "\"}" : "\"}]}");
        text_free(&said);
}

static void request_write(const caller *c, const request *r, text *out)
{
        text body = {};
        if (r->kind == ASK_MODELS) {
                text_put(out, "GET /v1/models HTTP/1.1\r\nHost: relay.test\r\nAuthorization: Bearer %s\r\n\r\n",
                         c->key);
                return;
        }
        body_write(r, &body);
        text_put(out,
                 "POST /v1/%s HTTP/1.1\r\nHost: relay.test\r\nAuthorization: Bearer %s\r\n"
                 "Content-Type: application/json\r\n",
                 r->kind == ASK_EMBEDDINGS ? "embeddings" : "chat/completions",
                 c->manner == WRONG_KEY ? "lk1_nobody" : c->key);
        if (sim_chance(20)) {
                text_put(out, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", body.len);
                text_add(out, text_view(&body));
                text_put(out, "\r\n0\r\n\r\n");
        } else {
                text_put(out, "Content-Length: %zu\r\n\r\n", body.len);
                text_add(out, text_view(&body));
        }
        text_free(&body);
}

static void on_impatient(void *ctx)
{
        caller *c = ctx;
        /* What a machine that stands still does not do in time is not its relay's fault. */
        if (play.frozen_us != 0 && sim_now_us() - play.frozen_us < play.longest_us)
                return;
        if (c->waiting_count > 0 || c->manner == NEVER_ENDS || c->manner == MUTE)
                sim_fail("caller %u (manner %d) has been waiting for request %u for more than %llu s", c->index,
                         c->manner, c->waiting_count > 0 ? c->waiting[0]->serial : 0,
                         (unsigned long long)(play.longest_us / 1000000));
}

static void patience_begin(caller *c)
{
        net_timer_set(sim_loop, &c->patience, (c->manner == NEVER_ENDS ? play.asking_us : play.longest_us) / 1000);
}

static void send_on(caller *c);

static void on_act(void *ctx)
{
        caller *c = ctx;
        if (c->resting) {
                ask(c);
        } else if (c->conn == nullptr || !c->open) {
                return;
        } else if (c->sent < c->out.len) {
                send_on(c);
        } else if (c->manner == LEAVES) {
                sim_say("caller %u leaves", c->index);
                hang_up(c, sim_chance(50));
                finished(c);
        } else if (c->manner == READS_LATE || c->manner == NEVER_READS) {
                net_resume(c->conn);
        }
}

static void act_in(caller *c, uint64_t ms) { net_timer_set(sim_loop, &c->act, ms); }

/* The next part of the request; when that is all of it, what this caller does then. */
static void send_on(caller *c)
{
        size_t n = c->out.len - c->sent;
        if (c->manner == DRIBBLES || c->manner == NEVER_ENDS || c->manner == LEAVES_ASKING)
                n = sim_between(1, n);
        if (c->manner == NEVER_ENDS && n == c->out.len - c->sent)
                n--;
        net_write(c->conn, view_slice(text_view(&c->out), c->sent, c->sent + n));
        c->sent += n;
        if (c->manner == LEAVES_ASKING && sim_chance(50)) {
                sim_say("caller %u leaves while it asks", c->index);
                hang_up(c, sim_chance(50));
                finished(c);
        } else if (c->sent < c->out.len) {
                if (c->manner != NEVER_ENDS || c->sent + 1 < c->out.len)
                        act_in(c, sim_below(c->manner == DRIBBLES ? 50 : 4000));
        } else if (c->manner == HALF_CLOSES) {
                sim_half_close(c->conn);
        } else if (c->manner == LEAVES) {
                act_in(c, sim_below(sim_chance(50) ? 300 : 30000));
        } else if (c->manner == NEVER_READS) {
                /* The relay must have given up long before; who never reads at all would never learn it. */
                net_pause(c->conn);
                act_in(c, play.longest_us / 2000);
        }
}

static void on_opened(void *ctx)
{
        caller *c = ctx;
        c->open = true;
        send_on(c);
}

static void heard_begin(caller *c)
{
        c->reading = AT_HEAD;
        c->head.len = c->body.len = 0;
        c->status = 0;
}

static const net_user caller_user;

/* Sends what waits for an answer, on the connection that stands or on a new one. */
static void send_all(caller *c)
{
        c->out.len = c->sent = 0;
        for (size_t i = 0; i < c->waiting_count; i++)
                request_write(c, c->waiting[i], &c->out);
        if (c->manner == GARBAGE) {
                c->out.len = 0;
                for (uint64_t n = sim_between(1, 3000); n > 0; n--)
                        text_put(&c->out, "%c", (int)sim_between(sim_chance(50) ? 1 : 32, 126));
        }
        heard_begin(c);
        patience_begin(c);
        if (c->conn != nullptr && c->open) {
                send_on(c);
                return;
        }
        c->answered = 0;
        c->heard = 0;
        c->open = false;
        c->conn = sim_dial(play.relay, &caller_user, c, c->manner == MUTE);
}

static void ask(caller *c)
{
        static const uint8_t manners[] = {GOOD, GOOD, GOOD, GOOD, GOOD, GOOD, PIPELINES, DRIBBLES, READS_LATE};
        c->resting = false;
        if (c->calm ? c->calm_left == 0 : sim_now_us() >= c->until_us) {
                play.callers_busy--;
                if (c->calm && c->index + 1 < caller_count)
                        rest(c + 1);
                return;
        }
        if (c->calm)
                c->calm_left--;
        c->manner = !c->calm && sim_chance(play.storm / 2) ? (manner)sim_below(MANNERS)
                                                           : (manner)manners[sim_below(sizeof manners)];
        if (c->manner == MUTE || c->manner == GARBAGE || sim_chance(25))
                hang_up(c, false);
        c->again = 0;
        c->pauses = 3;
        c->leave_at = sim_chance(50) ? SIZE_MAX : sim_below(3000);
        c->waiting_count = c->manner == PIPELINES ? sim_between(2, MOST_WAITING) : 1;
        if (c->manner == MUTE || c->manner == GARBAGE)
                c->waiting_count = 0;
        for (size_t i = 0; i < c->waiting_count; i++)
                c->waiting[i] = request_new(c);
        sim_say("caller %u asks %zu from request %zu on, manner %d", c->index, c->waiting_count,
                play.request_count - c->waiting_count, c->manner);
        send_all(c);
}

static void rest(caller *c)
{
        c->resting = true;
        act_in(c, sim_chance(30) ? 0 : sim_below(play.storm > 0 ? 3000 : 500));
}

/* ---- hearing ---- */

static void judge(caller *c, bool complete)
{
        const request *r = c->waiting[0];
        bool excused = !behaves(c) || r->begun_us <= play.short_until_us
                       || (!complete && sim_now_us() - r->begun_us >= play.stream_us);
        const heard h = {.request = c->waiting[0],
                         .status = c->status,
                         .head = text_view(&c->head),
                         .body = text_view(&c->body),
                         .complete = complete,
                         .any = c->head.len > 0,
                         .excused = excused};
        caller_judge(&h);
}

/* The first of those who wait has its answer. */
static void answered(caller *c)
{
        if (c->waiting_count == 0)
                return; /* garbage got an answer too */
        judge(c, true);
        c->answered++;
        c->waiting_count--;
        memmove(c->waiting, c->waiting + 1, c->waiting_count * sizeof c->waiting[0]);
        heard_begin(c);
        patience_begin(c);
        if (c->waiting_count == 0)
                finished(c);
}

static void head_done(caller *c)
{
        view head = text_view(&c->head);
        size_t length = text_find(head, 0, "\r\ncontent-length: ");
        c->head.bytes[c->head.len] = '\0';
        c->status = (unsigned)strtoul((const char *)head.data + 9, nullptr, 10);
        if (c->status == 100) {
                heard_begin(c);
                return;
        }
        c->left = length == SIZE_MAX ? 0 : strtoul((const char *)head.data + length + 18, nullptr, 10);
        c->reading = length == SIZE_MAX ? AT_SIZE : AT_LENGTH;
        if (length == SIZE_MAX && text_find(head, 0, "transfer-encoding: chunked") == SIZE_MAX)
                sim_fail("an answer without a length came to caller %u", c->index);
}

static bool ends_with(const text *t, const char *what)
{
        size_t n = strlen(what);
        return t->len >= n && memcmp(t->bytes + t->len - n, what, n) == 0;
}

static size_t body_take(caller *c, view in)
{
        size_t n = in.len < c->left ? in.len : c->left, from = c->body.len;
        text_add(&c->body, view_slice(in, 0, n));
        c->left -= n;
        request *r = c->waiting_count > 0 ? c->waiting[0] : nullptr;
        if (r != nullptr && c->status == 200 && r->content_us == 0 && caller_has_content(r, text_view(&c->body), from))
                r->content_us = sim_now_us();
        return n;
}

/* Lines of the framing are kept in `head`, behind the head itself. Returns how many bytes were taken. */
static size_t frame_take(caller *c, view in)
{
        text_add(&c->head, view_slice(in, 0, 1));
        switch (c->reading) {
        case AT_HEAD:
                if (ends_with(&c->head, "\r\n\r\n"))
                        head_done(c);
                break;
        case AT_SIZE:
                if (ends_with(&c->head, "\r\n") && !ends_with(&c->head, "\r\n\r\n")) {
                        size_t at = c->head.len - 2;
                        while (at > 0 && c->head.bytes[at - 1] != '\n')
                                at--;
                        c->left = strtoul((const char *)c->head.bytes + at, nullptr, 16);
                        c->reading = c->left == 0 ? AT_TRAILER : AT_CHUNK;
                }
                break;
        case AT_CHUNK_END:
                if (ends_with(&c->head, "\r\n"))
                        c->reading = AT_SIZE;
                break;
        case AT_TRAILER:
                if (ends_with(&c->head, "\r\n\r\n") || ends_with(&c->head, "\n0\r\n\r\n"))
                        answered(c);
                break;
        case AT_LENGTH:
        case AT_CHUNK:
                break;
        }
        return 1;
}

static void on_data(void *ctx, view plain)
{
        caller *c = ctx;
        c->heard += plain.len;
        while (plain.len > 0 && c->conn != nullptr) {
                size_t n;
                if (c->waiting_count == 0 && c->manner != GARBAGE)
                        sim_fail("caller %u is told something that it did not ask for", c->index);
                if (c->reading == AT_LENGTH || c->reading == AT_CHUNK)
                        n = body_take(c, plain);
                else
                        n = frame_take(c, plain);
                plain = view_slice(plain, n, plain.len);
                if (c->reading == AT_LENGTH && c->left == 0)
                        answered(c);
                else if (c->reading == AT_CHUNK && c->left == 0)
                        c->reading = AT_CHUNK_END;
        }
        if (c->conn == nullptr)
                return;
        if (c->manner == LEAVES && c->heard >= c->leave_at && c->waiting_count > 0) {
                sim_say("caller %u leaves in the middle", c->index);
                hang_up(c, sim_chance(50));
                finished(c);
        } else if (c->manner == READS_LATE && c->waiting_count > 0 && c->pauses > 0 && sim_chance(5)) {
                c->pauses--;
                net_pause(c->conn);
                act_in(c, sim_below(3000));
        }
}

/* A connection on which nothing of this answer came, after others had: it may just have run out. */
static bool may_ask_again(const caller *c)
{
        return c->head.len == 0 && (c->answered > 0 || play.draining) && c->again < 3 && behaves(c);
}

static void on_closed(void *ctx, net_end why)
{
        caller *c = ctx;
        c->conn = nullptr;
        c->open = false;
        if (c->resting || c->waiting_count == 0) {
                if (!c->resting && c->waiting_count == 0 && (c->manner == MUTE || c->manner == GARBAGE))
                        finished(c);
                return;
        }
        if (may_ask_again(c) && !play.draining) {
                c->again++;
                send_all(c);
                return;
        }
        if (!(play.draining && (c->head.len == 0 || play.cut_all)) && why != NET_UNREACHABLE)
                judge(c, false);
        finished(c);
}

static const net_user caller_user = {.opened = on_opened, .data = on_data, .closed = on_closed};

/* ---- all of them ---- */

void callers_begin(size_t count, uint64_t until_us)
{
        caller_count = count;
        for (size_t i = 0; i < count; i++) {
                caller *c = &callers[i];
                c->index = (uint32_t)i;
                c->project = (uint16_t)(i % play.key_count);
                c->key = play.keys[c->project];
                c->until_us = until_us;
                c->act = (net_timer){.fire = on_act, .ctx = c};
                c->patience = (net_timer){.fire = on_impatient, .ctx = c};
                play.callers_busy++;
                rest(c);
        }
}

/* One after the other, so that no limit can stand in their way. */
void callers_calm(void)
{
        for (size_t i = 0; i < caller_count; i++) {
                callers[i].calm = true;
                callers[i].calm_left = 3;
                play.callers_busy++;
        }
        rest(&callers[0]);
}

void callers_leave(void)
{
        for (size_t i = 0; i < caller_count; i++)
                hang_up(&callers[i], false);
}

void callers_tell(void)
{
        for (size_t i = 0; i < caller_count; i++) {
                const caller *c = &callers[i];
                sim_say("caller %zu: manner %d, %zu wait, %s%s, sent %zu of %zu, reads %d, status %u", i, c->manner,
                        c->waiting_count, c->resting ? "rests" : "is busy", c->conn == nullptr ? ", no connection" : "",
                        c->sent, c->out.len, c->reading, c->status);
        }
}
