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
        view retry_delay; /* when to come back, in the form of google.rpc.RetryInfo: "34s" */
} openai_error;

/* Reads every shape in which vendors of this dialect put an error, at any HTTP status:
 *   {"error":{"message","type","code","param"}}, also in an array, with "status" and "details" as Google has them
 *   {"error":"text"}, {"code","error":"text"}         {"code","message"}, {"code","msg"}, {"error_code","error_msg"}
 *   {"message":{"detail":[{"msg"}]}}                  {"detail":[{"msg"}]}, {"detail":"text"}
 *   {"statusCode","message"}                          {"choices":[{"error":{...}}]}
 *   "text"
 * A number as code becomes its decimal text. A body that is no JSON leaves everything empty. All are cut to
 * LIMIT_ERROR_MESSAGE_BYTES at a code point. */
void openai_error_read(view body, arena *a, openai_error *out);

/* Writes {"error":{"message","type","param","code"}}; empty views become null (param, code). */
void openai_error_write(const openai_error *e, emit *out);

/* The same from a row of our own table. `detail` (may be empty) is appended to the message in parentheses: closed
 * vocabulary only, such as the name of an entity. */
void openai_error_write_own(err_code code, view detail, emit *out);

#endif
