/* route/retry_after: when a vendor says to come back, in every form vendors use, and what is left of its limits.
 * Nothing here looks at our own clock: a date is read against the vendor's Date field. src  RFC 9110 10.2.3 and 5.6.7;
 * OpenAI, Anthropic, Groq and Azure rate limit fields, read 2026-11-20 */
#ifndef ROUTE_RETRY_AFTER_H
#define ROUTE_RETRY_AFTER_H

#include <stdint.h>

#include "base/view.h"

constexpr uint64_t RETRY_AFTER_NONE = UINT64_MAX;
constexpr uint64_t RETRY_AFTER_MOST_MS = 300'000;

/* What a vendor's head said. NONE where it did not. */
typedef struct vendor_limits {
        uint64_t after_ms;            /* Retry-After and its relatives, clamped to 0..300 s */
        uint64_t requests_left, tokens_left;
        uint64_t requests_reset_ms, tokens_reset_ms; /* from now, clamped to 24 h */
} vendor_limits;

/* One field after the other of a vendor's head; names in any case. Start with vendor_limits_begin. */
typedef struct vendor_limits_reader {
        vendor_limits out;
        view          date, retry_after; /* borrowed from the head */
} vendor_limits_reader;
void vendor_limits_begin(vendor_limits_reader *r);
void vendor_limits_field(vendor_limits_reader *r, view name, view value);
/* After the last field. */
void vendor_limits_end(vendor_limits_reader *r, vendor_limits *out);

/* A vendor's sentence: "try again in 1.5s", "in 20 ms", "retry after 7 seconds". NONE when it says no such thing. */
uint64_t retry_after_text(view message);

/* Seconds since 1970 of an HTTP-date (IMF-fixdate, RFC 850, asctime). False: none. */
bool http_date_parse(view v, uint64_t *seconds);

#endif
