/* ipc/keeper: what the admin role passes to the keeper and back, one message a request over a SOCK_SEQPACKET pair. */
#ifndef IPC_KEEPER_H
#define IPC_KEEPER_H

#include <stdint.h>

#include "base/limit.h"

/* Secrets are sealed (crypto_box_seal) by lethectl to the keeper's key of this start, which STATUS tells: the admin
 * role passes them on and cannot read them. */
typedef enum keeper_op : uint32_t {
        KEEPER_STATUS = 1, /* -> keeper_status */
        KEEPER_UNLOCK,     /* keeper_unlock -> nothing */
        KEEPER_PUT,        /* sealed keeper_credential -> nothing */
        KEEPER_REMOVE,     /* name -> nothing */
        KEEPER_LIST,       /* -> keeper_listed[] */
        KEEPER_KEY_HASH,   /* sealed: id 8, secret 43 -> 32 bytes */
        KEEPER_EXPORT_NOW, /* -> u64 sequence */
        KEEPER_EXPORT_GET, /* keeper_export_get -> keeper_export_part */
        KEEPER_EXPORT_LIST = 32, /* -> keeper_export_listed[], oldest first */
        KEEPER_EXPORT_ACK, /* u64 sequences, at most 64 -> nothing: they may be dropped for newer ones */
        KEEPER_ROTATE,     /* keeper_rotate -> nothing: a new vault key, one key slot */
        KEEPER_BACKUP,     /* keeper_backup -> keeper_backup_part */
        KEEPER_INHERIT,    /* sealed keeper_inherit -> nothing; into an empty vault alone */
        KEEPER_SLOT_ADD = 48, /* keeper_slot_add -> u32 index */
        KEEPER_SLOT_REMOVE, /* u32 index -> nothing */
        KEEPER_TPM_SEAL,   /* -> u32 index: a slot that opens by this box's TPM while it starts what it started now */
        KEEPER_TPM_RESEAL, /* keeper_tpm_values -> u32 index: another one, for an image that is not started yet */

        /* first boot and the configuration in the state */
        KEEPER_CREATE = 64,  /* keeper_slot_add -> nothing; the new vault is open then */
        KEEPER_STAGE_BEGIN,  /* keeper_stage -> nothing; what was staged before is dropped */
        KEEPER_STAGE_PART,   /* keeper_stage_part -> nothing; parts of one file follow each other */
        KEEPER_STAGE_TRY,    /* -> u64 number of the set; the supervisor tries it and tells admin (WIRE_RELOADED) */
        KEEPER_CONFIG_LIST,  /* -> keeper_config_row[] */
        KEEPER_CONFIG_GET,   /* keeper_config_get -> keeper_config_part; err FORBIDDEN: a private key */
} keeper_op;

constexpr size_t KEEPER_CONFIG_NAME = 40; /* a name of vault/config_set.h with its NUL */

constexpr size_t KEEPER_BYTES = 32 * 1024; /* payload of one message */

typedef struct keeper_message {
        uint32_t op;
        uint32_t code; /* answers: err_code */
        uint32_t len;  /* bytes of payload in use */
        uint32_t reserved;
        uint8_t  bytes[KEEPER_BYTES];
} keeper_message;
/* On the wire only the first 16 + len bytes are sent. */

typedef struct keeper_slot {
        uint32_t kind; /* slot_kind */
        uint32_t index;
        uint64_t ops, mem_bytes;
        uint8_t  salt[16];
} keeper_slot;

typedef enum keeper_tpm : uint32_t {
        KEEPER_TPM_ABSENT,      /* none was granted */
        KEEPER_TPM_UNUSED,      /* there is one, and no slot for it */
        KEEPER_TPM_OPENED,      /* it opened the vault, or would */
        KEEPER_TPM_OTHER_START, /* its registers differ: something else was started */
        KEEPER_TPM_OTHER_TPM,   /* the slot is of another TPM, or this one was cleared */
        KEEPER_TPM_FAILS,       /* it does not answer as a TPM does */
} keeper_tpm;

typedef struct keeper_status {
        uint32_t    open; /* 1: unsealed */
        uint32_t    blank; /* 1: no vault was made here yet; all below but the seal key is zero */
        uint32_t    opens; /* store_opens */
        uint32_t    config_files; /* of the configuration in the state */
        uint32_t    refused_tries; /* to open the vault, since it was opened last or the relay was started */
        uint32_t    credentials;
        uint64_t    state_generation;
        uint64_t    next_export;
        uint8_t     seal_key[32]; /* X25519, of this start */
        uint8_t     export_key[32];
        uint8_t     export_key_number[8];
        keeper_slot slots[8];
        uint8_t     device[16]; /* random, made with the state file; names the exports */
        uint32_t    exports, exports_unacknowledged;
        uint32_t    exports_fill; /* percent of their place that unacknowledged ones take */
        uint32_t    tpm;        /* keeper_tpm */
        uint32_t    tpm_slots;  /* bit n: slot n opens with the TPM's registers as they are */
        uint32_t    reserved;
} keeper_status;

typedef struct keeper_slot_add {
        keeper_slot slot; /* index is not read */
        uint8_t     sealed[32 + 48]; /* the wrapping key, as in keeper_unlock */
} keeper_slot_add;

/* SHA-256 values that the registers will have, as image/uki.py foretells them. */
typedef struct keeper_tpm_values {
        uint8_t pcr4[32], pcr11[32];
} keeper_tpm_values;

typedef struct keeper_unlock {
        uint32_t slot;
        uint32_t reserved;
        uint8_t  sealed[32 + 48]; /* the wrapping key, derived by lethectl */
} keeper_unlock;

typedef struct keeper_credential {
        char     name[LIMIT_NAME_BYTES];
        char     host[LIMIT_HOST_BYTES];
        uint32_t len;
        uint8_t  secret[LIMIT_CREDENTIAL_BYTES];
} keeper_credential;

typedef struct keeper_listed {
        char    name[LIMIT_NAME_BYTES];
        char    host[LIMIT_HOST_BYTES];
        uint8_t fingerprint[8]; /* of BLAKE2b of the secret: tells two keys apart, tells nothing of either */
} keeper_listed;

typedef enum keeper_export_file : uint32_t {
        EXPORT_BODY,
        EXPORT_SIGNATURE,
        EXPORT_QUOTE /* OUT_OF_RANGE where no TPM has signed */
} keeper_export_file;

typedef struct keeper_export_get {
        uint64_t sequence; /* 0: the newest */
        uint32_t file; /* keeper_export_file */
        uint32_t offset;
} keeper_export_get;

typedef struct keeper_export_part {
        uint64_t sequence;
        uint32_t total; /* bytes of the whole file */
        uint32_t len;   /* bytes here */
        uint8_t  bytes[KEEPER_BYTES - 16];
} keeper_export_part;

typedef struct keeper_export_listed {
        uint64_t sequence;
        uint32_t bytes; /* with its signature */
        uint32_t acknowledged; /* 1: fetched and verified by somebody */
} keeper_export_listed;

typedef struct keeper_rotate {
        uint32_t slot; /* the slot that proves who asks */
        uint32_t kind; /* slot_kind of the new one */
        uint64_t ops, mem_bytes;
        uint8_t  salt[16];
        uint8_t  sealed[2 * 32 + 48]; /* the wrapping key of `slot`, and that of the new one */
} keeper_rotate;
typedef struct keeper_stage {
        uint32_t partial; /* 1: begins with the files that are there, 0: with none */
        uint32_t opens;   /* store_opens; 0: as it is */
} keeper_stage;

/* One file is `total` bytes, sealed ones as a whole: parts from offset 0 on, without a gap. */
typedef struct keeper_stage_part {
        char     name[KEEPER_CONFIG_NAME];
        uint32_t sealed; /* 1: the file is sealed to the seal key; a private key must be */
        uint32_t total, offset;
        uint32_t len; /* bytes here */
        uint8_t  bytes[KEEPER_BYTES - KEEPER_CONFIG_NAME - 16];
} keeper_stage_part;
/* On the wire only what is in use is sent. */

typedef struct keeper_config_row {
        char     name[KEEPER_CONFIG_NAME];
        uint32_t bytes;
        uint8_t  sha256[32]; /* zeros for a private key */
} keeper_config_row;

typedef struct keeper_config_get {
        char     name[KEEPER_CONFIG_NAME];
        uint32_t offset;
} keeper_config_get;

typedef struct keeper_config_part {
        uint32_t total;
        uint32_t len;
        uint8_t  bytes[KEEPER_BYTES - 8];
} keeper_config_part;

/* The part at offset 0 makes a backup, the others are of the one that was made last. */
typedef struct keeper_backup {
        uint64_t created_s; /* as the asker's clock has it */
        uint32_t need, count;
        uint32_t offset, reserved;
        uint8_t  recipients[8][32];
} keeper_backup;

typedef struct keeper_backup_part {
        uint64_t number; /* random, of this backup */
        uint32_t total;  /* bytes of the whole file */
        uint32_t len;    /* bytes here */
        uint8_t  bytes[KEEPER_BYTES - 16];
} keeper_backup_part;

typedef struct keeper_inherit {
        uint8_t  pepper[32], pseudonym_key[32];
        uint64_t next_sequence; /* where the other box's exports stood */
        uint8_t  previous[32], device[16], export_key_number[8], export_key[32];
} keeper_inherit;

#endif
