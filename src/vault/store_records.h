/* vault/store_records: what store.c and store_records.c share: the secret half of a store. */
#ifndef VAULT_STORE_RECORDS_H
#define VAULT_STORE_RECORDS_H

#include "vault/store.h"

struct store_secrets {
        uint8_t          vault_key[32];
        uint8_t          signing_seed[32];
        uint8_t          pepper[32];
        uint8_t          pseudonym_key[32];
        size_t           credential_count;
        lease_credential credentials[LIMIT_CREDENTIALS]; /* in order of names */
};

/* In the length of an export's body: a quote stands behind the signature. */
constexpr uint32_t STORE_QUOTED = 0x80000000;
static_assert(CONTAINER_PAYLOAD_MAX < STORE_QUOTED);

/* Locked memory for them. err NO_ROOM, SYSTEM */
err  store_secrets_map(store_secrets **out);
void store_secrets_unmap(store_secrets *k); /* wiped first */

/* All that an open store holds, as the next generation. err NO_ROOM, SYSTEM, BAD_FILE */
err store_write_out(store *s);

/* Cuts an export record's bytes into its parts. err BAD_FILE */
err export_record_read(view record, uint64_t *sequence, store_exported *out);

/* One of the stored exports has this sequence. */
bool store_has_export(const store *s, uint64_t sequence);

/* Sorted place of a name; *found tells whether it is there already. */
size_t credential_place(const store_secrets *k, view name, bool *found);

#endif
