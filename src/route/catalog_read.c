#include "route/catalog_read.h"

#include <assert.h>

#include "base/emit.h"

err catalog_read_fail(const catalog_reader *r, const config_node *n, const char *code, const char *text)
{
        return config_fail(n, code, text, nullptr, r->fault);
}

err catalog_read_fail_number(const catalog_reader *r, const config_node *n, const char *code, catalog_sentence s)
{
        uint8_t text[sizeof r->fault->text];
        emit    e = emit_into(text, sizeof text - 1);
        emit_text(&e, s.before);
        emit_u64(&e, s.number);
        emit_text(&e, s.after);
        assert(!e.full);
        text[e.len] = 0;
        return catalog_read_fail(r, n, code, (const char *)text);
}

static bool name_byte(uint8_t c, const char *more)
{
        uint8_t low = ascii_lower(c);
        if ((low >= 'a' && low <= 'z') || (c >= '0' && c <= '9'))
                return true;
        return c != 0 && (strchr("._:/-", c) != nullptr || strchr(more, c) != nullptr);
}

err catalog_read_name(const catalog_reader *r, const config_node *n, catalog_text to)
{
        view v;
        TRY(config_text_of(n, &v, r->fault));
        if (v.len == 0 || v.len >= to.cap)
                return catalog_read_fail(r, n, "BAD_NAME", "a name must not be empty, and not as long as this one");
        for (size_t i = 0; i < v.len; i++)
                if (!name_byte(v.data[i], to.more))
                        return catalog_read_fail(r, n, "BAD_NAME", "a name may hold letters, digits and ._:/- only");
        memset(to.out, 0, to.cap);
        memcpy(to.out, v.data, v.len);
        return OK;
}

err catalog_read_name_of(const catalog_reader *r, const config_node *parent, const char *key, catalog_text to)
{
        const config_node *n = nullptr;
        TRY(config_member(parent, key, CONFIG_TEXT, &n, r->fault));
        return catalog_read_name(r, n, to);
}

static int hex_value(uint8_t c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

err catalog_read_hash(const catalog_reader *r, const config_node *n, uint8_t out[static 32])
{
        view v;
        TRY(config_text_of(n, &v, r->fault));
        bool good = v.len == 64;
        for (size_t i = 0; good && i < 32; i++) {
                int high = hex_value(v.data[2 * i]), low = hex_value(v.data[2 * i + 1]);
                good = high >= 0 && low >= 0;
                out[i] = (uint8_t)(high * 16 + low);
        }
        return good ? OK : catalog_read_fail(r, n, "BAD_HASH", "must be 64 lower-case hexadecimal digits");
}

err catalog_read_hash_of(const catalog_reader *r, const config_node *parent, const char *key, uint8_t out[static 32])
{
        const config_node *n = nullptr;
        TRY(config_member(parent, key, CONFIG_TEXT, &n, r->fault));
        return catalog_read_hash(r, n, out);
}

/* Days from 1970-01-01 to a date of the Gregorian calendar; years start in March, so that a leap day ends one. */
static uint64_t days_of(uint64_t year, uint64_t month, uint64_t day)
{
        year -= month <= 2;
        uint64_t           from_march = (month + 9) % 12;
        uint64_t           day_of_year = (153 * from_march + 2) / 5 + day - 1;
        uint64_t           days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;
        constexpr uint64_t to_1970 = 719468;
        return days - to_1970;
}

static uint64_t days_in(uint64_t year, uint64_t month)
{
        static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        bool                 leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        return month == 2 && leap ? 29 : days[month - 1];
}

static bool time_parse(view v, uint64_t *out)
{
        static const char form[] = "0000-00-00T00:00:00Z";
        if (v.len != sizeof form - 1)
                return false;
        /* year, month, day, hour, minute, second */
        uint64_t part[6] = {};
        size_t   p = 0;
        for (size_t i = 0; i < v.len; i++) {
                bool digit = form[i] == '0';
                if (digit ? hex_value(v.data[i]) < 0 || hex_value(v.data[i]) > 9 : v.data[i] != (uint8_t)form[i])
                        return false;
                if (digit)
                        part[p] = part[p] * 10 + (uint64_t)(v.data[i] - '0');
                else
                        p++;
        }
        if (part[0] < 1970 || part[1] < 1 || part[1] > 12 || part[2] < 1 || part[2] > days_in(part[0], part[1])
            || part[3] > 23 || part[4] > 59 || part[5] > 59)
                return false;
        *out = ((days_of(part[0], part[1], part[2]) * 24 + part[3]) * 60 + part[4]) * 60 + part[5];
        return true;
}

err catalog_read_time(const catalog_reader *r, const config_node *n, uint64_t *out)
{
        view v;
        TRY(config_text_of(n, &v, r->fault));
        if (!time_parse(v, out))
                return catalog_read_fail(r, n, "BAD_TIME", "must be a time in UTC of the form 2027-01-31T00:00:00Z");
        return OK;
}

err catalog_read_flag(const catalog_reader *r, const config_node *parent, const char *key, bool *out)
{
        return config_get(parent, key) == nullptr ? OK : config_bool(parent, key, out, r->fault);
}

err catalog_read_number(const catalog_reader *r, const config_node *parent, const char *key, config_range range,
                        uint64_t *out)
{
        return config_get(parent, key) == nullptr ? OK : config_u64(parent, key, range, out, r->fault);
}

err catalog_read_word(const catalog_reader *r, const config_node *parent, const char *key, const char *const words[],
                      uint8_t *out)
{
        const config_node *n = config_get(parent, key);
        view               word;
        if (n == nullptr)
                return OK;
        TRY(config_text_of(n, &word, r->fault));
        for (uint8_t i = 0; words[i] != nullptr; i++)
                if (view_equal(word, view_of_text(words[i]))) {
                        *out = i;
                        return OK;
                }
        uint8_t text[sizeof r->fault->text];
        emit    e = emit_into(text, sizeof text - 1);
        for (size_t i = 0; words[i] != nullptr; i++) {
                emit_text(&e, i == 0 ? "must be \"" : "\" or \"");
                emit_text(&e, words[i]);
        }
        emit_byte(&e, '"');
        assert(!e.full);
        text[e.len] = 0;
        return config_fail(n, "UNKNOWN_WORD", (const char *)text, config_nearest(word, words), r->fault);
}

err catalog_read_list(const catalog_reader *r, const config_node *parent, const char *key, size_t most,
                      const config_node **first)
{
        const config_node *list = nullptr;
        *first = nullptr;
        TRY(config_member(parent, key, CONFIG_ARRAY, &list, r->fault));
        if (config_count(list) > most)
                return catalog_read_fail(r, list, "TOO_MANY", "has more elements than this relay has room for");
        *first = config_first(list);
        return OK;
}

err catalog_read_optional_list(const catalog_reader *r, const config_node *parent, const char *key, size_t most,
                               const config_node **first)
{
        *first = nullptr;
        return config_get(parent, key) == nullptr ? OK : catalog_read_list(r, parent, key, most, first);
}

err catalog_read_ranges(const catalog_reader *r, const config_node *parent, const char *key, catalog_ranges *ranges)
{
        const config_node *n;
        TRY(catalog_read_optional_list(r, parent, key, ranges->most, &n));
        for (; n != nullptr; n = config_next(n)) {
                catalog_cidr *range = &ranges->out[ranges->count];
                view          v;
                TRY(config_text_of(n, &v, r->fault));
                if (!address_cidr_parse(v, range))
                        return catalog_read_fail(r, n, "BAD_CIDR",
                                                 "must be a range like 10.0.0.0/8, its bits behind the prefix zero");
                for (size_t i = 0; i < ranges->count; i++)
                        if (memcmp(&ranges->out[i], range, sizeof *range) == 0)
                                return catalog_read_fail(r, n, "DUPLICATE_NAME", "the range stands twice in this list");
                ranges->count++;
        }
        return OK;
}
