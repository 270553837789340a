/* policy/token: the placeholder of a value: LABEL x BODY, letters and digits only, the same for every spelling.
 *
 * BODY is 40 bits of a keyed hash in Crockford's base32 (8 symbols); 60 bits (12) where two values of one request
 * share the first 40. */
#ifndef POLICY_TOKEN_H
#define POLICY_TOKEN_H

#include "base/emit.h"
#include "base/limit.h"
#include "policy/entity.h"

constexpr size_t TOKEN_BODY = 8;
constexpr size_t TOKEN_BODY_LONG = 12;

/* The bytes that are hashed for a value: spelling variants of one value give one form.
 *
 * in   text    the value in the detection copy
 *      region  of a phone number, REGION_COUNT when unknown
 *      out     room for text.len + 16 bytes */
void token_normalise(entity_id entity, view text, uint8_t region, emit *out);

/* "pii-v1" 0 entity 0: what stands before the normalised value in the hashed message. */
void token_prefix(entity_id entity, emit *out);

/* Writes the placeholder for a digest, with a body of `symbols` symbols. Returns its length. */
size_t token_write(entity_id entity, const uint8_t digest[static 32], size_t symbols,
                   uint8_t out[static LIMIT_TOKEN_BYTES]);

/* The text is of the shape of a placeholder, of this request or of any other; letters of either case. */
bool token_shaped(view text);

/* Compares placeholders without regard to case. <0, 0, >0 */
int token_compare(view a, view b);

#endif
