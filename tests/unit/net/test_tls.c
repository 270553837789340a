#include "net/tls.h"
#include "net/tls_certificate.h"

#include <time.h>

#include "unit/net/pair.h"

static const char SUBJECT[] = "tls";

/* ---- files ---- */

static const char *refused_server(const char *pem, const char *key)
{
        tls_server *s = nullptr;
        const char *why = nullptr;
        err e = tls_server_new(pem_of(pem), pem_of(key), &s, &why);
        return e.code == ERR_BAD_FILE && s == nullptr && why != nullptr && strlen(why) > 10 ? why : nullptr;
}

static const char *refused_client(const char *pem)
{
        tls_client *c = nullptr;
        const char *why = nullptr;
        const tls_client_setup setup = {.ca_pem = pem_of(pem), .host = "a"};
        err e = tls_client_new(&setup, &c, &why);
        return e.code == ERR_BAD_FILE && c == nullptr && why != nullptr && strlen(why) > 10 ? why : nullptr;
}

static void test_files(void)
{
        static char cut[2048], two[4096];
        snprintf(cut, sizeof cut, "%.*s", 200, host_cert.pem);
        tap_ok(refused_server("", host_cert.key_pem) != nullptr
                       && refused_server("no PEM", host_cert.key_pem) != nullptr
                       && refused_server(cut, host_cert.key_pem) != nullptr,
               SUBJECT, "what is no certificate is refused with a sentence");
        tap_ok(refused_server(host_cert.pem, "") != nullptr && refused_server(host_cert.pem, host_cert.pem) != nullptr,
               SUBJECT, "what is no key too");
        tap_ok(refused_server(host_cert.pem, root_cert.key_pem) != nullptr, SUBJECT,
               "and a key of another certificate");
        const char *cert_fault = refused_server("", host_cert.key_pem), *key_fault = refused_server(host_cert.pem, "");
        tap_ok(cert_fault != nullptr && key_fault != nullptr && strcmp(cert_fault, key_fault) != 0, SUBJECT,
               "each with its own");
        tap_ok(refused_client("") != nullptr && refused_client(host_cert.key_pem) != nullptr, SUBJECT,
               "a set of roots without a certificate is refused");
        snprintf(two, sizeof two, "%s%s", other_root.pem, root_cert.pem);
        tls_server *s = nullptr;
        tls_client *c = nullptr;
        const tls_client_setup both = {.ca_pem = pem_of(two), .host = "localhost"};
        tap_ok(!failed(tls_client_new(&both, &c, nullptr)) && c != nullptr, SUBJECT,
               "several roots are a set");
        static tls_client *volatile kept; /* it lives as long as the process */
        kept = c;
        tap_ok(kept != nullptr && tls_server_new(pem_of(""), pem_of(""), &s, nullptr).code == ERR_BAD_FILE, SUBJECT,
               "nobody has to listen to the sentence");
}

/* ---- two sessions with nothing between them but memory ---- */

typedef struct half {
        tls_session *session;
        uint8_t in[256 * 1024]; /* cipher bytes that wait for it */
        size_t in_len;
        bool ended;
        struct half *other;
        size_t most; /* bytes of one take; 0: all */
} half;

static half mine, theirs;

static ptrdiff_t take(void *ctx, uint8_t *out, size_t len)
{
        half *h = ctx;
        size_t n = h->in_len < len ? h->in_len : len;
        if (h->most > 0 && n > h->most)
                n = h->most;
        if (n == 0)
                return h->ended ? -1 : 0;
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

static bool halves_begin(size_t most)
{
        mine = (half){.other = &theirs, .most = most};
        theirs = (half){.other = &mine, .most = most};
        const tls_bytes my_io = {take, give, &mine}, their_io = {take, give, &theirs};
        mine.session = tls_session_server(tls_side, &my_io);
        theirs.session = tls_session_client(tls_caller, &their_io);
        tls_status a = TLS_WANT, b = TLS_WANT;
        for (int i = 0; i < 20 && (a == TLS_WANT || b == TLS_WANT); i++) {
                if (b == TLS_WANT)
                        b = tls_handshake(theirs.session);
                if (a == TLS_WANT)
                        a = tls_handshake(mine.session);
        }
        return a == TLS_OK && b == TLS_OK;
}

static void halves_end(void)
{
        tls_session_free(mine.session);
        tls_session_free(theirs.session);
}

static bool carries(size_t len)
{
        static uint8_t sent[100000], got[100000];
        size_t at = 0;
        for (size_t i = 0; i < len; i++)
                sent[i] = (uint8_t)(i * 31);
        if (tls_write(mine.session, (view){sent, len}) != TLS_OK)
                return false;
        while (at < len) {
                size_t n;
                if (tls_read(theirs.session, got + at, 17 * 1024 < sizeof got - at ? 17 * 1024 : sizeof got - at, &n)
                    != TLS_OK)
                        return false;
                at += n;
        }
        return at == len && memcmp(sent, got, len) == 0;
}

static void test_sessions(void)
{
        uint8_t byte[64];
        size_t n;
        bool good = halves_begin(0);
        tap_ok(good && carries(1) && carries(16384) && carries(16385) && carries(100000), SUBJECT,
               "what is written is read, over many records");
        tap_ok(tls_read(theirs.session, byte, sizeof byte, &n) == TLS_WANT && n == 0, SUBJECT,
               "where nothing waits, more is wanted");
        tap_ok(!tls_was_resumed(mine.session) && !tls_was_resumed(theirs.session), SUBJECT,
               "a first meeting resumes nothing");
        (void)tls_write(mine.session, VIEW("last"));
        tls_goodbye(mine.session);
        good = tls_read(theirs.session, byte, sizeof byte, &n) == TLS_OK && n == 4;
        tap_ok(good && tls_read(theirs.session, byte, sizeof byte, &n) == TLS_CLOSED, SUBJECT,
               "a goodbye comes after the last byte");
        halves_end();
        good = halves_begin(1);
        tap_ok(good && carries(3000), SUBJECT, "byte by byte it is the same");
        theirs.ended = true;
        tap_ok(tls_read(theirs.session, byte, sizeof byte, &n) == TLS_CUT, SUBJECT,
               "an end without a goodbye is a cut");
        halves_end();
        good = halves_begin(0);
        (void)tls_write(mine.session, VIEW("a secret"));
        theirs.in[theirs.in_len - 1] ^= 1;
        tap_ok(good && tls_read(theirs.session, byte, sizeof byte, &n) == TLS_FAILED && n == 0, SUBJECT,
               "a changed byte fails");
        halves_end();
        mine = (half){.other = &theirs};
        const tls_bytes io = {take, give, &mine};
        mine.session = tls_session_server(tls_side, &io);
        mine.in_len = 200;
        memset(mine.in, 0x16, 200);
        tap_ok(tls_handshake(mine.session) == TLS_FAILED, SUBJECT, "nonsense is no handshake");
        tls_session_free(mine.session);
}

/* ---- callers that are not ours ---- */

static FILE *child;
static char said[64 * 1024];
static size_t said_len;
static net_watch *listening;

static void on_said(void *ctx)
{
        (void)ctx;
        ssize_t n = read(fileno(child), said + said_len, sizeof said - 1 - said_len);
        if (n > 0) {
                said_len += (size_t)n;
                return;
        }
        net_watch_stop(listening);
        listening = nullptr;
}

static bool has_ended(void *ctx)
{
        (void)ctx;
        return listening == nullptr;
}

/* Runs s_client with these words against the listener; what it says is in `said`. */
static void client_says(const char *words)
{
        char command[600];
        snprintf(command, sizeof command, "(sleep 0.2) | timeout 10 openssl s_client -connect 127.0.0.1:%u %s 2>&1",
                 port, words);
        said_len = 0;
        child = popen(command, "r");
        if (child == nullptr)
                abort();
        listening = net_watch_start(loop, fileno(child), on_said, nullptr);
        run_until(has_ended, nullptr, 12000);
        pclose(child);
        said[said_len] = '\0';
}

static bool had(const char *words) { return strstr(said, words) != nullptr; }

static size_t opened_count(void)
{
        size_t n = 0;
        for (size_t i = 0; i < arrived; i++)
                n += server[i].opened > 0;
        return n;
}

static void test_refused_callers(void)
{
        listen_begin(tls_side, 5000, 8, 8);
        client_says("-tls1_3 -alpn http/1.1");
        tap_ok(opened_count() == 1 && had("TLSv1.3") && had("ALPN protocol: http/1.1"), SUBJECT,
               "TLS 1.3 with http/1.1 is spoken");
        client_says("-tls1_2");
        tap_ok(opened_count() == 1 && failures == 1 && had("alert"), SUBJECT, "TLS 1.2 is refused");
        clock_t began = clock();
        client_says("-tls1_3 -groups ffdhe8192");
        double spent = (double)(clock() - began) / CLOCKS_PER_SEC;
        tap_ok(opened_count() == 1 && failures == 2 && had("Cipher is (NONE)"), SUBJECT,
               "a caller that knows ffdhe8192 alone is refused");
        tap_ok(spent < 0.15, SUBJECT, "and costs next to nothing");
        client_says("-tls1_3 -alpn h2");
        tap_ok(opened_count() == 1 && failures == 3, SUBJECT, "one that wants HTTP/2 alone is refused");
        client_says("-tls1_3 -groups P-256:X25519 -ciphersuites TLS_AES_128_GCM_SHA256");
        tap_ok(opened_count() == 2, SUBJECT, "P-256 and AES are spoken too");
        listen_end();
}

static char ticket[] = "/tmp/lethe-ticket-XXXXXX";

static bool resumed_with(const char *how)
{
        char words[200];
        snprintf(words, sizeof words, "-tls1_3 %s %s", how, ticket);
        size_t before = arrived;
        client_says(words);
        return arrived > before && server[before].opened > 0 && had("Reused, TLSv1.3");
}

static void keys_use(tls_server *s, uint64_t newest)
{
        tls_ticket_key keys[2] = {};
        for (uint64_t i = 0; i < 2; i++) {
                uint64_t epoch = newest - i;
                keys[i] = (tls_ticket_key){.name = {'k', 'e', 'y', (uint8_t)epoch}, .epoch = epoch};
                memset(keys[i].key, (int)(epoch * 17), sizeof keys[i].key);
        }
        tls_server_tickets(s, keys);
}

static void test_tickets(void)
{
        tls_server *with_tickets = side_with(&host_cert);
        close(mkstemp(ticket));
        listen_begin(with_tickets, 5000, 8, 8);
        tls_ticket_key none[2] = {};
        tls_server_tickets(with_tickets, none);
        client_says("-tls1_3");
        tap_ok(opened_count() == 1 && !had("Post-Handshake New Session Ticket"), SUBJECT,
               "without keys no ticket is given");
        keys_use(with_tickets, 1);
        keys_use(with_tickets, 1);
        tap_ok(!resumed_with("-sess_out") && had("Post-Handshake New Session Ticket"), SUBJECT, "with keys one is");
        tap_ok(resumed_with("-sess_in"), SUBJECT, "and is taken");
        keys_use(with_tickets, 2);
        tap_ok(resumed_with("-sess_in"), SUBJECT, "also in the epoch after it");
        keys_use(with_tickets, 3);
        tap_ok(!resumed_with("-sess_in") && opened_count() == arrived, SUBJECT,
               "but no longer: the meeting is whole again");
        tls_server *other = side_with(&host_cert);
        listen_end();
        listen_begin(other, 5000, 8, 8);
        keys_use(other, 3);
        (void)resumed_with("-sess_out");
        listen_end();
        tls_server *third = side_with(&host_cert);
        listen_begin(third, 5000, 8, 8);
        keys_use(third, 4);
        tap_ok(resumed_with("-sess_in"), SUBJECT,
               "every process with the same keys takes it, at once in the second epoch");
        listen_end();
        unlink(ticket);
}

/* As lethectl meets a box that is not set up: no CA, another name, a fingerprint. */
static void test_only(void)
{
        uint8_t none[32] = {}, seen[32] = {};
        /* Neither ends before its process does. */
        static tls_client *strict, *known;
        tls_client *usual = tls_caller;
        tls_certificate shown;
        tls_client_setup setup = {.host = "elsewhere.test", .only = none, .seen = seen};
        bool good = !failed(tls_certificate_read(pem_of(host_cert.pem), &shown))
                    && !failed(tls_client_new(&setup, &strict, nullptr));
        tls_caller = strict;
        good = good && !halves_begin(0);
        halves_end();
        tap_ok(good && memcmp(seen, shown.sha256, 32) == 0, SUBJECT,
               "another certificate than the one expected is refused, and its fingerprint is told");
        setup.only = shown.sha256;
        good = !failed(tls_client_new(&setup, &known, nullptr));
        tls_caller = known;
        good = good && halves_begin(0) && carries(1000);
        halves_end();
        tap_ok(good, SUBJECT, "the expected one is accepted, whoever signed it and whatever its name");
        tls_caller = usual;
}

int main(void)
{
        pair_setup();
        test_files();
        test_sessions();
        test_only();
        if (system("openssl version >/dev/null 2>&1") != 0) {
                tap_skip("tls: callers that are not ours", "there is no openssl here");
                return tap_done();
        }
        test_refused_callers();
        test_tickets();
        return tap_done();
}
