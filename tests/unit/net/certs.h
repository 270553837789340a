/* Throw-away certificates, made when a test begins. */
#ifndef TESTS_UNIT_NET_CERTS_H
#define TESTS_UNIT_NET_CERTS_H

#include <mbedtls/ecp.h>
#include <mbedtls/pk.h>
#include <mbedtls/sha256.h>
#include <mbedtls/x509_crt.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "base/view.h"

typedef struct cert {
        char pem[2048], key_pem[1024];
        uint8_t pin[32]; /* SHA-256 of its SubjectPublicKeyInfo */
} cert;

static inline int certs_random(void *ctx, unsigned char *out, size_t len)
{
        (void)ctx;
        secret_random(out, len);
        return 0;
}

static inline void certs_must(int rc)
{
        if (rc != 0)
                abort();
}

/* in   issuer  null: signs itself and may sign others
 *      name    the DNS name it is for
 *      until   "20991231235959" */
static inline cert cert_make(const cert *issuer, const char *name, const char *until)
{
        static cert out;
        mbedtls_pk_context key, issuer_key;
        mbedtls_x509write_cert w;
        char subject[128];
        uint8_t spki[256];
        out = (cert){};
        mbedtls_pk_init(&key);
        mbedtls_pk_init(&issuer_key);
        mbedtls_x509write_crt_init(&w);
        certs_must(mbedtls_pk_setup(&key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)));
        certs_must(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key), certs_random, nullptr));
        certs_must(mbedtls_pk_write_key_pem(&key, (unsigned char *)out.key_pem, sizeof out.key_pem));
        snprintf(subject, sizeof subject, "CN=%s", name);
        certs_must(mbedtls_x509write_crt_set_subject_name(&w, subject));
        certs_must(mbedtls_x509write_crt_set_issuer_name(&w, issuer == nullptr ? subject : "CN=root"));
        if (issuer != nullptr)
                certs_must(mbedtls_pk_parse_key(&issuer_key, (const unsigned char *)issuer->key_pem,
                                                strlen(issuer->key_pem) + 1, nullptr, 0, certs_random, nullptr));
        mbedtls_x509write_crt_set_version(&w, MBEDTLS_X509_CRT_VERSION_3);
        mbedtls_x509write_crt_set_md_alg(&w, MBEDTLS_MD_SHA256);
        mbedtls_x509write_crt_set_subject_key(&w, &key);
        mbedtls_x509write_crt_set_issuer_key(&w, issuer == nullptr ? &key : &issuer_key);
        unsigned char serial[8];
        secret_random(serial, sizeof serial);
        serial[0] = 1;
        certs_must(mbedtls_x509write_crt_set_serial_raw(&w, serial, sizeof serial));
        certs_must(mbedtls_x509write_crt_set_validity(&w, "20200101000000", until));
        certs_must(mbedtls_x509write_crt_set_basic_constraints(&w, issuer == nullptr, -1));
        mbedtls_x509_san_list san = {.node = {.type = MBEDTLS_X509_SAN_DNS_NAME,
                                              .san.unstructured_name = {.tag = MBEDTLS_ASN1_IA5_STRING,
                                                                        .len = strlen(name),
                                                                        .p = (unsigned char *)(uintptr_t)name}}};
        certs_must(mbedtls_x509write_crt_set_subject_alternative_name(&w, &san));
        certs_must(mbedtls_x509write_crt_pem(&w, (unsigned char *)out.pem, sizeof out.pem, certs_random, nullptr));
        int n = mbedtls_pk_write_pubkey_der(&key, spki, sizeof spki);
        if (n <= 0)
                abort();
        certs_must(mbedtls_sha256(spki + sizeof spki - (size_t)n, (size_t)n, out.pin, 0));
        mbedtls_x509write_crt_free(&w);
        mbedtls_pk_free(&key);
        mbedtls_pk_free(&issuer_key);
        return out;
}

#endif
