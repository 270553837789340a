#include "route/retry_after.h"

#include <stdckdint.h>

static constexpr uint64_t RESET_MOST_MS = 24ull * 3600 * 1000;
/* More than a vendor can mean; sums of some of them stay far from the end of 64 bits. */
static constexpr uint64_t MUCH_MS = 1ull << 56;

enum : size_t { TEXT_BYTES = 2048 };

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }
static bool is_letter(uint8_t c) { return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'; }

static void skip(view *v, size_t n) { *v = view_slice(*v, n, v->len); }

static void skip_spaces(view *v)
{
        while (v->len > 0 && v->data[0] == ' ')
                skip(v, 1);
}

static bool skip_byte(view *v, uint8_t c)
{
        if (v->len == 0 || v->data[0] != c)
                return false;
        skip(v, 1);
        return true;
}

/* ---- numbers and durations ---- */

/* Digits with an optional fraction, in thousandths; what is too large is MUCH. */
static bool thousandths(view *v, uint64_t *out)
{
        if (v->len == 0 || !is_digit(v->data[0]))
                return false;
        uint64_t n = 0;
        for (; v->len > 0 && is_digit(v->data[0]); skip(v, 1))
                n = least(n * 10 + (v->data[0] - '0'), MUCH_MS / 1000);
        n *= 1000;
        if (v->len >= 2 && v->data[0] == '.' && is_digit(v->data[1])) {
                skip(v, 1);
                for (uint64_t place = 100; v->len > 0 && is_digit(v->data[0]); skip(v, 1), place /= 10)
                        n += place * (v->data[0] - '0');
        }
        *out = n;
        return true;
}

/* Milliseconds of the unit v begins with, whole words only; 0: none. Takes it off. */
static uint64_t unit_take(view *v)
{
        static const struct {
                const char *word;
                uint64_t ms;
        } units[] = {
                {"ms", 1},           {"millisecond", 1},   {"milliseconds", 1},
                {"s", 1000},         {"sec", 1000},        {"secs", 1000},
                {"second", 1000},    {"seconds", 1000},    {"m", 60'000},
                {"min", 60'000},     {"mins", 60'000},     {"minute", 60'000},
                {"minutes", 60'000}, {"h", 3'600'000},     {"hr", 3'600'000},
                {"hour", 3'600'000}, {"hours", 3'600'000}, {"d", 86'400'000},
                {"day", 86'400'000}, {"days", 86'400'000},
        };
        size_t len = 0;
        while (len < v->len && is_letter(v->data[len]))
                len++;
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
                if (view_equal_nocase(view_slice(*v, 0, len), view_of_text(units[i].word))) {
                        skip(v, len);
                        return units[i].ms;
                }
        return 0;
}

/* "1h2m3.5s", "20 ms", "1 minute 30 seconds"; a number without a unit is one of `plain_ms`, and stands alone. Takes it
 * off. */
static bool duration_take(view *v, uint64_t plain_ms, uint64_t *ms)
{
        uint64_t sum = 0, n;
        bool some = false, plain = false;
        for (view at = *v; !plain && thousandths(&at, &n); skip_spaces(&at)) {
                view after = at;
                skip_spaces(&after);
                uint64_t unit = unit_take(&after), product;
                plain = unit == 0;
                if (plain && some)
                        break;
                if (ckd_mul(&product, n, plain ? plain_ms : unit))
                        product = MUCH_MS;
                sum = least(sum + product / 1000, MUCH_MS);
                some = true;
                *v = at = plain ? at : after;
        }
        *ms = sum;
        return some;
}

/* A field that is a duration and nothing else. */
static bool duration(view v, uint64_t plain_ms, uint64_t *ms) { return duration_take(&v, plain_ms, ms) && v.len == 0; }

/* ---- dates ---- */

typedef struct date {
        uint64_t year, month, day, hour, minute, second;
} date;

static bool digits(view *v, size_t count, uint64_t *out)
{
        uint64_t n = 0;
        if (v->len < count)
                return false;
        for (size_t i = 0; i < count; i++) {
                if (!is_digit(v->data[i]))
                        return false;
                n = n * 10 + (v->data[i] - '0');
        }
        skip(v, count);
        *out = n;
        return true;
}

static bool seconds_of(const date *d, uint64_t *out)
{
        static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        if (d->year < 1970 || d->month < 1 || d->month > 12 || d->day < 1 || d->hour > 23 || d->minute > 59
            || d->second > 60)
                return false;
        bool leap = d->year % 4 == 0 && (d->year % 100 != 0 || d->year % 400 == 0);
        if (d->day > days[d->month - 1] + (d->month == 2 && leap ? 1u : 0u))
                return false;
        uint64_t before = d->year - 1;
        uint64_t day = (d->year - 1970) * 365 + (before / 4 - before / 100 + before / 400)
                       - (1969 / 4 - 1969 / 100 + 1969 / 400);
        for (uint64_t m = 1; m < d->month; m++)
                day += days[m - 1] + (m == 2 && leap ? 1u : 0u);
        *out = (day + d->day - 1) * 86'400 + d->hour * 3600 + d->minute * 60 + d->second;
        return true;
}

/* One of the words of three letters; its number from 1. */
static bool word_of(view *v, const char *words, size_t count, uint64_t *out)
{
        for (size_t i = 0; i < count; i++)
                if (view_equal(view_slice(*v, 0, 3), (view){(const uint8_t *)words + i * 3, 3})) {
                        skip(v, 3);
                        *out = i + 1;
                        return true;
                }
        return false;
}

static bool month_name(view *v, uint64_t *out) { return word_of(v, "JanFebMarAprMayJunJulAugSepOctNovDec", 12, out); }

static bool time_of_day(view *v, date *d)
{
        return digits(v, 2, &d->hour) && skip_byte(v, ':') && digits(v, 2, &d->minute) && skip_byte(v, ':')
               && digits(v, 2, &d->second);
}

/* "06 Nov 1994 08:49:37 GMT" */
static bool imf_date(view v, date *d)
{
        return digits(&v, 2, &d->day) && skip_byte(&v, ' ') && month_name(&v, &d->month) && skip_byte(&v, ' ')
               && digits(&v, 4, &d->year) && skip_byte(&v, ' ') && time_of_day(&v, d) && view_equal(v, VIEW(" GMT"));
}

/* "06-Nov-94 08:49:37 GMT". Nothing before 1970 is meant today. */
static bool rfc850_date(view v, date *d)
{
        if (!(digits(&v, 2, &d->day) && skip_byte(&v, '-') && month_name(&v, &d->month) && skip_byte(&v, '-')
              && digits(&v, 2, &d->year) && skip_byte(&v, ' ') && time_of_day(&v, d) && view_equal(v, VIEW(" GMT"))))
                return false;
        d->year += d->year < 70 ? 2000 : 1900;
        return true;
}

/* "Nov  6 08:49:37 1994" */
static bool asctime_date(view v, date *d)
{
        return month_name(&v, &d->month) && skip_byte(&v, ' ')
               && (skip_byte(&v, ' ') ? digits(&v, 1, &d->day) : digits(&v, 2, &d->day)) && skip_byte(&v, ' ')
               && time_of_day(&v, d) && skip_byte(&v, ' ') && digits(&v, 4, &d->year) && v.len == 0;
}

bool http_date_parse(view v, uint64_t *seconds)
{
        uint64_t weekday;
        date d = {};
        if (!word_of(&v, "MonTueWedThuFriSatSun", 7, &weekday))
                return false;
        while (v.len > 0 && is_letter(v.data[0]))
                skip(&v, 1);
        bool comma = skip_byte(&v, ',');
        if (!skip_byte(&v, ' '))
                return false;
        bool read = comma ? imf_date(v, &d) || rfc850_date(v, &d) : asctime_date(v, &d);
        return read && seconds_of(&d, seconds);
}

/* "2026-11-20T12:00:00.25Z" or with an offset, in milliseconds. */
static bool rfc3339_ms(view v, uint64_t *ms)
{
        date d = {};
        uint64_t hours, minutes, s, fraction = 0;
        if (!(digits(&v, 4, &d.year) && skip_byte(&v, '-') && digits(&v, 2, &d.month) && skip_byte(&v, '-')
              && digits(&v, 2, &d.day) && (skip_byte(&v, 'T') || skip_byte(&v, 't') || skip_byte(&v, ' '))
              && time_of_day(&v, &d) && seconds_of(&d, &s)))
                return false;
        if (skip_byte(&v, '.')) {
                uint64_t place = 100;
                if (v.len == 0 || !is_digit(v.data[0]))
                        return false;
                for (; v.len > 0 && is_digit(v.data[0]); skip(&v, 1), place /= 10)
                        fraction += place * (v.data[0] - '0');
        }
        if (view_equal_nocase(v, VIEW("Z"))) {
                *ms = s * 1000 + fraction;
                return true;
        }
        bool east = skip_byte(&v, '+');
        if ((!east && !skip_byte(&v, '-')) || !digits(&v, 2, &hours) || !skip_byte(&v, ':') || !digits(&v, 2, &minutes)
            || v.len > 0 || hours > 23 || minutes > 59)
                return false;
        uint64_t offset = hours * 3600 + minutes * 60;
        if (east && offset > s)
                return false;
        *ms = (east ? s - offset : s + offset) * 1000 + fraction;
        return true;
}

/* ---- the fields of a head ---- */

/* Where a field goes. Which of a reader's views it is, is its offset. */
static const struct {
        view name;
        size_t at;
} fields[] = {
#define QUOTA(n, part) offsetof(vendor_limits_reader, quotas[n].part)
        {VIEW_INIT("date"), offsetof(vendor_limits_reader, date)},
        {VIEW_INIT("retry-after"), offsetof(vendor_limits_reader, retry_after)},
        {VIEW_INIT("retry-after-ms"), offsetof(vendor_limits_reader, retry_after_ms)},
        {VIEW_INIT("x-ms-retry-after-ms"), offsetof(vendor_limits_reader, retry_after_ms)},
        {VIEW_INIT("x-ratelimit-limit-requests"), QUOTA(0, limit)},
        {VIEW_INIT("x-ratelimit-remaining-requests"), QUOTA(0, left)},
        {VIEW_INIT("x-ratelimit-reset-requests"), QUOTA(0, reset)},
        {VIEW_INIT("x-ratelimit-limit"), QUOTA(0, limit)},
        {VIEW_INIT("x-ratelimit-remaining"), QUOTA(0, left)},
        {VIEW_INIT("x-ratelimit-reset"), QUOTA(0, reset)},
        {VIEW_INIT("anthropic-ratelimit-requests-limit"), QUOTA(0, limit)},
        {VIEW_INIT("anthropic-ratelimit-requests-remaining"), QUOTA(0, left)},
        {VIEW_INIT("anthropic-ratelimit-requests-reset"), QUOTA(0, reset)},
        {VIEW_INIT("x-ratelimit-limit-tokens"), QUOTA(1, limit)},
        {VIEW_INIT("x-ratelimit-remaining-tokens"), QUOTA(1, left)},
        {VIEW_INIT("x-ratelimit-reset-tokens"), QUOTA(1, reset)},
        {VIEW_INIT("anthropic-ratelimit-tokens-limit"), QUOTA(1, limit)},
        {VIEW_INIT("anthropic-ratelimit-tokens-remaining"), QUOTA(1, left)},
        {VIEW_INIT("anthropic-ratelimit-tokens-reset"), QUOTA(1, reset)},
        {VIEW_INIT("anthropic-ratelimit-input-tokens-limit"), QUOTA(2, limit)},
        {VIEW_INIT("anthropic-ratelimit-input-tokens-remaining"), QUOTA(2, left)},
        {VIEW_INIT("anthropic-ratelimit-input-tokens-reset"), QUOTA(2, reset)},
        {VIEW_INIT("anthropic-ratelimit-output-tokens-limit"), QUOTA(3, limit)},
        {VIEW_INIT("anthropic-ratelimit-output-tokens-remaining"), QUOTA(3, left)},
        {VIEW_INIT("anthropic-ratelimit-output-tokens-reset"), QUOTA(3, reset)},
#undef QUOTA
};

void vendor_limits_begin(vendor_limits_reader *r) { *r = (vendor_limits_reader){}; }

void vendor_limits_field(vendor_limits_reader *r, view name, view value)
{
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
                if (view_equal_nocase(name, fields[i].name))
                        memcpy((char *)r + fields[i].at, &value, sizeof value);
}

/* From the vendor's now; what is past is 0. */
static uint64_t from_now(uint64_t then_ms, uint64_t now_ms) { return then_ms > now_ms ? then_ms - now_ms : 0; }

static uint64_t after_of(const vendor_limits_reader *r, bool dated, uint64_t now_ms)
{
        uint64_t ms, s;
        if (duration(r->retry_after_ms, 1, &ms) || duration(r->retry_after, 1000, &ms))
                return least(ms, RETRY_AFTER_MOST_MS);
        if (dated && http_date_parse(r->retry_after, &s))
                return least(from_now(s * 1000, now_ms), RETRY_AFTER_MOST_MS);
        return RETRY_AFTER_NONE;
}

/* A duration, a time, or a number: of seconds, or since 1970 in seconds or milliseconds when it is that large. */
static uint64_t reset_of(view v, bool dated, uint64_t now_ms)
{
        constexpr uint64_t SINCE_1970_S = 1'000'000'000;
        constexpr uint64_t SINCE_1970_MS = SINCE_1970_S * 1000;
        uint64_t ms, n;
        if (view_decimal(v, UINT64_MAX / 1000, &n) && n >= SINCE_1970_S)
                ms = n >= SINCE_1970_MS ? n : n * 1000;
        else if (duration(v, 1000, &ms))
                return least(ms, RESET_MOST_MS);
        else if (!rfc3339_ms(v, &ms))
                return RETRY_AFTER_NONE;
        return dated ? least(from_now(ms, now_ms), RESET_MOST_MS) : RETRY_AFTER_NONE;
}

/* A limit of nothing, or below it, is how some say that they do not tell. */
static uint64_t left_of(const vendor_limits_reader *r, size_t quota)
{
        uint64_t limit, left;
        view stated = r->quotas[quota].limit;
        bool told = stated.len == 0 || (view_decimal(stated, UINT64_MAX, &limit) && limit > 0);
        return told && view_decimal(r->quotas[quota].left, UINT64_MAX - 1, &left) ? left : RETRY_AFTER_NONE;
}

void vendor_limits_end(vendor_limits_reader *r, vendor_limits *out)
{
        uint64_t now_ms = 0;
        bool dated = http_date_parse(r->date, &now_ms);
        now_ms *= 1000;
        *out = (vendor_limits){.after_ms = after_of(r, dated, now_ms),
                               .requests_left = left_of(r, 0),
                               .tokens_left = RETRY_AFTER_NONE,
                               .requests_reset_ms = reset_of(r->quotas[0].reset, dated, now_ms),
                               .tokens_reset_ms = RETRY_AFTER_NONE,
                               .date_s = now_ms / 1000};
        /* Of several limits on tokens the tightest counts, and of equal ones the one that lasts. */
        for (size_t q = 1; q < VENDOR_QUOTAS; q++) {
                uint64_t left = left_of(r, q), reset = reset_of(r->quotas[q].reset, dated, now_ms);
                bool lasts = left == out->tokens_left && reset != RETRY_AFTER_NONE
                             && (out->tokens_reset_ms == RETRY_AFTER_NONE || reset > out->tokens_reset_ms);
                if (left < out->tokens_left || lasts) {
                        out->tokens_left = left;
                        out->tokens_reset_ms = reset;
                }
        }
}

uint64_t vendor_limits_wait(const vendor_limits *l)
{
        uint64_t wait = 0;
        if (l->after_ms != RETRY_AFTER_NONE)
                return l->after_ms;
        if (l->requests_left == 0 && l->requests_reset_ms != RETRY_AFTER_NONE)
                wait = l->requests_reset_ms;
        if (l->tokens_left == 0 && l->tokens_reset_ms != RETRY_AFTER_NONE && l->tokens_reset_ms > wait)
                wait = l->tokens_reset_ms;
        return wait == 0 ? RETRY_AFTER_NONE : least(wait, RETRY_AFTER_MOST_MS);
}

/* ---- sentences ---- */

uint64_t retry_after_text(view message)
{
        static const char *const leads[] = {"try again in ", "try again after ", "retry in ", "retry after "};
        view text = view_slice(message, 0, TEXT_BYTES);
        uint64_t ms;
        if (duration(text, 1000, &ms))
                return least(ms, RETRY_AFTER_MOST_MS);
        for (size_t i = 0; i < sizeof leads / sizeof *leads; i++) {
                view lead = view_of_text(leads[i]);
                for (size_t at = 0; at + lead.len < text.len; at++) {
                        view rest = view_slice(text, at + lead.len, text.len);
                        if (view_equal_nocase(view_slice(text, at, at + lead.len), lead)
                            && duration_take(&rest, 1000, &ms))
                                return least(ms, RETRY_AFTER_MOST_MS);
                }
        }
        return RETRY_AFTER_NONE;
}
