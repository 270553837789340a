/* ipc/wire: what roles say to each other, over SOCK_SEQPACKET pairs that the supervisor makes.
 *
 * Control channel: every role's descriptor 3, to the supervisor. A role starts with nothing else: descriptors come as
 * grants, files as answers to WIRE_OPEN. Messages are fixed structs of native byte order between processes of one
 * build; a message of another size ends the channel. */
#ifndef IPC_WIRE_H
#define IPC_WIRE_H

#include <stdint.h>

#include "base/limit.h"
#include "base/result.h"
#include "base/view.h"
#include "codec/config_json.h"

constexpr int WIRE_CONTROL_FD = 3;
constexpr int EXIT_REFUSED = 3; /* of a role whose start was refused: starting it again would not help */

typedef enum role_id : uint8_t {
        ROLE_KEEPER,
        ROLE_RESOLVER,
        ROLE_ADMIN,
        ROLE_RELAY,
        ROLE_SUPERVISOR,
        ROLE_COUNT, /* of lethed's */
        ROLE_CONSOLE = ROLE_COUNT /* the appliance's, started by its PID 1 */
} role_id;

typedef enum wire_type : uint16_t {
        /* role to supervisor */
        WIRE_OPEN = 1,  /* name: a path below the configuration folder; answered by WIRE_FILE */
        WIRE_READY,     /* sandbox closed, serving */
        WIRE_REFUSED,   /* fault: why this role cannot start; it exits with EXIT_REFUSED after it */
        WIRE_DRAINED,   /* relay: last exchange ended */
        WIRE_RELOAD,    /* admin: start a new generation; answered by WIRE_RELOADED */
        WIRE_RING_DONE, /* keeper: ring `slot` of a dead relay is read to its end and retired */
        WIRE_CONFIG,    /* keeper: the configuration in the state; what = config_word */
        WIRE_ALIVE,     /* supervisor asks, every role answers with the same */
        /* supervisor to role */
        WIRE_FILE = 32,  /* answer to WIRE_OPEN: descriptor, or none and `number` = errno */
        WIRE_GRANT,      /* descriptor; what = grant_id; slot and number as the grant says */
        WIRE_START,      /* all grants are there: open files, close the sandbox, say READY */
        WIRE_DRAIN,      /* relay: stop accepting, end with the last exchange; number = drain_ms or 0 for the setting */
        WIRE_STOP,       /* end cleanly: the keeper writes the final export first */
        WIRE_RELOADED,   /* admin: number = 1 done, 0 refused with fault; slot = generation; what = reloaded_word */
        WIRE_RING_DEAD,  /* keeper: the relay of ring `slot` has died */
        WIRE_GENERATION, /* keeper: generation `number` is coming: descriptor = lethe.json (what 0), policy.json (what
                            1) */
        WIRE_CONFIG_TRIED, /* keeper: set `number` serves (what 1): store it; or does not (what 0): drop it */
} wire_type;

/* What the keeper says of the configuration it keeps. Files come first, then what they are; `number` names the set. */
typedef enum config_word : uint16_t {
        CONFIG_FILE = 1, /* name, descriptor: one file of the set that comes */
        CONFIG_STORED,   /* these files are in the vault; none: there is no configuration, or it is sealed */
        CONFIG_STAGED,   /* these files are to be tried */
        CONFIG_KEPT,     /* the set that served is stored */
        CONFIG_LOST,     /* it could not be stored: slot = err_code */
} config_word;

/* What a WIRE_RELOADED is the end of. */
typedef enum reloaded_word : uint16_t {
        RELOADED_STORED, /* a reload: of the folder, or of what the vault keeps */
        RELOADED_TRIAL,  /* a set that the keeper staged: it is stored now, or dropped */
} reloaded_word;

/* wire_message.number of WIRE_START: the configuration is in the state, and may not be there yet. */
constexpr uint64_t START_CONFIG_IN_STATE = 1;

typedef enum grant_id : uint16_t {
        GRANT_LISTEN = 1, /* listening socket */
        GRANT_BOARD,      /* base/board memfd */
        GRANT_LEASE,      /* vault/lease, secret memory */
        GRANT_RING,       /* usage/record memfd; slot = column of the board; number = generation */
        GRANT_RING_WAKE,  /* eventfd: relays add to it, the keeper waits on it */
        GRANT_RESOLVER,   /* pair between a relay and the resolver (sent to both; may be renewed at any time) */
        GRANT_KEEPER,     /* pair between admin and keeper (sent to both; may be renewed at any time) */
        GRANT_LEDGER,     /* keeper: ledger memfd */
        GRANT_VAULT_KEY,  /* keeper: 4 KiB of secret memory for the vault key; survives the keeper */
        GRANT_STATE,      /* keeper: the state file, read-write; resolver: none */
        GRANT_RESOLV_CONF, /* resolver: the system's resolv.conf, read-only */
        GRANT_CONSOLE,    /* keeper: the box's console at the other end of a pair, for STATUS and UNLOCK alone */
        GRANT_KEY_FILE,   /* keeper: the key file, when the box opens its vault by one */
        GRANT_BOX_FACTS,  /* keeper, admin: base/box_facts memfd, on the appliance alone */
        GRANT_BUNDLE,     /* admin: a memfd of BOX_BUNDLE_BYTES, not to be resized: an update is gathered there */
        GRANT_BOX,        /* admin: the channel to PID 1 of the appliance (base/box_wire); none elsewhere */
        GRANT_TPM,        /* keeper: the TPM, when there is one */
        GRANT_CLAIM,      /* admin: the file with the code by which a box without configuration is claimed */
} grant_id;

typedef struct wire_message {
        uint16_t     type, what;
        uint32_t     slot;
        uint64_t     number;
        char         name[LIMIT_NAME_BYTES * 4];
        config_fault fault;
} wire_message;

/* Sends one message with an optional descriptor (-1: none; it stays open here). Blocks only if the channel does.
 * err GONE, SYSTEM */
err wire_send(int channel, const wire_message *m, int fd);

/* Receives one; *fd is -1 or a descriptor that the caller owns (close-on-exec). err GONE, AGAIN, SYSTEM */
err wire_receive(int channel, wire_message *m, int *fd);

/* Role side, before the sandbox: the descriptor of a file below the configuration folder, read-only.
 * err SYSTEM with errno; other messages that arrive meanwhile are not expected and are err BAD_FILE */
err wire_open(int channel, const char *name, int *fd);

#endif
