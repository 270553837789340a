/* role/keeper_state: what the files of the keeper share. Nobody else includes it. */
#ifndef ROLE_KEEPER_STATE_H
#define ROLE_KEEPER_STATE_H

#include "base/board.h"
#include "base/box_facts.h"
#include "base/emit.h"
#include "ipc/keeper.h"
#include "ipc/wire.h"
#include "role/keeper.h"
#include "tpm/device.h"
#include "usage/ledger.h"
#include "vault/config_set.h"
#include "vault/lease.h"
#include "vault/seal.h"
#include "vault/store.h"

constexpr size_t KEEPER_PAGE_BYTES = 4096;

/* The secret memory of GRANT_VAULT_KEY: what a keeper leaves to the one started after its death. Zero when the
 * supervisor has just started. */
typedef struct keeper_page {
        _Atomic uint32_t has_key; /* 1: vault_key is whole */
        uint32_t         boot_known; /* 1: this boot is in the store's chain, the fields from boot_count on are whole */
        uint64_t         seen_generation; /* newest generation of the state file that this boot has seen */
        uint8_t          vault_key[32];

        uint64_t boot_count;
        uint8_t  boot_id[8];
        uint64_t boot_started_s;
        bool     previous_clean;
        uint64_t period_started_ms;

        lease_ticket_key tickets[2];
        uint64_t         ticket_due_ms;
        uint32_t         clones; /* box_facts.clones that this boot has answered */
} keeper_page;
static_assert(sizeof(keeper_page) <= KEEPER_PAGE_BYTES);

/* wire_message.what of WIRE_GENERATION. */
enum : uint16_t { GENERATION_CONFIG = 0, GENERATION_POLICY = 1 };

/* What an export says about the generation that serves. */
typedef struct keeper_digests {
        uint32_t generation;
        uint8_t  config[32], policy[32];
} keeper_digests;

typedef enum keeper_phase : uint8_t {
        KEEPER_RUNS,
        KEEPER_STOPS,   /* told to */
        KEEPER_ORPHANED /* the supervisor is gone */
} keeper_phase;

/* A channel that answers one message at a time. A refused unlock is answered late, and so long nothing else is read
 * from it. */
typedef struct keeper_line {
        int            fd; /* -1: not granted */
        bool           unlocks_only; /* the box's console: STATUS and UNLOCK */
        uint64_t       answer_due_ms; /* 0: no answer waits */
        keeper_message question, answer;
} keeper_line;

/* A configuration on its way into the vault: file by file, then tried by the supervisor, then stored. */
typedef struct keeper_staging {
        region      set;  /* what is whole */
        region      file; /* the file that comes, as it comes */
        char        name[KEEPER_CONFIG_NAME];
        uint32_t    total, sealed;
        store_opens opens;
        bool        begun;
        uint64_t    trying; /* number of the set that the supervisor tries; 0: none */
} keeper_staging;

struct keeper {
        const keeper_build *build;
        keeper_phase        phase;

        /* descriptors; -1: not granted */
        int control, wake, state, key_file, tpm;

        const box_facts *box; /* null: not on the appliance */
        board       *board;
        lease       *lease;
        ledger      *ledger;
        keeper_page *page;
        usage_ring  *rings[LIMIT_COLUMNS]; /* null: none in this slot */

        store          store;
        keeper_tpm     tpm_state;
        bool           tpm_gone; /* it did not answer once: it is not asked again until a keeper starts anew */
        bool           tpm_settled; /* box_facts.settled has been answered */
        uint32_t       tpm_slots; /* bit n: slot n opens with the TPM's registers as they are */
        seal_pair      pair;
        keeper_digests digests[4]; /* newest generations, round robin */
        unsigned       digest_count; /* ever told */

        uint64_t    refused_tries;
        keeper_line admin, console;

        bool           in_state; /* the configuration is kept in the state, and a state without a vault is no fault */
        keeper_staging staging;
};

/* keeper_vault.c */
err  keeper_vault_attach(keeper *k);  /* header, roll-back; opens at once where the key is at hand */
err  keeper_vault_opened(keeper *k);  /* after the store has opened: boot, lease, board */
void keeper_vault_written(keeper *k); /* after every change of the state file */
void keeper_vault_rotated(keeper *k); /* instead of that, when the vault key is a new one */
void keeper_tickets_turn(keeper *k, uint64_t now_ms);
void keeper_clone_turn(keeper *k);    /* this machine is a copy: what both have is renewed */
void keeper_vault_end(keeper *k);

/* keeper_tpm.c. A TPM that does not help never keeps the keeper from starting: a person opens the vault. */
void keeper_tpm_begin(keeper *k); /* gives back what a keeper that was killed has left in it */
void keeper_tpm_open(keeper *k); /* opens a sealed store where the registers have the values of a slot */
void keeper_tpm_turn(keeper *k); /* drops the slots of other images once the one that runs has proven itself */
void keeper_tpm_look(keeper *k); /* which slots would open now, for the status */
err  keeper_tpm_answer(keeper *k, keeper_op op, view in, emit *out);
/* err NO_TPM, TPM_FAILED */
err  keeper_tpm_clock(keeper *k, tpm_clock *out);
err  keeper_tpm_quote(keeper *k, view export, emit *out);

/* keeper_rings.c */
err  keeper_ring_granted(keeper *k, uint32_t slot, uint32_t generation, int fd); /* fd stays the caller's */
void keeper_ring_dead(keeper *k, uint32_t slot);
bool keeper_rings_turn(keeper *k); /* true: more is waiting */
void keeper_rings_end(keeper *k);  /* reads all to their end and retires them */

/* keeper_export.c */
void keeper_generation(keeper *k, const wire_message *m, int fd); /* fd stays the caller's */
err  keeper_first_policy(keeper *k); /* of the generation that serves, unless it was told already */
err  keeper_export(keeper *k, const char *kind, bool clean, uint64_t *sequence);

/* keeper_config.c */
err  keeper_staging_ask(keeper *k, keeper_op op, view in, emit *out); /* the three STAGE operations */
void keeper_config_tell(keeper *k); /* what the vault holds, to the supervisor; nothing while it is sealed */
void keeper_config_tried(keeper *k, const wire_message *m);
void keeper_staging_end(keeper *k);

/* keeper_admin.c */
void keeper_line_granted(keeper_line *l, int fd); /* takes fd */
void keeper_line_turn(keeper *k, keeper_line *l); /* answers what waits, when it is due */

#endif
