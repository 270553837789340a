/* usage/audit: what whoever holds exports, quotes and a release's manifest can check without our relay. Pure: files
 * come as bytes, findings go out as sentences. Signatures of exports are sign/minisign's affair.
 *
 * A quote says what was started, and that these bytes were there then; nothing of what happened later. */
#ifndef USAGE_AUDIT_H
#define USAGE_AUDIT_H

#include "codec/config_json.h"
#include "sign/p256.h"
#include "usage/quote.h"

/* Facts of one export that others must agree with. */
typedef struct audit_export {
        uint64_t  sequence, boot_count;
        char      device[33], commit[65];
        uint8_t   digest[32], previous[32];
        bool      has_tpm;
        tpm_clock tpm;
        uint8_t   previous_quote[32];
        bool      has_quote;
        uint8_t   quote_digest[32]; /* of the file beside it; meaningful with has_quote */
} audit_export;

/* What a release starts as. */
typedef struct audit_profile {
        char    name[32];
        uint8_t pcr4[32], pcr11[32];
} audit_profile;

typedef struct audit_release {
        char          version[65], commit[65];
        audit_profile profiles[8];
        size_t        count;
} audit_release;

/* `good` tells a check that held from one that failed; the sentence says which. */
typedef void audit_say(void *ctx, bool good, const char *sentence);
typedef struct audit_report {
        audit_say *say;
        void      *ctx;
} audit_report;

/* `quote` is empty where the export has none. err BAD_CONFIG with *fault filled; NO_ROOM */
err audit_read_export(view body, view quote, audit_export *out, config_fault *fault);
/* A manifest of image/make_image.py. err as above */
err audit_read_release(view manifest, audit_release *out, config_fault *fault);

/* The quote is by this key, of a TPM's own making, and over this export and these register values. */
void audit_quote(const tpm_quote *q, view body, const audit_export *e, const p256_key *key, const audit_report *to);
/* What was started is this release and nothing besides. */
void audit_started(const tpm_quote *q, const audit_export *e, const audit_release *release, const audit_report *to);
/* `now` follows `before`. */
void audit_series(const audit_export *before, const audit_export *now, const audit_report *to);
/* What may come first. */
void audit_first(const audit_export *e, const audit_report *to);

#endif
