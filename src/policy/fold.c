#include "policy/fold.h"

#include <assert.h>

#include "base/word.h"
#include "codec/utf8.h"

static_assert(FOLD_WINDOW <= UINT16_MAX, "the map is of 16-bit offsets");

/* Bytes one unit may have: a surrogate pair, nested as deep as anybody nests. Longer runs of backslashes are cut, so
 * that a text of nothing else costs no more than its length. */
constexpr size_t UNIT_MOST = 256;

/* Bytes that may not stand for themselves. */
static bool odd(uint8_t c) { return c >= 0x80 || c == '\\' || c == '%' || c == '&'; }

bool fold_is_plain(view raw)
{
        size_t   at = 0;
        uint64_t any = 0;
        for (; raw.len - at >= WORD_BYTES; at += WORD_BYTES) {
                uint64_t w = word_at(raw.data + at);
                any |= word_beyond_ascii(w) | word_equal(w, '\\') | word_equal(w, '%') | word_equal(w, '&');
        }
        for (; at < raw.len; at++)
                any |= odd(raw.data[at]);
        return any == 0;
}

static int hex_digit(uint8_t c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c = ascii_lower(c);
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits at the start of v; UINT32_MAX when they are not there. */
static uint32_t hex_four(view v)
{
        if (v.len < 4)
                return UINT32_MAX;
        uint32_t n = 0;
        for (size_t i = 0; i < 4; i++) {
                int digit = hex_digit(v.data[i]);
                if (digit < 0)
                        return UINT32_MAX;
                n = n << 4 | (uint32_t)digit;
        }
        return n;
}

static size_t backslashes(view v)
{
        size_t n = 0;
        while (n < v.len && v.data[n] == '\\')
                n++;
        return n;
}

/* `\u` with its digits after n backslashes; a low surrogate behind it belongs to it. 0 when it is no escape. */
static size_t escaped_point(view v, size_t n, uint32_t *point)
{
        uint32_t high = hex_four(view_slice(v, n + 1, v.len));
        if (high == UINT32_MAX)
                return 0;
        size_t end = n + 5;
        *point = high;
        if (high < 0xd800 || high > 0xdfff)
                return end;
        *point = 0xfffd;
        size_t   again = backslashes(view_slice(v, end, v.len));
        uint32_t low = UINT32_MAX;
        if (again > 0 && end + again < v.len && v.data[end + again] == 'u')
                low = hex_four(view_slice(v, end + again + 1, v.len));
        if (high > 0xdbff || low < 0xdc00 || low > 0xdfff)
                return end;
        *point = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        return end + again + 5;
}

/* Any number of backslashes before an escape letter is that escape: JSON in JSON doubles them at every depth. */
static size_t escape_unit(view v, uint32_t *point)
{
        static const char letters[] = "nrtbf/\"";
        static const char meaning[] = "\n\r\t\b\f/\"";
        size_t n = backslashes(v);
        *point = '\\';
        if (n == v.len)
                return n;
        uint8_t c = v.data[n];
        if (c == 'u') {
                size_t len = escaped_point(v, n, point);
                return len > 0 ? len : n;
        }
        const char *at = memchr(letters, c, sizeof letters - 1);
        if (at == nullptr)
                return n;
        *point = (uint8_t)meaning[at - letters];
        return n + 1;
}

size_t fold_unit(view v, uint32_t *point)
{
        assert(v.len > 0);
        v = view_slice(v, 0, UNIT_MOST);
        if (v.data[0] == '\\')
                return escape_unit(v, point);
        size_t len = 1;
        *point = v.data[0];
        if (v.data[0] >= 0x80)
                *point = utf8_next(v, &len);
        return len;
}

/* %XX. What it makes beyond ASCII is a part of a character: only a boundary to the detectors. */
static size_t percent_unit(view v, uint32_t *point)
{
        int high = v.len > 2 ? hex_digit(v.data[1]) : -1;
        int low = v.len > 2 ? hex_digit(v.data[2]) : -1;
        if (high < 0 || low < 0)
                return 0;
        *point = high < 8 ? (uint32_t)(high << 4 | low) : 1;
        return 3;
}

/* &#64; &#x40; &commat; and the four that hide punctuation. */
static size_t entity_unit(view v, uint32_t *point)
{
        static const struct {
                view    name;
                uint8_t point;
        } named[] = {
                {VIEW_INIT("&commat;"), '@'}, {VIEW_INIT("&amp;"), '&'}, {VIEW_INIT("&lt;"), '<'},
                {VIEW_INIT("&gt;"), '>'},     {VIEW_INIT("&quot;"), '"'}, {VIEW_INIT("&nbsp;"), ' '},
        };
        for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
                if (view_starts(v, named[i].name)) {
                        *point = named[i].point;
                        return named[i].name.len;
                }
        }
        if (v.len < 4 || v.data[1] != '#')
                return 0;
        bool     hex = ascii_lower(v.data[2]) == 'x';
        size_t   at = hex ? 3 : 2;
        uint32_t n = 0;
        for (; at < v.len && at < 12; at++) {
                int digit = hex_digit(v.data[at]);
                if (digit < 0 || (!hex && digit > 9))
                        break;
                n = n * (hex ? 16 : 10) + (uint32_t)digit;
        }
        if (at >= v.len || v.data[at] != ';' || n == 0 || n > 0x10ffff || (n >= 0xd800 && n < 0xe000))
                return 0;
        *point = n;
        return at + 1;
}

/* A unit as the detectors read it: HTML and URLs hide characters in ways of their own. */
static size_t copy_unit(view v, uint32_t *point)
{
        size_t len = v.data[0] == '%' ? percent_unit(v, point) : v.data[0] == '&' ? entity_unit(v, point) : 0;
        return len > 0 ? len : fold_unit(v, point);
}

void fold_decode(view raw, emit *out)
{
        for (size_t at = 0; at < raw.len;) {
                uint32_t point = 0;
                uint8_t  bytes[4];
                at += fold_unit(view_slice(raw, at, raw.len), &point);
                emit_view(out, (view){bytes, utf8_write(point, bytes)});
        }
}

/* First code point of every run of decimal digits 0 to 9 beyond ASCII. src Unicode 16, category Nd */
static const uint32_t digit_runs[] = {
        0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0de6,
        0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0,
        0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066,
        0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50,
        0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0,
        0x1e4f0, 0x1e950, 0x1fbf0,
};

static bool invisible(uint32_t p)
{
        return p == 0xad || p == 0x61c || p == 0x180e || (p >= 0x200b && p <= 0x200f) || (p >= 0x202a && p <= 0x202e)
               || (p >= 0x2060 && p <= 0x2064) || (p >= 0x2066 && p <= 0x2069) || (p >= 0xfe00 && p <= 0xfe0f)
               || p == 0xfeff || (p >= 0xe0000 && p <= 0xe007f);
}

/* Cyrillic and Greek letters that look like Latin ones. */
static uint32_t look_alike(uint32_t p)
{
        static const struct {
                uint16_t point;
                char     latin;
        } pairs[] = {
                {0x0391, 'A'}, {0x0392, 'B'}, {0x0395, 'E'}, {0x0396, 'Z'}, {0x0397, 'H'}, {0x0399, 'I'}, {0x039a, 'K'},
                {0x039c, 'M'}, {0x039d, 'N'}, {0x039f, 'O'}, {0x03a1, 'P'}, {0x03a4, 'T'}, {0x03a5, 'Y'}, {0x03a7, 'X'},
                {0x03bf, 'o'}, {0x0405, 'S'}, {0x0406, 'I'}, {0x0408, 'J'}, {0x0410, 'A'}, {0x0412, 'B'}, {0x0415, 'E'},
                {0x041a, 'K'}, {0x041c, 'M'}, {0x041d, 'H'}, {0x041e, 'O'}, {0x0420, 'P'}, {0x0421, 'C'}, {0x0422, 'T'},
                {0x0423, 'Y'}, {0x0425, 'X'}, {0x0430, 'a'}, {0x0435, 'e'}, {0x043e, 'o'}, {0x0440, 'p'}, {0x0441, 'c'},
                {0x0443, 'y'}, {0x0445, 'x'}, {0x0455, 's'}, {0x0456, 'i'}, {0x0458, 'j'},
        };
        for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
                if (pairs[i].point == p)
                        return (uint8_t)pairs[i].latin;
        return p;
}

static bool alphanumeric(uint8_t c)
{
        return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

/* What the detectors see instead of a code point beyond ASCII; 0: nothing. `beside`: it touches an ASCII
 * alphanumeric, so a look-alike is more likely than a foreign word. */
static uint32_t folded(uint32_t p, bool beside)
{
        if (invisible(p))
                return 0;
        if (p >= 0xff01 && p <= 0xff5e)
                return p - 0xff01 + '!';
        if (p >= 0x370 && p < 0x460)
                return beside ? look_alike(p) : p;
        if ((p >= 0x2010 && p <= 0x2015) || p == 0x2212 || p == 0xfe58 || p == 0xfe63)
                return '-';
        if (p == 0xa0 || (p >= 0x2000 && p <= 0x200a) || p == 0x202f || p == 0x205f || p == 0x3000)
                return ' ';
        if (p < 0x660 || (p >= 0x3000 && p < 0xa620) || (p >= 0xac00 && p < 0xff10))
                return p;
        for (size_t i = 0; i < sizeof digit_runs / sizeof digit_runs[0]; i++)
                if (p - digit_runs[i] < 10)
                        return '0' + (p - digit_runs[i]);
        return p;
}

/* Copies the run of ASCII that stands for itself at raw[f->taken]. */
static void copy_plain(fold *f, view raw)
{
        size_t at = f->taken;
        while (at < raw.len && !odd(raw.data[at]))
                at++;
        memcpy(f->copy + f->len, raw.data + f->taken, at - f->taken);
        f->len += at - f->taken;
        f->taken = at;
}

static void note_shift(fold *f)
{
        const fold_shift *last = &f->shift[f->shifts - 1];
        if (f->len - last->copy == f->taken - last->raw)
                return;
        /* What was dropped right here left nothing between two shifts. */
        if (last->copy == f->len && f->shifts > 1)
                f->shifts--;
        f->shift[f->shifts++] = (fold_shift){(uint16_t)f->len, (uint16_t)f->taken};
}

/* Copies the unit at raw[f->taken] as the detectors are to see it. */
static void copy_folded(fold *f, view raw)
{
        uint32_t point = 0;
        view     rest = view_slice(raw, f->taken, raw.len);
        size_t   unit = copy_unit(rest, &point);
        bool     beside = (f->len > 0 && alphanumeric(f->copy[f->len - 1]))
                      || (unit < rest.len && alphanumeric(rest.data[unit]));
        f->taken += unit;
        uint32_t seen = point < 0x80 ? point : folded(point, beside);
        if (seen != 0)
                f->len += utf8_write(seen, f->copy + f->len);
        note_shift(f);
}

void fold_fill(fold *f, view raw)
{
        /* A unit that begins before the margin ends before the window does. */
        size_t stop = raw.len > FOLD_WINDOW ? FOLD_WINDOW - UNIT_MOST : raw.len;
        f->len = f->taken = 0;
        f->shift[0] = (fold_shift){};
        f->shifts = 1;
        while (f->taken < stop && f->shifts < FOLD_SHIFTS) {
                copy_plain(f, view_slice(raw, 0, stop));
                if (f->taken < stop)
                        copy_folded(f, raw);
        }
        assert(f->taken > 0 || raw.len == 0);
        assert(f->len <= f->taken);
}

/* The last shift that lies at or before a place; `by_raw` says in which of the two. */
static const fold_shift *shift_at(const fold *f, size_t place, bool by_raw)
{
        size_t low = 0, high = f->shifts;
        while (high - low > 1) {
                size_t mid = (low + high) / 2;
                if ((by_raw ? f->shift[mid].raw : f->shift[mid].copy) <= place)
                        low = mid;
                else
                        high = mid;
        }
        return &f->shift[low];
}

size_t fold_start_of(const fold *f, size_t i)
{
        if (i >= f->len)
                return f->taken;
        /* All bytes of a character came from the unit that its first one came from. */
        while (i > 0 && (f->copy[i] & 0xc0) == 0x80)
                i--;
        const fold_shift *s = shift_at(f, i, false);
        return s->raw + (i - s->copy);
}

size_t fold_end_of(const fold *f, view raw, size_t i)
{
        assert(i < f->len);
        uint32_t point;
        size_t   at = fold_start_of(f, i);
        return at + copy_unit(view_slice(raw, at, raw.len), &point);
}

size_t fold_copy_of(const fold *f, size_t raw)
{
        const fold_shift *s = shift_at(f, raw, true);
        size_t            past = s + 1 < f->shift + f->shifts ? s[1].copy : f->len;
        size_t            at = s->copy + (raw - s->raw);
        return at < past ? at : past;
}
