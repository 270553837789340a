/* admin/body: the JSON bodies of the management API, turned into what the keeper understands. Pure. */
#ifndef ADMIN_BODY_H
#define ADMIN_BODY_H

#include "base/arena.h"
#include "base/emit.h"
#include "base/result.h"
#include "codec/config_json.h"
#include "ipc/keeper.h"

/* Key slots of a vault, as ipc/keeper has them. */
constexpr size_t UNLOCK_SLOTS = sizeof((keeper_status *)nullptr)->slots / sizeof(keeper_slot);

/* {"slot":N,"sealed":"base64 of 80 bytes"}
 * err BAD_CONFIG with *fault */
err body_unlock(view json, keeper_unlock *out, config_fault *fault);

/* {"kind":"tpm"}, or what body_create takes.
 * err BAD_CONFIG with *fault */
err body_slot(view json, keeper_slot_add *out, config_fault *fault);

/* {"sealed":"base64"}: appends the bytes, of which there must be exactly `want`.
 * err BAD_CONFIG with *fault */
err body_sealed(view json, size_t want, emit *out, config_fault *fault);

/* {"sequences":[N,...]}: 1 to `most` numbers.
 * err BAD_CONFIG with *fault */
err body_sequences(view json, uint64_t *out, size_t most, size_t *count, config_fault *fault);

/* {"slot":N,"kind":"passphrase|key-file","ops":N,"mem_bytes":N,"salt":"hex of 16 bytes","sealed":"base64 of 112 bytes"}
 * err BAD_CONFIG with *fault */
err body_rotate(view json, keeper_rotate *out, config_fault *fault);
/* {"kind":"passphrase"|"key-file","salt":hex,"ops":N,"mem_bytes":N,"sealed":hex of 80 bytes}
 * err BAD_CONFIG with *fault */
err body_create(view json, keeper_slot_add *out, config_fault *fault);

/* {"files":{NAME:{"text":"..."} or {"sealed":"base64"}},"opens":"person"|"key-file"|"tpm","partial":bool}
 * out  files  every file, for body_file_next; initialised by the caller, who ends it also after an error
 * err  BAD_CONFIG with *fault; NO_ROOM */
err body_config(view json, keeper_stage *stage, region *files, config_fault *fault);

typedef struct body_file {
        char     name[KEEPER_CONFIG_NAME];
        uint32_t sealed; /* 1: sealed to the keeper */
        view     bytes;
} body_file;

/* False at the end. */
bool body_file_next(view files, size_t *at, body_file *out);

/* {"to":["hex of 32 bytes",...],"need":1|2,"created":seconds}
 * err BAD_CONFIG with *fault */
err body_backup(view json, keeper_backup *out, config_fault *fault);

/* A credential's name as it stands in an address: 1 to LIMIT_NAME_BYTES - 1 of [A-Za-z0-9._:/-]. */
bool body_name(view name);

#endif
