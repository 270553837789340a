/* vault/store: what the state file holds, opened: identity, vendor keys, exports, chain, and on the appliance the
 * configuration. The keeper and lethectl work
 * on the file through this and nothing else; every change is on disk when the call returns OK, or undone.
 *
 * System calls after store_attach: pread64 pwrite64 fsync fadvise64, mmap munmap mremap mlock madvise, getrandom. */
#ifndef VAULT_STORE_H
#define VAULT_STORE_H

#include "base/arena.h"
#include "base/limit.h"
#include "base/result.h"
#include "base/view.h"
#include "sign/minisign.h"
#include "vault/backup.h"
#include "vault/container.h"
#include "vault/lease.h"

/* Place in the series of exports, and of starts. */
typedef struct store_chain {
        uint64_t next_sequence; /* of the next export; the first is 1 */
        uint8_t  previous[32];  /* SHA-256 of the newest export's bytes; zeros before the first */
        uint64_t boot_count;    /* starts of the keeper on this file */
        bool     clean;         /* the last end was clean */
} store_chain;

/* How the vault opens after a power cut, as its owner chose. */
typedef enum store_opens : uint8_t {
        STORE_OPENS_UNSAID,
        STORE_OPENS_PERSON,
        STORE_OPENS_KEY_FILE,
        STORE_OPENS_TPM,
        STORE_OPENS_COUNT
} store_opens;

typedef struct store_secrets store_secrets;

/* Most exports that are kept; fewer when they do not fit. */
constexpr size_t STORE_EXPORTS = 64;
constexpr size_t STORE_QUOTE_MAX = 8 * 1024;
/* From here on, in percent of the place taken by exports that nobody has acknowledged, it is an alarm. */
constexpr unsigned STORE_EXPORTS_ALARM = 80;

/* Whose place this box took, when it was made from a backup: where that box's series of exports stood. */
typedef struct store_succeeds {
        uint64_t there; /* 1: it was made from one */
        uint64_t next_sequence;
        uint8_t  previous[32];
        uint8_t  device[16];
        uint8_t  export_key_number[8];
        uint8_t  export_key[32];
} store_succeeds;

typedef struct store {
        int            fd;      /* borrowed */
        uint64_t       seen_generation; /* nothing older than this is opened */
        container_info info;    /* generation, device, key slots; valid from store_attach on */
        store_secrets *secrets; /* locked memory; null: sealed */
        store_chain    chain;
        region         exports; /* RECORD_EXPORT records, oldest first */
        size_t         export_count;
        uint64_t       acknowledged[STORE_EXPORTS]; /* sequences of those that may be dropped, ascending */
        size_t         acknowledged_count;
        region         config; /* RECORD_CONFIG records (vault/config_set.h); empty: it is kept elsewhere */
        store_opens    opens;
        store_succeeds succeeds;
        region         backup; /* the one that is being fetched; sealed */
        uint64_t       backup_number;
} store;

/* Makes a new state file: a fresh identity, an empty vault. Overwrites what is there.
 * err OUT_OF_RANGE: Argon2id numbers; BAD_CREDENTIAL: length of the secret; NO_ROOM, SYSTEM */
err store_create(int fd, const container_opener *opener, uint64_t now_s);

/* The same with one key slot whose wrapping key somebody else derived. err as store_create */
err store_create_wrapped(int fd, const key_slot *slot, const uint8_t wrapping[static 32], uint64_t now_s);

/* Reads the plain header: key slots, generation. The store is sealed. The descriptor must stay open. Take the file
 * with container_lock first.
 * err BAD_FILE, ROLLED_BACK, SYSTEM */
err store_attach(store *s, int fd, uint64_t seen_generation);

/* Opens with the vault key itself. err BAD_CREDENTIAL, BAD_FILE, SYSTEM (also when memory cannot be locked) */
err store_unlock(store *s, const uint8_t vault_key[static 32]);

/* Opens with what an operator holds: tries every key slot of that kind. err as store_unlock, NO_ROOM */
err store_unlock_secret(store *s, slot_kind kind, view secret);

/* Opens with the wrapping key of one slot. err as store_unlock; OUT_OF_RANGE: no such slot */
err store_unlock_slot(store *s, uint32_t slot, const uint8_t wrapping[static 32]);

static inline bool store_is_open(const store *s) { return s->secrets != nullptr; }

/* Wipes and unmaps. The descriptor stays open. Callable on any store that was attached, sealed or not. */
void store_close(store *s);

/* The rest needs an open store. */

/* A new vault key, wrapped by one key slot alone; both copies of the file are written anew under it. `proof` is the
 * wrapping key of slot `proof_slot` as it stands; `slot` has the new one's kind, salt and numbers, and `wrapping` its
 * wrapping key. After an error of the first write nothing has changed.
 * err BAD_CREDENTIAL: the proof does not open the slot; OUT_OF_RANGE: no such slot, or no such numbers; SYSTEM,
 *     BAD_FILE */
err store_rotate(store *s, uint32_t proof_slot, const uint8_t proof[static 32], const key_slot *slot,
                 const uint8_t wrapping[static 32]);

/* For the memory that outlives the keeper. Borrowed until store_close. */
const uint8_t *store_vault_key(const store *s);

/* Wipe with minisign_key_wipe. */
void store_signing_key(const store *s, minisign_key *out);
const uint8_t *store_pepper(const store *s);
const uint8_t *store_pseudonym_key(const store *s);

/* The hash that lethe.json holds for a client key (vault/client_key.h). */
void store_key_hash(const store *s, view id, view secret, uint8_t hash[static 32]);

/* Whole lease in one write: credentials, pepper, pseudonym key, the given ticket keys; marked open. */
void store_fill_lease(const store *s, const lease_ticket_key tickets[static 2], lease *l);

size_t store_credential_count(const store *s);
/* In order of names. Borrowed until the next change; holds the secret: lend it to nobody who does not need it. */
const lease_credential *store_credential(const store *s, size_t index);

/* What a name, a host, a secret may be: also lethectl's check before it asks.
 * name    1 to 31 of A-Z a-z 0-9 . _ : / -, as lethe.json has it
 * host    1 to 255 of a-z 0-9 . - : (lower case; IPv6 without brackets)
 * secret  1 to 512 visible ASCII bytes, so that it can be a header's value and nothing more */
bool store_name_valid(view name);
bool store_host_valid(view host);
bool store_secret_valid(view secret);

/* Adds or replaces. err OUT_OF_RANGE: not valid as above; NO_ROOM: LIMIT_CREDENTIALS reached; SYSTEM, BAD_FILE */
err store_put(store *s, view name, view host, view secret);
/* err NO_TARGET: no such name */
err store_remove(store *s, view name);

/* Another way to open: kind, salt, numbers and sealed object of `public_part`; `wrapping` is what
 * container_wrapping_key gives for it. Both copies have it then.
 * err OUT_OF_RANGE: no such kind or numbers; NO_ROOM: all slots are taken; SYSTEM, BAD_FILE */
err store_slot_add(store *s, const key_slot *public_part, const uint8_t wrapping[static 32], uint32_t *index);
/* Removes the slots whose bits are set, from both copies. What older sectors of the disk keep is another matter.
 * err NO_TARGET: one of them is empty; LAST_SLOT: no passphrase and no key file would be left; SYSTEM, BAD_FILE */
err store_slots_remove(store *s, uint32_t which);

/* Writes chain alone: boot count at start (clean false), clean at the end. */
err store_set_chain(store *s, const store_chain *chain);

/* What is stored of one export. `quote` is empty where no TPM has signed it. */
typedef struct store_exported {
        view body, signature, quote;
} store_exported;

/* Appends one export and moves the chain in the same write: `sequence` must be chain.next_sequence. Drops acknowledged
 * ones, the oldest first, when there are STORE_EXPORTS and where room is short; never another. `clean` goes into the
 * chain.
 * err OUT_OF_RANGE: another sequence, a quote above STORE_QUOTE_MAX; EXPORTS_FULL: nothing may be dropped; NO_ROOM:
 *     does not fit even alone */
err store_append_export(store *s, uint64_t sequence, const store_exported *files, bool clean);

/* Somebody has fetched and verified these: they may be dropped when room is needed. Those that are not (or no longer)
 * here, and those acknowledged before, are passed over; one write for all, none when nothing changes.
 * err SYSTEM, BAD_FILE */
err store_acknowledge(store *s, const uint64_t *sequences, size_t count);
bool store_acknowledged(const store *s, uint64_t sequence);

/* What the place for exports holds. */
typedef struct store_exports {
        size_t   kept, unacknowledged;
        unsigned fill; /* percent taken by unacknowledged ones, by number or by bytes, whichever is more */
} store_exports;
store_exports store_exports_state(const store *s);

/* The stored exports from the oldest on. False at the end. *at begins at 0. */
bool store_export_next(const store *s, size_t *at, uint64_t *sequence, size_t *bytes);

/* A stored export; 0 is the newest. Borrowed until the next change. err OUT_OF_RANGE: not (or no longer) here */
err store_export(const store *s, uint64_t *sequence, store_exported *out);

/* The configuration as one set, in one write: what was there before is replaced.
 * err BAD_FILE: not a set as config_set.h makes them; NO_ROOM, SYSTEM */
err store_set_config(store *s, view set, store_opens opens);

/* A backup for f's recipients (need, count, recipients, created_s are given; the rest is filled in), appended to `out`.
 * It has no signing seed, no exports and no key slots. err as backup_write */
err store_backup(const store *s, backup_facts *f, region *out);

/* What an opened backup holds, as an open store without a file, to be read and closed. err BAD_FILE, SYSTEM */
err store_from_backup(store *s, view payload);

/* What another box needs, so that client keys and pseudonyms stay what they are. Wipe it. */
typedef struct store_inheritance {
        uint8_t        pepper[32], pseudonym_key[32];
        store_succeeds from;
} store_inheritance;
void store_inheritance_of(const store *s, const backup_facts *f, store_inheritance *out);

/* Takes it over, once, into a vault in which nothing is yet; the identity stays this vault's own.
 * err EXISTS: there is something in it; OUT_OF_RANGE: not of the form; SYSTEM, BAD_FILE */
err store_inherit(store *s, const store_inheritance *from);

/* The records as they go into the payload, and back: pure, for tests and fuzzing.
 * err BAD_FILE: a record is malformed, missing or twice */
err store_save(const store *s, region *payload);
err store_load(store *s, view payload);

#endif
