/* admin/fault: how a failure is told over HTTP: status, stable word and sentence; and the way back from the word. */
#ifndef ADMIN_FAULT_H
#define ADMIN_FAULT_H

#include "base/emit.h"
#include "base/result.h"
#include "codec/config_json.h"

typedef struct admin_fault {
        err_code code;
        uint16_t http;
        const char *word; /* error.code */
        const char *text; /* error.message: what to do, never built from input */
} admin_fault;

/* The row of an error; errors without a row of their own are "internal_error". Never null. */
const admin_fault *admin_fault_of(err_code code);

/* The error behind a word, for clients; ERR_BAD_FILE for a word nobody knows. */
err_code admin_fault_code(view word);

/* {"error":{"code":...,"message":...}} */
void admin_fault_write(const admin_fault *row, emit *out);

/* The same with the place: file, line, column, pointer. `file` may be empty. */
void admin_fault_write_place(const config_fault *f, view file, emit *out);

#endif
