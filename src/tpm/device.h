/* tpm/device: one TPM behind a descriptor: /dev/tpmrm0, or a socket to a TPM of software. What is made in it is given
 * back before each function returns, so that a holder that dies leaves little and tpm_clear_leftovers finds it.
 *
 * System calls: read write poll, and getrandom in tpm_unseal. A command blocks: hundreds of milliseconds on a chip. */
#ifndef TPM_DEVICE_H
#define TPM_DEVICE_H

#include "tpm/wire.h"

typedef struct tpm {
        int      fd;   /* borrowed */
        uint32_t code; /* the last refusal, as the TPM told it; 0: none */
        bool     gone; /* it did not answer: nothing is asked any more, for a late answer would be taken for the next */
} tpm;

/* All functions report:
 * SYSTEM          the device does not take a command, or the TPM refused it (code)
 * BAD_FILE        what came is no answer
 * BAD_CREDENTIAL  tpm_unseal: the registers have other values than those it was sealed to
 * NO_TARGET       tpm_unseal: another TPM has sealed it, or this one before it was cleared */

/* Flushes what a holder of this descriptor before us has left: Linux gives each open file three places. */
err tpm_clear_leftovers(tpm *t);

/* The registers of the mask, and no others. */
err tpm_pcrs_now(tpm *t, uint32_t mask, tpm_pcrs *out);

err tpm_clock_now(tpm *t, tpm_clock *out);

/* Seals to values that the registers need not have now. */
err tpm_seal(tpm *t, const tpm_pcrs *pcrs, const uint8_t secret[static TPM_SEALED_BYTES], tpm_sealed *out);
err tpm_unseal(tpm *t, const tpm_sealed *sealed, uint32_t mask, uint8_t secret[static TPM_SEALED_BYTES]);

/* err AGAIN: the registers changed while they were read */
err tpm_quote_now(tpm *t, const uint8_t extra[static 32], uint32_t mask, tpm_quote *out);

#endif
