#include "codec/utf8.h"
#include "support/tap.h"

static const struct {
        const char *name;
        view        bytes;
        size_t      len; /* 0: invalid */
        uint32_t    point;
} rows[] = {
        {"NUL is a code point", VIEW_INIT("\0"), 1, 0},
        {"ASCII is one byte", VIEW_INIT("~z"), 1, '~'},
        {"two bytes begin at U+0080", VIEW_INIT("\xC2\x80"), 2, 0x80},
        {"two bytes end at U+07FF", VIEW_INIT("\xDF\xBF"), 2, 0x7FF},
        {"three bytes begin at U+0800", VIEW_INIT("\xE0\xA0\x80"), 3, 0x800},
        {"the last before the surrogates", VIEW_INIT("\xED\x9F\xBF"), 3, 0xD7FF},
        {"the first behind the surrogates", VIEW_INIT("\xEE\x80\x80"), 3, 0xE000},
        {"three bytes end at U+FFFF", VIEW_INIT("\xEF\xBF\xBF"), 3, 0xFFFF},
        {"four bytes begin at U+10000", VIEW_INIT("\xF0\x90\x80\x80"), 4, 0x10000},
        {"four bytes end at U+10FFFF", VIEW_INIT("\xF4\x8F\xBF\xBF"), 4, 0x10FFFF},
        {"nothing is nothing", VIEW_INIT(""), 0, 0},
        {"a continuation cannot begin", VIEW_INIT("\x80"), 0, 0},
        {"C0 is overlong", VIEW_INIT("\xC0\x80"), 0, 0},
        {"C1 is overlong", VIEW_INIT("\xC1\xBF"), 0, 0},
        {"three bytes may be overlong", VIEW_INIT("\xE0\x9F\xBF"), 0, 0},
        {"four bytes may be overlong", VIEW_INIT("\xF0\x8F\xBF\xBF"), 0, 0},
        {"the first surrogate is invalid", VIEW_INIT("\xED\xA0\x80"), 0, 0},
        {"the last surrogate is invalid", VIEW_INIT("\xED\xBF\xBF"), 0, 0},
        {"U+110000 is no code point", VIEW_INIT("\xF4\x90\x80\x80"), 0, 0},
        {"F5 is never valid", VIEW_INIT("\xF5\x80\x80\x80"), 0, 0},
        {"FF is never valid", VIEW_INIT("\xFF"), 0, 0},
        {"a second byte must continue", VIEW_INIT("\xC3("), 0, 0},
        {"a third byte must continue", VIEW_INIT("\xE2\x82("), 0, 0},
        {"a fourth byte must continue", VIEW_INIT("\xF0\x9F\x98("), 0, 0},
};

static void rows_test(void)
{
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                view   v = rows[i].bytes;
                size_t len = 0;
                bool   good = utf8_length(v) == rows[i].len;
                if (rows[i].len > 0) {
                        good = good && utf8_next(v, &len) == rows[i].point && len == rows[i].len && utf8_valid(v);
                        for (size_t cut = 0; cut < rows[i].len; cut++)
                                good = good && utf8_length(view_slice(v, 0, cut)) == 0;
                } else {
                        good = good && utf8_valid(v) == (v.len == 0);
                }
                tap_ok(good, "utf8", rows[i].name);
        }
}

static void round_test(void)
{
        bool     good = true;
        uint32_t count = 0;
        for (uint32_t point = 0; point <= 0x10FFFF; point++) {
                if (point >= 0xD800 && point <= 0xDFFF)
                        continue;
                uint8_t out[4];
                size_t  len = utf8_write(point, out), got;
                view    v = {out, len};
                good = good && utf8_length(v) == len && utf8_next(v, &got) == point && got == len;
                count++;
        }
        tap_ok(good && count == 0x110000 - 0x800, "utf8", "every code point is written and read back");
}

/* All sequences of up to three bytes: each valid one must be what writing its code point gives. */
static void exhaustive_test(void)
{
        uint32_t valid = 0;
        bool     good = true;
        for (uint32_t n = 0; n < 1u << 24; n++) {
                uint8_t bytes[3] = {(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}, out[4];
                size_t  len = utf8_length((view){bytes, sizeof bytes}), got;
                if (len == 0)
                        continue;
                valid++;
                uint32_t point = utf8_next((view){bytes, len}, &got);
                good = good && utf8_write(point, out) == len && memcmp(out, bytes, len) == 0;
        }
        /* 128 leads of one byte and 65536 tails; 1920 of two and 256; 61440 of three. */
        tap_ok(good && valid == 128 * 65536 + 1920 * 256 + 61440, "utf8", "nothing but the shortest form is valid");
}

static void text_test(void)
{
        static const uint8_t text[] = "plain text of some length, then gr\xC3\xBC\xC3\x9F"
                                      "e \xE4\xBD\xA0 \xF0\x9F\x98\x80!";
        view                 v = {text, sizeof text - 1};
        bool                 good = utf8_valid(v);
        for (size_t at = 0; at < v.len; at++) {
                uint8_t spoiled[sizeof text];
                memcpy(spoiled, text, sizeof text);
                spoiled[at] = 0xFF;
                good = good && !utf8_valid((view){spoiled, v.len});
        }
        tap_ok(good, "utf8", "one bad byte spoils a text wherever it stands");
}

int main(void)
{
        rows_test();
        round_test();
        exhaustive_test();
        text_test();
        return tap_done();
}
