/* tpm/wire: the TPM 2.0 commands the box needs, as bytes: pure functions, so that every one is tested and fuzzed
 * without a TPM. Numbers are big-endian. Nothing here sends anything; tpm/device does.
 * src  TCG, TPM 2.0 Library, parts 2 (structures) and 3 (commands), revision 1.59 */
#ifndef TPM_WIRE_H
#define TPM_WIRE_H

#include "base/emit.h"
#include "base/result.h"
#include "base/view.h"

constexpr size_t TPM_BYTES = 4096; /* of a command or an answer, as Linux has it */
constexpr size_t TPM_PCRS = 24;
constexpr size_t TPM_SEALED_BYTES = 32;
/* Of a sealed object of 32 bytes; 160 and 80 have been seen. */
constexpr size_t TPM_PRIVATE_MAX = 192;
constexpr size_t TPM_PUBLIC_MAX = 128;
constexpr size_t TPM_AK_MAX = 128;
constexpr size_t TPM_ATTEST_MAX = 256;
constexpr size_t TPM_SIGNATURE_MAX = 128;

enum : uint32_t {
        TPM_OWNER = 0x40000001,       /* hierarchy of the storage key */
        TPM_ENDORSEMENT = 0x4000000b, /* hierarchy of the key that quotes */

        /* answer codes that mean something here */
        TPM_RC_RETRY = 0x922,
        TPM_RC_YIELDED = 0x908,
        TPM_RC_TESTING = 0x90a,
        TPM_RC_POLICY_FAIL = 0x99d, /* the policy of session 1: other PCR values */
        TPM_RC_PCR_CHANGED = 0x128,
        TPM_RC_INTEGRITY = 0x1df, /* parameter 1: a private part of another TPM, or of this one before a clear */

        /* where GetCapability begins to list */
        TPM_HANDLES_TRANSIENT = 0x80000000,
        TPM_HANDLES_LOADED_SESSION = 0x02000000,
        TPM_HANDLES_SAVED_SESSION = 0x03000000,
};

/* SHA-256 values of the platform configuration registers named by mask. */
typedef struct tpm_pcrs {
        uint32_t mask; /* bit n: register n */
        uint8_t  value[TPM_PCRS][32];
} tpm_pcrs;

typedef struct tpm_clock {
        uint64_t ms;       /* since the TPM was made or cleared, while it had power */
        uint32_t resets;   /* starts of the machine */
        uint32_t restarts; /* wakings and resumes since */
        bool     safe;     /* no higher value can have been told before */
} tpm_clock;

/* What a TPM signs in a quote (TPMS_ATTEST). Views point into the bytes read. */
typedef struct tpm_attest {
        view      signer; /* qualified name of the key */
        view      extra;  /* what the asker gave */
        tpm_clock clock;
        uint64_t  firmware;
        uint32_t  mask;
        uint8_t   digest[32]; /* SHA-256 of the values, in order of their numbers */
} tpm_attest;

/* An object as its TPM gives it away, to be kept anywhere: without that TPM it is noise. */
typedef struct tpm_sealed {
        uint16_t private_len, public_len;
        uint8_t  private_part[TPM_PRIVATE_MAX], public_part[TPM_PUBLIC_MAX];
} tpm_sealed;

typedef struct tpm_quote {
        tpm_pcrs pcrs; /* as they were at the quote */
        uint16_t attest_len, signature_len, key_len;
        uint8_t  attest[TPM_ATTEST_MAX];       /* TPMS_ATTEST */
        uint8_t  signature[TPM_SIGNATURE_MAX]; /* TPMT_SIGNATURE */
        uint8_t  key[TPM_AK_MAX];              /* TPMT_PUBLIC of the key that signed */
} tpm_quote;

/* ---- commands ---- */

/* The storage key and the quoting key: made anew from the TPM's own seed, the same each time. ECC P-256. */
void tpm_write_storage_key(emit *out);
void tpm_write_quoting_key(emit *out);
/* An object that gives `secret` to who fulfils `policy`. */
void tpm_write_seal(emit *out, uint32_t parent, const uint8_t policy[static 32], view secret);
void tpm_write_load(emit *out, uint32_t parent, view private_part, view public_part);
void tpm_write_policy_session(emit *out, const uint8_t nonce[static 16]);
void tpm_write_policy_pcr(emit *out, uint32_t session, uint32_t mask);
void tpm_write_unseal(emit *out, uint32_t object, uint32_t session);
void tpm_write_quote(emit *out, uint32_t key, const uint8_t extra[static 32], uint32_t mask);
void tpm_write_pcr_read(emit *out, uint32_t mask);
void tpm_write_clock(emit *out);
void tpm_write_flush(emit *out, uint32_t handle);
void tpm_write_handles(emit *out, uint32_t from);

/* The policy that PolicyPCR of these registers fulfils while they have these values. */
void tpm_policy_of(const tpm_pcrs *pcrs, uint8_t out[static 32]);
/* SHA-256 of the values in order of their numbers: what a quote calls the PCR digest. */
void tpm_pcr_digest(const tpm_pcrs *pcrs, uint8_t out[static 32]);

/* ---- answers ---- */

/* Bytes an answer says it has; 0: its head is not there yet. err BAD_FILE: no answer has such a head */
err tpm_answer_bytes(view bytes, size_t *out);

/* A whole answer. *code is not 0: the TPM refused and `rest` is empty. err BAD_FILE */
err tpm_read_answer(view bytes, uint32_t *code, view *rest);

/* The parts of `rest`, each for its command. err BAD_FILE */
err tpm_read_handle(view rest, uint32_t *handle);
/* Answers with a handle and of a session: CreatePrimary. */
err tpm_read_made_key(view rest, uint32_t *handle, view *public_part);
err tpm_read_sealed(view rest, view *private_part, view *public_part);
err tpm_read_unsealed(view rest, view *secret);
err tpm_read_quote(view rest, view *attest, view *signature);
/* Adds to pcrs what the answer has: a TPM gives 8 values at once. err BAD_FILE also when it has none */
err tpm_read_pcrs(view rest, tpm_pcrs *pcrs);
err tpm_read_clock(view rest, tpm_clock *clock);
err tpm_read_handles(view rest, uint32_t handles[static 16], size_t *count);

/* ---- what is kept, and read again by who checks ---- */

/* The policy that opens an object, from its public part. err BAD_FILE */
err tpm_read_policy(view public_part, uint8_t policy[static 32]);

/* TPMS_ATTEST of a quote over SHA-256 registers, nothing behind it. err BAD_FILE */
err tpm_read_attest(view attest, tpm_attest *out);
/* TPMT_SIGNATURE, ECDSA with SHA-256. err BAD_FILE */
err tpm_read_signature(view signature, uint8_t r[static 32], uint8_t s[static 32]);
/* TPMT_PUBLIC of a quoting key: P-256, and its attributes such that it signs nothing but what the TPM itself says.
 * err BAD_FILE */
err tpm_read_quoting_key(view public_part, uint8_t x[static 32], uint8_t y[static 32]);
/* The qualified name (34 bytes) under which a quote is signed by that key, of the endorsement hierarchy. */
void tpm_quoting_name(view public_part, uint8_t out[static 34]);

#endif
