#include "codec/json_text.h"

#include <assert.h>

#include "base/word.h"
#include "codec/json_scan.h"
#include "codec/utf8.h"

static inline uint64_t not_plain(uint64_t w)
{
        return word_equal(w, '"') | word_equal(w, '\\') | word_below(w, 0x20) | word_beyond_ascii(w);
}

/* Sixteen bytes at a step. As signed numbers those from 0x80 on are below 0x20 too. */
typedef int8_t block [[gnu::vector_size(16)]];

static inline bool all_plain(const uint8_t *bytes)
{
        block b;
        memcpy(&b, bytes, sizeof b);
        block    odd = (b == '"') | (b == '\\') | (b < 0x20);
        uint64_t words[2];
        memcpy(words, &odd, sizeof words);
        return (words[0] | words[1]) == 0;
}

size_t json_plain_run(const uint8_t *doc, size_t at, size_t stop)
{
        while (stop - at >= sizeof(block) && all_plain(doc + at))
                at += sizeof(block);
        while (stop - at >= WORD_BYTES) {
                uint64_t hit = not_plain(word_at(doc + at));
                if (hit != 0)
                        return at + word_first(hit);
                at += WORD_BYTES;
        }
        while (at < stop && doc[at] >= 0x20 && doc[at] < 0x80 && doc[at] != '"' && doc[at] != '\\')
                at++;
        return at;
}

/* The four hexadecimal digits behind "\u"; above 0xffff when they are not. */
static uint32_t hex4(view v)
{
        const uint32_t none = 0x10000;
        if (v.len < 6 || v.data[0] != '\\' || v.data[1] != 'u')
                return none;
        uint32_t n = 0;
        for (size_t i = 2; i < 6; i++) {
                uint8_t c = ascii_lower(v.data[i]);
                bool    digit = c >= '0' && c <= '9';
                if (!digit && !(c >= 'a' && c <= 'f'))
                        return none;
                n = n << 4 | (uint32_t)(digit ? c - '0' : c - 'a' + 10);
        }
        return n;
}

size_t json_escape_length(view v)
{
        if (v.len < 2)
                return 0;
        if (v.data[1] != 'u')
                return v.data[1] != 0 && strchr("\"\\/bfnrt", v.data[1]) != nullptr ? 2 : 0;
        uint32_t n = hex4(v);
        if (n == 0 || n > 0xffff || (n >= 0xdc00 && n <= 0xdfff))
                return 0;
        if (n < 0xd800 || n > 0xdfff)
                return 6;
        uint32_t low = hex4(view_slice(v, 6, v.len));
        return low >= 0xdc00 && low <= 0xdfff ? 12 : 0;
}

/* What the escape at the start of v stands for, as UTF-8. Returns its length; *taken is the escape's. */
static size_t escape_read(view v, uint8_t out[static 4], size_t *taken)
{
        *taken = json_escape_length(v);
        assert(*taken > 0);
        if (*taken == 2) {
                static const char letters[] = "bfnrt", means[] = "\b\f\n\r\t";
                const char       *letter = strchr(letters, v.data[1]);
                out[0] = letter != nullptr ? (uint8_t)means[letter - letters] : v.data[1];
                return 1;
        }
        uint32_t point = hex4(v);
        if (*taken == 12)
                point = 0x10000 + ((point - 0xd800) << 10) + (hex4(view_slice(v, 6, v.len)) - 0xdc00);
        return utf8_write(point, out);
}

void json_unescape(view raw, emit *out)
{
        while (raw.len > 0) {
                const uint8_t *slash = memchr(raw.data, '\\', raw.len);
                size_t         plain = slash == nullptr ? raw.len : (size_t)(slash - raw.data);
                emit_view(out, view_slice(raw, 0, plain));
                raw = view_slice(raw, plain, raw.len);
                if (raw.len == 0)
                        return;
                uint8_t bytes[4];
                size_t  taken, len = escape_read(raw, bytes, &taken);
                emit_view(out, (view){bytes, len});
                raw = view_slice(raw, taken, raw.len);
        }
}

bool json_raw_equal(view raw, view plain)
{
        while (raw.len > 0) {
                uint8_t bytes[4] = {raw.data[0]};
                size_t  taken = 1, len = 1;
                if (raw.data[0] == '\\')
                        len = escape_read(raw, bytes, &taken);
                if (!view_starts(plain, (view){bytes, len}))
                        return false;
                raw = view_slice(raw, taken, raw.len);
                plain = view_slice(plain, len, plain.len);
        }
        return plain.len == 0;
}
