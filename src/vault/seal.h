/* vault/seal: blobs that only the keeper of this start can open (X25519, crypto_box_seal). */
#ifndef VAULT_SEAL_H
#define VAULT_SEAL_H

#include "base/result.h"
#include "base/view.h"

constexpr size_t SEAL_OVERHEAD = 48;

typedef struct seal_pair {
        uint8_t public_key[32];
        uint8_t secret[32];
} seal_pair;

/* A fresh pair; wipe it at the end with seal_wipe. */
void seal_make(seal_pair *p);
void seal_wipe(seal_pair *p);

/* Writes plain.len + SEAL_OVERHEAD bytes to out. */
void seal_close(const uint8_t public_key[static 32], view plain, uint8_t *out);

/* Opens a blob that must hold exactly `len` bytes. err BAD_CREDENTIAL */
err seal_open(const seal_pair *p, view sealed, uint8_t *out, size_t len);

#endif
