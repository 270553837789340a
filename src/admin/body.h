/* admin/body: the JSON bodies of the management API, turned into what the keeper understands. Pure. */
#ifndef ADMIN_BODY_H
#define ADMIN_BODY_H

#include "base/emit.h"
#include "base/result.h"
#include "codec/config_json.h"
#include "ipc/keeper.h"

/* Key slots of a vault, as ipc/keeper has them. */
constexpr size_t UNLOCK_SLOTS = sizeof((keeper_status *)nullptr)->slots / sizeof(keeper_slot);

/* {"slot":N,"sealed":"base64 of 80 bytes"}
 * err BAD_CONFIG with *fault */
err body_unlock(view json, keeper_unlock *out, config_fault *fault);

/* {"kind":"tpm"}: the only kind of key slot that needs nothing else.
 * err BAD_CONFIG with *fault */
err body_slot(view json, config_fault *fault);

/* {"sealed":"base64"}: appends the bytes, of which there must be exactly `want`.
 * err BAD_CONFIG with *fault */
err body_sealed(view json, size_t want, emit *out, config_fault *fault);

/* {"sequences":[N,...]}: 1 to `most` numbers.
 * err BAD_CONFIG with *fault */
err body_sequences(view json, uint64_t *out, size_t most, size_t *count, config_fault *fault);

/* {"slot":N,"kind":"passphrase|key-file","ops":N,"mem_bytes":N,"salt":"hex of 16 bytes","sealed":"base64 of 112 bytes"}
 * err BAD_CONFIG with *fault */
err body_rotate(view json, keeper_rotate *out, config_fault *fault);

/* A credential's name as it stands in an address: 1 to LIMIT_NAME_BYTES - 1 of [A-Za-z0-9._:/-]. */
bool body_name(view name);

#endif
