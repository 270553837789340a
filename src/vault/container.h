/* vault/container: the state file: two slots at fixed offsets on a file or raw partition, written by the keeper alone.
 *
 * Slot: an 8 KiB plain header (authenticated as associated data) and a sealed payload of typed records. The older slot
 * is written, synced and read back; a cut at any byte leaves the newer one whole. Layout: container.c. */
#ifndef VAULT_CONTAINER_H
#define VAULT_CONTAINER_H

#include "base/arena.h"
#include "base/result.h"
#include "base/view.h"
#include "tpm/wire.h"

constexpr size_t CONTAINER_SLOT_BYTES = 4 * 1024 * 1024;
constexpr size_t CONTAINER_HEADER_BYTES = 8 * 1024;
/* The payload grows in steps, so that its length does not tell how many keys it holds. */
constexpr size_t CONTAINER_STEP_BYTES = 64 * 1024;
constexpr size_t CONTAINER_TAG_BYTES = 16;
constexpr size_t CONTAINER_PAYLOAD_MAX = (CONTAINER_SLOT_BYTES - CONTAINER_HEADER_BYTES - CONTAINER_TAG_BYTES)
                                         / CONTAINER_STEP_BYTES * CONTAINER_STEP_BYTES;

/* The closed list; SECURITY.md names every one of them. */
typedef enum record_type : uint16_t {
        RECORD_IDENTITY = 1,   /* fixed: signing seed 32, pepper 32, pseudonym key 32 */
        RECORD_CREDENTIAL = 2, /* name, host, secret */
        RECORD_EXPORT = 3,     /* sequence, canonical bytes, signature file, a TPM's quote where there is one */
        RECORD_CHAIN = 4,      /* next sequence, previous digest, boot count, clean flag */
        RECORD_CONFIG = 5,     /* a file of the configuration: name, bytes (vault/config_set.h) */
        RECORD_OPENS = 6,      /* how its owner chose that the vault opens after a power cut */
        RECORD_ACKNOWLEDGED = 7, /* sequences of the stored exports that somebody has fetched and verified */
        RECORD_SUCCEEDS = 8,   /* whose place this box took, and where that box's exports stood */
} record_type;

typedef enum slot_kind : uint16_t { SLOT_EMPTY = 0, SLOT_PASSPHRASE = 1, SLOT_KEY_FILE = 2, SLOT_TPM = 3 } slot_kind;

constexpr uint64_t ARGON_OPS_MAX = 8;
constexpr uint64_t ARGON_MEM_MIN = 8 * 1024 * 1024;
constexpr uint64_t ARGON_MEM_MAX = 1024 * 1024 * 1024;
constexpr size_t   PASSPHRASE_MAX = 1024;
constexpr size_t   KEY_FILE_BYTES = 32; /* raw random bytes, nothing else */
static_assert(TPM_SEALED_BYTES == KEY_FILE_BYTES, "a TPM gives what a key file holds");

/* How the vault key is wrapped; what a client needs to derive the wrapping key itself. Public. */
typedef struct key_slot {
        slot_kind kind;
        uint8_t   salt[16];
        uint64_t  ops;       /* Argon2id, 1 to ARGON_OPS_MAX; 0 for the others */
        uint64_t  mem_bytes; /* Argon2id, ARGON_MEM_MIN to ARGON_MEM_MAX; 0 for the others */
        uint8_t   nonce[24];
        uint8_t   wrapped[48]; /* XChaCha20-Poly1305 of the 32-byte vault key */

        /* SLOT_TPM: 32 random bytes, which the TPM gives while its registers have the values of then */
        uint32_t   pcr_mask;
        tpm_sealed sealed;
} key_slot;

constexpr size_t KEY_SLOTS = 8;

typedef struct container_info {
        uint64_t generation;
        uint8_t  device[16];
        uint64_t created_s;
        key_slot slots[KEY_SLOTS];
        unsigned active;     /* 0 or 1: which of the two copies this is */
        unsigned good_slots; /* 1 or 2: how many of the two copies have a sound header */
        bool     fell_back;  /* container_read: the newer copy's payload was damaged, this is the older */
} container_info;

/* What opens a new container. ops and mem_bytes are for passphrases; ignored for key files. */
typedef struct container_opener {
        slot_kind kind;
        view      secret; /* 1 to PASSPHRASE_MAX bytes, or KEY_FILE_BYTES */
        uint64_t  ops, mem_bytes;
} container_opener;

/* All functions work on an open descriptor (read-write where they write) and report through err:
 * BAD_FILE  cut, damaged, or of another or a newer format
 * BAD_CREDENTIAL  the key does not open it
 * ROLLED_BACK  older than `seen_generation`
 * SYSTEM  read, write or sync failed (errno is set) */

/* Takes the file for this process, until the open description is closed. err AGAIN: another process has it; SYSTEM */
err container_lock(int fd);

/* Whether nothing was ever kept here: zeros in both copies, or a creation that did not come to its end. False for all
 * else, and so for a damaged container. Reads all of it. err SYSTEM */
err container_is_blank(int fd, bool *blank);

/* Reads the newer sound header. No key needed. */
err container_inspect(int fd, uint64_t seen_generation, container_info *out);

/* The key that wraps: from a passphrase (slow, Argon2id), from a key file's 32 bytes, or from what a TPM gave.
 * err BAD_CREDENTIAL: secret of a wrong length; OUT_OF_RANGE: the slot's numbers are not acceptable; NO_ROOM: Argon2id
 * did not get its memory */
err container_wrapping_key(const key_slot *slot, view secret, uint8_t out[static 32]);

/* Unwraps the vault key. err BAD_CREDENTIAL */
err container_unwrap(const key_slot *slot, const uint8_t wrapping[static 32], uint8_t vault_key[static 32]);

/* A new container of generation 1 with one key slot, a fresh vault key and `payload`. Overwrites both copies. Cut at
 * any byte it leaves a blank or a whole one. */
err container_create(int fd, const container_opener *opener, uint64_t now_s, view payload);

/* The same, for a wrapping key that somebody else derived: of `slot` kind, salt and Argon2id numbers are given.
 * err OUT_OF_RANGE: not acceptable */
err container_create_wrapped(int fd, const key_slot *slot, const uint8_t wrapping[static 32], uint64_t now_s,
                             view payload);

/* The records, decrypted, without their padding. Payload memory is `payload`, initialised here (wipe it with
 * region_end, also after an error). Falls back to the older copy only when the newer payload is damaged, and then says
 * so by info->fell_back. */
err container_read(int fd, const uint8_t vault_key[static 32], uint64_t seen_generation, container_info *info,
                   region *payload);

/* Writes `payload` (at most CONTAINER_PAYLOAD_MAX) as the next generation into the copy that `info` is not, syncs,
 * reads back. On success info names the new copy; after an error it is unchanged and the copy it names still stands. */
err container_write(int fd, const uint8_t vault_key[static 32], container_info *info, view payload);

/* Walks records: type, length, bytes. False at the end; a malformed payload was refused by container_read. */
bool record_next(view payload, size_t *at, record_type *type, view *bytes);
/* Appends one. err NO_ROOM */
err record_append(region *payload, record_type type, view bytes);

/* Below: pure parts, for tests and fuzzing. */

/* Records of listed types back to back, then zeros to the end. *used is where the zeros begin. err BAD_FILE */
err records_check(view payload, size_t *used);

typedef struct slot_header {
        container_info info; /* active, good_slots and fell_back are not stored */
        uint64_t       payload_bytes; /* a multiple of CONTAINER_STEP_BYTES */
        uint8_t        nonce[24];
        uint8_t        key_check[16]; /* tells a wrong key from a damaged payload; made from the key by one-way steps */
} slot_header;

void slot_header_write(const slot_header *h, uint8_t out[static CONTAINER_HEADER_BYTES]);
/* err BAD_FILE; *newer tells a sound header of a later format, which must never be overwritten */
err slot_header_read(const uint8_t bytes[static CONTAINER_HEADER_BYTES], slot_header *h, bool *newer);
/* Sets the check sum at a header's end to what its other bytes demand. */
void slot_header_seal(uint8_t bytes[static CONTAINER_HEADER_BYTES]);

#endif
