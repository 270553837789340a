/* The plain header of a copy, 8 KiB, little-endian:
 *
 *      0  magic "LETHEVLT"           64  payload bytes u64
 *      8  format u16 = 1             72  nonce 24
 *     10  flags u16 = 0              96  key check 16
 *     12  header bytes u32 = 8192   112  zeros
 *     16  generation u64           1024  key slots, 8 x 512:
 *     24  device 16                      kind u16, zeros 6, salt 16, ops u64, memory u64, nonce 24, wrapped 48,
 *     40  created u64 (seconds)           of a TPM: registers u32, private length u16, public length u16,
 *     48  zeros 16                        private 192, public 128; zeros
 *                                5120  zeros
 *                                8160  BLAKE2b-256 of all before
 *
 * All of it is associated data of the payload. The check sum only tells damage from a whole header before a key is at
 * hand; it protects from nobody who can write. Its place, the magic and the format's never move, so that a later
 * format is known as such. */
#include <assert.h>

#include "base/secret.h"
#include "vault/container.h"
#include "vault/little_endian.h"

enum : size_t {
        AT_FORMAT = 8,
        AT_FLAGS = 10,
        AT_SIZE = 12,
        AT_GENERATION = 16,
        AT_DEVICE = 24,
        AT_CREATED = 40,
        AT_PAYLOAD = 64,
        AT_NONCE = 72,
        AT_KEY_CHECK = 96,
        AT_SLOTS = 1024,
        AT_SUM = CONTAINER_HEADER_BYTES - SECRET_HASH_BYTES,

        SLOT_BYTES = 512,
        IN_SLOT_SALT = 8,
        IN_SLOT_OPS = 24,
        IN_SLOT_MEM = 32,
        IN_SLOT_NONCE = 40,
        IN_SLOT_WRAPPED = 64,
        IN_SLOT_PCRS = 112,
        IN_SLOT_PRIVATE_LEN = 116,
        IN_SLOT_PUBLIC_LEN = 118,
        IN_SLOT_PRIVATE = 120,
        IN_SLOT_PUBLIC = IN_SLOT_PRIVATE + TPM_PRIVATE_MAX,
};
static_assert(AT_SLOTS + KEY_SLOTS * SLOT_BYTES <= AT_SUM);
static_assert(IN_SLOT_WRAPPED + sizeof((key_slot){}.wrapped) <= IN_SLOT_PCRS);
static_assert(IN_SLOT_PUBLIC + TPM_PUBLIC_MAX <= SLOT_BYTES);

static const uint8_t magic[8] = "LETHEVLT";
constexpr uint64_t   FORMAT = 1;

static void key_slot_write(const key_slot *k, uint8_t *out)
{
        le_write(out, k->kind, 2);
        memcpy(out + IN_SLOT_SALT, k->salt, sizeof k->salt);
        le_write(out + IN_SLOT_OPS, k->ops, 8);
        le_write(out + IN_SLOT_MEM, k->mem_bytes, 8);
        memcpy(out + IN_SLOT_NONCE, k->nonce, sizeof k->nonce);
        memcpy(out + IN_SLOT_WRAPPED, k->wrapped, sizeof k->wrapped);
        le_write(out + IN_SLOT_PCRS, k->pcr_mask, 4);
        le_write(out + IN_SLOT_PRIVATE_LEN, k->sealed.private_len, 2);
        le_write(out + IN_SLOT_PUBLIC_LEN, k->sealed.public_len, 2);
        memcpy(out + IN_SLOT_PRIVATE, k->sealed.private_part, k->sealed.private_len);
        memcpy(out + IN_SLOT_PUBLIC, k->sealed.public_part, k->sealed.public_len);
}

/* Other slots have zeros here, which the check of the whole header demands. */
static bool tpm_read(const uint8_t *in, key_slot *k)
{
        constexpr uint64_t registers = ((uint64_t)1 << TPM_PCRS) - 1;
        uint64_t           mask = le_read(in + IN_SLOT_PCRS, 4);
        uint64_t private_len = le_read(in + IN_SLOT_PRIVATE_LEN, 2), public_len = le_read(in + IN_SLOT_PUBLIC_LEN, 2);
        if (mask == 0 || mask > registers || private_len == 0 || private_len > TPM_PRIVATE_MAX || public_len == 0
            || public_len > TPM_PUBLIC_MAX)
                return false;
        k->pcr_mask = (uint32_t)mask;
        k->sealed.private_len = (uint16_t)private_len;
        k->sealed.public_len = (uint16_t)public_len;
        memcpy(k->sealed.private_part, in + IN_SLOT_PRIVATE, (size_t)private_len);
        memcpy(k->sealed.public_part, in + IN_SLOT_PUBLIC, (size_t)public_len);
        return true;
}

static bool key_slot_read(const uint8_t *in, key_slot *k)
{
        uint64_t kind = le_read(in, 2);
        if (kind > SLOT_TPM)
                return false;
        k->kind = (slot_kind)kind;
        memcpy(k->salt, in + IN_SLOT_SALT, sizeof k->salt);
        k->ops = le_read(in + IN_SLOT_OPS, 8);
        k->mem_bytes = le_read(in + IN_SLOT_MEM, 8);
        memcpy(k->nonce, in + IN_SLOT_NONCE, sizeof k->nonce);
        memcpy(k->wrapped, in + IN_SLOT_WRAPPED, sizeof k->wrapped);
        if (k->kind == SLOT_TPM && !tpm_read(in, k))
                return false;
        if (k->kind != SLOT_PASSPHRASE)
                return k->ops == 0 && k->mem_bytes == 0;
        return k->ops >= 1 && k->ops <= ARGON_OPS_MAX && k->mem_bytes >= ARGON_MEM_MIN
               && k->mem_bytes <= ARGON_MEM_MAX;
}

void slot_header_seal(uint8_t bytes[static CONTAINER_HEADER_BYTES])
{
        secret_hash(bytes + AT_SUM, (view){bytes, AT_SUM}, (view){});
}

void slot_header_write(const slot_header *h, uint8_t out[static CONTAINER_HEADER_BYTES])
{
        memset(out, 0, CONTAINER_HEADER_BYTES);
        memcpy(out, magic, sizeof magic);
        le_write(out + AT_FORMAT, FORMAT, 2);
        le_write(out + AT_SIZE, CONTAINER_HEADER_BYTES, 4);
        le_write(out + AT_GENERATION, h->info.generation, 8);
        memcpy(out + AT_DEVICE, h->info.device, sizeof h->info.device);
        le_write(out + AT_CREATED, h->info.created_s, 8);
        le_write(out + AT_PAYLOAD, h->payload_bytes, 8);
        memcpy(out + AT_NONCE, h->nonce, sizeof h->nonce);
        memcpy(out + AT_KEY_CHECK, h->key_check, sizeof h->key_check);
        for (size_t i = 0; i < KEY_SLOTS; i++)
                key_slot_write(&h->info.slots[i], out + AT_SLOTS + i * SLOT_BYTES);
        slot_header_seal(out);
}

err slot_header_read(const uint8_t bytes[static CONTAINER_HEADER_BYTES], slot_header *h, bool *newer)
{
        *h = (slot_header){};
        *newer = false;
        uint8_t sum[SECRET_HASH_BYTES];
        secret_hash(sum, (view){bytes, AT_SUM}, (view){});
        if (memcmp(bytes, magic, sizeof magic) != 0 || memcmp(sum, bytes + AT_SUM, sizeof sum) != 0)
                return FAIL(BAD_FILE);
        if (le_read(bytes + AT_FORMAT, 2) != FORMAT) {
                *newer = le_read(bytes + AT_FORMAT, 2) > FORMAT;
                return FAIL(BAD_FILE);
        }
        h->info.generation = le_read(bytes + AT_GENERATION, 8);
        memcpy(h->info.device, bytes + AT_DEVICE, sizeof h->info.device);
        h->info.created_s = le_read(bytes + AT_CREATED, 8);
        h->payload_bytes = le_read(bytes + AT_PAYLOAD, 8);
        memcpy(h->nonce, bytes + AT_NONCE, sizeof h->nonce);
        memcpy(h->key_check, bytes + AT_KEY_CHECK, sizeof h->key_check);
        if (h->info.generation == 0 || h->payload_bytes == 0 || h->payload_bytes > CONTAINER_PAYLOAD_MAX
            || h->payload_bytes % CONTAINER_STEP_BYTES != 0)
                return FAIL(BAD_FILE);
        for (size_t i = 0; i < KEY_SLOTS; i++)
                if (!key_slot_read(bytes + AT_SLOTS + i * SLOT_BYTES, &h->info.slots[i]))
                        return FAIL(BAD_FILE);
        /* One value has one form: reserved bytes are zero, flags and sizes as written. */
        uint8_t again[CONTAINER_HEADER_BYTES];
        slot_header_write(h, again);
        return memcmp(again, bytes, sizeof again) == 0 ? OK : FAIL(BAD_FILE);
}
