/* vault/key_slot: what of a key slot only the container itself needs; the rest of key_slot.c is in container.h. */
#ifndef VAULT_KEY_SLOT_H
#define VAULT_KEY_SLOT_H

#include "base/secret.h"
#include "vault/container.h"

/* Fills a slot that wraps the vault key for this opener. err as container_wrapping_key */
err key_slot_wrap(key_slot *k, const container_opener *opener, const uint8_t vault_key[static 32]);

/* The same where the wrapping key was made elsewhere: kind, salt, ops and mem_bytes are those it was made with, and
 * come from outside. err OUT_OF_RANGE: they are not what a slot may have */
err key_slot_wrap_by(key_slot *k, const uint8_t wrapping[static 32], const uint8_t vault_key[static 32]);

/* Wraps the vault key, nothing checked: the slot's public part is filled. */
void key_slot_close(key_slot *k, const uint8_t wrapping[static 32], const uint8_t vault_key[static 32]);

#endif
