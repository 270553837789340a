#include "exchange.h"

#include <time.h>

typedef enum date_form { DATE_IMF, DATE_RFC850, DATE_ASCTIME } date_form;

/* A date as HTTP says it, so many seconds from now. */
static void date_write(text *out, int64_t from_now, date_form form)
{
        time_t at = time(nullptr) + (time_t)from_now;
        struct tm parts;
        char said[64];
        gmtime_r(&at, &parts);
        size_t len;
        if (form == DATE_RFC850)
                len = strftime(said, sizeof said, "%A, %d-%b-", &parts);
        else if (form == DATE_ASCTIME)
                len = strftime(said, sizeof said, "%a %b %e %H:%M:%S %Y", &parts);
        else
                len = strftime(said, sizeof said, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        text_add(out, said, len);
        if (form == DATE_RFC850) /* two digits of the year */
                text_fmt(out, "%02d %02d:%02d:%02d GMT", parts.tm_year % 100, parts.tm_hour, parts.tm_min,
                         parts.tm_sec);
}

static void retry_date(text *out, int64_t from_now, date_form form)
{
        text_str(out, "Retry-After: ");
        date_write(out, from_now, form);
        text_str(out, "\r\n");
}

/* Forms whose value does not depend on retry_after. */
static const char *fixed_form(slice form)
{
        static const struct {
                const char *name, *value;
        } rows[] = {
                {"garbage", "Retry-After: soon\r\n"},
                {"negative", "Retry-After: -5\r\n"},
                {"huge", "Retry-After: 1000000000000000000000000000000\r\n"},
                {"empty", "Retry-After:\r\n"},
                {"text", ""},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                if (slice_is(form, rows[i].name))
                        return rows[i].value;
        }
        return nullptr;
}

static void retry_after_write(const fault *f, text *out)
{
        slice form = f->after;
        const char *fixed = fixed_form(form);
        int64_t seconds = (int64_t)f->retry_after;
        if (fixed != nullptr)
                text_str(out, fixed);
        else if (slice_is(form, "ms"))
                text_fmt(out, "retry-after-ms: %lu\r\n", f->retry_after);
        else if (slice_is(form, "azure"))
                text_fmt(out, "x-ms-retry-after-ms: %lu\r\n", f->retry_after);
        else if (slice_is(form, "fraction"))
                text_fmt(out, "Retry-After: %lu.5\r\n", f->retry_after);
        else if (slice_is(form, "date"))
                retry_date(out, seconds, DATE_IMF);
        else if (slice_is(form, "skewed"))
                retry_date(out, seconds - 7200, DATE_IMF);
        else if (slice_is(form, "past"))
                retry_date(out, -3600, DATE_IMF);
        else if (slice_is(form, "rfc850"))
                retry_date(out, seconds, DATE_RFC850);
        else if (slice_is(form, "asctime"))
                retry_date(out, seconds, DATE_ASCTIME);
        else if (slice_is(form, "reset"))
                text_fmt(out, "x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: %lus\r\n",
                         f->retry_after);
        else if (f->retry_after != 0 || slice_is(form, "zero"))
                text_fmt(out, "Retry-After: %lu\r\n", f->retry_after);
}

/* Lengths of time as OpenAI writes them: 6m0s, 1.5s, 120ms. */
static void duration_write(text *out, uint64_t ms)
{
        if (ms < 1000)
                text_fmt(out, "%lums", ms);
        else if (ms >= 60000)
                text_fmt(out, "%lum%lus", ms / 60000, ms / 1000 % 60);
        else if (ms % 1000 != 0)
                text_fmt(out, "%lu.%lus", ms / 1000, ms % 1000 / 100);
        else
                text_fmt(out, "%lus", ms / 1000);
}

static void limits_write(const fault *f, text *out)
{
        text_fmt(out, "x-ratelimit-limit-requests: 10000\r\nx-ratelimit-remaining-requests: %lu\r\n", f->left);
        text_fmt(out, "x-ratelimit-limit-tokens: 200000\r\nx-ratelimit-remaining-tokens: %lu\r\n", f->tokens_left);
        text_str(out, "x-ratelimit-reset-requests: ");
        duration_write(out, f->reset_ms);
        text_str(out, "\r\nx-ratelimit-reset-tokens: ");
        duration_write(out, f->reset_ms);
        text_str(out, "\r\n");
}

void head_write(const exchange *x, text *out)
{
        const fault *f = &x->fault;
        const char *reason = x->status == 200 ? "OK" : x->status < 500 ? "Refused" : "Failed";
        text_fmt(out, "HTTP/1.1 %d %s\r\nDate: ", x->status, reason);
        date_write(out, slice_is(f->after, "skewed") ? -7200 : slice_is(f->after, "ahead") ? 86400 : 0, DATE_IMF);
        text_fmt(out, "\r\nx-request-id: req_mock_%lu\r\n", x->number);
        if (x->refused)
                retry_after_write(f, out);
        if (f->limits != 0)
                limits_write(f, out);
        if (f->gzip != 0)
                text_str(out, "Content-Encoding: gzip\r\n");
}
