#include "codec/json_text.h"

#include "codec/json_scan.h"
#include "support/tap.h"

static const char SUBJECT[] = "json_text";

/* The special byte at every offset of a text, from every beginning, up to every end. */
static void plain_runs(void)
{
        static const uint8_t special[] = {0x00, 0x01, 0x1f, '"', '\\', 0x80, 0xa2, 0xdc, 0xff};
        static const uint8_t plain[] = {0x20, 0x21, 0x23, 0x5b, 0x5d, 0x7f};
        for (size_t s = 0; s < sizeof special; s++) {
                bool good = true;
                for (size_t at = 0; at < 32; at++) {
                        uint8_t text[32];
                        for (size_t i = 0; i < sizeof text; i++)
                                text[i] = i > at ? special[i % sizeof special] : plain[i % sizeof plain];
                        text[at] = special[s];
                        for (size_t from = 0; from <= at; from++)
                                for (size_t stop = from; stop <= sizeof text; stop++)
                                        good = good && json_plain_run(text, from, stop) == (stop < at ? stop : at);
                }
                tap_ok(good, SUBJECT, "a special byte ends a run exactly, wherever it stands");
        }
}

/* clang-format off */
static const struct {
        const char *name;
        view        raw;
        size_t      len;  /* of the first escape; 0: none */
        view        text; /* decoded, when all is valid */
} rows[] = {
        {"a quote",                         VIEW_INIT("\\\"x"),                2,  VIEW_INIT("\"x")},
        {"a slash",                         VIEW_INIT("\\/"),                  2,  VIEW_INIT("/")},
        {"the letters",                     VIEW_INIT("\\b\\f\\n\\r\\t\\\\"),  2,  VIEW_INIT("\b\f\n\r\t\\")},
        {"a code point of one byte",        VIEW_INIT("\\u0041b"),             6,  VIEW_INIT("Ab")},
        {"digits in both cases",            VIEW_INIT("\\u00e9\\u00E9"),       6,  VIEW_INIT("\xc3\xa9\xc3\xa9")},
        {"a code point of three bytes",     VIEW_INIT("\\u4f60"),              6,  VIEW_INIT("\xe4\xbd\xa0")},
        {"U+FFFF",                          VIEW_INIT("\\uffff"),              6,  VIEW_INIT("\xef\xbf\xbf")},
        {"a pair",                          VIEW_INIT("\\ud83d\\ude00!"),      12, VIEW_INIT("\xf0\x9f\x98\x80!")},
        {"the last pair",                   VIEW_INIT("\\uDBFF\\uDFFF"),       12, VIEW_INIT("\xf4\x8f\xbf\xbf")},
        {"NUL",                             VIEW_INIT("\\u0000"),              0,  VIEW_INIT("")},
        {"a high half before an escape",    VIEW_INIT("\\ud83d\\n12345"),      0,  VIEW_INIT("")},
        {"a high half at the end",          VIEW_INIT("\\ud83d"),              0,  VIEW_INIT("")},
        {"a low half",                      VIEW_INIT("\\ude00\\ud83d"),       0,  VIEW_INIT("")},
        {"too few digits",                  VIEW_INIT("\\u12"),                0,  VIEW_INIT("")},
        {"a bad digit",                     VIEW_INIT("\\u12g4"),              0,  VIEW_INIT("")},
        {"a capital U",                     VIEW_INIT("\\U0041"),              0,  VIEW_INIT("")},
        {"a lone backslash",                VIEW_INIT("\\"),                   0,  VIEW_INIT("")},
};
/* clang-format on */

static void escapes(void)
{
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                bool good = json_escape_length(rows[i].raw) == rows[i].len;
                if (rows[i].len > 0) {
                        uint8_t out[64];
                        emit e = emit_into(out, sizeof out);
                        json_unescape(rows[i].raw, &e);
                        good = good && view_equal((view){out, e.len}, rows[i].text);
                        good = good && json_raw_equal(rows[i].raw, rows[i].text);
                        good = good && !json_raw_equal(rows[i].raw, view_slice(rows[i].text, 0, rows[i].text.len - 1));
                }
                tap_ok(good, SUBJECT, rows[i].name);
        }
        tap_ok(json_raw_equal(VIEW("mod\\u0065l"), VIEW("model")) && !json_raw_equal(VIEW("model"), VIEW("models"))
                       && !json_raw_equal(VIEW("models"), VIEW("model")) && json_raw_equal(VIEW(""), VIEW("")),
               SUBJECT, "raw ranges equal what they mean");
        uint8_t small[3];
        emit e = emit_into(small, sizeof small);
        json_unescape(VIEW("ab\\u4f60"), &e);
        tap_ok(e.full && e.len == 2, SUBJECT, "no half character is written where room ends");
}

int main(void)
{
        plain_runs();
        escapes();
        return tap_done();
}
