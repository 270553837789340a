#include "relay/upstream.h"

#include "unit/relay/fixture.h"

/* The C library has a link of its own. */
#define link vendor_link
#include "relay/upstream_int.h"
#undef link

static const char SUBJECT[] = "upstream";

typedef struct asked {
        attempt *attempt;
        const char *body;
        int heads, ends;
        attempt_head head;
        attempt_end why;
        attempt_facts facts;
        size_t got, sent;
        char text[256];
        bool cancel_at_head, cancel_at_data;
} asked;

static asked q;

static void on_credit(void *ctx)
{
        asked *a = ctx;
        size_t room = upstream_room(a->attempt);
        view left = view_slice(view_of_text(a->body), a->sent, a->sent + room);
        if (left.len > 0)
                upstream_body(a->attempt, left);
        a->sent += left.len;
}

static void cancel(asked *a)
{
        upstream_cancel(a->attempt, &a->facts);
        a->attempt = nullptr;
}

static void on_head(void *ctx, const attempt_head *h)
{
        asked *a = ctx;
        a->heads++;
        a->head = *h;
        if (a->cancel_at_head)
                cancel(a);
}

static void on_data(void *ctx, view bytes)
{
        asked *a = ctx;
        for (size_t i = 0; i < bytes.len && a->got + i < sizeof a->text - 1; i++)
                a->text[a->got + i] = (char)bytes.data[i];
        a->got += bytes.len;
        if (a->cancel_at_data)
                cancel(a);
}

static void on_end(void *ctx, attempt_end why, const attempt_facts *f)
{
        asked *a = ctx;
        a->ends++;
        a->why = why;
        a->facts = *f;
        a->attempt = nullptr;
}

static const attempt_user user = {on_credit, on_head, on_data, on_end};

static void open_order(const attempt_order *order, const char *body)
{
        bool cancel_head = q.cancel_at_head, cancel_data = q.cancel_at_data;
        q = (asked){.body = body, .cancel_at_head = cancel_head, .cancel_at_data = cancel_data};
        q.attempt = upstream_open(fx.relay->upstreams, order, &user, &q);
        if (q.attempt != nullptr)
                upstream_decided(q.attempt, strlen(body));
}

static void open_attempt(uint16_t upstream, const char *body, bool fresh)
{
        const attempt_order order = {.upstream = upstream, .path = "/p", .body_bytes = strlen(body), .fresh = fresh};
        open_order(&order, body);
}

static void open_key(uint16_t upstream, const char *body, uint8_t credential)
{
        const attempt_order order = {
                .upstream = upstream, .credential = credential, .path = "/p", .body_bytes = strlen(body)};
        open_order(&order, body);
}

static bool is_over(void *ctx)
{
        (void)ctx;
        return q.ends > 0 || q.attempt == nullptr;
}

static attempt_end ended(uint16_t upstream)
{
        open_attempt(upstream, "{}", true);
        if (q.ends != 0 || !run_until(is_over, nullptr, 3000))
                return ATTEMPT_TIMEOUT + 100;
        return q.why;
}

static attempt_end answered_with(const char *answer, vendor_act then)
{
        const vendor_step one[] = {{answer, then}};
        vendor_does(one, 1);
        return ended(0);
}

static void test_head(void)
{
        tap_ok(answered_with(JSON_HEAD "{\"a\":1}", VENDOR_KEEP) == ATTEMPT_DONE && strcmp(q.text, "{\"a\":1}") == 0
                       && q.head.status == 200 && q.head.body == ATTEMPT_JSON && q.facts.sent && q.facts.answered
                       && !q.facts.reused,
               SUBJECT, "an answer comes back with its head and facts");
        char want[600];
        snprintf(want, sizeof want,
                 "POST /v1/p HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAuthorization: Bearer sk-vendor\r\nContent-Type: "
                 "application/json\r\n"
                 "Accept: application/json\r\nAccept-Encoding: identity\r\nUser-Agent: lethe/1\r\nContent-Length: "
                 "2\r\n\r\n{}",
                 fx.vendor_port);
        tap_ok(strcmp(vendor.last, want) == 0, SUBJECT, "a vendor sees these fields and no other");
        vendor_does((const vendor_step[]){{JSON_HEAD "{}", VENDOR_KEEP}}, 1);
        tap_ok(ended(1) == ATTEMPT_DONE && strstr(vendor.last, "Authorization") == nullptr, SUBJECT,
               "one without a key gets none");
        static const struct {
                const char *field;
                attempt_body body;
        } types[] = {{"text/event-stream", ATTEMPT_EVENTS},
                     {"TEXT/Event-Stream; charset=utf-8", ATTEMPT_EVENTS},
                     {"application/json; x", ATTEMPT_JSON},
                     {"text/html", ATTEMPT_OTHER},
                     {"", ATTEMPT_OTHER}};
        bool good = true;
        for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
                char answer[300];
                snprintf(
                        answer, sizeof answer,
                        "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nRetry-After: 5\r\nX-RateLimit-Remaining-Requests: 7\r\n"
                        "Content-Length: 0\r\n\r\n",
                        types[i].field);
                good = good && answered_with(answer, VENDOR_KEEP) == ATTEMPT_DONE && q.head.body == types[i].body
                       && q.head.limits.after_ms == 5000 && q.head.limits.requests_left == 7;
        }
        tap_ok(good, SUBJECT, "what kind of answer it is, and how long to wait, is read from its head");
        good = answered_with("HTTP/1.1 429 X\r\nDate: Wed, 21 Oct 2026 07:28:00 GMT\r\nRetry-After: Wed, 21 Oct 2026 "
                             "07:28:07 GMT\r\nContent-Length: 0\r\n\r\n",
                             VENDOR_KEEP)
                       == ATTEMPT_DONE
               && q.head.limits.after_ms == 7000 && q.head.status == 429;
        tap_ok(good, SUBJECT, "a date to wait for is read by the vendor's own clock");
        good = answered_with(JSON_HEAD "{}", VENDOR_KEEP) == ATTEMPT_DONE && q.head.limits.after_ms == RETRY_AFTER_NONE
               && q.head.limits.requests_left == RETRY_AFTER_NONE;
        tap_ok(good, SUBJECT, "a head that says nothing of limits says none");
}

static void test_order(void)
{
        catalog_upstream *row = &fx.catalog->upstreams[0], kept = *row;
        lease_write_begin(fx.lease);
        fx.lease->credentials[2] =
                (lease_credential){.name = "other", .host = "127.0.0.1", .len = 8, .secret = "sk-other"};
        fx.lease->credential_count = 3;
        lease_write_end(fx.lease, true);
        row->credential_count = 2;
        row->credentials[1] = (catalog_credential){.name = "other"};
        vendor_does((const vendor_step[]){{JSON_HEAD "{}", VENDOR_KEEP}}, 1);
        open_key(0, "{}", 1);
        tap_ok(run_until(is_over, nullptr, 1000) && strstr(vendor.last, "Bearer sk-other\r\n") != nullptr, SUBJECT,
               "of an upstream's keys the one that was chosen is sent");
        *row = kept;
}

static void answer_late(void *ctx)
{
        (void)ctx;
        net_write(vendor.conns[vendor.connections - 1]->conn, VIEW("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
}

static void test_first(void)
{
        net_timer late = {.fire = answer_late};
        vendor_does((const vendor_step[]){{nullptr, VENDOR_KEEP}}, 1);
        open_attempt(0, "{}", true);
        net_timer_set(fx.loop, &late, 120);
        run_until(is_over, nullptr, 1000);
        tap_ok(q.why == ATTEMPT_DONE && q.facts.first_us >= 80'000 && q.facts.first_us < 400'000, SUBJECT,
               "the time to the first byte counts from the request's last");
        tap_ok(answered_with(nullptr, VENDOR_CLOSE) == ATTEMPT_CUT && q.facts.first_us == 0, SUBJECT,
               "none where no byte came");
}

static void test_get(void)
{
        const attempt_order order = {.upstream = 0, .path = "/models", .fresh = true, .get = true};
        uint64_t attempts = counted(COUNTER_attempts);
        vendor_does((const vendor_step[]){{JSON_HEAD "{}", VENDOR_KEEP}}, 1);
        q = (asked){.body = ""};
        q.attempt = upstream_open(fx.relay->upstreams, &order, &user, &q);
        run_for(30);
        char want[300];
        vendor_conn *last = vendor.conns[vendor.connections - 1];
        snprintf(want, sizeof want,
                 "GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAuthorization: Bearer sk-vendor\r\nAccept: "
                 "application/json\r\nAccept-Encoding: identity\r\nUser-Agent: lethe/1\r\n\r\n",
                 fx.vendor_port);
        tap_ok(strcmp(last->in, want) == 0 && q.ends == 0, SUBJECT, "a probe is a GET without a body");
        net_write(last->conn, VIEW("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"));
        tap_ok(run_until(is_over, nullptr, 1000) && q.why == ATTEMPT_DONE && q.facts.first_us > 0
                       && counted(COUNTER_attempts) == attempts,
               SUBJECT, "it ends like any other, and is not counted among them");
}

static const struct {
        const char *sentence, *answer;
        vendor_act then;
        attempt_end want;
} ends[] = {
        {"no answer at all", nullptr, VENDOR_CLOSE, ATTEMPT_CUT},
        {"a reset", nullptr, VENDOR_RESET, ATTEMPT_CUT},
        {"half a head", "HTTP/1.1 200 OK\r\nContent-", VENDOR_CLOSE, ATTEMPT_CUT},
        {"half a body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1234", VENDOR_CLOSE, ATTEMPT_CUT},
        {"half a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n1234", VENDOR_CLOSE, ATTEMPT_CUT},
        {"a body that ends with the connection", "HTTP/1.1 200 OK\r\n\r\n1234", VENDOR_CLOSE, ATTEMPT_DONE},
        {"chunks to their end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n0\r\n\r\n",
         VENDOR_KEEP, ATTEMPT_DONE},
        {"interim answers before the real one",
         "HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n1234",
         VENDOR_KEEP, ATTEMPT_DONE},
        {"another protocol", "SSH-2.0-x\r\n\r\n", VENDOR_KEEP, ATTEMPT_BROKEN},
        {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n1234", VENDOR_KEEP,
         ATTEMPT_BROKEN},
};

static void test_ends(void)
{
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
                attempt_end why = answered_with(ends[i].answer, ends[i].then);
                tap_ok(why == ends[i].want && q.ends == 1 && (why != ATTEMPT_DONE || strcmp(q.text, "1234") == 0),
                       "end", ends[i].sentence);
        }
        tap_ok(ended(5) == ATTEMPT_NETWORK && !q.facts.sent, "end", "nobody listens");
        vendor_does((const vendor_step[]){{nullptr, VENDOR_KEEP}}, 1);
        tap_ok(ended(3) == ATTEMPT_NO_KEY && vendor.requests == 0 && ended(4) == ATTEMPT_NO_KEY && vendor.requests == 0,
               "end", "a key of another host, or none, and nothing is sent");
        catalog_upstream *row = &fx.catalog->upstreams[1];
        catalog_upstream kept = *row;
        row->local_count = 0;
        tap_ok(ended(1) == ATTEMPT_NETWORK && vendor.requests == 0, "end",
               "an address that is not allowed is not dialled");
        *row = kept;
        memcpy(row->host, "name.example", 13);
        row->address_count = 0;
        tap_ok(ended(1) == ATTEMPT_NETWORK, "end", "a name without a resolver");
        *row = kept;
        catalog_settings *s = &fx.catalog->settings, usual = *s;
        s->first_byte_ms = s->gap_ms = 60;
        tap_ok(answered_with(nullptr, VENDOR_SILENT) == ATTEMPT_TIMEOUT && !q.facts.answered && q.facts.sent, "end",
               "silence before the answer");
        tap_ok(answered_with("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1234", VENDOR_SILENT) == ATTEMPT_TIMEOUT
                       && q.facts.answered,
               "end", "silence in its middle");
        *s = usual;
}

static void test_cancel(void)
{
        vendor_does((const vendor_step[]){{JSON_HEAD "{\"a\":1}", VENDOR_KEEP}}, 1);
        open_attempt(0, "{}", true);
        cancel(&q);
        run_for(10);
        tap_ok(vendor.requests == 0 && q.ends == 0, "cancel", "before it has begun");
        q.cancel_at_head = true;
        open_attempt(0, "{}", true);
        run_until(is_over, nullptr, 1000);
        run_for(5);
        tap_ok(q.heads == 1 && q.got == 0 && q.ends == 0 && q.facts.answered, "cancel", "at the head");
        q.cancel_at_head = false;
        q.cancel_at_data = true;
        open_attempt(0, "{}", true);
        run_until(is_over, nullptr, 1000);
        run_for(5);
        tap_ok(q.heads == 1 && q.got == 7 && q.ends == 0, "cancel", "in the middle of the bytes");
        q.cancel_at_data = false;
}

/* ---- the pool ---- */

static size_t warm(void) { return fx.relay->upstreams->warm_count; }

static bool reused_after(const char *answer, vendor_act then)
{
        upstreams_close_idle(fx.relay->upstreams);
        const vendor_step two[] = {{answer, then}, {JSON_HEAD "{}", VENDOR_KEEP}};
        vendor_does(two, 2);
        open_attempt(0, "{}", false);
        run_until(is_over, nullptr, 1000);
        run_for(10);
        open_attempt(0, "{}", false);
        bool good = run_until(is_over, nullptr, 1000) && q.why == ATTEMPT_DONE;
        return good && q.facts.reused;
}

static void test_pool(void)
{
        tap_ok(reused_after(JSON_HEAD "{}", VENDOR_KEEP) && q.facts.dial_us == 0, "pool",
               "a whole answer leaves its connection warm");
        tap_ok(reused_after("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", VENDOR_KEEP), "pool",
               "chunked too");
        tap_ok(!reused_after("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", VENDOR_KEEP),
               "pool", "not where the vendor says it closes");
        tap_ok(!reused_after("HTTP/1.1 200 OK\r\n\r\n{}", VENDOR_CLOSE), "pool",
               "not where the end was the answer's end");
        tap_ok(!reused_after("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n", VENDOR_KEEP), "pool",
               "not where more came than was asked");
        tap_ok(!reused_after("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", VENDOR_CLOSE), "pool",
               "not where it was closed meanwhile");
        (void)reused_after(JSON_HEAD "{}", VENDOR_KEEP);
        open_attempt(1, "{}", false);
        run_until(is_over, nullptr, 1000);
        tap_ok(!q.facts.reused && warm() == 2, "pool", "never for another upstream");
        open_attempt(0, "{}", true);
        run_until(is_over, nullptr, 1000);
        tap_ok(!q.facts.reused && warm() == 3, "pool", "nor when a fresh one is asked for");
        upstreams_close_idle(fx.relay->upstreams);
        tap_ok(warm() == 0, "pool", "all can be closed");
        (void)reused_after(JSON_HEAD "{}", VENDOR_KEEP);
        vendor_conn *last = vendor.conns[vendor.connections - 1];
        net_write(last->conn, VIEW("HTTP/1.1 408 Request Timeout\r\n\r\n"));
        run_for(20);
        tap_ok(warm() == 0, "pool", "one that speaks unasked is closed");
}

static void open_warm(void *ctx)
{
        (void)ctx;
        open_attempt(0, "{}", false);
}

/* The vendor's words lie in the socket already when the connection is taken from the pool. */
static void test_race(void)
{
        (void)reused_after(JSON_HEAD "{}", VENDOR_KEEP);
        vendor_conn *last = vendor.conns[vendor.connections - 1];
        net_task task = {.run = open_warm};
        q = (asked){};
        net_write(last->conn, VIEW("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"));
        net_task_queue(fx.loop, &task);
        q.attempt = (attempt *)&task;
        run_until(is_over, nullptr, 1000);
        tap_ok(q.ends == 1 && q.why == ATTEMPT_STALE && q.heads == 0, "pool",
               "one that spoke just when it was taken is stale, not answered");
        vendor_does((const vendor_step[]){{nullptr, VENDOR_CLOSE}}, 1);
        vendor.first_of_conn = (vendor_step){JSON_HEAD "{}", VENDOR_KEEP};
        open_attempt(0, "{}", true);
        run_until(is_over, nullptr, 1000);
        open_attempt(0, "{}", false);
        run_until(is_over, nullptr, 1000);
        tap_ok(q.ends == 1 && q.why == ATTEMPT_STALE && q.facts.reused && !q.facts.answered, "pool",
               "one that was dead is told as stale");
}

int main(void)
{
        fx_begin();
        test_head();
        test_order();
        test_first();
        test_get();
        test_ends();
        test_cancel();
        test_pool();
        test_race();
        upstreams_close_idle(fx.relay->upstreams);
        return fx_end();
}
