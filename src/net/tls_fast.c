/* The structures of the library are looked into in two places: the coordinates of a point, and the round keys of AES,
 * of which the first two are the key itself. So no key is kept here; the library holds it and wipes it. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include "net/tls_fast.h"

#include <string.h>

#include <mbedtls/aes.h>
#include <mbedtls/ecp.h>
#include <mbedtls/gcm.h>
#include <sodium.h>

#include "base/arena.h"

constexpr size_t KEY = 32;
constexpr size_t NONCE = 12;
constexpr size_t TAG = 16;
/* A TLS record is shorter by far; libsodium ends the process beyond 64 GiB. */
constexpr size_t LONGEST = 64 * 1024;
/* What libsodium's functions leave of keys and text in their frames: at most some 500 and 1,500 bytes deep. */
constexpr size_t GCM_FRAMES = 1024;
constexpr size_t CURVE_FRAMES = 2048;

static struct {
        bool curve, aes;
        tls_fast_counts taken;
} fast;

static_assert(crypto_aead_aes256gcm_KEYBYTES == KEY && crypto_aead_aes256gcm_NPUBBYTES == NONCE
              && crypto_aead_aes256gcm_ABYTES == TAG && crypto_scalarmult_curve25519_BYTES == KEY);

/* ---- X25519 ---- */

int __real_mbedtls_ecp_mul(mbedtls_ecp_group *grp, mbedtls_ecp_point *R, const mbedtls_mpi *m,
                           const mbedtls_ecp_point *P, int (*f_rng)(void *, unsigned char *, size_t), void *p_rng);
int __real_mbedtls_ecp_mul_restartable(mbedtls_ecp_group *grp, mbedtls_ecp_point *R, const mbedtls_mpi *m,
                                       const mbedtls_ecp_point *P, int (*f_rng)(void *, unsigned char *, size_t),
                                       void *p_rng, mbedtls_ecp_restart_ctx *rs_ctx);
int __wrap_mbedtls_ecp_mul(mbedtls_ecp_group *grp, mbedtls_ecp_point *R, const mbedtls_mpi *m,
                           const mbedtls_ecp_point *P, int (*f_rng)(void *, unsigned char *, size_t), void *p_rng);
int __wrap_mbedtls_ecp_mul_restartable(mbedtls_ecp_group *grp, mbedtls_ecp_point *R, const mbedtls_mpi *m,
                                       const mbedtls_ecp_point *P, int (*f_rng)(void *, unsigned char *, size_t),
                                       void *p_rng, mbedtls_ecp_restart_ctx *rs_ctx);

/* libsodium ignores bit 255, the library counts it. */
static bool is_x25519(const mbedtls_ecp_group *grp, const mbedtls_ecp_point *p)
{
        return fast.curve && grp->id == MBEDTLS_ECP_DP_CURVE25519 && mbedtls_mpi_bitlen(&p->X) <= 255;
}

static int sodium_multiply(uint8_t out[static KEY], const uint8_t scalar[static KEY], const uint8_t u[static KEY])
{
        static const uint8_t base[KEY] = {9};
        /* A table serves the base point. The point is public: comparing it tells nothing. */
        int rc = memcmp(u, base, KEY) == 0 ? crypto_scalarmult_curve25519_base(out, scalar)
                                           : crypto_scalarmult_curve25519(out, scalar, u);
        sodium_stackzero(CURVE_FRAMES);
        /* A shared secret of zeros: the library refuses such points already in its check of them. */
        return rc == 0 ? 0 : MBEDTLS_ERR_ECP_INVALID_KEY;
}

/* The library's own checks first, with its own answers: a scalar not clamped, a point of low order or not affine. */
static int multiply(mbedtls_ecp_group *grp, mbedtls_ecp_point *r, const mbedtls_mpi *m, const mbedtls_ecp_point *p)
{
        uint8_t scalar[KEY], u[KEY], out[KEY];
        int rc = mbedtls_ecp_check_privkey(grp, m);
        if (rc == 0)
                rc = mbedtls_ecp_check_pubkey(grp, p);
        if (rc == 0)
                rc = mbedtls_mpi_write_binary_le(m, scalar, KEY);
        if (rc == 0)
                rc = mbedtls_mpi_write_binary_le(&p->X, u, KEY);
        if (rc == 0)
                rc = sodium_multiply(out, scalar, u);
        /* r may be p: nothing is read from p any more. */
        if (rc == 0)
                rc = mbedtls_mpi_read_binary_le(&r->X, out, KEY);
        if (rc == 0)
                rc = mbedtls_mpi_lset(&r->Z, 1);
        if (rc == 0)
                mbedtls_mpi_free(&r->Y);
        wipe(scalar, sizeof scalar);
        wipe(out, sizeof out);
        fast.taken.multiplied++;
        return rc;
}

/* The generator is there for blinding: libsodium's ladder has no branch or address that depends on the scalar. */
int __wrap_mbedtls_ecp_mul(mbedtls_ecp_group *grp, mbedtls_ecp_point *R, const mbedtls_mpi *m,
                           const mbedtls_ecp_point *P, int (*f_rng)(void *, unsigned char *, size_t), void *p_rng)
{
        if (f_rng == nullptr || !is_x25519(grp, P))
                return __real_mbedtls_ecp_mul(grp, R, m, P, f_rng, p_rng);
        return multiply(grp, R, m, P);
}

int __wrap_mbedtls_ecp_mul_restartable(mbedtls_ecp_group *grp, mbedtls_ecp_point *R, const mbedtls_mpi *m,
                                       const mbedtls_ecp_point *P, int (*f_rng)(void *, unsigned char *, size_t),
                                       void *p_rng, mbedtls_ecp_restart_ctx *rs_ctx)
{
        if (f_rng == nullptr || !is_x25519(grp, P))
                return __real_mbedtls_ecp_mul_restartable(grp, R, m, P, f_rng, p_rng, rs_ctx);
        return multiply(grp, R, m, P);
}

/* ---- AES-256-GCM ---- */

int __real_mbedtls_gcm_crypt_and_tag(mbedtls_gcm_context *ctx, int mode, size_t length, const unsigned char *iv,
                                     size_t iv_len, const unsigned char *add, size_t add_len,
                                     const unsigned char *input, unsigned char *output, size_t tag_len,
                                     unsigned char *tag);
int __real_mbedtls_gcm_auth_decrypt(mbedtls_gcm_context *ctx, size_t length, const unsigned char *iv, size_t iv_len,
                                    const unsigned char *add, size_t add_len, const unsigned char *tag, size_t tag_len,
                                    const unsigned char *input, unsigned char *output);
int __wrap_mbedtls_gcm_crypt_and_tag(mbedtls_gcm_context *ctx, int mode, size_t length, const unsigned char *iv,
                                     size_t iv_len, const unsigned char *add, size_t add_len,
                                     const unsigned char *input, unsigned char *output, size_t tag_len,
                                     unsigned char *tag);
int __wrap_mbedtls_gcm_auth_decrypt(mbedtls_gcm_context *ctx, size_t length, const unsigned char *iv, size_t iv_len,
                                    const unsigned char *add, size_t add_len, const unsigned char *tag, size_t tag_len,
                                    const unsigned char *input, unsigned char *output);

/* The key inside the library's context; null when it is no AES key of 256 bits. */
static const uint8_t *key_of(const mbedtls_gcm_context *ctx)
{
        const mbedtls_cipher_context_t *c = &ctx->cipher_ctx;
        if (c->cipher_info == nullptr || c->operation != MBEDTLS_ENCRYPT
            || mbedtls_cipher_get_type(c) != MBEDTLS_CIPHER_AES_256_ECB)
                return nullptr;
        const mbedtls_aes_context *aes = c->cipher_ctx;
        return aes == nullptr || aes->nr != 14 ? nullptr : (const uint8_t *)(aes->buf + aes->rk_offset);
}

/* In place or apart: what overlaps in part has the library's own answer. */
static bool is_apart(const uint8_t *input, const uint8_t *output, size_t length)
{
        uintptr_t in = (uintptr_t)input, out = (uintptr_t)output;
        return in == out || in + length <= out || out + length <= in;
}

static const uint8_t *fast_key(const mbedtls_gcm_context *ctx, size_t length, size_t iv_len, size_t add_len,
                               size_t tag_len)
{
        return fast.aes && iv_len == NONCE && tag_len == TAG && length <= LONGEST && add_len <= LONGEST ? key_of(ctx)
                                                                                                        : nullptr;
}

int __wrap_mbedtls_gcm_crypt_and_tag(mbedtls_gcm_context *ctx, int mode, size_t length, const unsigned char *iv,
                                     size_t iv_len, const unsigned char *add, size_t add_len,
                                     const unsigned char *input, unsigned char *output, size_t tag_len,
                                     unsigned char *tag)
{
        const uint8_t *key = fast_key(ctx, length, iv_len, add_len, tag_len);
        if (key == nullptr || mode != MBEDTLS_GCM_ENCRYPT || !is_apart(input, output, length))
                return __real_mbedtls_gcm_crypt_and_tag(ctx, mode, length, iv, iv_len, add, add_len, input, output,
                                                        tag_len, tag);
        crypto_aead_aes256gcm_state state;
        crypto_aead_aes256gcm_beforenm(&state, key);
        crypto_aead_aes256gcm_encrypt_detached_afternm(output, tag, nullptr, input, length, add, add_len, nullptr, iv,
                                                       &state);
        wipe(&state, sizeof state);
        sodium_stackzero(GCM_FRAMES);
        fast.taken.sealed++;
        return 0;
}

int __wrap_mbedtls_gcm_auth_decrypt(mbedtls_gcm_context *ctx, size_t length, const unsigned char *iv, size_t iv_len,
                                    const unsigned char *add, size_t add_len, const unsigned char *tag, size_t tag_len,
                                    const unsigned char *input, unsigned char *output)
{
        const uint8_t *key = fast_key(ctx, length, iv_len, add_len, tag_len);
        if (key == nullptr || !is_apart(input, output, length))
                return __real_mbedtls_gcm_auth_decrypt(ctx, length, iv, iv_len, add, add_len, tag, tag_len, input,
                                                       output);
        uint8_t none;
        crypto_aead_aes256gcm_state state;
        crypto_aead_aes256gcm_beforenm(&state, key);
        /* Without a place for the text libsodium would judge the tag alone; of an empty text it writes nothing. */
        int rc = crypto_aead_aes256gcm_decrypt_detached_afternm(output == nullptr ? &none : output, nullptr, input,
                                                                length, tag, add, add_len, iv, &state);
        wipe(&state, sizeof state);
        sodium_stackzero(GCM_FRAMES);
        fast.taken.opened++;
        if (rc == 0)
                return 0;
        /* As the library does it, and not optional as wipe() is in a test build. */
        sodium_memzero(output, length);
        return MBEDTLS_ERR_GCM_AUTH_FAILED;
}

/* ---- known answers ---- */

const tls_fast_answers tls_fast_known = {
        .public_key = {0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54, 0x74, 0x8b, 0x7d, 0xdc, 0xb4, 0x3e, 0xf7, 0x5a,
                       0x0d, 0xbf, 0x3a, 0x0d, 0x26, 0x38, 0x1a, 0xf4, 0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a},
        .shared = {0x4a, 0x5d, 0x9d, 0x5b, 0xa4, 0xce, 0x2d, 0xe1, 0x72, 0x8e, 0x3b, 0xf4, 0x80, 0x35, 0x0f, 0x25,
                   0xe0, 0x7e, 0x21, 0xc9, 0x47, 0xd1, 0x9e, 0x33, 0x76, 0xf0, 0x9b, 0x3c, 0x1e, 0x16, 0x17, 0x42},
        .sealed = {0x52, 0x2d, 0xc1, 0xf0, 0x99, 0x56, 0x7d, 0x07, 0xf4, 0x7f, 0x37, 0xa3, 0x2a, 0x84, 0x42,
                   0x7d, 0x64, 0x3a, 0x8c, 0xdc, 0xbf, 0xe5, 0xc0, 0xc9, 0x75, 0x98, 0xa2, 0xbd, 0x25, 0x55,
                   0xd1, 0xaa, 0x8c, 0xb0, 0x8e, 0x48, 0x59, 0x0d, 0xbb, 0x3d, 0xa7, 0xb0, 0x8b, 0x10, 0x56,
                   0x82, 0x88, 0x38, 0xc5, 0xf6, 0x1e, 0x63, 0x93, 0xba, 0x7a, 0x0a, 0xbc, 0xc9, 0xf6, 0x62},
        .tag = {0x76, 0xfc, 0x6e, 0xce, 0x0f, 0x4e, 0x17, 0x68, 0xcd, 0xdf, 0x88, 0x53, 0xbb, 0x2d, 0x55, 0x1b},
};

static const uint8_t alice[KEY] = {0x70, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1,
                                   0x72, 0x51, 0xb2, 0x66, 0x45, 0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0,
                                   0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x6a};
static const uint8_t bob[KEY] = {0xde, 0x9e, 0xdb, 0x7d, 0x7b, 0x7d, 0xc1, 0xb4, 0xd3, 0x5b, 0x61,
                                 0xc2, 0xec, 0xe4, 0x35, 0x37, 0x3f, 0x83, 0x43, 0xc8, 0x5b, 0x78,
                                 0x67, 0x4d, 0xad, 0xfc, 0x7e, 0x14, 0x6f, 0x88, 0x2b, 0x4f};
static const uint8_t gcm_key[KEY] = {0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c, 0x6d, 0x6a, 0x8f,
                                     0x94, 0x67, 0x30, 0x83, 0x08, 0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65,
                                     0x73, 0x1c, 0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08};
static const uint8_t gcm_nonce[NONCE] = {0xca, 0xfe, 0xba, 0xbe, 0xfa, 0xce, 0xdb, 0xad, 0xde, 0xca, 0xf8, 0x88};
static const uint8_t gcm_add[20] = {0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xfe, 0xed,
                                    0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xab, 0xad, 0xda, 0xd2};
static const uint8_t gcm_text[60] = {0xd9, 0x31, 0x32, 0x25, 0xf8, 0x84, 0x06, 0xe5, 0xa5, 0x59, 0x09, 0xc5,
                                     0xaf, 0xf5, 0x26, 0x9a, 0x86, 0xa7, 0xa9, 0x53, 0x15, 0x34, 0xf7, 0xda,
                                     0x2e, 0x4c, 0x30, 0x3d, 0x8a, 0x31, 0x8a, 0x72, 0x1c, 0x3c, 0x0c, 0x95,
                                     0x95, 0x68, 0x09, 0x53, 0x2f, 0xcf, 0x0e, 0x24, 0x49, 0xa6, 0xb5, 0x25,
                                     0xb1, 0x6a, 0xed, 0xf5, 0xaa, 0x0d, 0xe6, 0x57, 0xba, 0x63, 0x7b, 0x39};

static int for_blinding(void *ctx, unsigned char *out, size_t len)
{
        (void)ctx;
        randombytes_buf(out, len);
        return 0;
}

typedef int multiplier(mbedtls_ecp_group *, mbedtls_ecp_point *, const mbedtls_mpi *, const mbedtls_ecp_point *,
                       int (*)(void *, unsigned char *, size_t), void *);

static bool curve_proves(multiplier *with, const tls_fast_answers *want)
{
        mbedtls_ecp_group grp;
        mbedtls_ecp_point p, r;
        mbedtls_mpi m;
        uint8_t out[2][KEY] = {};
        mbedtls_ecp_group_init(&grp);
        mbedtls_ecp_point_init(&p);
        mbedtls_ecp_point_init(&r);
        mbedtls_mpi_init(&m);
        bool good = mbedtls_ecp_group_load(&grp, MBEDTLS_ECP_DP_CURVE25519) == 0
                    && mbedtls_mpi_read_binary_le(&m, alice, KEY) == 0
                    && with(&grp, &r, &m, &grp.G, for_blinding, nullptr) == 0
                    && mbedtls_mpi_write_binary_le(&r.X, out[0], KEY) == 0
                    && mbedtls_ecp_point_read_binary(&grp, &p, bob, KEY) == 0
                    && with(&grp, &r, &m, &p, for_blinding, nullptr) == 0
                    && mbedtls_mpi_write_binary_le(&r.X, out[1], KEY) == 0 && memcmp(out[0], want->public_key, KEY) == 0
                    && memcmp(out[1], want->shared, KEY) == 0;
        /* A point of order 2 would give a shared secret of zeros. */
        good = good && mbedtls_mpi_lset(&p.X, 0) == 0 && with(&grp, &r, &m, &p, for_blinding, nullptr) != 0;
        mbedtls_mpi_free(&m);
        mbedtls_ecp_point_free(&r);
        mbedtls_ecp_point_free(&p);
        mbedtls_ecp_group_free(&grp);
        return good;
}

typedef int sealer(mbedtls_gcm_context *, int, size_t, const unsigned char *, size_t, const unsigned char *, size_t,
                   const unsigned char *, unsigned char *, size_t, unsigned char *);
typedef int opener(mbedtls_gcm_context *, size_t, const unsigned char *, size_t, const unsigned char *, size_t,
                   const unsigned char *, size_t, const unsigned char *, unsigned char *);

static bool gcm_proves(sealer *seal, opener *unseal, const tls_fast_answers *want)
{
        constexpr size_t n = sizeof gcm_text;
        mbedtls_gcm_context ctx;
        uint8_t out[n] = {}, back[n] = {}, tag[TAG] = {}, changed[TAG];
        mbedtls_gcm_init(&ctx);
        bool good = mbedtls_gcm_setkey(&ctx, MBEDTLS_CIPHER_ID_AES, gcm_key, 256) == 0
                    && seal(&ctx, MBEDTLS_GCM_ENCRYPT, n, gcm_nonce, NONCE, gcm_add, sizeof gcm_add, gcm_text, out, TAG,
                            tag)
                               == 0
                    && memcmp(out, want->sealed, n) == 0 && memcmp(tag, want->tag, TAG) == 0
                    && unseal(&ctx, n, gcm_nonce, NONCE, gcm_add, sizeof gcm_add, tag, TAG, out, back) == 0
                    && memcmp(back, gcm_text, n) == 0;
        memcpy(changed, tag, TAG);
        changed[TAG - 1] ^= 1;
        good = good
               && unseal(&ctx, n, gcm_nonce, NONCE, gcm_add, sizeof gcm_add, changed, TAG, out, back)
                          == MBEDTLS_ERR_GCM_AUTH_FAILED
               && sodium_is_zero(back, n);
        mbedtls_gcm_free(&ctx);
        return good;
}

bool tls_fast_proves(const tls_fast_answers *want)
{
        /* By the library's names, as the library calls them: what the linker did not turn would not be counted. */
        tls_fast_counts before = fast.taken;
        bool good = curve_proves(mbedtls_ecp_mul, want) && curve_proves(__real_mbedtls_ecp_mul, want)
                    && gcm_proves(mbedtls_gcm_crypt_and_tag, mbedtls_gcm_auth_decrypt, want)
                    && gcm_proves(__real_mbedtls_gcm_crypt_and_tag, __real_mbedtls_gcm_auth_decrypt, want);
        return good && (fast.taken.multiplied > before.multiplied) == fast.curve
               && (fast.taken.sealed > before.sealed) == fast.aes && (fast.taken.opened > before.opened) == fast.aes;
}

/* ---- the choice ---- */

bool tls_fast_has_aes(void) { return fast.aes; }

tls_fast_counts tls_fast_taken(void) { return fast.taken; }

void tls_fast_use(bool curve, bool aes)
{
        fast.curve = curve;
        fast.aes = aes && crypto_aead_aes256gcm_is_available() == 1;
}

err tls_fast_setup(void)
{
        if (sodium_init() < 0)
                return FAIL(SYSTEM);
        tls_fast_use(true, true);
        if (tls_fast_proves(&tls_fast_known))
                return OK;
        tls_fast_use(false, false);
        return FAIL(SYSTEM);
}
