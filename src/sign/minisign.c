/* src  jedisct1/minisign, src/minisign.h and the file formats of its README; OpenBSD signify.c; read 2026-11-20 */
#include "sign/minisign.h"

#include <assert.h>
#include <sodium.h>

#include "base/arena.h"
#include "base/secret.h"

enum : size_t {
        NUMBER_BYTES = 8,
        SIGNATURE_BYTES = crypto_sign_BYTES,
        PUBLIC_BYTES = crypto_sign_PUBLICKEYBYTES,
        PREFIX_BYTES = 2 + NUMBER_BYTES, /* "Ed", key number */
        LINE_BYTES = PREFIX_BYTES + SIGNATURE_BYTES,
        PUBLIC_LINE_BYTES = PREFIX_BYTES + PUBLIC_BYTES,
};
static_assert(sizeof((minisign_key){}.secret) == crypto_sign_SECRETKEYBYTES);
static_assert(sizeof((minisign_key){}.public_key) == PUBLIC_BYTES);

/* Pure Ed25519 over the file itself. The other form signs a hash: signify cannot read it, minisign writes it unless
 * told otherwise. */
static const uint8_t algorithm[2] = "Ed", prehashed[2] = "ED";

#define UNTRUSTED "untrusted comment: "
#define TRUSTED   "trusted comment: "

void minisign_key_from_seed(minisign_key *k, const uint8_t seed[static 32])
{
        crypto_sign_seed_keypair(k->public_key, k->secret, seed);
        uint8_t hash[SECRET_HASH_BYTES];
        secret_hash(hash, (view){k->public_key, sizeof k->public_key}, (view){});
        memcpy(k->number, hash, sizeof k->number);
}

void minisign_key_wipe(minisign_key *k) { wipe(k, sizeof *k); }

static void emit_base64(emit *out, view bytes)
{
        char text[sodium_base64_ENCODED_LEN(LINE_BYTES, sodium_base64_VARIANT_ORIGINAL)];
        assert(bytes.len <= LINE_BYTES);
        sodium_bin2base64(text, sizeof text, bytes.data, bytes.len, sodium_base64_VARIANT_ORIGINAL);
        emit_text(out, text);
        emit_byte(out, '\n');
}

static bool trusted_valid(view v)
{
        if (v.len > MINISIGN_TRUSTED_MAX)
                return false;
        for (size_t i = 0; i < v.len; i++)
                if (v.data[i] < 0x20 || v.data[i] > 0x7e)
                        return false;
        return true;
}

/* What the second signature covers: it ties the comment to this signature. */
static size_t join(uint8_t out[static SIGNATURE_BYTES + MINISIGN_TRUSTED_MAX], const uint8_t *signature, view trusted)
{
        memcpy(out, signature, SIGNATURE_BYTES);
        if (trusted.len > 0)
                memcpy(out + SIGNATURE_BYTES, trusted.data, trusted.len);
        return SIGNATURE_BYTES + trusted.len;
}

err minisign_write(const minisign_key *k, view file, view trusted, emit *out)
{
        if (!trusted_valid(trusted))
                return FAIL(OUT_OF_RANGE);
        uint8_t line[LINE_BYTES], joined[SIGNATURE_BYTES + MINISIGN_TRUSTED_MAX], global[SIGNATURE_BYTES];
        memcpy(line, algorithm, sizeof algorithm);
        memcpy(line + sizeof algorithm, k->number, NUMBER_BYTES);
        crypto_sign_detached(line + PREFIX_BYTES, nullptr, file.data, file.len, k->secret);
        size_t len = join(joined, line + PREFIX_BYTES, trusted);
        crypto_sign_detached(global, nullptr, joined, len, k->secret);

        emit_text(out, UNTRUSTED "relay usage export\n");
        emit_base64(out, (view){line, sizeof line});
        emit_text(out, TRUSTED);
        emit_view(out, trusted);
        emit_byte(out, '\n');
        emit_base64(out, (view){global, sizeof global});
        view done;
        return emit_done(out, &done);
}

void minisign_write_public(const uint8_t number[static 8], const uint8_t public_key[static 32], emit *out)
{
        static const char digits[] = "0123456789ABCDEF";
        emit_text(out, UNTRUSTED "minisign public key ");
        for (size_t i = NUMBER_BYTES; i-- > 0;) {
                emit_byte(out, (uint8_t)digits[number[i] >> 4]);
                emit_byte(out, (uint8_t)digits[number[i] & 15]);
        }
        emit_byte(out, '\n');
        uint8_t line[PUBLIC_LINE_BYTES];
        memcpy(line, algorithm, sizeof algorithm);
        memcpy(line + sizeof algorithm, number, NUMBER_BYTES);
        memcpy(line + PREFIX_BYTES, public_key, PUBLIC_BYTES);
        emit_base64(out, (view){line, sizeof line});
}

/* The next line without its end; the last one may lack it. err BAD_FILE: no more */
static err next_line(view *rest, view *line)
{
        if (rest->len == 0)
                return FAIL(BAD_FILE);
        const uint8_t *end = memchr(rest->data, '\n', rest->len);
        size_t         len = end == nullptr ? rest->len : (size_t)(end - rest->data);
        *line = view_slice(*rest, 0, len);
        *rest = view_slice(*rest, len + 1, rest->len);
        return OK;
}

static err comment_line(view *rest, view prefix, view *text)
{
        view line;
        TRY(next_line(rest, &line));
        if (!view_starts(line, prefix))
                return FAIL(BAD_FILE);
        *text = view_slice(line, prefix.len, line.len);
        return OK;
}

static err base64_line(view *rest, uint8_t *out, size_t bytes)
{
        view line;
        TRY(next_line(rest, &line));
        if (line.len == 0)
                return FAIL(BAD_FILE);
        size_t len;
        /* sodium reads chars; the bytes are the same. */
        const char *text = (const char *)line.data;
        if (sodium_base642bin(out, bytes, text, line.len, nullptr, &len, nullptr, sodium_base64_VARIANT_ORIGINAL) != 0)
                return FAIL(BAD_FILE);
        return len == bytes ? OK : FAIL(BAD_FILE);
}

err minisign_public_read(view line, minisign_public *out)
{
        uint8_t key[PUBLIC_LINE_BYTES];
        TRY(base64_line(&line, key, sizeof key));
        if (line.len > 0 || memcmp(key, algorithm, sizeof algorithm) != 0)
                return FAIL(BAD_FILE);
        memcpy(out->number, key + sizeof algorithm, NUMBER_BYTES);
        memcpy(out->key, key + PREFIX_BYTES, PUBLIC_BYTES);
        return OK;
}

err minisign_verify(view public_file, view signature_file, view file)
{
        uint8_t key[PUBLIC_LINE_BYTES], line[LINE_BYTES], global[SIGNATURE_BYTES];
        uint8_t joined[SIGNATURE_BYTES + MINISIGN_TRUSTED_MAX];
        view    ignored, trusted;
        TRY(comment_line(&public_file, VIEW(UNTRUSTED), &ignored));
        TRY(base64_line(&public_file, key, sizeof key));
        TRY(comment_line(&signature_file, VIEW(UNTRUSTED), &ignored));
        TRY(base64_line(&signature_file, line, sizeof line));
        TRY(comment_line(&signature_file, VIEW(TRUSTED), &trusted));
        TRY(base64_line(&signature_file, global, sizeof global));
        /* The tool's own comment has tabs in it, and a person's whatever the person wrote: it is signed, and nobody
         * reads it here. */
        if (public_file.len > 0 || signature_file.len > 0 || trusted.len > MINISIGN_TRUSTED_MAX)
                return FAIL(BAD_FILE);
        const bool hashed = memcmp(line, prehashed, sizeof prehashed) == 0;
        const bool plain = memcmp(line, algorithm, sizeof algorithm) == 0;
        if (memcmp(key, algorithm, sizeof algorithm) != 0 || (!hashed && !plain))
                return FAIL(BAD_FILE);

        if (memcmp(key + sizeof algorithm, line + sizeof algorithm, NUMBER_BYTES) != 0)
                return FAIL(BAD_SIGNATURE);
        const uint8_t *public_key = key + PREFIX_BYTES;
        uint8_t        hash[crypto_generichash_BYTES_MAX];
        if (hashed) {
                crypto_generichash(hash, sizeof hash, file.data, file.len, nullptr, 0);
                file = (view){hash, sizeof hash};
        }
        if (crypto_sign_verify_detached(line + PREFIX_BYTES, file.data, file.len, public_key) != 0)
                return FAIL(BAD_SIGNATURE);
        size_t len = join(joined, line + PREFIX_BYTES, trusted);
        return crypto_sign_verify_detached(global, joined, len, public_key) == 0 ? OK : FAIL(BAD_SIGNATURE);
}
