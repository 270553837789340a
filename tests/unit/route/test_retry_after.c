#include "route/retry_after.h"

#include <stddef.h>

#include "support/tap.h"

#define NONE RETRY_AFTER_NONE
#define DATE "Fri, 20 Nov 2026 12:00:00 GMT"

static const struct {
        const char *sentence, *name, *value;
        uint64_t want;
} after[] = {
        {"seconds", "Retry-After", "2", 2000},
        {"no second", "retry-after", "0", 0},
        {"seconds with a fraction", "retry-after", "1.25", 1250},
        {"more than five minutes", "retry-after", "3600", 300'000},
        {"five minutes", "retry-after", "300", 300'000},
        {"10^30", "retry-after", "1000000000000000000000000000000", 300'000},
        {"2^64", "retry-after", "18446744073709551616", 300'000},
        {"2^64 thousandths", "retry-after", "18446744073709551.616", 300'000},
        {"a unit", "retry-after", "20s", 20'000},
        {"negative", "retry-after", "-1", NONE},
        {"garbage", "retry-after", "soon", NONE},
        {"a number with garbage", "retry-after", "5;q=1", NONE},
        {"an exponent", "retry-after", "1e3", NONE},
        {"nothing", "retry-after", "", NONE},
        {"a date", "retry-after", "Fri, 20 Nov 2026 12:00:07 GMT", 7000},
        {"a date of RFC 850", "retry-after", "Friday, 20-Nov-26 12:01:00 GMT", 60'000},
        {"a date of asctime", "retry-after", "Fri Nov 20 12:00:09 2026", 9000},
        {"the next day", "retry-after", "Sat, 21 Nov 2026 12:00:00 GMT", 300'000},
        {"a date that is past", "retry-after", "Wed, 21 Oct 2015 07:28:00 GMT", 0},
        {"a date that is none", "retry-after", "Fri, 31 Nov 2026 12:00:07 GMT", NONE},
        {"milliseconds", "retry-after-ms", "120", 120},
        {"milliseconds with a fraction", "Retry-After-Ms", "120.9", 120},
        {"milliseconds of Azure", "x-ms-retry-after-ms", "250", 250},
        {"too many milliseconds", "retry-after-ms", "99999999999999999999999", 300'000},
        {"negative milliseconds", "retry-after-ms", "-5", NONE},
        {"a field that is not it", "retry-afters", "2", NONE},
};

static vendor_limits read_two(const char *n1, const char *v1, const char *n2, const char *v2)
{
        vendor_limits_reader r;
        vendor_limits out;
        vendor_limits_begin(&r);
        vendor_limits_field(&r, view_of_text(n1), view_of_text(v1));
        vendor_limits_field(&r, view_of_text(n2), view_of_text(v2));
        vendor_limits_end(&r, &out);
        return out;
}

static void test_after(void)
{
        for (size_t i = 0; i < sizeof after / sizeof *after; i++) {
                vendor_limits before = read_two("Date", DATE, after[i].name, after[i].value);
                vendor_limits behind = read_two(after[i].name, after[i].value, "date", DATE);
                tap_ok(before.after_ms == after[i].want && behind.after_ms == after[i].want, "retry-after",
                       after[i].sentence);
        }
        tap_ok(read_two("retry-after", "Fri, 20 Nov 2026 12:00:07 GMT", "date", "yesterday").after_ms == NONE,
               "retry-after", "a date without the vendor's own date says nothing");
        tap_ok(read_two("retry-after", "7", "date", "").after_ms == 7000, "retry-after", "seconds need no date");
        tap_ok(read_two("retry-after", "7", "retry-after-ms", "90").after_ms == 90
                       && read_two("retry-after-ms", "90", "retry-after", "7").after_ms == 90
                       && read_two("retry-after-ms", "?", "retry-after", "7").after_ms == 7000,
               "retry-after", "milliseconds stand before seconds");
        vendor_limits nothing = read_two("server", "x", "x-request-id", "1");
        tap_ok(nothing.after_ms == NONE && nothing.requests_left == NONE && nothing.tokens_left == NONE
                       && nothing.requests_reset_ms == NONE && nothing.tokens_reset_ms == NONE
                       && vendor_limits_wait(&nothing) == NONE,
               "limits", "a head without any says nothing");
}

static const struct {
        const char *sentence, *name, *value;
        size_t at;
        uint64_t want;
} limits[] = {
#define L(field) offsetof(vendor_limits, field)
        {"requests left", "x-ratelimit-remaining-requests", "59", L(requests_left), 59},
        {"requests left in capitals", "X-RateLimit-Remaining-Requests", "0", L(requests_left), 0},
        {"requests left, short", "x-ratelimit-remaining", "3", L(requests_left), 3},
        {"requests left of Anthropic", "anthropic-ratelimit-requests-remaining", "49", L(requests_left), 49},
        {"tokens left", "x-ratelimit-remaining-tokens", "149984", L(tokens_left), 149984},
        {"tokens left of Anthropic", "anthropic-ratelimit-tokens-remaining", "8000", L(tokens_left), 8000},
        {"input tokens left", "anthropic-ratelimit-input-tokens-remaining", "7000", L(tokens_left), 7000},
        {"output tokens left", "anthropic-ratelimit-output-tokens-remaining", "6000", L(tokens_left), 6000},
        {"less than nothing left", "x-ratelimit-remaining-tokens", "-1", L(tokens_left), NONE},
        {"garbage left", "x-ratelimit-remaining-tokens", "many", L(tokens_left), NONE},
        {"more left than a number holds", "x-ratelimit-remaining-tokens", "99999999999999999999", L(tokens_left), NONE},
        {"exactly NONE left", "x-ratelimit-remaining-tokens", "18446744073709551615", L(tokens_left), NONE},
        {"6m0s", "x-ratelimit-reset-requests", "6m0s", L(requests_reset_ms), 360'000},
        {"120ms", "x-ratelimit-reset-requests", "120ms", L(requests_reset_ms), 120},
        {"1.5s", "x-ratelimit-reset-tokens", "1.5s", L(tokens_reset_ms), 1500},
        {"1h2m3.5s", "x-ratelimit-reset-tokens", "1h2m3.5s", L(tokens_reset_ms), 3'723'500},
        {"2m59.56s", "x-ratelimit-reset-requests", "2m59.56s", L(requests_reset_ms), 179'560},
        {"seconds", "x-ratelimit-reset-tokens", "7", L(tokens_reset_ms), 7000},
        {"seconds with a fraction", "x-ratelimit-reset-tokens", "7.66", L(tokens_reset_ms), 7660},
        {"days", "x-ratelimit-reset-requests", "3d", L(requests_reset_ms), 86'400'000},
        {"10^30 hours", "x-ratelimit-reset-requests", "1000000000000000000000000000000h", L(requests_reset_ms),
         86'400'000},
        {"a minus", "x-ratelimit-reset-requests", "-6m", L(requests_reset_ms), NONE},
        {"a unit nobody has", "x-ratelimit-reset-requests", "6fortnights", L(requests_reset_ms), NONE},
        {"half a duration", "x-ratelimit-reset-requests", "6m3", L(requests_reset_ms), NONE},
        {"milliseconds since 1970", "X-RateLimit-Reset", "1795176003000", L(requests_reset_ms), 3000},
        {"seconds since 1970", "X-RateLimit-Reset", "1795176002", L(requests_reset_ms), 2000},
        {"milliseconds since 1970, past", "X-RateLimit-Reset", "1700000000000", L(requests_reset_ms), 0},
        {"the end of time", "X-RateLimit-Reset", "18446744073709551615", L(requests_reset_ms), 86'400'000},
        {"a time", "anthropic-ratelimit-requests-reset", "2026-11-20T12:00:30Z", L(requests_reset_ms), 30'000},
        {"a time with a fraction", "anthropic-ratelimit-tokens-reset", "2026-11-20T12:00:30.2501Z", L(tokens_reset_ms),
         30'250},
        {"a time east of it", "anthropic-ratelimit-tokens-reset", "2026-11-20T14:00:01+02:00", L(tokens_reset_ms),
         1000},
        {"a time west of it", "anthropic-ratelimit-tokens-reset", "2026-11-20t06:30:01-05:30", L(tokens_reset_ms),
         1000},
        {"a time past", "anthropic-ratelimit-input-tokens-reset", "2026-11-20T11:59:59Z", L(tokens_reset_ms), 0},
        {"a time in a year", "anthropic-ratelimit-output-tokens-reset", "2027-11-20T12:00:00Z", L(tokens_reset_ms),
         86'400'000},
        {"a time without a zone", "anthropic-ratelimit-tokens-reset", "2026-11-20T12:00:30", L(tokens_reset_ms), NONE},
        {"a time with a point", "anthropic-ratelimit-tokens-reset", "2026-11-20T12:00:30.Z", L(tokens_reset_ms), NONE},
        {"a time before 1970 by its zone", "anthropic-ratelimit-tokens-reset", "1970-01-01T00:00:00+01:00",
         L(tokens_reset_ms), NONE},
        {"a time with a bad zone", "anthropic-ratelimit-tokens-reset", "2026-11-20T12:00:30+24:00", L(tokens_reset_ms),
         NONE},
        {"a time of no day", "anthropic-ratelimit-tokens-reset", "2026-02-29T12:00:30Z", L(tokens_reset_ms), NONE},
#undef L
};

static void test_limits(void)
{
        for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
                vendor_limits l = read_two(limits[i].name, limits[i].value, "date", DATE);
                uint64_t got;
                memcpy(&got, (const char *)&l + limits[i].at, sizeof got);
                tap_ok(got == limits[i].want, "limits", limits[i].sentence);
        }
        tap_ok(read_two("date", DATE, "x", "").date_s == 1795176000 && read_two("date", "soon", "x", "").date_s == 0
                       && read_two("x", DATE, "y", "").date_s == 0,
               "limits", "its date is told, when it is one");
        tap_ok(read_two("anthropic-ratelimit-tokens-reset", "2026-11-20T12:00:30Z", "x", "").tokens_reset_ms == NONE
                       && read_two("x-ratelimit-reset", "1795176003000", "x", "").requests_reset_ms == NONE
                       && read_two("x-ratelimit-reset", "30", "x", "").requests_reset_ms == 30'000,
               "limits", "a time without the vendor's own date says nothing, a duration does");
        tap_ok(read_two("x-ratelimit-limit-tokens", "-1", "x-ratelimit-remaining-tokens", "0").tokens_left == NONE
                       && read_two("x-ratelimit-limit-tokens", "0", "x-ratelimit-remaining-tokens", "0").tokens_left
                                  == NONE
                       && read_two("x-ratelimit-limit-requests", "?", "x-ratelimit-remaining-requests", "0")
                                          .requests_left
                                  == NONE
                       && read_two("x-ratelimit-limit-tokens", "9", "x-ratelimit-remaining-tokens", "0").tokens_left
                                  == 0,
               "limits", "nothing left of no limit is not told");
}

static void test_tightest(void)
{
        static const char *const head[][2] = {{"anthropic-ratelimit-tokens-remaining", "500"},
                                              {"anthropic-ratelimit-tokens-reset", "2026-11-20T12:00:50Z"},
                                              {"anthropic-ratelimit-input-tokens-remaining", "0"},
                                              {"anthropic-ratelimit-input-tokens-reset", "2026-11-20T12:00:05Z"},
                                              {"anthropic-ratelimit-output-tokens-remaining", "0"},
                                              {"anthropic-ratelimit-output-tokens-reset", "2026-11-20T12:00:08Z"},
                                              {"anthropic-ratelimit-requests-remaining", "0"},
                                              {"anthropic-ratelimit-requests-reset", "2026-11-20T12:00:07Z"},
                                              {"date", DATE}};
        vendor_limits_reader r;
        vendor_limits l;
        vendor_limits_begin(&r);
        for (size_t i = 0; i < sizeof head / sizeof *head; i++)
                vendor_limits_field(&r, view_of_text(head[i][0]), view_of_text(head[i][1]));
        vendor_limits_end(&r, &l);
        tap_ok(l.tokens_left == 0 && l.tokens_reset_ms == 8000 && l.requests_left == 0 && l.requests_reset_ms == 7000,
               "limits", "of several limits on tokens the tightest counts, of equal ones the one that lasts");
        tap_ok(l.after_ms == NONE && vendor_limits_wait(&l) == 8000, "wait", "the longest of what has nothing left");
        l.tokens_left = 1;
        tap_ok(vendor_limits_wait(&l) == 7000, "wait", "what has something left does not count");
        l.requests_reset_ms = 3'600'000;
        tap_ok(vendor_limits_wait(&l) == 300'000, "wait", "at most five minutes");
        l.requests_reset_ms = NONE;
        tap_ok(vendor_limits_wait(&l) == NONE, "wait", "nothing left until nobody knows when says nothing");
        l.after_ms = 0;
        tap_ok(vendor_limits_wait(&l) == 0, "wait", "Retry-After stands before all");
}

static const struct {
        const char *text;
        uint64_t want;
} texts[] = {
        {"Rate limit reached for m: Limit 3, Used 3. Please try again in 1.5s. Visit us.", 1500},
        {"Please try again in 20ms.", 20},
        {"Please try again in 20 ms", 20},
        {"TRY AGAIN IN 6m0s", 300'000},
        {"Please try again in 1m2.5s.", 62'500},
        {"try again in 1 minute 30 seconds", 90'000},
        {"Please retry after 7 seconds.", 7000},
        {"Please retry after 12", 12'000},
        {"Please retry in 34.074824224s.", 34'074},
        {"try again after 2 minutes", 120'000},
        {"34s", 34'000},
        {"1.5s", 1500},
        {"try again in a moment, or try again in 3 s", 3000},
        {"try again in 99999999999999999999999999 days", 300'000},
        {"try again in ", NONE},
        {"try again in -3s", NONE},
        {"try again later", NONE},
        {"error 429 after 7 seconds", NONE},
        {"", NONE},
};

static void test_text(void)
{
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
                tap_ok(retry_after_text(view_of_text(texts[i].text)) == texts[i].want, "text", texts[i].text);
        static char far[2100];
        memset(far, 'x', sizeof far);
        memcpy(far + 2040, "try again in 3s", 15);
        tap_ok(retry_after_text((view){(uint8_t *)far, sizeof far}) == NONE
                       && retry_after_text((view){(uint8_t *)far + 20, sizeof far - 20}) == 3000,
               "text", "its first 2 KiB are read");
        bool good = true;
        view whole = VIEW("Please try again in 1m2.5s");
        for (size_t cut = 0; cut < whole.len; cut++) {
                uint64_t ms = retry_after_text(view_slice(whole, 0, cut));
                good = good && (ms == NONE || ms <= 62'000);
        }
        tap_ok(good, "text", "wherever it is cut it says no more than what stands there");
}

static const struct {
        const char *text;
        uint64_t want; /* UINT64_MAX: no date */
} dates[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},   {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
        {"Sun Nov  6 08:49:37 1994", 784111777},        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Fri, 20 Nov 2026 12:00:00 GMT", 1795176000},  {"Thu, 29 Feb 2024 23:59:60 GMT", 1709251200},
        {"Tue, 29 Feb 2000 00:00:00 GMT", 951782400},   {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
        {"Friday, 31-Dec-69 23:59:59 GMT", 3155759999}, {"Sat, 20 Nov 1969 12:00:00 GMT", UINT64_MAX},
        {"Mon, 29 Feb 2100 00:00:00 GMT", UINT64_MAX},  {"Fri, 20 Nov 2026 24:00:00 GMT", UINT64_MAX},
        {"Fri, 20 Nov 2026 12:60:00 GMT", UINT64_MAX},  {"Fri, 20 Nov 2026 12:00:61 GMT", UINT64_MAX},
        {"Fri, 00 Nov 2026 12:00:00 GMT", UINT64_MAX},  {"Fri, 20 Nix 2026 12:00:00 GMT", UINT64_MAX},
        {"Fri, 20 Nov 2026 12:00:00 CET", UINT64_MAX},  {"Fri, 20 Nov 2026 12:00:00 GMT ", UINT64_MAX},
        {"Fri, 20 Nov 2026 12:00:00", UINT64_MAX},      {"Fre, 20 Nov 2026 12:00:00 GMT", UINT64_MAX},
        {"20 Nov 2026 12:00:00 GMT", UINT64_MAX},       {"Fri Nov 20 12:00:00 2026 GMT", UINT64_MAX},
        {"2026-11-20T12:00:00Z", UINT64_MAX},           {"", UINT64_MAX},
};

static void test_dates(void)
{
        for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
                uint64_t s = 0;
                bool read = http_date_parse(view_of_text(dates[i].text), &s);
                tap_ok(read == (dates[i].want != UINT64_MAX) && (!read || s == dates[i].want), "date", dates[i].text);
        }
        bool good = true;
        for (size_t i = 0; i < 3; i++) {
                view whole = view_of_text(dates[i].text);
                uint64_t s;
                for (size_t cut = 0; cut < whole.len; cut++)
                        good = good && !http_date_parse(view_slice(whole, 0, cut), &s);
        }
        tap_ok(good, "date", "a part of one is none");
}

int main(void)
{
        test_after();
        test_limits();
        test_tightest();
        test_text();
        test_dates();
        return tap_done();
}
