#include "base/secret.h"

#include <assert.h>
#include <sodium.h>

static uint8_t siphash_key[crypto_shorthash_KEYBYTES];

static_assert(SECRET_HASH_BYTES == crypto_generichash_BYTES);
static_assert(SECRET_KEY_BYTES == crypto_kdf_KEYBYTES);

err secret_setup(void)
{
        if (sodium_init() < 0)
                return FAIL(SYSTEM);
        randombytes_buf(siphash_key, sizeof siphash_key);
        return OK;
}

void secret_random(uint8_t *out, size_t len) { randombytes_buf(out, len); }

void secret_draw(secret_stock *s, uint8_t *out, size_t len)
{
        assert(len <= sizeof s->bytes);
        if (s->left < len) {
                randombytes_buf(s->bytes, sizeof s->bytes);
                s->left = sizeof s->bytes;
        }
        s->left -= len;
        memcpy(out, s->bytes + s->left, len);
        sodium_memzero(s->bytes + s->left, len);
}

uint64_t secret_draw_u64(secret_stock *s)
{
        uint64_t n;
        secret_draw(s, (uint8_t *)&n, sizeof n);
        return n;
}

void secret_hash(uint8_t out[static SECRET_HASH_BYTES], view data, view key)
{
        int rc = crypto_generichash(out, SECRET_HASH_BYTES, data.data, data.len, key.data, key.len);
        assert(rc == 0);
}

void secret_sha256(uint8_t out[static 32], view data) { crypto_hash_sha256(out, data.data, data.len); }

bool secret_equal(const uint8_t *a, const uint8_t *b, size_t len) { return sodium_memcmp(a, b, len) == 0; }

void secret_derive(uint8_t out[static SECRET_KEY_BYTES], uint64_t id, const char *context,
                   const uint8_t master[static SECRET_KEY_BYTES])
{
        assert(strlen(context) == crypto_kdf_CONTEXTBYTES);
        int rc = crypto_kdf_derive_from_key(out, SECRET_KEY_BYTES, id, context, master);
        assert(rc == 0);
}

uint64_t secret_siphash(view data)
{
        uint64_t out;
        static_assert(sizeof out == crypto_shorthash_BYTES);
        crypto_shorthash((uint8_t *)&out, data.data, data.len, siphash_key);
        return out;
}

uint64_t secret_key_number(view name)
{
        uint8_t  digest[SECRET_HASH_BYTES];
        uint64_t number;
        secret_hash(digest, name, (view){});
        memcpy(&number, digest, sizeof number);
        return number == 0 ? 1 : number;
}

err secret_lock(void *bytes, size_t len) { return sodium_mlock(bytes, len) == 0 ? OK : FAIL(SYSTEM); }
