/* dialect/openai_error: the error object of the OpenAI dialect, read from vendors and written for callers. */
#ifndef DIALECT_OPENAI_ERROR_H
#define DIALECT_OPENAI_ERROR_H

#include "base/arena.h"
#include "base/emit.h"
#include "base/result.h"
#include "codec/json_scan.h"

/* What a vendor said; views are decoded, in the arena, empty where it said nothing. */
typedef struct openai_error {
        view message, type, code, param;
} openai_error;

/* Reads {"error":{...}}, {"error":"text"} and {"message":...}. A body that is no such JSON leaves everything empty.
 * The message is cut to LIMIT_ERROR_MESSAGE_BYTES at a code point. */
void openai_error_read(view body, arena *a, openai_error *out);

/* Writes {"error":{"message","type","param","code"}}; empty views become null (param, code). */
void openai_error_write(const openai_error *e, emit *out);

/* The same from a row of our own table. `detail` (may be empty) is appended to the message in parentheses: closed
 * vocabulary only, such as the name of an entity. */
void openai_error_write_own(err_code code, view detail, emit *out);

#endif
