#include "net/conn.h"

#include "unit/net/pair.h"

static const char *subject;
static tls_server *side; /* null: plain */
static tls_client *caller;
static end client;

static bool pair_open(void)
{
        listen_begin(side, 5000, 8, 8);
        return dial(&client, caller) && client.opened == 0 && run_until(both_open, &client, 5000);
}

static void pair_close(void)
{
        if (client.conn != nullptr && client.closed == 0)
                net_abort(client.conn, false);
        client.conn = nullptr;
        listen_end();
}

static uint8_t pattern[8 * 1024 * 1024];

static bool server_has_text(void *ctx) { return server[0].got >= *(size_t *)ctx; }

static bool client_has(void *ctx) { return client.got >= *(size_t *)ctx || client.closed > 0; }

static void answer_back(end *e) { net_write(e->conn, VIEW("pong")); }

static void test_bytes(void)
{
        tap_ok(pair_open(), subject, "opens on both sides");
        server[0].on_data = answer_back;
        net_write(client.conn, VIEW("pi"));
        net_write(client.conn, (view){});
        net_write(client.conn, VIEW("ng"));
        tap_ok(net_unsent(client.conn) > 0, subject, "what is written waits for the end of the turn");
        size_t four = 4;
        tap_ok(run_until(client_has, &four, 2000) && strncmp(client.text, "pong", 4) == 0
                       && strcmp(server[0].text, "ping") == 0,
               subject, "bytes go both ways");
        tap_ok(net_unsent(client.conn) == 0 && net_taken(client.conn) >= 4, subject, "and are known to be taken");
        bool zero = true;
        for (size_t i = 0; i < client.last_len; i++)
                zero = zero && client.last[i] == 0;
        tap_ok(zero, subject, "the room they lay in is wiped");
        pair_close();
}

static size_t pieces;

static void count_piece(end *e)
{
        (void)e;
        pieces++;
}

/* What is written in one turn is one record to the peer, in its order, whoever else writes in between. */
static void test_records(void)
{
        bool good = pair_open();
        size_t six = 6, all = 100 * 1024 + 4;
        pieces = 0;
        server[0].on_data = count_piece;
        net_write(client.conn, VIEW("one"));
        net_write(client.conn, VIEW("two"));
        good = good && net_unsent(client.conn) >= six && run_until(server_has_text, &six, 2000);
        tap_ok(good && strcmp(server[0].text, "onetwo") == 0 && pieces == 1, subject, "small pieces go out as one");
        net_write(client.conn, VIEW("a"));
        net_write(server[0].conn, VIEW("b"));
        net_write(client.conn, (view){pattern, 100 * 1024});
        net_write(server[0].conn, VIEW("c"));
        net_write(client.conn, VIEW("def"));
        uint64_t digest = digest_of(digest_of(digest_of(0, VIEW("onetwoa")), (view){pattern, 100 * 1024}), VIEW("def"));
        all += six;
        size_t two = 2;
        tap_ok(run_until(server_has_text, &all, 2000) && run_until(client_has, &two, 2000) && server[0].digest == digest
                       && strcmp(client.text, "bc") == 0,
               subject, "small and large ones of two sides keep their order");
        net_write(client.conn, VIEW("last words"));
        net_close(client.conn);
        client.conn = nullptr;
        all += 10;
        tap_ok(run_until(is_closed, &server[0], 2000) && server[0].got == all && server[0].why == NET_CLEAN, subject,
               "a close takes along what was just written");
        pair_close();

        good = pair_open();
        net_write(client.conn, VIEW("never"));
        net_abort(client.conn, false);
        client.conn = nullptr;
        tap_ok(good && run_until(is_closed, &server[0], 2000) && server[0].got == 0, subject,
               "who aborts takes back what was just written");
        pair_close();
}

static void pour(size_t *sent, size_t total)
{
        while (*sent < total && net_unsent(server[0].conn) <= LIMIT_QUEUE_HIGH_BYTES) {
                view piece = view_slice((view){pattern, sizeof pattern}, *sent,
                                        *sent + 16000 < total ? *sent + 16000 : total);
                net_write(server[0].conn, piece);
                *sent += piece.len;
        }
}

typedef struct stream {
        size_t sent, total;
        int seen;
} stream;

static bool keep_pouring(void *ctx)
{
        stream *s = ctx;
        if (server[0].drained != s->seen) {
                s->seen = server[0].drained;
                pour(&s->sent, s->total);
        }
        return client.got == s->total || client.closed > 0;
}

static void test_backpressure(void)
{
        bool good = pair_open();
        stream s = {.total = sizeof pattern};
        net_pause(client.conn);
        for (int i = 0; i < 60 && good; i++) {
                pour(&s.sent, s.total);
                run_for(1);
        }
        tap_ok(good && client.got <= LIMIT_READ_BYTES && s.sent < s.total
                       && net_unsent(server[0].conn) > LIMIT_QUEUE_HIGH_BYTES,
               subject, "a peer that does not read fills the queue");
        tap_ok(net_unsent(server[0].conn) < LIMIT_QUEUE_HIGH_BYTES + 64 * 1024, subject, "no further than its mark");
        size_t before = client.got;
        run_for(20);
        tap_ok(client.got == before && server[0].drained == s.seen, subject, "and nothing moves");
        s.seen = server[0].drained;
        net_resume(client.conn);
        tap_ok(run_until(keep_pouring, &s, 20000) && client.got == s.total, subject, "it goes on when it reads again");
        tap_ok(server[0].drained > 3 && client.digest == digest_of(0, (view){pattern, sizeof pattern}), subject,
               "told each time, and every byte in its place");
        pair_close();
}

static void pause_self(end *e) { net_pause(e->conn); }

static void test_pause(void)
{
        bool good = pair_open();
        client.on_data = pause_self;
        net_write(server[0].conn, (view){pattern, 200 * 1024});
        run_for(50);
        tap_ok(good && client.got > 0 && client.got <= LIMIT_READ_BYTES, subject,
               "after a pause at most one read still comes");
        client.on_data = nullptr;
        net_resume(client.conn);
        size_t all = 200 * 1024;
        tap_ok(run_until(client_has, &all, 3000), subject, "and the rest after it");
        pair_close();
}

static void test_close(void)
{
        bool good = pair_open();
        net_pause(client.conn);
        net_write(server[0].conn, (view){pattern, 3 * 1024 * 1024});
        net_close(server[0].conn);
        server[0].conn = nullptr;
        run_for(20);
        good = good && client.got < 3 * 1024 * 1024;
        net_resume(client.conn);
        good = good && run_until(is_closed, &client, 5000);
        tap_ok(good && client.got == 3 * 1024 * 1024 && client.digest == digest_of(0, (view){pattern, 3 * 1024 * 1024}),
               subject, "a close sends everything queued first");
        tap_ok(client.why == NET_CLEAN, subject, "and says goodbye");
        tap_ok(server[0].closed == 0, subject, "who closed hears no more of it");
        run_for(20);
        tap_ok(net_listener_connections(listener) == 0, subject, "and it is over");
        pair_close();

        good = pair_open();
        net_pause(client.conn);
        net_write(server[0].conn, (view){pattern, 3 * 1024 * 1024});
        net_write(client.conn, (view){pattern, 300 * 1024});
        net_close(server[0].conn);
        server[0].conn = nullptr;
        run_for(30);
        net_resume(client.conn);
        good = good && run_until(is_closed, &client, 5000);
        tap_ok(good && client.got == 3 * 1024 * 1024, subject, "also to a peer that keeps talking meanwhile");
        pair_close();

        good = pair_open();
        net_close(server[0].conn);
        server[0].conn = nullptr;
        good = good && run_until(is_closed, &client, 2000);
        tap_ok(good && client.why == NET_CLEAN, subject, "with nothing queued it is a goodbye alone");
        pair_close();
}

static bool server_closed(void *ctx)
{
        (void)ctx;
        return server[0].closed > 0;
}

static void test_cut(void)
{
        bool good = pair_open();
        net_abort(client.conn, true);
        client.conn = nullptr;
        good = good && run_until(server_closed, nullptr, 2000);
        tap_ok(good && server[0].why == NET_CUT && client.closed == 0, subject, "a reset is a cut");
        pair_close();
        good = pair_open();
        net_abort(client.conn, false);
        client.conn = nullptr;
        good = good && run_until(server_closed, nullptr, 2000);
        tap_ok(good && server[0].why == (side == nullptr ? NET_CLEAN : NET_CUT), subject,
               "an end without a goodbye is a cut where goodbyes are said");
        pair_close();
        good = pair_open();
        net_write(client.conn, (view){pattern, 100});
        net_close(client.conn);
        client.conn = nullptr;
        good = good && run_until(server_closed, nullptr, 2000);
        tap_ok(good && server[0].why == NET_CLEAN && server[0].got == 100, subject, "an end with one is clean");
        pair_close();
}

static void close_self(end *e)
{
        net_close(e->conn);
        e->conn = nullptr;
}

static void abort_self(end *e)
{
        net_abort(e->conn, false);
        e->conn = nullptr;
}

static void test_inside(void)
{
        bool good = pair_open();
        server[0].on_data = close_self;
        net_write(client.conn, (view){pattern, 50000});
        good = good && run_until(is_closed, &client, 3000);
        tap_ok(good && server[0].got <= LIMIT_READ_BYTES && server[0].closed == 0, subject,
               "it may be closed while it gives bytes");
        pair_close();
        good = pair_open();
        server[0].on_data = abort_self;
        net_write(client.conn, (view){pattern, 50000});
        good = good && run_until(is_closed, &client, 3000);
        tap_ok(good && server[0].got <= LIMIT_READ_BYTES && server[0].closed == 0, subject,
               "or cut, and no further call comes");
        pair_close();
}

static void test_owner(void)
{
        bool good = pair_open();
        end heir = {.conn = server[0].conn};
        net_write(client.conn, VIEW("one"));
        size_t three = 3;
        good = good && run_until(server_has_text, &three, 2000);
        net_own(server[0].conn, &end_user, &heir);
        server[0].conn = nullptr;
        net_write(client.conn, VIEW("two"));
        run_for(20);
        tap_ok(good && strcmp(server[0].text, "one") == 0 && strcmp(heir.text, "two") == 0 && heir.opened == 0, subject,
               "another owner gets what comes after");
        net_abort(client.conn, true);
        client.conn = nullptr;
        good = run_until(is_closed, &heir, 2000);
        tap_ok(good && server[0].closed == 0, subject, "and its end");
        pair_close();
}

/* ---- TLS on a connection that was plain ---- */

static bool settled_again(void *ctx)
{
        (void)ctx;
        return client.opened == 2 || client.closed > 0;
}

/* The header of a balancer that speaks for itself stands for what is said before TLS. */
static bool plain_open(tls_server *then)
{
        static const uint8_t said[16] = {0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51,
                                         0x55, 0x49, 0x54, 0x0A, 0x20, 0x00, 0x00, 0x00};
        accept_more = (net_accept){.balancer = everybody};
        listen_begin(then, 5000, 8, 8);
        accept_more = (net_accept){};
        bool good = dial(&client, nullptr) && run_until(is_open, &client, 2000);
        net_write(client.conn, (view){said, sizeof said});
        return good;
}

static void test_secure(void)
{
        bool good = plain_open(tls_side);
        net_secure(client.conn, tls_caller, (view){});
        tap_ok(good && client.opened == 1, subject, "nothing is told inside the call");
        good = run_until(settled_again, nullptr, 3000) && client.opened == 2 && run_until(both_open, &client, 2000);
        tap_ok(good && arrived == 1, subject, "opened is told again when TLS stands");
        server[0].on_data = answer_back;
        net_write(client.conn, (view){pattern, 200 * 1024});
        size_t all = 200 * 1024, four = 4;
        tap_ok(good && run_until(server_has_text, &all, 3000) && run_until(client_has, &four, 3000)
                       && server[0].digest == digest_of(0, (view){pattern, 200 * 1024})
                       && strncmp(client.text, "pong", 4) == 0,
               subject, "bytes go both ways");
        net_close(server[0].conn);
        server[0].conn = nullptr;
        tap_ok(run_until(is_closed, &client, 2000) && client.why == NET_CLEAN, subject, "and a goodbye is one");
        pair_close();

        good = plain_open(tls_side);
        net_secure(client.conn, caller_with(&other_root, "localhost", nullptr, 0), (view){});
        tap_ok(good && run_until(is_closed, &client, 3000) && client.opened == 1 && client.why == NET_CERTIFICATE,
               subject, "a certificate is judged as on any connection");
        pair_close();

        good = plain_open(tls_side);
        net_secure(client.conn, tls_caller, VIEW("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
        good = good && client.closed == 0;
        tap_ok(good && run_until(is_closed, &client, 3000) && client.opened == 1 && client.why == NET_TLS_FAILED,
               subject, "early bytes are the first that TLS hears");
        pair_close();

        good = plain_open(nullptr);
        server_on_data = abort_self;
        net_secure(client.conn, tls_caller, (view){});
        tap_ok(good && run_until(is_closed, &client, 3000) && client.opened == 1 && client.why == NET_CUT, subject,
               "a peer that leaves meanwhile is a cut");
        pair_close();
}

static void test_secure_left(void)
{
        for (int how = 0; how < 3; how++) {
                bool good = plain_open(tls_side);
                net_secure(client.conn, tls_caller, VIEW("early"));
                if (how == 1)
                        run_for(0);
                if (how == 2)
                        net_close(client.conn);
                else
                        net_abort(client.conn, false);
                client.conn = nullptr;
                run_for(20);
                tap_ok(good && client.opened == 1 && client.closed == 0 && client.got == 0, subject,
                       how == 0   ? "it may be left before the handshake begins"
                       : how == 1 ? "while it runs"
                                  : "or closed, which is the same then");
                pair_close();
        }
}

static void all_of(const char *name)
{
        subject = name;
        test_bytes();
        test_records();
        test_backpressure();
        test_pause();
        test_close();
        test_cut();
        test_inside();
        test_owner();
}

int main(void)
{
        pair_setup();
        for (size_t i = 0; i < sizeof pattern; i++)
                pattern[i] = (uint8_t)(i * 7 + i / 251);
        all_of("plain");
        side = tls_side;
        caller = tls_caller;
        all_of("tls");
        subject = "secure";
        test_secure();
        test_secure_left();
        return tap_done();
}
