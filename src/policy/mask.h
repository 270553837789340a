/* policy/mask: hides a value in place: separators stay, at most a few letters and digits do. */
#ifndef POLICY_MASK_H
#define POLICY_MASK_H

#include "base/emit.h"
#include "policy/policy.h"

/* Longer values are masked by a fixed number of characters, so that a key's length does not show. */
constexpr size_t MASK_MOST = 256;

/* Least that stays hidden of `alphanumerics`: six, and 60 of 100; all of a shorter value. */
size_t mask_hidden(size_t alphanumerics);

/* Writes the masked form of a value's detection copy: ASCII, safe in a JSON string, at most MASK_MOST bytes. */
void mask_write(const policy_decision *d, view text, emit *out);

#endif
