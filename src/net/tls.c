#include "net/tls.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include <mbedtls/pk.h>
#include <mbedtls/sha256.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/x509_crt.h>
#include <psa/crypto.h>

#include "base/arena.h"
#include "base/secret.h"
#include "net/tls_fast.h"
#include "net/tls_pem.h"

static_assert(MBEDTLS_VERSION_NUMBER >= 0x03060600, "earlier versions carry CVE-2026-34873");
#ifdef MBEDTLS_SSL_EARLY_DATA
#error "early data would let a recorded POST be replayed"
#endif

enum : uint32_t { TICKET_LIFETIME_S = 7200 };

/* The default list ends in ffdhe8192, with which one ClientHello burns 0.6 s of CPU. X25519 first: vendors then need
 * no HelloRetryRequest. */
static const uint16_t groups[] = {MBEDTLS_SSL_IANA_TLS_GROUP_X25519, MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
                                  MBEDTLS_SSL_IANA_TLS_GROUP_NONE};

/* AES-256 first where net/tls_fast does it; in this library itself ChaCha20 is faster than AES-GCM even with AES-NI. */
static const int suites_aes[] = {MBEDTLS_TLS1_3_AES_256_GCM_SHA384, MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
                                 MBEDTLS_TLS1_3_AES_128_GCM_SHA256, 0};
static const int suites_chacha[] = {MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256, MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
                                    MBEDTLS_TLS1_3_AES_128_GCM_SHA256, 0};

static const char *protocols[] = {"http/1.1", nullptr};

struct tls_server {
        mbedtls_ssl_config         conf;
        mbedtls_x509_crt           chain;
        mbedtls_pk_context         key;
        mbedtls_ssl_ticket_context tickets;
        bool                       tickets_ready;
        uint64_t                   tickets_taken; /* by clients, since start */
        uint64_t                   epoch; /* newest ticket key in use */
};

struct tls_client {
        mbedtls_ssl_config conf;
        mbedtls_x509_crt   roots;
        char               host[256];
        uint8_t            pins[4][32];
        size_t             pin_count;
        bool               one;       /* the certificate `only` and no other */
        uint8_t            only[32];
        uint8_t           *seen;
};

struct tls_session {
        mbedtls_ssl_context ssl;
        tls_bytes           io;
        const tls_server   *server; /* null: client side */
        bool                resumed;
};

static int kernel_random(void *ctx, unsigned char *out, size_t len)
{
        (void)ctx;
        while (len > 0) {
                ssize_t n = getrandom(out, len, 0);
                if (n <= 0)
                        return -1;
                out += n;
                len -= (size_t)n;
        }
        return 0;
}

err tls_setup(void)
{
        /* The C library reads its time zone at the first certificate otherwise, when no file may be opened any more. */
        tzset();
        return psa_crypto_init() == PSA_SUCCESS ? tls_fast_setup() : FAIL(SYSTEM);
}

static int config_common(mbedtls_ssl_config *conf, int side)
{
        mbedtls_ssl_config_init(conf);
        int rc = mbedtls_ssl_config_defaults(conf, side, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
        if (rc != 0)
                return rc;
        mbedtls_ssl_conf_rng(conf, kernel_random, nullptr);
        mbedtls_ssl_conf_min_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_3);
        mbedtls_ssl_conf_max_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_3);
        mbedtls_ssl_conf_groups(conf, groups);
        mbedtls_ssl_conf_ciphersuites(conf, tls_fast_has_aes() ? suites_aes : suites_chacha);
        return mbedtls_ssl_conf_alpn_protocols(conf, protocols);
}

static const char *server_load(tls_server *s, view certificate_pem, view key_pem)
{
        uint8_t *chain = tls_pem_copy(certificate_pem), *key = tls_pem_copy(key_pem);
        const char *why = nullptr;
        if (chain == nullptr || key == nullptr)
                why = "no memory";
        else if (mbedtls_x509_crt_parse(&s->chain, chain, certificate_pem.len + 1) != 0)
                why = "the certificate file is not a PEM chain";
        else if (mbedtls_pk_parse_key(&s->key, key, key_pem.len + 1, nullptr, 0, kernel_random, nullptr) != 0)
                why = "the key file is not an unencrypted PEM private key";
        else if (mbedtls_pk_check_pair(&s->chain.pk, &s->key, kernel_random, nullptr) != 0)
                why = "the private key does not belong to the certificate";
        else if (mbedtls_ssl_conf_own_cert(&s->conf, &s->chain, &s->key) != 0)
                why = "the certificate cannot be used";
        tls_pem_free(chain, certificate_pem);
        tls_pem_free(key, key_pem);
        return why;
}

err tls_server_new(view certificate_pem, view key_pem, tls_server **out, const char **why)
{
        *out = nullptr;
        tls_server *s = calloc(1, sizeof *s);
        if (s == nullptr)
                return FAIL(SYSTEM);
        mbedtls_x509_crt_init(&s->chain);
        mbedtls_pk_init(&s->key);
        mbedtls_ssl_ticket_init(&s->tickets);
        const char *fault = config_common(&s->conf, MBEDTLS_SSL_IS_SERVER) == 0 ? nullptr : "TLS set-up failed";
        if (fault == nullptr)
                fault = server_load(s, certificate_pem, key_pem);
        if (fault == nullptr)
                /* Pure PSK would resume without a fresh key exchange. */
                mbedtls_ssl_conf_tls13_key_exchange_modes(&s->conf, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ALL);
        if (fault == nullptr) {
                *out = s;
                return OK;
        }
        if (why != nullptr)
                *why = fault;
        mbedtls_ssl_ticket_free(&s->tickets);
        mbedtls_pk_free(&s->key);
        mbedtls_x509_crt_free(&s->chain);
        mbedtls_ssl_config_free(&s->conf);
        free(s);
        return FAIL(BAD_FILE);
}

static void ticket_key_use(tls_server *s, const tls_ticket_key *k)
{
        if (k->epoch == 0)
                return;
        int rc = mbedtls_ssl_ticket_rotate(&s->tickets, k->name, sizeof k->name, k->key, sizeof k->key,
                                           TICKET_LIFETIME_S);
        assert(rc == 0);
}

static int ticket_parse(void *ctx, mbedtls_ssl_session *session, unsigned char *bytes, size_t len)
{
        tls_server *s = ctx;
        int         rc = mbedtls_ssl_ticket_parse(&s->tickets, session, bytes, len);
        if (rc == 0)
                s->tickets_taken++;
        return rc;
}

static int ticket_write(void *ctx, const mbedtls_ssl_session *session, unsigned char *start, const unsigned char *end,
                        size_t *len, uint32_t *lifetime)
{
        tls_server *s = ctx;
        return mbedtls_ssl_ticket_write(&s->tickets, session, start, end, len, lifetime);
}

void tls_server_tickets(tls_server *s, const tls_ticket_key keys[static 2])
{
        if (keys[0].epoch == 0 || keys[0].epoch == s->epoch)
                return;
        if (!s->tickets_ready) {
                if (mbedtls_ssl_ticket_setup(&s->tickets, kernel_random, nullptr, MBEDTLS_CIPHER_AES_256_GCM,
                                             TICKET_LIFETIME_S)
                    != 0)
                        return;
                mbedtls_ssl_conf_session_tickets_cb(&s->conf, ticket_write, ticket_parse, s);
                s->tickets_ready = true;
                ticket_key_use(s, &keys[1]);
        } else if (keys[1].epoch != s->epoch) {
                ticket_key_use(s, &keys[1]);
        }
        ticket_key_use(s, &keys[0]);
        s->epoch = keys[0].epoch;
}

/* The handshake proves that the other side has its key; nothing else of it matters. */
static int check_only(void *ctx, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
        const tls_client *c = ctx;
        if (depth != 0)
                return 0;
        if (mbedtls_sha256(crt->raw.p, crt->raw.len, c->seen, 0) != 0)
                return MBEDTLS_ERR_X509_FATAL_ERROR;
        *flags = memcmp(c->seen, c->only, sizeof c->only) == 0 ? 0 : MBEDTLS_X509_BADCERT_OTHER;
        return 0;
}

static int check_pin(void *ctx, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
        const tls_client *c = ctx;
        if (depth != 0 || c->pin_count == 0)
                return 0;
        uint8_t digest[32];
        if (mbedtls_sha256(crt->pk_raw.p, crt->pk_raw.len, digest, 0) != 0)
                return MBEDTLS_ERR_X509_FATAL_ERROR;
        for (size_t i = 0; i < c->pin_count; i++)
                if (memcmp(c->pins[i], digest, sizeof digest) == 0)
                        return 0;
        *flags |= MBEDTLS_X509_BADCERT_OTHER;
        return 0;
}

static const char *client_load(tls_client *c, view ca_pem)
{
        uint8_t *roots = tls_pem_copy(ca_pem);
        if (roots == nullptr)
                return "no memory";
        /* A positive number counts certificates that could not be read; usable is at least one. */
        int rc = mbedtls_x509_crt_parse(&c->roots, roots, ca_pem.len + 1);
        tls_pem_free(roots, ca_pem);
        if (rc < 0 || c->roots.raw.len == 0)
                return "the CA file holds no PEM certificate";
        return nullptr;
}

err tls_client_new(const tls_client_setup *setup, tls_client **out, const char **why)
{
        *out = nullptr;
        tls_client *c = calloc(1, sizeof *c);
        if (c == nullptr)
                return FAIL(SYSTEM);
        assert(strlen(setup->host) < sizeof c->host && setup->pin_count <= 4);
        memcpy(c->host, setup->host, strlen(setup->host));
        for (size_t i = 0; i < setup->pin_count; i++)
                memcpy(c->pins[i], setup->pins[i], sizeof c->pins[i]);
        c->pin_count = setup->pin_count;
        mbedtls_x509_crt_init(&c->roots);
        const char *fault = config_common(&c->conf, MBEDTLS_SSL_IS_CLIENT) == 0 ? nullptr : "TLS set-up failed";
        c->one = setup->only != nullptr;
        if (c->one) {
                memcpy(c->only, setup->only, sizeof c->only);
                c->seen = setup->seen;
        } else if (fault == nullptr) {
                fault = client_load(c, setup->ca_pem);
        }
        if (fault != nullptr) {
                if (why != nullptr)
                        *why = fault;
                mbedtls_x509_crt_free(&c->roots);
                mbedtls_ssl_config_free(&c->conf);
                free(c);
                return FAIL(BAD_FILE);
        }
        mbedtls_ssl_conf_authmode(&c->conf, MBEDTLS_SSL_VERIFY_REQUIRED);
        mbedtls_ssl_conf_ca_chain(&c->conf, &c->roots, nullptr);
        mbedtls_ssl_conf_verify(&c->conf, c->one ? check_only : check_pin, c);
        *out = c;
        return OK;
}

/* ---- sessions ---- */

static int bio_send(void *ctx, const unsigned char *bytes, size_t len)
{
        tls_session *s = ctx;
        s->io.give(s->io.ctx, (view){bytes, len});
        return (int)len;
}

static int bio_receive(void *ctx, unsigned char *out, size_t len)
{
        tls_session *s = ctx;
        ptrdiff_t    n = s->io.take(s->io.ctx, out, len);
        if (n < 0)
                return 0;
        return n == 0 ? MBEDTLS_ERR_SSL_WANT_READ : (int)n;
}

static tls_session *session_new(const mbedtls_ssl_config *conf, const tls_bytes *io)
{
        tls_session *s = calloc(1, sizeof *s);
        if (s == nullptr)
                return nullptr;
        s->io = *io;
        mbedtls_ssl_init(&s->ssl);
        if (mbedtls_ssl_setup(&s->ssl, conf) != 0) {
                mbedtls_ssl_free(&s->ssl);
                free(s);
                return nullptr;
        }
        mbedtls_ssl_set_bio(&s->ssl, s, bio_send, bio_receive, nullptr);
        return s;
}

tls_session *tls_session_server(tls_server *s, const tls_bytes *io)
{
        tls_session *t = session_new(&s->conf, io);
        if (t != nullptr)
                t->server = s;
        return t;
}

tls_session *tls_session_client(tls_client *c, const tls_bytes *io)
{
        tls_session *s = session_new(&c->conf, io);
        if (s != nullptr && mbedtls_ssl_set_hostname(&s->ssl, c->host) != 0) {
                tls_session_free(s);
                return nullptr;
        }
        return s;
}

static tls_status status_of(int rc)
{
        switch (rc) {
        case 0:
                return TLS_OK;
        case MBEDTLS_ERR_SSL_WANT_READ:
        case MBEDTLS_ERR_SSL_WANT_WRITE:
                return TLS_WANT;
        case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
                return TLS_CLOSED;
        case MBEDTLS_ERR_SSL_CONN_EOF:
                return TLS_CUT;
        case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED:
        case MBEDTLS_ERR_SSL_BAD_CERTIFICATE:
                return TLS_BAD_CERTIFICATE;
        default:
                return TLS_FAILED;
        }
}

tls_status tls_handshake(tls_session *s)
{
        uint64_t before = s->server == nullptr ? 0 : s->server->tickets_taken;
        int      rc;
        do
                rc = mbedtls_ssl_handshake(&s->ssl);
        while (rc == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET);
        if (s->server != nullptr && s->server->tickets_taken != before)
                s->resumed = true;
        return status_of(rc);
}

tls_status tls_read(tls_session *s, uint8_t *out, size_t cap, size_t *len)
{
        *len = 0;
        for (;;) {
                int rc = mbedtls_ssl_read(&s->ssl, out, cap);
                if (rc > 0) {
                        *len = (size_t)rc;
                        return TLS_OK;
                }
                if (rc == 0)
                        return TLS_CUT;
                /* After a ticket the first call wants input although a record is held inside (mbedTLS issue 9039). */
                if (rc == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET
                    || (rc == MBEDTLS_ERR_SSL_WANT_READ && mbedtls_ssl_check_pending(&s->ssl) != 0))
                        continue;
                return status_of(rc);
        }
}

tls_status tls_write(tls_session *s, view plain)
{
        while (plain.len > 0) {
                int rc = mbedtls_ssl_write(&s->ssl, plain.data, plain.len);
                if (rc <= 0)
                        return TLS_FAILED;
                plain = view_slice(plain, (size_t)rc, plain.len);
        }
        return TLS_OK;
}

void tls_goodbye(tls_session *s) { (void)mbedtls_ssl_close_notify(&s->ssl); }

bool tls_was_resumed(const tls_session *s) { return s->resumed; }

void tls_session_free(tls_session *s)
{
        mbedtls_ssl_free(&s->ssl);
        free(s);
}
