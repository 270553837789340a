/* route/retry_after: when a vendor says to come back, in every form vendors use, and what is left of its limits.
 * Nothing here looks at our own clock: a date is read against the vendor's Date field. src  RFC 9110 10.2.3 and 5.6.7;
 * RFC 3339; OpenAI, Anthropic, Groq, Azure and OpenRouter rate limit fields, read 2026-11-20 */
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
        uint64_t date_s;              /* the head's Date, seconds since 1970; 0: none */
} vendor_limits;

/* Limits a vendor may keep at once; several of them are of tokens. */
enum : size_t { VENDOR_QUOTAS = 4 };

/* One field after the other of a vendor's head; names in any case. Start with vendor_limits_begin. Values are borrowed
 * from the head until the end: what they mean depends on the Date, which may stand behind them. */
typedef struct vendor_limits_reader {
        view date, retry_after, retry_after_ms;
        struct {
                view limit, left, reset;
        } quotas[VENDOR_QUOTAS];
} vendor_limits_reader;
void vendor_limits_begin(vendor_limits_reader *r);
void vendor_limits_field(vendor_limits_reader *r, view name, view value);
/* After the last field. */
void vendor_limits_end(vendor_limits_reader *r, vendor_limits *out);

/* How long a refused key should wait by what the head said: Retry-After; without one, the reset of what has nothing
 * left. At most 300 s; NONE when it said nothing. */
uint64_t vendor_limits_wait(const vendor_limits *l);

/* A vendor's sentence, in its first 2 KiB: "try again in 1.5s", "in 20 ms", "retry after 7 seconds"; or nothing but a
 * duration, as in the body of a Google error: "34s". NONE when it says no such thing; at most 300 s. */
uint64_t retry_after_text(view message);

/* Seconds since 1970 of an HTTP-date (IMF-fixdate, RFC 850, asctime). False: none. */
bool http_date_parse(view v, uint64_t *seconds);

#endif
