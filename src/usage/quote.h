/* usage/quote: a TPM's signature over an export, as the file that lies beside it: canonical JSON and one LF, format
 * relay-quote/1. Who checks it needs this file, the export, and the TPM's key as it was when the box was set up. */
#ifndef USAGE_QUOTE_H
#define USAGE_QUOTE_H

#include "codec/config_json.h"
#include "tpm/wire.h"

constexpr size_t QUOTE_MAX = 8192; /* bytes of the file */

/* What the TPM is asked to sign for these bytes of an export: SHA-256("relay-usage-export-v1", 0, the bytes). */
void quote_binding(view export, uint8_t out[static 32]);

/* err NO_ROOM */
err quote_write(const tpm_quote *q, emit *out);

/* The file's form and lengths are checked, nothing that it claims. err BAD_CONFIG with *fault filled; NO_ROOM */
err quote_read(view file, tpm_quote *out, config_fault *fault);

#endif
