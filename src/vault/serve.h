/* vault/serve: the keeper operations of ipc/keeper.h, answered from a store: the keeper's admin channel and lethectl's
 * work on a file are this one function. */
#ifndef VAULT_SERVE_H
#define VAULT_SERVE_H

#include "base/emit.h"
#include "ipc/keeper.h"
#include "vault/seal.h"
#include "vault/store.h"

/* in   s     attached, open or sealed
 * in   pair  the seal key of this start
 * in   in    payload of the request, untrusted: every length is checked here
 * out  out   payload of the answer; room for KEEPER_BYTES
 * err  SEALED; OUT_OF_RANGE: the payload does not have the operation's form; what store.h says.
 *      NOT_IMPLEMENTED for KEEPER_EXPORT_NOW, which needs a ledger, and KEEPER_TPM_SEAL and its kind, which need a TPM:
 *      answer them before calling; and for unknown ops
 *
 * next After KEEPER_UNLOCK with OK the store is open: keep its key, fill the lease. After KEEPER_PUT and KEEPER_REMOVE
 *      fill the lease again. Delays after refused unlocks are the caller's. */
/* KEEPER_CREATE: makes the vault on a state that holds none (store_attach has found nothing and container_is_blank says
 * so), and opens it. err EXISTS: there is one; BAD_CREDENTIAL, OUT_OF_RANGE; what store.h says */
err serve_create(store *s, const seal_pair *pair, view in, uint64_t now_s);

err serve_keeper(store *s, const seal_pair *pair, keeper_op op, view in, emit *out);

#endif
