#include "codec/utf8.h"

#include <assert.h>

static bool continues(uint8_t c)
{
        return (c & 0xC0) == 0x80;
}

size_t utf8_length(view v)
{
        if (v.len == 0)
                return 0;
        uint8_t c = v.data[0];
        if (c < 0x80)
                return 1;
        /* The second byte's range is what keeps out overlong forms, surrogates and values above U+10FFFF. */
        size_t  len = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
        uint8_t low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
        uint8_t high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
        if (c < 0xC2 || c > 0xF4 || v.len < len || v.data[1] < low || v.data[1] > high)
                return 0;
        for (size_t i = 2; i < len; i++)
                if (!continues(v.data[i]))
                        return 0;
        return len;
}

uint32_t utf8_next(view v, size_t *len)
{
        assert(v.len > 0);
        uint8_t c = v.data[0];
        if (c < 0x80) {
                *len = 1;
                return c;
        }
        *len = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
        assert(v.len >= *len);
        uint32_t point = c & (0x7Fu >> *len);
        for (size_t i = 1; i < *len; i++)
                point = point << 6 | (v.data[i] & 0x3Fu);
        return point;
}

size_t utf8_write(uint32_t point, uint8_t out[static 4])
{
        assert(point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF));
        if (point < 0x80) {
                out[0] = (uint8_t)point;
                return 1;
        }
        size_t len = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
        for (size_t i = len - 1; i > 0; i--, point >>= 6)
                out[i] = (uint8_t)(0x80 | (point & 0x3F));
        out[0] = (uint8_t)(0xF00u >> len | point);
        return len;
}

/* Bytes of pure ASCII at the start, in steps of eight. */
static size_t ascii_run(view v)
{
        size_t   at = 0;
        uint64_t eight;
        for (; v.len - at >= sizeof eight; at += sizeof eight) {
                memcpy(&eight, v.data + at, sizeof eight);
                if ((eight & 0x8080808080808080u) != 0)
                        break;
        }
        return at;
}

bool utf8_valid(view v)
{
        while (v.len > 0) {
                size_t len = ascii_run(v);
                if (len == 0)
                        len = utf8_length(v);
                if (len == 0)
                        return false;
                v = (view){v.data + len, v.len - len};
        }
        return true;
}
