/* ledger: the vendor's own account of what it did, apart from the relay's. */
#ifndef VENDOR_LEDGER_H
#define VENDOR_LEDGER_H

#include "exchange.h"

/* How an exchange ended: its bytes all went out, or who ended it before. */
typedef enum ending { ENDING_WHOLE, ENDING_PEER, ENDING_MOCK } ending;

typedef struct ledger_line {
        const exchange *x;
        uint64_t connection, nth; /* which connection; which exchange on it, from 1 */
        bool complete;            /* usage went out whole */
        ending ending;
} ledger_line;

/* Shared by all workers; called once before they are made. */
void ledger_share(void);

/* Numbers exchanges over all workers, from 1. */
uint64_t ledger_next_number(void);
void ledger_connection(bool resumed);

/* How often this model name has been asked for, this time included. */
uint64_t ledger_times(slice model);

/* Adds to the sums and, with a file, to `out` as one JSON line. */
void ledger_write(const ledger_line *line, text *out);

/* The sums as one JSON object. */
void ledger_sums(text *out);

#endif
