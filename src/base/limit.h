/* base/limit: every bound of the program, from one table (limit.def). */
#ifndef BASE_LIMIT_H
#define BASE_LIMIT_H

#include <stddef.h>
#include <stdint.h>

enum : size_t {
#define LIMIT(name, value, unit, why) LIMIT_##name = (value),
#include "base/limit.def"
#undef LIMIT
};

static_assert(LIMIT_QUEUE_LOW_BYTES < LIMIT_QUEUE_HIGH_BYTES, "flow control needs hysteresis");
static_assert(LIMIT_HEAD_FIELD_BYTES < LIMIT_HEAD_BYTES, "one field must fit a head");
static_assert(LIMIT_FIRST_BYTE_MS < 300000, "answer before Node's fetch gives up");
static_assert(LIMIT_RING_RECORDS > LIMIT_EXCHANGES * (2 * LIMIT_ATTEMPTS + 1),
              "every admitted exchange owns the records it may need");
static_assert(LIMIT_CONFIG_DEPTH <= LIMIT_JSON_DEPTH, "one scanner serves both");

#endif
