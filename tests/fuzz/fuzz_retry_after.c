/* Property: whatever a vendor's head or sentence says of coming back, what is read of it is bounded; the case of
 * letters in names and sentences changes nothing, nor does a field nobody knows.
 *
 * The input is lines of "name:value", as in a head; all of it is also taken for a sentence and for a date. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "route/retry_after.h"

static void bounded(uint64_t ms, uint64_t most) { assert(ms <= most || ms == RETRY_AFTER_NONE); }

static vendor_limits read_head(view all, const uint8_t *upper)
{
        vendor_limits_reader r;
        vendor_limits out;
        vendor_limits_begin(&r);
        for (size_t at = 0; at < all.len;) {
                const uint8_t *end = memchr(all.data + at, '\n', all.len - at);
                size_t stop = end == nullptr ? all.len : (size_t)(end - all.data);
                const uint8_t *colon = memchr(all.data + at, ':', stop - at);
                size_t name_end = colon == nullptr ? stop : (size_t)(colon - all.data);
                const view name = {upper == nullptr ? all.data + at : upper + at, name_end - at};
                vendor_limits_field(&r, name, view_slice(all, name_end + 1, stop));
                if (upper != nullptr)
                        vendor_limits_field(&r, VIEW("x-unheard-of"), view_slice(all, at, stop));
                at = stop + 1;
        }
        vendor_limits_end(&r, &out);
        return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        constexpr uint64_t DAY_MS = 86'400'000;
        view all = {data, size};
        uint8_t *upper = malloc(size + 1);
        assert(upper != nullptr);
        for (size_t i = 0; i < size; i++)
                upper[i] = data[i] >= 'a' && data[i] <= 'z' ? (uint8_t)(data[i] - 32) : data[i];
        vendor_limits l = read_head(all, nullptr), again = read_head(all, upper);
        assert(memcmp(&l, &again, sizeof l) == 0);
        bounded(l.after_ms, RETRY_AFTER_MOST_MS);
        bounded(l.requests_reset_ms, DAY_MS);
        bounded(l.tokens_reset_ms, DAY_MS);
        bounded(vendor_limits_wait(&l), RETRY_AFTER_MOST_MS);
        assert(l.date_s <= 253'402'300'800);
        uint64_t ms = retry_after_text(all), seconds = 0;
        bounded(ms, RETRY_AFTER_MOST_MS);
        assert(ms == retry_after_text((view){upper, size}));
        if (http_date_parse(all, &seconds))
                assert(seconds <= 253'402'300'800);
        free(upper);
        return 0;
}
