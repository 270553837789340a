#include "base/emit.h"

#include <assert.h>

#include "base/word.h"

void emit_view(emit *e, view v)
{
        assert(e->len <= e->cap);
        if (e->full)
                return;
        if (v.len > e->cap - e->len) {
                e->full = true;
                return;
        }
        if (v.len > 0)
                memcpy(e->bytes + e->len, v.data, v.len);
        e->len += v.len;
}

void emit_text(emit *e, const char *text) { emit_view(e, view_of_text(text)); }

void emit_byte(emit *e, uint8_t byte) { emit_view(e, (view){&byte, 1}); }

void emit_u64(emit *e, uint64_t n)
{
        uint8_t digits[20];
        size_t  at = sizeof digits;
        do {
                digits[--at] = (uint8_t)('0' + n % 10);
                n /= 10;
        } while (n > 0);
        emit_view(e, (view){digits + at, sizeof digits - at});
}

void emit_i64(emit *e, int64_t n)
{
        if (n < 0)
                emit_byte(e, '-');
        emit_u64(e, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

static const char hex_digits[] = "0123456789abcdef";

void emit_hex(emit *e, view v)
{
        for (size_t i = 0; i < v.len; i++) {
                uint8_t two[2] = {(uint8_t)hex_digits[v.data[i] >> 4], (uint8_t)hex_digits[v.data[i] & 15]};
                emit_view(e, (view){two, 2});
        }
}

static view escape_of(uint8_t c, uint8_t scratch[static 6])
{
        switch (c) {
        case '"':
                return VIEW("\\\"");
        case '\\':
                return VIEW("\\\\");
        case '\b':
                return VIEW("\\b");
        case '\t':
                return VIEW("\\t");
        case '\n':
                return VIEW("\\n");
        case '\f':
                return VIEW("\\f");
        case '\r':
                return VIEW("\\r");
        default:
                memcpy(scratch, "\\u00", 4);
                scratch[4] = (uint8_t)hex_digits[c >> 4];
                scratch[5] = (uint8_t)hex_digits[c & 15];
                return (view){scratch, 6};
        }
}

/* The offset of the first byte from `at` on that JSON escapes. */
static size_t unescaped_run(view v, size_t at)
{
        for (; v.len - at >= WORD_BYTES; at += WORD_BYTES) {
                uint64_t w = word_at(v.data + at);
                uint64_t hit = word_below(w, 0x20) | word_equal(w, '"') | word_equal(w, '\\');
                if (hit != 0)
                        return at + word_first(hit);
        }
        while (at < v.len && v.data[at] >= 0x20 && v.data[at] != '"' && v.data[at] != '\\')
                at++;
        return at;
}

void emit_json_inner(emit *e, view v)
{
        for (size_t at = 0; at < v.len;) {
                size_t end = unescaped_run(v, at);
                emit_view(e, view_slice(v, at, end));
                if (end == v.len)
                        return;
                uint8_t scratch[6];
                emit_view(e, escape_of(v.data[end], scratch));
                at = end + 1;
        }
}

void emit_json(emit *e, view v)
{
        emit_byte(e, '"');
        emit_json_inner(e, v);
        emit_byte(e, '"');
}

err emit_done(const emit *e, view *out)
{
        *out = (view){};
        if (e->full)
                return FAIL(NO_ROOM);
        *out = (view){e->bytes, e->len};
        return OK;
}
