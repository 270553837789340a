/* sign/p256: ECDSA signatures over P-256 with SHA-256, which is what TPMs make. Checks alone; nothing here signs.
 * src  FIPS 186-5; RFC 5480 for the public key's form */
#ifndef SIGN_P256_H
#define SIGN_P256_H

#include "base/emit.h"
#include "base/result.h"
#include "base/view.h"

typedef struct p256_key {
        uint8_t x[32], y[32];
} p256_key;

/* err BAD_SIGNATURE, also for a key that is no point of the curve */
err p256_verify(const p256_key *key, view signed_bytes, const uint8_t r[static 32], const uint8_t s[static 32]);

/* PEM of SubjectPublicKeyInfo, as openssl and tpm2-tools take it. */
void p256_write_pem(const p256_key *key, emit *out);
/* err BAD_FILE: no PEM, or of another kind of key */
err p256_read_pem(view pem, p256_key *out);

#endif
