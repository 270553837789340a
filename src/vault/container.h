/* vault/container: the state file: two slots at fixed offsets on a file or raw partition, written by the keeper alone.
 *
 * Slot: an 8 KiB plain header (authenticated as associated data) and a sealed payload of typed records. The older slot
 * is written, synced and read back; a cut at any byte leaves the newer one whole. Layout: container.c. */
#ifndef VAULT_CONTAINER_H
#define VAULT_CONTAINER_H

#include "base/arena.h"
#include "base/result.h"
#include "base/view.h"

constexpr size_t CONTAINER_SLOT_BYTES = 4 * 1024 * 1024;

/* The closed list; SECURITY.md names every one of them. */
typedef enum record_type : uint16_t {
        RECORD_IDENTITY = 1, /* fixed: signing seed 32, pepper 32, pseudonym key 32 */
        RECORD_CREDENTIAL = 2, /* name, host, secret */
        RECORD_EXPORT = 3,   /* sequence, canonical bytes, signature file */
        RECORD_CHAIN = 4,    /* next sequence, previous digest, boot count, clean flag */
} record_type;

typedef enum slot_kind : uint16_t { SLOT_EMPTY = 0, SLOT_PASSPHRASE = 1, SLOT_KEY_FILE = 2 } slot_kind;

/* How the vault key is wrapped; what a client needs to derive the wrapping key itself. Public. */
typedef struct key_slot {
        slot_kind kind;
        uint8_t   salt[16];
        uint64_t  ops;       /* Argon2id, 1 to 8 */
        uint64_t  mem_bytes; /* Argon2id, 8 MiB to 1 GiB */
        uint8_t   nonce[24];
        uint8_t   wrapped[48]; /* XChaCha20-Poly1305 of the 32-byte vault key */
} key_slot;

constexpr size_t KEY_SLOTS = 8;

typedef struct container_info {
        uint64_t generation;
        uint8_t  device[16];
        uint64_t created_s;
        key_slot slots[KEY_SLOTS];
        unsigned good_slots;  /* 1 or 2: how many of the two copies have a sound header */
} container_info;

/* All functions work on an open descriptor (read-write where they write) and report through err:
 * BAD_FILE  cut, damaged, or of another format
 * BAD_CREDENTIAL  the key does not open it
 * ROLLED_BACK  older than `seen_generation`
 * SYSTEM  read, write or sync failed (errno is set) */

/* Reads the newer sound header. No key needed. */
err container_inspect(int fd, uint64_t seen_generation, container_info *out);

/* The key that wraps: from a passphrase (slow, Argon2id) or from a key file's 32 bytes. */
err container_wrapping_key(const key_slot *slot, view secret, uint8_t out[static 32]);

/* Unwraps the vault key. err BAD_CREDENTIAL */
err container_unwrap(const key_slot *slot, const uint8_t wrapping[static 32], uint8_t vault_key[static 32]);

/* A new container, generation 1, one key slot, fresh identity record. Overwrites both slots.
 * in  ops, mem_bytes  for passphrases; ignored for key files */
err container_create(int fd, slot_kind kind, view secret, uint64_t ops, uint64_t mem_bytes, uint64_t now_s);

/* The records, decrypted. Payload memory is `region` (wipe it with region_end). Falls back to the older slot only when
 * the newer payload is damaged, and then says so by *fell_back. */
err container_read(int fd, const uint8_t vault_key[static 32], uint64_t seen_generation, container_info *info,
                   region *payload, bool *fell_back);

/* Writes `payload` as the next generation into the older slot, syncs, reads back. *generation is updated. */
err container_write(int fd, const uint8_t vault_key[static 32], const container_info *info, view payload,
                    uint64_t *generation);

/* Walks records: type, length, bytes. False at the end; a malformed payload was refused by container_read. */
bool record_next(view payload, size_t *at, record_type *type, view *bytes);
/* Appends one. err NO_ROOM */
err record_append(region *payload, record_type type, view bytes);

#endif
