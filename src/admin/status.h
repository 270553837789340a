/* admin/status: the JSON documents that say how the box is. Pure writers; nothing in them is of a request. */
#ifndef ADMIN_STATUS_H
#define ADMIN_STATUS_H

#include "base/board.h"
#include "base/box_facts.h"
#include "base/emit.h"
#include "ipc/keeper.h"

/* Room that no document here fills. */
constexpr size_t STATUS_BYTES = 48 * 1024;

/* A certificate that ends within so many days is a warning. */
constexpr uint64_t STATUS_EXPIRY_DAYS = 30;

typedef struct status_certificate {
        const char *name;   /* of its file */
        uint64_t expires_s; /* 0: not known */
} status_certificate;

typedef struct status_certificates {
        status_certificate server, admin; /* what callers see, and operators */
        uint64_t now_s;
} status_certificates;

/* {"ready":bool,"reasons":[...],"warnings":[...]}: unclaimed, vault_sealed, no_keeper, no_relay, draining; a warning
 * does not make it unready: exports_unacknowledged, server_certificate, admin_certificate (they end soon). `c` may be
 * null. Returns whether it is ready. */
bool status_write_ready(const board *b, const status_certificates *c, emit *out);

typedef struct status_facts {
        const char *version, *commit;
        const board *board;
        const keeper_status *vault; /* null: the keeper did not answer */
        const box_facts *facts; /* null: not on the appliance */
        const status_certificates *certificates; /* null: none */
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
