#include "codec/base64.h"

/* The two alphabets differ in their last two signs and in padding. */
typedef struct alphabet {
        uint8_t last[2]; /* for 62 and 63 */
        bool    padded;
} alphabet;

static const alphabet standard = {{'+', '/'}, true};
static const alphabet url = {{'-', '_'}, false};

constexpr uint8_t NO_SIGN = 64;

static uint8_t sign_of(const alphabet *a, uint32_t six)
{
        if (six < 26)
                return (uint8_t)('A' + six);
        if (six < 52)
                return (uint8_t)('a' + (six - 26));
        if (six < 62)
                return (uint8_t)('0' + (six - 52));
        return a->last[six - 62];
}

static uint8_t six_of(const alphabet *a, uint8_t sign)
{
        if (sign >= 'A' && sign <= 'Z')
                return (uint8_t)(sign - 'A');
        if (sign >= 'a' && sign <= 'z')
                return (uint8_t)(sign - 'a' + 26);
        if (sign >= '0' && sign <= '9')
                return (uint8_t)(sign - '0' + 52);
        if (sign == a->last[0])
                return 62;
        return sign == a->last[1] ? 63 : NO_SIGN;
}

static void write_with(const alphabet *a, emit *out, view bytes)
{
        for (size_t at = 0; at < bytes.len; at += 3) {
                size_t   n = bytes.len - at < 3 ? bytes.len - at : 3;
                uint32_t bits = 0;
                for (size_t i = 0; i < 3; i++)
                        bits = bits << 8 | (i < n ? bytes.data[at + i] : 0u);
                uint8_t group[4];
                for (size_t i = 0; i < sizeof group; i++)
                        group[i] = i <= n ? sign_of(a, bits >> (18 - 6 * i) & 63) : '=';
                emit_view(out, (view){group, a->padded ? sizeof group : n + 1});
        }
}

/* One group of 2 to 4 signs into 1 to 3 bytes. */
static bool group_read(const alphabet *a, view group, emit *out)
{
        uint32_t bits = 0;
        for (size_t i = 0; i < 4; i++) {
                uint8_t six = i < group.len ? six_of(a, group.data[i]) : 0;
                if (six == NO_SIGN)
                        return false;
                bits = bits << 6 | six;
        }
        uint8_t bytes[3] = {(uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits};
        size_t  n = group.len - 1;
        for (size_t i = n; i < sizeof bytes; i++)
                if (bytes[i] != 0)
                        return false;
        emit_view(out, (view){bytes, n});
        return true;
}

static bool read_with(const alphabet *a, view text, emit *out)
{
        if (a->padded && text.len % 4 != 0)
                return false;
        for (size_t i = 0; a->padded && i < 2 && text.len > 0 && text.data[text.len - 1] == '='; i++)
                text.len--;
        if (text.len % 4 == 1)
                return false;
        size_t start = out->len;
        for (size_t at = 0; at < text.len; at += 4) {
                if (!group_read(a, view_slice(text, at, at + 4), out)) {
                        out->len = start;
                        return false;
                }
        }
        return true;
}

void base64_write(emit *out, view bytes)
{
        write_with(&standard, out, bytes);
}

void base64url_write(emit *out, view bytes)
{
        write_with(&url, out, bytes);
}

bool base64_read(view text, emit *out)
{
        return read_with(&standard, text, out);
}

bool base64url_read(view text, emit *out)
{
        return read_with(&url, text, out);
}
