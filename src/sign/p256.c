#include "sign/p256.h"

#include <mbedtls/ecdsa.h>
#include <sodium.h>

#include "base/secret.h"

/* SEQUENCE { SEQUENCE { ecPublicKey, prime256v1 }, BIT STRING { uncompressed point } } */
static const uint8_t info[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                               0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};

enum : size_t { DER_BYTES = sizeof info + 64, LINE = 64 };

#define BEGIN "-----BEGIN PUBLIC KEY-----"
#define END   "-----END PUBLIC KEY-----"

static bool holds(const p256_key *key, const uint8_t digest[static 32], const uint8_t *r_bytes, const uint8_t *s_bytes)
{
        mbedtls_ecp_group group;
        mbedtls_ecp_point point;
        mbedtls_mpi       r, s;
        uint8_t           encoded[65] = {0x04};
        memcpy(encoded + 1, key->x, 32);
        memcpy(encoded + 33, key->y, 32);
        mbedtls_ecp_group_init(&group);
        mbedtls_ecp_point_init(&point);
        mbedtls_mpi_init(&r);
        mbedtls_mpi_init(&s);
        bool good = mbedtls_ecp_group_load(&group, MBEDTLS_ECP_DP_SECP256R1) == 0
                    && mbedtls_ecp_point_read_binary(&group, &point, encoded, sizeof encoded) == 0
                    && mbedtls_ecp_check_pubkey(&group, &point) == 0 && mbedtls_mpi_read_binary(&r, r_bytes, 32) == 0
                    && mbedtls_mpi_read_binary(&s, s_bytes, 32) == 0
                    && mbedtls_ecdsa_verify(&group, digest, 32, &point, &r, &s) == 0;
        mbedtls_mpi_free(&s);
        mbedtls_mpi_free(&r);
        mbedtls_ecp_point_free(&point);
        mbedtls_ecp_group_free(&group);
        return good;
}

err p256_verify(const p256_key *key, view signed_bytes, const uint8_t r[static 32], const uint8_t s[static 32])
{
        uint8_t digest[32];
        secret_sha256(digest, signed_bytes);
        return holds(key, digest, r, s) ? OK : FAIL(BAD_SIGNATURE);
}

void p256_write_pem(const p256_key *key, emit *out)
{
        uint8_t der[DER_BYTES];
        char    text[sodium_base64_ENCODED_LEN(DER_BYTES, sodium_base64_VARIANT_ORIGINAL)];
        memcpy(der, info, sizeof info);
        memcpy(der + sizeof info, key->x, 32);
        memcpy(der + sizeof info + 32, key->y, 32);
        sodium_bin2base64(text, sizeof text, der, sizeof der, sodium_base64_VARIANT_ORIGINAL);
        emit_text(out, BEGIN "\n");
        view all = view_of_text(text);
        for (size_t at = 0; at < all.len; at += LINE) {
                emit_view(out, view_slice(all, at, at + LINE));
                emit_byte(out, '\n');
        }
        emit_text(out, END "\n");
}

static const uint8_t *find(view v, const char *word)
{
        return v.len == 0 ? nullptr : memmem(v.data, v.len, word, strlen(word));
}

err p256_read_pem(view pem, p256_key *out)
{
        uint8_t        der[DER_BYTES];
        size_t         len = 0;
        const char    *behind = nullptr;
        const uint8_t *begin = find(pem, BEGIN), *end = find(pem, END);
        if (begin == nullptr || end == nullptr || end < begin + strlen(BEGIN))
                return FAIL(BAD_FILE);
        begin += strlen(BEGIN);
        if (sodium_base642bin(der, sizeof der, (const char *)begin, (size_t)(end - begin), " \r\n", &len, &behind,
                              sodium_base64_VARIANT_ORIGINAL)
                    != 0
            || behind != (const char *)end || len != sizeof der || memcmp(der, info, sizeof info) != 0)
                return FAIL(BAD_FILE);
        memcpy(out->x, der + sizeof info, 32);
        memcpy(out->y, der + sizeof info + 32, 32);
        return OK;
}
