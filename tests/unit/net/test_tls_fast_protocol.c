/* covers: tls_fast.c in handshakes and records, and its proof at start-up. */
#include "net/tls_fast.h"

#include "unit/net/pair.h"

static const char SUBJECT[] = "tls_fast";

typedef struct half {
        tls_session *session;
        uint8_t in[64 * 1024]; /* cipher bytes that wait for it */
        size_t in_len;
        struct half *other;
} half;

static half mine, theirs;

static ptrdiff_t take(void *ctx, uint8_t *out, size_t len)
{
        half *h = ctx;
        size_t n = h->in_len < len ? h->in_len : len;
        memcpy(out, h->in, n);
        memmove(h->in, h->in + n, h->in_len - n);
        h->in_len -= n;
        return (ptrdiff_t)n;
}

static void give(void *ctx, view cipher)
{
        half *to = ((half *)ctx)->other;
        if (to->in_len + cipher.len > sizeof to->in)
                abort();
        memcpy(to->in + to->in_len, cipher.data, cipher.len);
        to->in_len += cipher.len;
}

static bool meet(tls_server *s, tls_client *c)
{
        mine = (half){.other = &theirs};
        theirs = (half){.other = &mine};
        const tls_bytes my_io = {take, give, &mine}, their_io = {take, give, &theirs};
        mine.session = tls_session_server(s, &my_io);
        theirs.session = tls_session_client(c, &their_io);
        tls_status a = TLS_WANT, b = TLS_WANT;
        for (int i = 0; i < 20 && (a == TLS_WANT || b == TLS_WANT); i++) {
                if (b == TLS_WANT)
                        b = tls_handshake(theirs.session);
                if (a == TLS_WANT)
                        a = tls_handshake(mine.session);
        }
        return a == TLS_OK && b == TLS_OK;
}

static void part(void)
{
        tls_session_free(mine.session);
        tls_session_free(theirs.session);
}

static bool carries(bool fast_writer, bool fast_reader)
{
        static uint8_t sent[1000], got[2000];
        size_t n = 0;
        secret_random(sent, sizeof sent);
        tls_fast_use(fast_writer, fast_writer);
        bool good = tls_write(mine.session, (view){sent, sizeof sent}) == TLS_OK;
        tls_fast_use(fast_reader, fast_reader);
        good = good && tls_read(theirs.session, got, sizeof got, &n) == TLS_OK && n == sizeof sent
               && memcmp(sent, got, n) == 0;
        tls_fast_use(true, true);
        return good;
}

static void test_protocol(bool aes)
{
        tls_fast_counts a = tls_fast_taken();
        bool good = meet(tls_side, tls_caller);
        tls_fast_counts b = tls_fast_taken();
        tap_ok(good && b.multiplied >= a.multiplied + 4, SUBJECT,
               "in a handshake all four products of both sides take the fast path");
        good = carries(true, true);
        tls_fast_counts c = tls_fast_taken();
        const char *row = "a record is sealed and opened by it";
        if (aes)
                tap_ok(good && c.sealed == b.sealed + 1 && c.opened == b.opened + 1, SUBJECT, row);
        else
                tap_skip("tls_fast: a record is sealed and opened by it", "this CPU has no AES");
        tap_ok(carries(true, false) && carries(false, true) && carries(false, false), SUBJECT,
               "what one path seals the other opens");
        part();
        tls_fast_use(false, false);
        a = tls_fast_taken();
        good = meet(tls_side, tls_caller);
        b = tls_fast_taken();
        tap_ok(good && a.multiplied == b.multiplied && a.sealed == b.sealed && a.opened == b.opened, SUBJECT,
               "switched off, all of it is the library's");
        part();
        tls_server *s = side_with(&host_cert);
        tls_client *client = caller_with(&root_cert, "localhost", nullptr, 0);
        tls_fast_use(true, true);
        a = tls_fast_taken();
        good = meet(s, client);
        good = good && carries(true, true);
        b = tls_fast_taken();
        tap_ok(good && a.sealed == b.sealed && b.multiplied >= a.multiplied + 4, SUBJECT,
               "a side that was set up without AES in the CPU prefers ChaCha20");
        part();
}

static void test_proof(bool aes)
{
        tls_fast_answers wrong[4] = {tls_fast_known, tls_fast_known, tls_fast_known, tls_fast_known};
        wrong[0].public_key[31] ^= 1;
        wrong[1].shared[0] ^= 1;
        wrong[2].sealed[59] ^= 1;
        wrong[3].tag[15] ^= 1;
        bool good = true;
        for (size_t i = 0; i < 4; i++)
                good = !tls_fast_proves(&wrong[i]) && good;
        tap_ok(good && tls_fast_proves(&tls_fast_known), SUBJECT, "the start-up test knows right from wrong answers");
        tls_fast_use(true, false);
        tap_ok(!tls_fast_has_aes() && tls_fast_proves(&tls_fast_known), SUBJECT,
               "it also passes without AES in the CPU");
        tls_fast_use(false, false);
        tap_ok(tls_fast_proves(&tls_fast_known), SUBJECT, "and with nothing but the library");
        tap_ok(!failed(tls_setup()) && tls_fast_has_aes() == aes, SUBJECT, "set-up takes what is there");
}

int main(void)
{
        pair_setup();
        bool aes = tls_fast_has_aes();
        test_proof(aes);
        test_protocol(aes);
        return tap_done();
}
