#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include "net/tls_fast.h"

#include <mbedtls/ecp.h>
#include <mbedtls/gcm.h>
#include <ucontext.h>

#include "net/tls.h"
#include "support/tap.h"
#include "unit/net/certs.h"

static const char SUBJECT[] = "tls_fast";

/* The library's own functions, which the linker keeps under these names. */
int __real_mbedtls_ecp_mul(mbedtls_ecp_group *, mbedtls_ecp_point *, const mbedtls_mpi *, const mbedtls_ecp_point *,
                           int (*)(void *, unsigned char *, size_t), void *);
int __real_mbedtls_gcm_crypt_and_tag(mbedtls_gcm_context *, int, size_t, const unsigned char *, size_t,
                                     const unsigned char *, size_t, const unsigned char *, unsigned char *, size_t,
                                     unsigned char *);
int __real_mbedtls_gcm_auth_decrypt(mbedtls_gcm_context *, size_t, const unsigned char *, size_t, const unsigned char *,
                                    size_t, const unsigned char *, size_t, const unsigned char *, unsigned char *);

static void bytes_of(uint8_t *out, const char *hex)
{
        for (size_t i = 0; hex[2 * i] != '\0'; i++) {
                const char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
                out[i] = (uint8_t)strtoul(two, nullptr, 16);
        }
}

/* ---- X25519 ---- */

static mbedtls_ecp_group curve;

typedef struct product {
        int rc;
        uint8_t u[32];
        bool affine;
} product;

/* in  m  little endian, as it is: not clamped
 *     u  little endian, all 256 bits
 *     z  1 as the library has it */
static product product_of(bool ours, const uint8_t m[32], const uint8_t u[32], int z, bool in_place)
{
        product out = {};
        mbedtls_mpi d;
        mbedtls_ecp_point p, r, *to = in_place ? &p : &r;
        mbedtls_mpi_init(&d);
        mbedtls_ecp_point_init(&p);
        mbedtls_ecp_point_init(&r);
        certs_must(mbedtls_mpi_read_binary_le(&d, m, 32));
        certs_must(mbedtls_mpi_read_binary_le(&p.X, u, 32));
        certs_must(mbedtls_mpi_lset(&p.Z, z));
        certs_must(mbedtls_mpi_lset(&r.Y, 5));
        out.rc = (ours ? mbedtls_ecp_mul : __real_mbedtls_ecp_mul)(&curve, to, &d, &p, certs_random, nullptr);
        if (out.rc == 0)
                certs_must(mbedtls_mpi_write_binary_le(&to->X, out.u, 32));
        out.affine = out.rc != 0 || (mbedtls_mpi_cmp_int(&to->Z, 1) == 0 && to->Y.p == nullptr);
        mbedtls_ecp_point_free(&r);
        mbedtls_ecp_point_free(&p);
        mbedtls_mpi_free(&d);
        return out;
}

static bool same(const uint8_t m[32], const uint8_t u[32], int z)
{
        product a = product_of(true, m, u, z, false), b = product_of(false, m, u, z, false);
        return a.rc == b.rc && memcmp(a.u, b.u, 32) == 0 && a.affine;
}

static void clamp(uint8_t m[32])
{
        m[0] &= 248;
        m[31] = (uint8_t)((m[31] & 127) | 64);
}

static bool gives(const char *m_hex, const char *u_hex, const char *want_hex)
{
        uint8_t m[32], u[32], want[32];
        bytes_of(m, m_hex);
        bytes_of(u, u_hex);
        bytes_of(want, want_hex);
        clamp(m);
        u[31] &= 127;
        product a = product_of(true, m, u, 1, false), b = product_of(true, m, u, 1, true);
        return a.rc == 0 && b.rc == 0 && memcmp(a.u, want, 32) == 0 && memcmp(b.u, want, 32) == 0 && same(m, u, 1);
}

static bool iterated(size_t times, const char *want_hex)
{
        uint8_t k[32] = {9}, u[32] = {9}, want[32];
        bytes_of(want, want_hex);
        for (size_t i = 0; i < times; i++) {
                uint8_t m[32];
                memcpy(m, k, 32);
                clamp(m);
                u[31] &= 127;
                product r = product_of(true, m, u, 1, false);
                if (r.rc != 0)
                        return false;
                memcpy(u, k, 32);
                memcpy(k, r.u, 32);
        }
        return memcmp(k, want, 32) == 0;
}

static void test_published_products(void)
{
        tap_ok(gives("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
                     "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
                     "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552")
                       && gives("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
                                "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
                                "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"),
               SUBJECT, "RFC 7748 5.2, both vectors, also onto the point itself");
        tap_ok(iterated(1, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"), SUBJECT,
               "RFC 7748 5.2 after one iteration");
        tap_ok(iterated(1000, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"), SUBJECT,
               "and after a thousand");
        static const char alice[] = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
        static const char bob[] = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
        static const char base[] = "0900000000000000000000000000000000000000000000000000000000000000";
        static const char alice_public[] = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
        static const char bob_public[] = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
        static const char shared[] = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
        tap_ok(gives(alice, base, alice_public) && gives(bob, base, bob_public) && gives(alice, bob_public, shared)
                       && gives(bob, alice_public, shared),
               SUBJECT, "RFC 7748 6.1: keys and the shared secret, from both sides");
}

static void test_strange_points(void)
{
        static const char *const low[] = {
                "0000000000000000000000000000000000000000000000000000000000000000",
                "0100000000000000000000000000000000000000000000000000000000000000",
                "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
                "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
                "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        };
        uint8_t m[32], u[32];
        secret_random(m, sizeof m);
        clamp(m);
        size_t refused = 0;
        for (size_t i = 0; i < 7; i++) {
                bytes_of(u, low[i]);
                refused += product_of(true, m, u, 1, false).rc == MBEDTLS_ERR_ECP_INVALID_KEY && same(m, u, 1);
        }
        tap_ok(refused == 7, SUBJECT, "the points of low order are refused, in every spelling");
        bool good = true;
        memset(u, 0xff, 32);
        u[31] = 0x7f;
        for (unsigned i = 0xed; i <= 0xff; i++) {
                u[0] = (uint8_t)i;
                good = same(m, u, 1) && good;
        }
        tap_ok(good, SUBJECT, "coordinates not reduced count as the library counts them");
        uint64_t before = tls_fast_taken().multiplied;
        for (size_t i = 0; i < 20; i++) {
                secret_random(u, sizeof u);
                u[31] |= 0x80;
                (void)product_of(true, m, u, 1, false);
        }
        /* Nothing to compare: for these the library's own answer is not the same each time. */
        tap_ok(tls_fast_taken().multiplied == before, SUBJECT, "those of 256 bits stay with the library");
        uint8_t bad[32];
        for (size_t bit = 0; bit < 256; bit++) {
                memcpy(bad, m, 32);
                bad[bit / 8] ^= (uint8_t)(1u << bit % 8);
                u[31] &= 127;
                if (bit < 3 || bit > 253)
                        good = product_of(true, bad, u, 1, false).rc == MBEDTLS_ERR_ECP_INVALID_KEY && same(bad, u, 1)
                               && good;
        }
        tap_ok(good, SUBJECT, "a scalar that is not clamped is refused");
        tap_ok(product_of(true, m, u, 0, false).rc != 0 && same(m, u, 0) && same(m, u, 2), SUBJECT,
               "so is a point that is not affine");
        mbedtls_mpi d;
        mbedtls_mpi_init(&d);
        mbedtls_ecp_point r;
        mbedtls_ecp_point_init(&r);
        certs_must(mbedtls_mpi_read_binary_le(&d, m, 32));
        tap_ok(mbedtls_ecp_mul(&curve, &r, &d, &curve.G, nullptr, nullptr) == MBEDTLS_ERR_ECP_BAD_INPUT_DATA, SUBJECT,
               "and a caller without a generator");
        mbedtls_ecp_point_free(&r);
        mbedtls_mpi_free(&d);
}

static void test_random_products(void)
{
        uint8_t m[32], u[32], base[32] = {9};
        bool good = true;
        uint64_t before = tls_fast_taken().multiplied;
        for (size_t i = 0; i < 400 && good; i++) {
                secret_random(m, sizeof m);
                secret_random(u, sizeof u);
                clamp(m);
                u[31] &= 127;
                good = same(m, i % 4 == 0 ? base : u, 1);
        }
        tap_ok(good && tls_fast_taken().multiplied == before + 400, SUBJECT,
               "four hundred random products are those of the library");
}

/* ---- AES-256-GCM ---- */

typedef struct record {
        uint8_t key[32], nonce[16], add[64], text[16640], sealed[16640], tag[16];
        size_t key_bits, nonce_len, add_len, len, tag_len;
} record;

static record rec;
static uint8_t out_a[16640], out_b[16640];

static void context_of(mbedtls_gcm_context *ctx, const record *r)
{
        mbedtls_gcm_init(ctx);
        certs_must(mbedtls_gcm_setkey(ctx, MBEDTLS_CIPHER_ID_AES, r->key, (unsigned)r->key_bits));
}

static int seal(bool ours, mbedtls_gcm_context *ctx, const record *r, const uint8_t *in, uint8_t *out, uint8_t *tag)
{
        return (ours ? mbedtls_gcm_crypt_and_tag : __real_mbedtls_gcm_crypt_and_tag)(
                ctx, MBEDTLS_GCM_ENCRYPT, r->len, r->nonce, r->nonce_len, r->add, r->add_len, in, out, r->tag_len, tag);
}

static int open_it(bool ours, mbedtls_gcm_context *ctx, const record *r, const uint8_t *in, uint8_t *out)
{
        return (ours ? mbedtls_gcm_auth_decrypt : __real_mbedtls_gcm_auth_decrypt)(
                ctx, r->len, r->nonce, r->nonce_len, r->add, r->add_len, r->tag, r->tag_len, in, out);
}

static void record_random(size_t len, size_t add_len)
{
        secret_random(rec.key, sizeof rec.key);
        secret_random(rec.nonce, sizeof rec.nonce);
        secret_random(rec.add, sizeof rec.add);
        secret_random(rec.text, len);
        rec.key_bits = 256;
        rec.nonce_len = 12;
        rec.tag_len = 16;
        rec.len = len;
        rec.add_len = add_len;
}

/* Sealed here and there, apart and in place; opened here and there, and again with a changed byte. */
static bool record_same(void)
{
        mbedtls_gcm_context ctx;
        uint8_t tag_a[16] = {}, tag_b[16] = {};
        context_of(&ctx, &rec);
        int a = seal(true, &ctx, &rec, rec.text, out_a, tag_a),
            b = seal(false, &ctx, &rec, rec.text, rec.sealed, tag_b);
        bool good = a == 0 && b == 0 && memcmp(out_a, rec.sealed, rec.len) == 0 && memcmp(tag_a, tag_b, 16) == 0;
        memcpy(rec.tag, tag_b, 16);
        memcpy(out_b, rec.text, rec.len);
        good = good && seal(true, &ctx, &rec, out_b, out_b, tag_a) == 0 && memcmp(out_b, rec.sealed, rec.len) == 0
               && memcmp(tag_a, tag_b, 16) == 0;
        good = good && open_it(true, &ctx, &rec, rec.sealed, out_a) == 0 && memcmp(out_a, rec.text, rec.len) == 0
               && open_it(true, &ctx, &rec, out_b, out_b) == 0 && memcmp(out_b, rec.text, rec.len) == 0;
        rec.tag[rec.len % rec.tag_len] ^= 1;
        memset(out_a, 7, rec.len);
        memset(out_b, 7, rec.len);
        good = good && open_it(true, &ctx, &rec, rec.sealed, out_a) == MBEDTLS_ERR_GCM_AUTH_FAILED
               && open_it(false, &ctx, &rec, rec.sealed, out_b) == MBEDTLS_ERR_GCM_AUTH_FAILED
               && memcmp(out_a, out_b, rec.len) == 0;
        mbedtls_gcm_free(&ctx);
        return good;
}

static bool seals(const char *key, const char *nonce, const char *add, const char *text, const char *want)
{
        static record r;
        uint8_t tag[16], wanted[96];
        mbedtls_gcm_context ctx;
        r = (record){.key_bits = 256, .nonce_len = 12, .tag_len = 16};
        bytes_of(r.key, key);
        bytes_of(r.nonce, nonce);
        bytes_of(r.add, add);
        bytes_of(r.text, text);
        bytes_of(wanted, want);
        r.add_len = strlen(add) / 2;
        r.len = strlen(text) / 2;
        context_of(&ctx, &r);
        bool good = seal(true, &ctx, &r, r.text, r.sealed, tag) == 0 && memcmp(r.sealed, wanted, r.len) == 0
                    && memcmp(tag, wanted + r.len, 16) == 0;
        memcpy(r.tag, tag, 16);
        good = good && open_it(true, &ctx, &r, r.sealed, out_a) == 0 && memcmp(out_a, r.text, r.len) == 0;
        mbedtls_gcm_free(&ctx);
        return good;
}

#define ZEROS16 "00000000000000000000000000000000"
#define KEY16   "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
#define TEXT60                                                             \
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" \
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
#define SEALED60                                                           \
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" \
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"

static void test_published_records(void)
{
        tap_ok(seals(ZEROS16 ZEROS16, "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b")
                       && seals(ZEROS16 ZEROS16, "000000000000000000000000", "", ZEROS16,
                                "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"),
               SUBJECT, "GCM's test cases 13 and 14");
        tap_ok(seals(KEY16, "cafebabefacedbaddecaf888", "", TEXT60 "1aafd255",
                     SEALED60 "898015adb094dac5d93471bdec1a502270e3cc6c")
                       && seals(KEY16, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2", TEXT60,
                                SEALED60 "76fc6ece0f4e1768cddf8853bb2d551b"),
               SUBJECT, "15 and 16");
}

/* Every bit of `bytes` changed in turn makes the record no record, and leaves nothing of it. */
static bool every_bit_counts(mbedtls_gcm_context *ctx, uint8_t *bytes, size_t len)
{
        bool good = true;
        for (size_t bit = 0; bit < 8 * len; bit++) {
                bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
                memset(out_a, 7, rec.len);
                good = open_it(true, ctx, &rec, rec.sealed, out_a) == MBEDTLS_ERR_GCM_AUTH_FAILED && good;
                for (size_t i = 0; i < rec.len; i++)
                        good = out_a[i] == 0 && good;
                bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        return good && open_it(true, ctx, &rec, rec.sealed, out_a) == 0;
}

static void test_changed_records(void)
{
        mbedtls_gcm_context ctx;
        record_random(37, 5);
        context_of(&ctx, &rec);
        certs_must(seal(true, &ctx, &rec, rec.text, rec.sealed, rec.tag));
        tap_ok(every_bit_counts(&ctx, rec.tag, 16), SUBJECT, "every bit of the tag counts, and no text comes out");
        tap_ok(every_bit_counts(&ctx, rec.sealed, rec.len), SUBJECT, "every bit of the record");
        tap_ok(every_bit_counts(&ctx, rec.add, rec.add_len) && every_bit_counts(&ctx, rec.nonce, 12), SUBJECT,
               "of what goes with it, and of its number");
        bool good = true;
        for (rec.tag_len = 0; rec.tag_len <= 17; rec.tag_len++) {
                uint8_t a[32] = {}, b[32] = {};
                int ours = seal(true, &ctx, &rec, rec.text, out_a, a),
                    theirs = seal(false, &ctx, &rec, rec.text, out_b, b);
                good = ours == theirs && memcmp(a, b, sizeof a) == 0 && good;
                if (rec.tag_len <= 16)
                        good = open_it(true, &ctx, &rec, rec.sealed, out_a)
                                       == open_it(false, &ctx, &rec, rec.sealed, out_b)
                               && good;
        }
        tap_ok(good, SUBJECT, "tags of other lengths are the library's matter");
        rec.tag_len = 16;
        mbedtls_gcm_free(&ctx);
}

static void test_lengths(void)
{
        bool good = true;
        uint64_t before = tls_fast_taken().sealed, calls = 0;
        for (size_t len = 0; len <= 300; len++, calls += 2) {
                record_random(len, len % 65);
                good = record_same() && good;
        }
        tap_ok(good, SUBJECT, "records of 0 to 300 bytes are those of the library, apart and in place");
        static const size_t long_ones[] = {1023, 4096, 16384, 16385, 16401, 16640};
        for (size_t i = 0; i < 6; i++, calls += 2) {
                record_random(long_ones[i], 5);
                good = record_same() && good;
        }
        tap_ok(good && tls_fast_taken().sealed == before + (tls_fast_has_aes() ? calls : 0), SUBJECT,
               "so are the longest");
        for (size_t i = 0; i < 3000 && good; i++) {
                uint8_t dice[8];
                secret_random(dice, sizeof dice);
                record_random((size_t)(dice[0] << 3 | (dice[1] & 7)), dice[2] % 65);
                rec.key_bits = dice[3] < 40 ? 128 : dice[3] < 80 ? 192 : 256;
                rec.nonce_len = dice[4] < 40 ? 8 : dice[4] < 80 ? 16 : 12;
                rec.tag_len = dice[5] < 60 ? 12 : 16;
                good = record_same();
        }
        tap_ok(good, SUBJECT, "three thousand random records too, with keys, nonces and tags of every length");
}

static bool in_parts(mbedtls_gcm_context *ctx, size_t cut)
{
        uint8_t tag[16];
        size_t a, b, c;
        certs_must(mbedtls_gcm_starts(ctx, MBEDTLS_GCM_ENCRYPT, rec.nonce, 12));
        certs_must(mbedtls_gcm_update_ad(ctx, rec.add, rec.add_len));
        certs_must(mbedtls_gcm_update(ctx, rec.text, cut, out_b, sizeof out_b, &a));
        certs_must(mbedtls_gcm_update(ctx, rec.text + cut, rec.len - cut, out_b + a, sizeof out_b - a, &b));
        certs_must(mbedtls_gcm_finish(ctx, nullptr, 0, &c, tag, 16));
        return a + b == rec.len && memcmp(out_b, out_a, rec.len) == 0 && memcmp(tag, rec.tag, 16) == 0;
}

static void test_other_ways(void)
{
        mbedtls_gcm_context ctx;
        record_random(150, 13);
        context_of(&ctx, &rec);
        bool good = true;
        for (size_t cut = 0; cut <= rec.len; cut += 16) {
                certs_must(seal(true, &ctx, &rec, rec.text, out_a, rec.tag));
                good = in_parts(&ctx, cut) && in_parts(&ctx, cut) && good;
        }
        tap_ok(good, SUBJECT, "part-wise use of the same key works before and after");
        for (ptrdiff_t by = -20; by <= 20; by++) {
                uint8_t tag_a[16] = {}, tag_b[16] = {};
                memcpy(out_a + 32, rec.text, rec.len);
                memcpy(out_b + 32, rec.text, rec.len);
                good = seal(true, &ctx, &rec, out_a + 32, out_a + 32 + by, tag_a)
                               == seal(false, &ctx, &rec, out_b + 32, out_b + 32 + by, tag_b)
                       && memcmp(tag_a, tag_b, 16) == 0 && good;
        }
        tap_ok(good, SUBJECT, "where in and out overlap in part the answer is the library's");
        uint64_t before = tls_fast_taken().opened;
        uint8_t tag[16];
        certs_must(seal(true, &ctx, &rec, rec.text, rec.sealed, rec.tag));
        certs_must(mbedtls_gcm_crypt_and_tag(&ctx, MBEDTLS_GCM_DECRYPT, rec.len, rec.nonce, 12, rec.add, rec.add_len,
                                             rec.sealed, out_a, 16, tag));
        tap_ok(memcmp(out_a, rec.text, rec.len) == 0 && memcmp(tag, rec.tag, 16) == 0
                       && tls_fast_taken().opened == before,
               SUBJECT, "decryption without judging the tag stays with the library");
        mbedtls_gcm_free(&ctx);
        for (size_t i = 0; i < sizeof ctx; i++)
                good = ((const uint8_t *)&ctx)[i] == 0 && good;
        tap_ok(good, SUBJECT, "a context that is freed holds nothing");
}

/* ---- what is left on the stack ---- */

#ifndef __SANITIZE_ADDRESS__
static uint8_t small_stack[64 * 1024];
static ucontext_t here, there;
static mbedtls_gcm_context stack_ctx;

static void on_small_stack(void)
{
        certs_must(open_it(true, &stack_ctx, &rec, rec.sealed, out_a));
        certs_must(seal(true, &stack_ctx, &rec, out_a, out_a, rec.tag));
        swapcontext(&there, &here);
}

static bool stack_has(const uint8_t *bytes, size_t len)
{
        return memmem(small_stack, sizeof small_stack, bytes, len) != nullptr;
}

static void test_stack(void)
{
        static bool clean = true; /* kept while stacks change */
        record_random(0, 5);
        context_of(&stack_ctx, &rec);
        for (rec.len = 1; rec.len < 160; rec.len++) {
                memset(rec.text, 0, sizeof rec.text);
                secret_random(rec.text, rec.len);
                certs_must(seal(true, &stack_ctx, &rec, rec.text, rec.sealed, rec.tag));
                getcontext(&there);
                there.uc_stack.ss_sp = small_stack;
                there.uc_stack.ss_size = sizeof small_stack;
                memset(small_stack, 0, sizeof small_stack);
                makecontext(&there, on_small_stack, 0);
                swapcontext(&here, &there);
                for (size_t i = 0; i + 8 <= rec.len; i++)
                        clean = !stack_has(rec.text + i, 8) && clean;
                clean = !stack_has(rec.key, 8) && !stack_has(rec.key + 16, 8) && clean;
        }
        tap_ok(clean, SUBJECT, "neither text nor key is left on the stack");
        mbedtls_gcm_free(&stack_ctx);
}
#endif

int main(void)
{
        if (failed(secret_setup()) || failed(tls_setup()))
                abort();
        mbedtls_ecp_group_init(&curve);
        certs_must(mbedtls_ecp_group_load(&curve, MBEDTLS_ECP_DP_CURVE25519));
        test_published_products();
        test_strange_points();
        test_random_products();
        test_published_records();
        test_changed_records();
        test_lengths();
        test_other_ways();
#ifdef __SANITIZE_ADDRESS__
        tap_skip("tls_fast: what is left on the stack", "the sanitizer has frames of its own");
#else
        if (tls_fast_has_aes())
                test_stack();
        else
                tap_skip("tls_fast: what is left on the stack", "this CPU has no AES");
#endif
        mbedtls_ecp_group_free(&curve);
        return tap_done();
}
