/* table: faults that do not come with the model name: by vendor key, by model or for all, changed while it runs.
 *
 *      # one row a line; a row counts when its chance and its time say so; rows add up, later ones win
 *      key sk-mock-1   lognormal=2000:0.6
 *      model gpt-4o    status=503,for_ms=60000
 *      all             permille=58,mix
 *
 * It lies in memory that all workers share. */
#ifndef VENDOR_TABLE_H
#define VENDOR_TABLE_H

#include "chance.h"
#include "fault.h"

/* Called once before the workers are made. */
void table_share(void);

/* Puts a whole table in place of the one before; every time and count begins anew. 0: done; else the first line that is
 * not understood, and nothing has changed. */
int table_set(slice rows);

/* Appends the words of the rows that count for this exchange. */
void table_words(text *out, slice key, slice model, chance *c);

#endif
