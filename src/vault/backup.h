/* vault/backup: what a vault holds, sealed for people who keep it elsewhere, and signed by the box it comes from.
 *
 * Any one recipient opens it, or any two of them together (need 2: then no recipient alone learns anything). The
 * signing seed of the exports is not in it: a box that is made from a backup has an identity of its own, so that the
 * series of exports cannot fork. */
#ifndef VAULT_BACKUP_H
#define VAULT_BACKUP_H

#include "base/arena.h"
#include "base/result.h"
#include "base/view.h"
#include "sign/minisign.h"

constexpr size_t BACKUP_RECIPIENTS = 8;
constexpr size_t BACKUP_BYTES = 5 * 1024 * 1024; /* no file is larger */

/* What anybody may read in it. */
typedef struct backup_facts {
        uint8_t  need, count;           /* how many of the recipients open it; how many there are */
        uint8_t  device[16];            /* whose it is */
        uint8_t  export_key_number[8];  /* of the key that signed it, which signs that box's exports */
        uint8_t  export_key[32];
        uint64_t created_s, generation; /* of the state */
        uint64_t next_sequence;         /* where its series of exports stood */
        uint8_t  previous[32];          /* SHA-256 of its newest export; zeros: none */
        uint8_t  recipients[BACKUP_RECIPIENTS][32]; /* X25519 */
} backup_facts;

/* Appends the file. export_key and its number are the signer's.
 * err OUT_OF_RANGE: need is not 1 or 2, fewer recipients than that or more than there is room for, one twice or none
 *     that is a key; NO_ROOM */
err backup_write(const backup_facts *f, const minisign_key *signer, view payload, region *out);

/* Reads what is in the clear, and checks that the file is whole and signed by the key it names. *why: one sentence.
 * err BAD_FILE: cut, longer, or of another format; BAD_SIGNATURE: altered */
err backup_read(view file, backup_facts *out, const char **why);

/* A recipient's pair. */
typedef struct backup_pair {
        uint8_t public_key[32];
        uint8_t secret[32];
} backup_pair;

/* Opens a file that backup_read has passed. `payload` is initialised here; end it.
 * err BAD_CREDENTIAL: these keys do not open it, or not enough of them; BAD_FILE; NO_ROOM */
err backup_open(view file, const backup_pair *pairs, size_t count, region *payload, const char **why);

/* A pair of one's own, its secret sealed by a passphrase, as a text file of five lines.
 * err NO_ROOM: also when Argon2id did not get its memory */
err backup_key_make(view passphrase, uint64_t mem_bytes, backup_pair *out, emit *file);
/* err BAD_FILE: not such a file; BAD_CREDENTIAL: another passphrase; NO_ROOM */
err backup_key_open(view file, view passphrase, backup_pair *out);
/* The public key of such a file, or of 64 hexadecimal digits alone. err BAD_FILE */
err backup_key_public(view text, uint8_t out[static 32]);
void backup_pair_wipe(backup_pair *p);

#endif
