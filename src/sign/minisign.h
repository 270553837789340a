/* sign/minisign: Ed25519 signatures in the four-line form that minisign and signify both accept.
 * src  jedisct1/minisign and OpenBSD signify, file formats; read 2026-11-20 */
#ifndef SIGN_MINISIGN_H
#define SIGN_MINISIGN_H

#include "base/emit.h"
#include "base/result.h"
#include "base/view.h"

typedef struct minisign_key {
        uint8_t number[8];
        uint8_t public_key[32];
        uint8_t secret[64]; /* seed and public key */
} minisign_key;

constexpr size_t MINISIGN_TRUSTED_MAX = 1024;

/* in  seed  32 random bytes; the key number is derived from the public key */
void minisign_key_from_seed(minisign_key *k, const uint8_t seed[static 32]);
void minisign_key_wipe(minisign_key *k);

/* Appends the signature file of `file`. `trusted` is printable ASCII without line ends, at most
 * MINISIGN_TRUSTED_MAX bytes. err OUT_OF_RANGE, NO_ROOM */
err minisign_write(const minisign_key *k, view file, view trusted, emit *out);

/* Appends the public key file. */
void minisign_write_public(const uint8_t number[static 8], const uint8_t public_key[static 32], emit *out);

/* A public key as the second line of its file has it. */
typedef struct minisign_public {
        uint8_t number[8], key[32];
} minisign_public;

/* err BAD_FILE */
err minisign_public_read(view line, minisign_public *out);

/* Checks a signature file, of either of minisign's forms, against a public key file. err BAD_FILE, BAD_SIGNATURE */
err minisign_verify(view public_file, view signature_file, view file);

#endif
