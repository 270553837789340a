/* The vault key is random; what an operator holds only wraps it, so that it can change without re-sealing anything. */
#include <assert.h>
#include <sodium.h>

#include "vault/key_slot.h"
#include "vault/little_endian.h"

static_assert(sizeof((key_slot){}.salt) == crypto_pwhash_SALTBYTES);
static_assert(sizeof((key_slot){}.nonce) == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
static_assert(sizeof((key_slot){}.wrapped) == 32 + crypto_aead_xchacha20poly1305_ietf_ABYTES);

/* The public part of the slot, bound to the wrapped key. */
constexpr size_t SLOT_AD_BYTES = 2 + 16 + 8 + 8;

static void slot_ad(const key_slot *k, uint8_t out[static SLOT_AD_BYTES])
{
        le_write(out, k->kind, 2);
        memcpy(out + 2, k->salt, sizeof k->salt);
        le_write(out + 18, k->ops, 8);
        le_write(out + 26, k->mem_bytes, 8);
}

/* These numbers come from a file or from the network: without a cap they could ask for all memory there is. */
static bool argon_acceptable(const key_slot *k)
{
        return k->ops >= 1 && k->ops <= ARGON_OPS_MAX && k->mem_bytes >= ARGON_MEM_MIN
               && k->mem_bytes <= ARGON_MEM_MAX;
}

static err from_passphrase(const key_slot *k, view secret, uint8_t out[static 32])
{
        if (!argon_acceptable(k))
                return FAIL(OUT_OF_RANGE);
        if (secret.len == 0 || secret.len > PASSPHRASE_MAX)
                return FAIL(BAD_CREDENTIAL);
        /* crypto_pwhash reads chars; the bytes are the same. */
        const char *text = (const char *)secret.data;
        int rc = crypto_pwhash(out, 32, text, secret.len, k->salt, k->ops, (size_t)k->mem_bytes,
                               crypto_pwhash_ALG_ARGON2ID13);
        return rc == 0 ? OK : FAIL(NO_ROOM);
}

err container_wrapping_key(const key_slot *k, view secret, uint8_t out[static 32])
{
        switch (k->kind) {
        case SLOT_EMPTY:
                return FAIL(OUT_OF_RANGE);
        case SLOT_PASSPHRASE:
                return from_passphrase(k, secret, out);
        case SLOT_KEY_FILE:
        case SLOT_TPM:
                if (secret.len != KEY_FILE_BYTES)
                        return FAIL(BAD_CREDENTIAL);
                /* 256 random bits need no slow hash; the salt keeps one key file from wrapping two vaults alike. */
                secret_hash(out, (view){k->salt, sizeof k->salt}, secret);
                return OK;
        }
        return FAIL(OUT_OF_RANGE);
}

err container_unwrap(const key_slot *k, const uint8_t wrapping[static 32], uint8_t vault_key[static 32])
{
        uint8_t ad[SLOT_AD_BYTES];
        slot_ad(k, ad);
        int rc = crypto_aead_xchacha20poly1305_ietf_decrypt(vault_key, nullptr, nullptr, k->wrapped, sizeof k->wrapped,
                                                            ad, sizeof ad, k->nonce, wrapping);
        return rc == 0 ? OK : FAIL(BAD_CREDENTIAL);
}

void key_slot_close(key_slot *k, const uint8_t wrapping[static 32], const uint8_t vault_key[static 32])
{
        uint8_t ad[SLOT_AD_BYTES];
        secret_random(k->nonce, sizeof k->nonce);
        slot_ad(k, ad);
        crypto_aead_xchacha20poly1305_ietf_encrypt(k->wrapped, nullptr, vault_key, 32, ad, sizeof ad, nullptr, k->nonce,
                                                   wrapping);
}

err key_slot_wrap_by(key_slot *k, const uint8_t wrapping[static 32], const uint8_t vault_key[static 32])
{
        bool good = k->kind == SLOT_PASSPHRASE ? argon_acceptable(k)
                                               : k->kind == SLOT_KEY_FILE && k->ops == 0 && k->mem_bytes == 0;
        if (!good)
                return FAIL(OUT_OF_RANGE);
        key_slot_close(k, wrapping, vault_key);
        return OK;
}

err key_slot_wrap(key_slot *k, const container_opener *opener, const uint8_t vault_key[static 32])
{
        assert(opener->kind != SLOT_EMPTY);
        *k = (key_slot){.kind = opener->kind};
        if (opener->kind == SLOT_PASSPHRASE) {
                k->ops = opener->ops;
                k->mem_bytes = opener->mem_bytes;
        }
        secret_random(k->salt, sizeof k->salt);
        uint8_t wrapping[32] = {};
        err     e = container_wrapping_key(k, opener->secret, wrapping);
        if (!failed(e))
                key_slot_close(k, wrapping, vault_key);
        wipe(wrapping, sizeof wrapping);
        return e;
}
