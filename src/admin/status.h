/* admin/status: the JSON documents that say how the box is. Pure writers; nothing in them is of a request. */
#ifndef ADMIN_STATUS_H
#define ADMIN_STATUS_H

#include "base/board.h"
#include "base/box_facts.h"
#include "base/emit.h"
#include "ipc/keeper.h"

/* Room that no document here fills. */
constexpr size_t STATUS_BYTES = 48 * 1024;

/* {"ready":bool,"reasons":[...],"warnings":[...]}: vault_sealed, no_keeper, no_relay, draining; a warning does not make
 * it unready: exports_unacknowledged. Returns whether it is ready. */
bool status_write_ready(const board *b, emit *out);

typedef struct status_facts {
        const char *version, *commit;
        const board *board;
        const keeper_status *vault; /* null: the keeper did not answer */
        const box_facts *facts; /* null: not on the appliance */
} status_facts;

/* GET /admin/v1/status: the whole box, live. */
void status_write(const status_facts *f, emit *out);

/* GET /admin/v1/setup, for anybody: {"state":"unclaimed|sealed|open","version","configured","seal_key":hex,"slots"}. */
void status_write_setup(const keeper_status *s, const char *version, bool configured, emit *out);

/* GET /admin/v1/vault: what an operator needs to unlock, and the public keys. */
void status_write_vault(const keeper_status *s, emit *out);

/* GET /admin/v1/exports: {"exports":[{"sequence","bytes","acknowledged"}]}, oldest first. */
void status_write_exports(const keeper_export_listed *rows, size_t count, emit *out);
/* GET /admin/v1/config. */
void status_write_config(const keeper_config_row *rows, size_t count, emit *out);

/* GET /admin/v1/vault/credentials. */
void status_write_credentials(const keeper_listed *rows, size_t count, emit *out);

#endif
