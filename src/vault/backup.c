/* The file, little-endian:
 *
 *   0  magic "LETHEBAK"      16  device 16               72  created u64       128  recipients: count x 112:
 *   8  format u16 = 1        32  export key 32           80  generation u64         key 32, sealed share 80
 *  10  need u8, count u8     64  export key number 8     88  next export u64   then nonce 24, payload, tag 16,
 *  12  payload bytes u32                                 96  previous 32       signature 64 over all before
 *
 * All before the nonce is associated data of the payload. The payload's key is random. With need 1 each share is the
 * key; with need 2 share i is key + a * x_i in GF(2^8), byte by byte, a random and x_i = i + 1: one alone tells
 * nothing, two give the key (Shamir 1979). */
#include "vault/backup.h"

#include <assert.h>
#include <sodium.h>

#include "base/secret.h"
#include "vault/little_endian.h"

enum : size_t {
        AT_FORMAT = 8,
        AT_NEED = 10,
        AT_COUNT = 11,
        AT_PAYLOAD = 12,
        AT_DEVICE = 16,
        AT_KEY = 32,
        AT_NUMBER = 64,
        AT_CREATED = 72,
        AT_GENERATION = 80,
        AT_SEQUENCE = 88,
        AT_PREVIOUS = 96,
        HEAD_BYTES = 128,
        SHARE_BYTES = 32 + crypto_box_SEALBYTES,
        RECIPIENT_BYTES = 32 + SHARE_BYTES,
        NONCE_BYTES = 24,
        TAG_BYTES = 16,
        SIGNATURE_BYTES = 64,
        LEAST_BYTES = HEAD_BYTES + RECIPIENT_BYTES + NONCE_BYTES + TAG_BYTES + SIGNATURE_BYTES,
};
static_assert(NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
static_assert(TAG_BYTES == crypto_aead_xchacha20poly1305_ietf_ABYTES);
static_assert(SIGNATURE_BYTES == crypto_sign_BYTES);

static const uint8_t magic[8] = "LETHEBAK";
/* The signature is of these words and the hash: it is no signature of an export. */
static const uint8_t purpose[16] = "lethe backup/1";

/* ---- shares ---- */

/* Multiplies in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1, in a time that depends on neither. */
static uint8_t times(uint8_t a, uint8_t b)
{
        unsigned product = 0, x = a;
        for (unsigned i = 0; i < 8; i++) {
                product ^= x & (0u - ((unsigned)b >> i & 1));
                x = (x << 1) ^ (0x11bu & (0u - (x >> 7)));
        }
        return (uint8_t)product;
}

/* a^254: the inverse of all but 0. */
static uint8_t inverse(uint8_t a)
{
        uint8_t out = 1;
        for (unsigned i = 0; i < 7; i++) {
                a = times(a, a);
                out = times(out, a);
        }
        return out;
}

static void share_make(const uint8_t key[static 32], const uint8_t slope[static 32], uint8_t x, uint8_t out[static 32])
{
        for (size_t i = 0; i < 32; i++)
                out[i] = key[i] ^ times(slope[i], x);
}

/* Where the line through two shares meets 0. */
static void shares_join(const uint8_t *a, uint8_t xa, const uint8_t *b, uint8_t xb, uint8_t key[static 32])
{
        uint8_t over = inverse(xa ^ xb);
        for (size_t i = 0; i < 32; i++)
                key[i] = times(times(a[i], xb) ^ times(b[i], xa), over);
}

/* ---- writing ---- */

static bool recipients_valid(const backup_facts *f)
{
        static const uint8_t none[32];
        if (f->need < 1 || f->need > 2 || f->count < f->need || f->count > BACKUP_RECIPIENTS)
                return false;
        for (size_t i = 0; i < f->count; i++) {
                if (memcmp(f->recipients[i], none, sizeof none) == 0)
                        return false;
                for (size_t k = 0; k < i; k++)
                        if (memcmp(f->recipients[i], f->recipients[k], 32) == 0)
                                return false;
        }
        return true;
}

static void write_head(const backup_facts *f, const minisign_key *signer, size_t payload, uint8_t *out)
{
        memset(out, 0, HEAD_BYTES);
        memcpy(out, magic, sizeof magic);
        le_write(out + AT_FORMAT, 1, 2);
        out[AT_NEED] = f->need;
        out[AT_COUNT] = f->count;
        le_write(out + AT_PAYLOAD, payload, 4);
        memcpy(out + AT_DEVICE, f->device, sizeof f->device);
        memcpy(out + AT_KEY, signer->public_key, 32);
        memcpy(out + AT_NUMBER, signer->number, 8);
        le_write(out + AT_CREATED, f->created_s, 8);
        le_write(out + AT_GENERATION, f->generation, 8);
        le_write(out + AT_SEQUENCE, f->next_sequence, 8);
        memcpy(out + AT_PREVIOUS, f->previous, sizeof f->previous);
}

/* A key that is none (a point of small order) is refused by crypto_box_seal. */
static bool write_shares(const backup_facts *f, const uint8_t key[static 32], uint8_t *out)
{
        uint8_t slope[32] = {}, share[32];
        bool    good = true;
        if (f->need == 2)
                secret_random(slope, sizeof slope);
        for (size_t i = 0; i < f->count && good; i++) {
                share_make(key, slope, (uint8_t)(i + 1), share);
                memcpy(out + i * RECIPIENT_BYTES, f->recipients[i], 32);
                good = crypto_box_seal(out + i * RECIPIENT_BYTES + 32, share, sizeof share, f->recipients[i]) == 0;
        }
        wipe(slope, sizeof slope);
        wipe(share, sizeof share);
        return good;
}

static void signed_bytes(view before, uint8_t out[static sizeof purpose + 32])
{
        memcpy(out, purpose, sizeof purpose);
        secret_hash(out + sizeof purpose, before, (view){});
}

static bool fill(const backup_facts *f, const minisign_key *signer, view payload, uint8_t *out)
{
        uint8_t key[32], text[sizeof purpose + 32];
        size_t  at = HEAD_BYTES + f->count * RECIPIENT_BYTES, body = at + NONCE_BYTES;
        secret_random(key, sizeof key);
        write_head(f, signer, payload.len, out);
        bool good = write_shares(f, key, out + HEAD_BYTES);
        secret_random(out + at, NONCE_BYTES);
        crypto_aead_xchacha20poly1305_ietf_encrypt(out + body, nullptr, payload.data, payload.len, out, at, nullptr,
                                                   out + at, key);
        wipe(key, sizeof key);
        size_t end = body + payload.len + TAG_BYTES;
        signed_bytes((view){out, end}, text);
        return crypto_sign_detached(out + end, nullptr, text, sizeof text, signer->secret) == 0 && good;
}

err backup_write(const backup_facts *f, const minisign_key *signer, view payload, region *out)
{
        if (!recipients_valid(f))
                return FAIL(OUT_OF_RANGE);
        size_t len = HEAD_BYTES + f->count * RECIPIENT_BYTES + NONCE_BYTES + payload.len + TAG_BYTES + SIGNATURE_BYTES;
        if (payload.len > BACKUP_BYTES || len > BACKUP_BYTES)
                return FAIL(NO_ROOM);
        TRY(region_reserve(out, len));
        if (!fill(f, signer, payload, out->bytes + out->len))
                return FAIL(OUT_OF_RANGE);
        out->len += len;
        return OK;
}

/* ---- reading ---- */

static err bad(const char **why, const char *text, err e)
{
        *why = text;
        return e;
}

static void read_head(const uint8_t *in, backup_facts *out)
{
        *out = (backup_facts){.need = in[AT_NEED], .count = in[AT_COUNT]};
        memcpy(out->device, in + AT_DEVICE, sizeof out->device);
        memcpy(out->export_key, in + AT_KEY, 32);
        memcpy(out->export_key_number, in + AT_NUMBER, 8);
        out->created_s = le_read(in + AT_CREATED, 8);
        out->generation = le_read(in + AT_GENERATION, 8);
        out->next_sequence = le_read(in + AT_SEQUENCE, 8);
        memcpy(out->previous, in + AT_PREVIOUS, sizeof out->previous);
}

err backup_read(view file, backup_facts *out, const char **why)
{
        uint8_t text[sizeof purpose + 32];
        *out = (backup_facts){};
        if (file.len < sizeof magic || memcmp(file.data, magic, sizeof magic) != 0)
                return bad(why, "This is not a backup of a vault.", FAIL(BAD_FILE));
        if (file.len < LEAST_BYTES)
                return bad(why, "The backup is cut: its end is missing.", FAIL(BAD_FILE));
        if (le_read(file.data + AT_FORMAT, 2) != 1)
                return bad(why, "The backup is of another format. Use the lethectl of the version that made it.",
                           FAIL(BAD_FILE));
        read_head(file.data, out);
        if (out->need < 1 || out->need > 2 || out->count < out->need || out->count > BACKUP_RECIPIENTS)
                return bad(why, "The backup is altered: its recipients are not as any could be.", FAIL(BAD_FILE));
        size_t end = HEAD_BYTES + out->count * RECIPIENT_BYTES + NONCE_BYTES
                     + (size_t)le_read(file.data + AT_PAYLOAD, 4) + TAG_BYTES;
        if (file.len < end + SIGNATURE_BYTES)
                return bad(why, "The backup is cut: its end is missing.", FAIL(BAD_FILE));
        if (file.len > end + SIGNATURE_BYTES)
                return bad(why, "There is something behind the backup's end.", FAIL(BAD_FILE));
        for (size_t i = 0; i < out->count; i++)
                memcpy(out->recipients[i], file.data + HEAD_BYTES + i * RECIPIENT_BYTES, 32);
        signed_bytes(view_slice(file, 0, end), text);
        if (crypto_sign_verify_detached(file.data + end, text, sizeof text, out->export_key) != 0)
                return bad(why, "The backup was altered: the signature of its box does not verify.",
                           FAIL(BAD_SIGNATURE));
        return OK;
}

/* Shares that these pairs open, up to two. */
typedef struct opened {
        uint8_t share[2][32];
        uint8_t x[2];
        size_t  count;
} opened;

static void open_shares(view file, const backup_facts *f, const backup_pair *pairs, size_t count, opened *out)
{
        for (size_t i = 0; i < f->count && out->count < f->need; i++)
                for (size_t k = 0; k < count && out->count < f->need; k++) {
                        const uint8_t *sealed = file.data + HEAD_BYTES + i * RECIPIENT_BYTES + 32;
                        if (memcmp(f->recipients[i], pairs[k].public_key, 32) != 0
                            || crypto_box_seal_open(out->share[out->count], sealed, SHARE_BYTES, pairs[k].public_key,
                                                    pairs[k].secret)
                                       != 0)
                                continue;
                        out->x[out->count++] = (uint8_t)(i + 1);
                        break;
                }
}

static err open_payload(view file, const backup_facts *f, const uint8_t key[static 32], region *payload)
{
        size_t at = HEAD_BYTES + f->count * RECIPIENT_BYTES, body = at + NONCE_BYTES;
        size_t sealed = file.len - SIGNATURE_BYTES - body;
        TRY(region_reserve(payload, sealed));
        if (crypto_aead_xchacha20poly1305_ietf_decrypt(payload->bytes, nullptr, nullptr, file.data + body, sealed,
                                                       file.data, at, file.data + at, key)
            != 0)
                return FAIL(BAD_FILE);
        payload->len = sealed - TAG_BYTES;
        return OK;
}

err backup_open(view file, const backup_pair *pairs, size_t count, region *payload, const char **why)
{
        backup_facts f;
        opened       o = {};
        uint8_t      key[32] = {};
        region_init(payload, BACKUP_BYTES);
        TRY(backup_read(file, &f, why));
        open_shares(file, &f, pairs, count, &o);
        if (o.count < f.need) {
                wipe(&o, sizeof o);
                return bad(why,
                           f.need == 2 ? "Two of its recipients are needed: give the key files of both."
                                       : "It was not made for this key.",
                           FAIL(BAD_CREDENTIAL));
        }
        if (f.need == 2)
                shares_join(o.share[0], o.x[0], o.share[1], o.x[1], key);
        else
                memcpy(key, o.share[0], sizeof key);
        wipe(&o, sizeof o);
        err e = open_payload(file, &f, key, payload);
        wipe(key, sizeof key);
        return failed(e) ? bad(why, "The backup does not open by its own key: it was made wrong.", e) : OK;
}
