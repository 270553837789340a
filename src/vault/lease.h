/* vault/lease: what the keeper lends to relays, in one page-aligned block of secret memory.
 *
 * Written by the keeper alone under a sequence lock; relays map it read-only and copy out what they need, when they
 * need it, into memory that dies with the attempt. */
#ifndef VAULT_LEASE_H
#define VAULT_LEASE_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/limit.h"
#include "base/result.h"
#include "base/view.h"

typedef struct lease_credential {
        char     name[LIMIT_NAME_BYTES];
        char     host[LIMIT_HOST_BYTES]; /* the only host it may be sent to */
        uint16_t len;
        uint8_t  secret[LIMIT_CREDENTIAL_BYTES];
} lease_credential;

typedef struct lease_ticket_key {
        uint8_t  name[4];
        uint8_t  key[32];
        uint64_t epoch; /* hours since start; 0: none */
} lease_ticket_key;

typedef struct lease {
        _Atomic uint64_t version; /* odd while the keeper writes */
        _Atomic uint32_t open;    /* 0: sealed; nothing below is valid */
        uint32_t         credential_count;
        lease_ticket_key tickets[2]; /* newest first */
        uint8_t          pepper[32];        /* client_key.h */
        uint8_t          pseudonym_key[32]; /* master of the per-project keys */
        lease_credential credentials[LIMIT_CREDENTIALS];
} lease;

/* Reader's copies; consistent or err AGAIN (the keeper is writing or died writing: try later), SEALED.
 * Wipe what you copied. */
err lease_copy_credential(const lease *l, view name, lease_credential *out); /* err NO_TARGET: no such name */
err lease_copy_pepper(const lease *l, uint8_t out[static 32]);
err lease_copy_pseudonym_key(const lease *l, uint8_t out[static 32]);
err lease_copy_tickets(const lease *l, lease_ticket_key out[static 2]);
bool lease_is_open(const lease *l);

/* Writer. Between begin and end readers wait. begin after a crash in between repairs the lock. */
void lease_write_begin(lease *l);
void lease_write_end(lease *l, bool open);

#endif
