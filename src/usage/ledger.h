/* usage/ledger: the counters, in memory only, mapped by the keeper alone and held open by the supervisor.
 *
 * A record is applied exactly once even when the keeper is killed between any two instructions: an intent with the
 * old values is written before anything changes, and undone on the next start. The sum of all endings is the sum of
 * all rows' requests; a row's attempts are the sum of its reported, estimated and not billed ones. */
#ifndef USAGE_LEDGER_H
#define USAGE_LEDGER_H

#include "base/result.h"
#include "usage/names.h"
#include "usage/record.h"

typedef struct ledger ledger; /* fixed layout over a memfd of ledger_bytes() */

typedef struct ledger_counters {
        uint64_t requests, attempts;
        uint64_t reported[TOKENS_CLASSES];
        uint64_t reported_attempts;
        uint64_t estimated[TOKENS_CLASSES];
        uint64_t estimated_attempts;
        uint64_t not_billed_attempts;
        uint64_t suspect;
        uint64_t errors; /* requests that ended by a fault that was not the caller's */
} ledger_counters;

typedef struct ledger_row {
        char            project[LIMIT_NAME_BYTES];
        char            model[LIMIT_NAME_BYTES * 2];
        char            vendor[LIMIT_NAME_BYTES]; /* empty: no vendor was reached */

        ledger_counters counters;
} ledger_row;

size_t ledger_bytes(void);

/* Formats fresh memory, or adopts what a dead keeper left and undoes a half-applied record.
 * err BAD_FILE */
err ledger_open(void *memory, size_t bytes, uint64_t now_s, ledger **out);

/* The names behind a generation's indices. Must come before its records; the same generation again is ignored. The
 * oldest generation without a ring gives way. err NO_ROOM when all LIMIT_LEDGER_GENERATIONS have rings */
err ledger_names(ledger *l, uint32_t generation, const usage_names *names);

/* Ring `slot` (0 to LIMIT_COLUMNS - 1) is from now on the ring of this identity, of a relay of this generation. A ring
 * seen before goes on where it was. False: this very ring was retired already, only its notice was lost. */
bool ledger_attach(ledger *l, uint32_t slot, uint64_t identity, uint32_t generation);

/* Applies the next record of ring `slot`. A record out of range is counted as refused and passed over.
 * err OUT_OF_RANGE then; the sequence is consumed all the same */
err ledger_apply(ledger *l, uint32_t slot, const usage_record *record);

/* Sequence of the last record applied from ring `slot`. */
uint64_t ledger_applied(const ledger *l, uint32_t slot);

/* The relay of ring `slot` is dead and its ring read to the end: what it admitted and did not end is lost, and counted
 * as requests of the row without names. The slot is free for another ring. */
void ledger_retire(ledger *l, uint32_t slot, uint64_t admitted);

/* What an export needs. Rows are in no order. */
size_t            ledger_row_count(const ledger *l);
const ledger_row *ledger_row_at(const ledger *l, size_t i);
uint64_t          ledger_ending(const ledger *l, ending e);
uint64_t          ledger_redactions(const ledger *l, unsigned entity);
uint64_t          ledger_refused(const ledger *l);
uint64_t          ledger_started_s(const ledger *l);

/* An export with this sequence is about to be stored; 0: none is. A keeper killed between storing and closing finds
 * the number here and learns from the store whether the period is over. */
void     ledger_set_exporting(ledger *l, uint64_t sequence);
uint64_t ledger_exporting(const ledger *l);

/* Starts the next period: no row, every counter zero, exporting 0. Names and applied sequences stay. */
void ledger_close_period(ledger *l, uint64_t now_s);

#endif
