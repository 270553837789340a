/* vault/client_key: the keys that callers present: lk1_<id 8>_<secret 43>_<check 6>.
 *
 * 256 random bits need no slow hash; a keyed BLAKE2b under a pepper from the vault keeps a stolen configuration from
 * being used for guessing, and an offline check sum refuses typing errors without a look-up. */
#ifndef VAULT_CLIENT_KEY_H
#define VAULT_CLIENT_KEY_H

#include "base/emit.h"
#include "base/result.h"
#include "base/view.h"

constexpr size_t CLIENT_KEY_ID_BYTES = 8;
constexpr size_t CLIENT_KEY_SECRET_BYTES = 43; /* base64url of 32 bytes */
constexpr size_t CLIENT_KEY_CHECK_BYTES = 6;
constexpr size_t CLIENT_KEY_BYTES = 4 + CLIENT_KEY_ID_BYTES + 1 + CLIENT_KEY_SECRET_BYTES + 1 + CLIENT_KEY_CHECK_BYTES;

/* Makes a new key: its text (CLIENT_KEY_BYTES; there must be room; wipe it after showing it once), id, stored hash. */
void client_key_make(const uint8_t pepper[static 32], emit *text, char id[static 9], uint8_t hash[static 32]);

/* The text and id alone, for who has no pepper: the hash comes from the keeper then. */
void client_key_text(emit *text, char id[static 9]);

/* Splits a presented key. err NO_KEY when form or check sum are wrong */
err client_key_parse(view text, view *id, view *secret);

/* The hash to compare with the stored one, in constant time by the caller. */
void client_key_hash(const uint8_t pepper[static 32], view id, view secret, uint8_t hash[static 32]);

#endif
