#include "net/tls_certificate.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <time.h>

#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/sha256.h>
#include <mbedtls/x509_crt.h>
#include <mbedtls/x509_csr.h>

#include "base/arena.h"
#include "base/secret.h"
#include "net/tls_pem.h"

enum : size_t { SERIAL_BYTES = 16, SUBJECT_MAX = 64 };

static int kernel_random(void *, unsigned char *out, size_t len)
{
        secret_random(out, len);
        return 0;
}

static err key_load(view pem, mbedtls_pk_context *key)
{
        uint8_t *copy = tls_pem_copy(pem);
        int      rc = copy == nullptr
                              ? -1
                              : mbedtls_pk_parse_key(key, copy, pem.len + 1, nullptr, 0, kernel_random, nullptr);
        tls_pem_free(copy, pem);
        return rc == 0 ? OK : FAIL(BAD_FILE);
}

static err chain_load(view pem, mbedtls_x509_crt *chain)
{
        uint8_t *copy = tls_pem_copy(pem);
        int      rc = copy == nullptr ? -1 : mbedtls_x509_crt_parse(chain, copy, pem.len + 1);
        tls_pem_free(copy, pem);
        return rc == 0 ? OK : FAIL(BAD_FILE);
}

/* ---- names ---- */

static size_t address_bytes(const char *text, uint8_t out[static 16])
{
        return inet_pton(AF_INET, text, out) == 1 ? 4 : inet_pton(AF_INET6, text, out) == 1 ? 16 : 0;
}

static bool label_byte(uint8_t c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool host_valid(view host)
{
        if (view_starts(host, VIEW("*.")))
                host = view_slice(host, 2, host.len);
        size_t label = 0;
        for (size_t i = 0; i < host.len; i++) {
                bool dot = host.data[i] == '.';
                if (dot ? label == 0 : !label_byte(host.data[i]))
                        return false;
                label = dot ? 0 : label + 1;
                if (label > 63)
                        return false;
        }
        return label > 0;
}

static bool name_take(tls_names *out, view name)
{
        uint8_t address[16];
        if (out->count == TLS_NAMES || name.len == 0 || name.len >= TLS_NAME_BYTES)
                return false;
        char *text = out->text[out->count];
        memcpy(text, name.data, name.len);
        text[name.len] = '\0';
        if (strlen(text) != name.len || (address_bytes(text, address) == 0 && !host_valid(name)))
                return false;
        out->count++;
        return true;
}

err tls_names_read(view list, tls_names *out, view *bad)
{
        *out = (tls_names){};
        for (bool more = true; more;) {
                const uint8_t *comma = list.len > 0 ? memchr(list.data, ',', list.len) : nullptr;
                size_t         len = comma == nullptr ? list.len : (size_t)(comma - list.data);
                view           name = view_slice(list, 0, len);
                more = comma != nullptr;
                if (!name_take(out, name)) {
                        if (bad != nullptr)
                                *bad = name;
                        return FAIL(OUT_OF_RANGE);
                }
                list = view_slice(list, len + 1, list.len);
        }
        return OK;
}

bool tls_names_cover(const tls_names *names, view host)
{
        for (size_t i = 0; i < names->count; i++) {
                view name = view_of_text(names->text[i]);
                if (view_equal_nocase(name, host))
                        return true;
                const uint8_t *dot = host.len > 0 ? memchr(host.data, '.', host.len) : nullptr;
                if (view_starts(name, VIEW("*.")) && dot != nullptr && dot > host.data
                    && view_equal_nocase(view_slice(name, 1, name.len),
                                         view_slice(host, (size_t)(dot - host.data), host.len)))
                        return true;
        }
        return false;
}

/* The list that mbedTLS wants, with its bytes. */
typedef struct sans {
        mbedtls_x509_san_list items[TLS_NAMES];
        uint8_t               bytes[TLS_NAMES][TLS_NAME_BYTES];
} sans;

static mbedtls_x509_san_list *san_list(const tls_names *names, sans *s)
{
        *s = (sans){};
        for (size_t i = 0; i < names->count; i++) {
                mbedtls_x509_subject_alternative_name *n = &s->items[i].node;
                size_t len = address_bytes(names->text[i], s->bytes[i]);
                n->type = len > 0 ? MBEDTLS_X509_SAN_IP_ADDRESS : MBEDTLS_X509_SAN_DNS_NAME;
                if (len == 0) {
                        len = strlen(names->text[i]);
                        memcpy(s->bytes[i], names->text[i], len);
                }
                n->san.unstructured_name.p = s->bytes[i];
                n->san.unstructured_name.len = len;
                s->items[i].next = i > 0 ? &s->items[i - 1] : nullptr; /* it writes from the end */
        }
        return names->count > 0 ? &s->items[names->count - 1] : nullptr;
}

/* "CN=..." from a name that is fit for it. err OUT_OF_RANGE */
static err subject_of(const char *name, char out[static SUBJECT_MAX + 4])
{
        size_t len = strlen(name);
        if (len == 0 || len > SUBJECT_MAX)
                return FAIL(OUT_OF_RANGE);
        for (size_t i = 0; i < len; i++)
                if (!label_byte((uint8_t)name[i]) && strchr(".: *", name[i]) == nullptr)
                        return FAIL(OUT_OF_RANGE);
        memcpy(out, "CN=", 3);
        memcpy(out + 3, name, len + 1);
        return OK;
}

/* ---- making ---- */

err tls_key_make(emit *pem)
{
        mbedtls_pk_context key;
        uint8_t            text[1024] = {};
        mbedtls_pk_init(&key);
        err e = FAIL(SYSTEM);
        if (mbedtls_pk_setup(&key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)) == 0
            && mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key), kernel_random, nullptr) == 0
            && mbedtls_pk_write_key_pem(&key, text, sizeof text) == 0) {
                emit_text(pem, (const char *)text);
                e = pem->full ? FAIL(NO_ROOM) : OK;
        }
        wipe(text, sizeof text);
        mbedtls_pk_free(&key);
        return e;
}

err tls_request_make(view key_pem, const tls_names *names, emit *pem)
{
        mbedtls_pk_context    key;
        mbedtls_x509write_csr w;
        sans                  list;
        uint8_t               text[TLS_PEM_BYTES] = {};
        char                  subject[SUBJECT_MAX + 4];
        mbedtls_pk_init(&key);
        mbedtls_x509write_csr_init(&w);
        err e = key_load(key_pem, &key);
        if (!failed(e) && failed(subject_of(names->count > 0 ? names->text[0] : "", subject)))
                memcpy(subject, "CN=lethe", 9);
        if (!failed(e)) {
                mbedtls_x509write_csr_set_key(&w, &key);
                mbedtls_x509write_csr_set_md_alg(&w, MBEDTLS_MD_SHA256);
                bool good = mbedtls_x509write_csr_set_subject_name(&w, subject) == 0
                            && mbedtls_x509write_csr_set_subject_alternative_name(
                                       &w, san_list(names, &list)) == 0
                            && mbedtls_x509write_csr_set_key_usage(&w, MBEDTLS_X509_KU_DIGITAL_SIGNATURE) == 0
                            && mbedtls_x509write_csr_pem(&w, text, sizeof text, kernel_random, nullptr) == 0;
                emit_text(pem, (const char *)text);
                e = !good ? FAIL(SYSTEM) : pem->full ? FAIL(NO_ROOM) : OK;
        }
        mbedtls_x509write_csr_free(&w);
        mbedtls_pk_free(&key);
        return e;
}

static void time_text(uint64_t seconds, char out[static 16])
{
        time_t    at = (time_t)seconds;
        struct tm tm;
        gmtime_r(&at, &tm);
        (void)!strftime(out, 16, "%Y%m%d%H%M%S", &tm);
}

static bool set_usage(mbedtls_x509write_cert *w, const tls_issue *issue)
{
        static unsigned char               oid[] = MBEDTLS_OID_SERVER_AUTH;
        static const mbedtls_asn1_sequence server = {{MBEDTLS_ASN1_OID, sizeof oid - 1, oid}, nullptr};
        unsigned usage = issue->authority ? MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN
                                          : MBEDTLS_X509_KU_DIGITAL_SIGNATURE;
        return mbedtls_x509write_crt_set_basic_constraints(w, issue->authority, issue->authority ? 0 : -1) == 0
               && mbedtls_x509write_crt_set_key_usage(w, usage) == 0
               && (issue->authority || mbedtls_x509write_crt_set_ext_key_usage(w, &server) == 0)
               && mbedtls_x509write_crt_set_subject_key_identifier(w) == 0
               && mbedtls_x509write_crt_set_authority_key_identifier(w) == 0;
}

static bool set_body(mbedtls_x509write_cert *w, const tls_issue *issue, const mbedtls_x509_crt *issuer,
                     const char *subject)
{
        uint8_t serial[SERIAL_BYTES];
        char    from[16], to[16], issuer_name[512];
        secret_random(serial, sizeof serial);
        serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, and never shorter */
        time_text(issue->not_before_s, from);
        time_text(issue->not_after_s, to);
        mbedtls_x509write_crt_set_version(w, MBEDTLS_X509_CRT_VERSION_3);
        mbedtls_x509write_crt_set_md_alg(w, MBEDTLS_MD_SHA256);
        if (issuer != nullptr && mbedtls_x509_dn_gets(issuer_name, sizeof issuer_name, &issuer->subject) < 0)
                return false;
        return mbedtls_x509write_crt_set_serial_raw(w, serial, sizeof serial) == 0
               && mbedtls_x509write_crt_set_subject_name(w, subject) == 0
               && mbedtls_x509write_crt_set_issuer_name(w, issuer != nullptr ? issuer_name : subject) == 0
               && mbedtls_x509write_crt_set_validity(w, from, to) == 0 && set_usage(w, issue);
}

static err write_certificate(const tls_issue *issue, mbedtls_pk_context *key, const mbedtls_x509_crt *issuer,
                             mbedtls_pk_context *issuer_key, emit *pem)
{
        mbedtls_x509write_cert w;
        sans                   list;
        uint8_t                text[TLS_PEM_BYTES] = {};
        char                   subject[SUBJECT_MAX + 4];
        TRY(subject_of(issue->subject, subject));
        mbedtls_x509write_crt_init(&w);
        mbedtls_x509write_crt_set_subject_key(&w, key);
        mbedtls_x509write_crt_set_issuer_key(&w, issuer_key);
        bool good = set_body(&w, issue, issuer, subject);
        if (good && issue->names != nullptr && issue->names->count > 0)
                good = mbedtls_x509write_crt_set_subject_alternative_name(&w, san_list(issue->names, &list)) == 0;
        good = good && mbedtls_x509write_crt_pem(&w, text, sizeof text, kernel_random, nullptr) == 0;
        mbedtls_x509write_crt_free(&w);
        if (!good)
                return FAIL(SYSTEM);
        emit_text(pem, (const char *)text);
        return pem->full ? FAIL(NO_ROOM) : OK;
}

err tls_certificate_make(const tls_issue *issue, emit *pem)
{
        mbedtls_pk_context key, issuer_key;
        mbedtls_x509_crt   issuer;
        bool               own = issue->issuer_pem.len == 0;
        mbedtls_pk_init(&key);
        mbedtls_pk_init(&issuer_key);
        mbedtls_x509_crt_init(&issuer);
        err e = key_load(issue->key_pem, &key);
        if (!failed(e) && !own)
                e = chain_load(issue->issuer_pem, &issuer);
        if (!failed(e) && !own)
                e = key_load(issue->issuer_key_pem, &issuer_key);
        if (!failed(e) && !own && mbedtls_pk_check_pair(&issuer.pk, &issuer_key, kernel_random, nullptr) != 0)
                e = FAIL(BAD_FILE);
        if (!failed(e))
                e = write_certificate(issue, &key, own ? nullptr : &issuer, own ? &key : &issuer_key, pem);
        mbedtls_x509_crt_free(&issuer);
        mbedtls_pk_free(&issuer_key);
        mbedtls_pk_free(&key);
        return e;
}

/* ---- reading ---- */

static uint64_t seconds_of(const mbedtls_x509_time *t)
{
        struct tm tm = {.tm_year = t->year - 1900, .tm_mon = t->mon - 1, .tm_mday = t->day,
                        .tm_hour = t->hour, .tm_min = t->min, .tm_sec = t->sec};
        time_t at = timegm(&tm);
        return at > 0 ? (uint64_t)at : 0;
}

/* What is no host name and no address, and what is beyond the room, is left out. */
static void names_of(const mbedtls_x509_crt *crt, tls_names *out)
{
        for (const mbedtls_x509_sequence *s = &crt->subject_alt_names; s != nullptr; s = s->next) {
                char text[TLS_NAME_BYTES] = {};
                view raw = {s->buf.p, s->buf.len};
                int  kind = s->buf.tag & 0x1f;
                if (kind == MBEDTLS_X509_SAN_IP_ADDRESS && (raw.len == 4 || raw.len == 16)
                    && inet_ntop(raw.len == 4 ? AF_INET : AF_INET6, raw.data, text, sizeof text) != nullptr)
                        (void)name_take(out, view_of_text(text));
                else if (kind == MBEDTLS_X509_SAN_DNS_NAME)
                        (void)name_take(out, raw);
        }
}

err tls_certificate_read(view pem, tls_certificate *out)
{
        mbedtls_x509_crt crt;
        *out = (tls_certificate){};
        mbedtls_x509_crt_init(&crt);
        err e = chain_load(pem, &crt);
        if (!failed(e)
            && (mbedtls_x509_dn_gets(out->subject, sizeof out->subject, &crt.subject) < 0
                || mbedtls_x509_dn_gets(out->issuer, sizeof out->issuer, &crt.issuer) < 0
                || mbedtls_sha256(crt.raw.p, crt.raw.len, out->sha256, 0) != 0))
                e = FAIL(BAD_FILE);
        if (!failed(e)) {
                names_of(&crt, &out->names);
                out->not_before_s = seconds_of(&crt.valid_from);
                out->not_after_s = seconds_of(&crt.valid_to);
                out->authority = mbedtls_x509_crt_get_ca_istrue(&crt) == 1;
                for (const mbedtls_x509_crt *c = &crt; c != nullptr; c = c->next)
                        out->chain++;
        }
        mbedtls_x509_crt_free(&crt);
        return e;
}

bool tls_certificate_has_key(view pem, view key_pem)
{
        mbedtls_x509_crt   crt;
        mbedtls_pk_context key;
        mbedtls_x509_crt_init(&crt);
        mbedtls_pk_init(&key);
        bool good = !failed(chain_load(pem, &crt)) && !failed(key_load(key_pem, &key))
                    && mbedtls_pk_check_pair(&crt.pk, &key, kernel_random, nullptr) == 0;
        mbedtls_pk_free(&key);
        mbedtls_x509_crt_free(&crt);
        return good;
}
