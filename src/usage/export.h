/* usage/export: a usage summary ready to be signed: canonical JSON (RFC 8785) plus one LF, format relay-usage/1.
 * What an export contains is decided in export.c and nowhere else. Integers above 999999999999999 are strings. */
#ifndef USAGE_EXPORT_H
#define USAGE_EXPORT_H

#include "base/box_facts.h"
#include "base/emit.h"
#include "base/result.h"
#include "tpm/wire.h"
#include "usage/ledger.h"

/* Facts that are not counters. */
typedef struct export_facts {
        const char *kind;        /* "open" "period" "final" */
        uint64_t    sequence;    /* of this export, from 1 */
        uint8_t     previous[32]; /* SHA-256 of export sequence - 1; zeros for the first */
        uint8_t     device[16];
        uint8_t     key_number[8]; /* of the signature */
        uint64_t    boot_count;
        uint8_t     boot_id[8];
        uint64_t    boot_started_s;
        bool        previous_clean;
        uint64_t    start_s, end_s, monotonic_ms;
        uint8_t     policy_digest[32];
        uint8_t     config_digest[32];
        bool        succeeds;      /* this box was made from a backup of another, and goes on for it: */
        uint8_t     succeeds_device[16], succeeds_key_number[8], succeeds_previous[32];
        uint64_t    succeeds_next; /* the first sequence that box never wrote, as far as the backup knows */
        const char *version; /* of the software */
        const char *commit;
        const box_facts *box; /* null: this is no box, and the export does not speak of one */
        bool        has_tpm;
        tpm_clock   tpm; /* just before this export was written */
        uint8_t     previous_quote[32]; /* SHA-256 of the quote beside export sequence - 1; zeros: it has none */
        const char *entity_names[LIMIT_ENTITIES]; /* by the index in usage_record.redactions; null: unused */
} export_facts;

/* Bytes that export_write may need for this ledger. */
size_t export_room(const ledger *l);

/* Writes the export with its final LF. err NO_ROOM */
err export_write(const export_facts *f, const ledger *l, emit *out);

#endif
