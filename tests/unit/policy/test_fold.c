#include "policy/fold.h"

#include "support/tap.h"

static const char SUBJECT[] = "fold";

static fold f;

static const struct {
        const char *sentence;
        view raw, copy;
} cases[] = {
        {"plain text is itself", VIEW_INIT("abc 123"), VIEW_INIT("abc 123")},
        {"nothing is nothing", VIEW_INIT(""), VIEW_INIT("")},
        {"short escapes are decoded", VIEW_INIT("a\\n\\t\\\"\\/b"), VIEW_INIT("a\n\t\"/b")},
        {"\\u escapes are decoded", VIEW_INIT("\\u0041\\u0040x"), VIEW_INIT("A@x")},
        {"escapes of JSON in JSON are decoded", VIEW_INIT("\\\\n1\\\\\\\"2\\\\u0040"), VIEW_INIT("\n1\"2@")},
        {"a backslash before another letter stays one", VIEW_INIT("\\\\d+"), VIEW_INIT("\\d+")},
        {"backslashes at the end stay one", VIEW_INIT("a\\\\"), VIEW_INIT("a\\")},
        {"\\u without its digits is a backslash", VIEW_INIT("\\\\u12"), VIEW_INIT("\\u12")},
        {"surrogate pairs are one character", VIEW_INIT("\\ud835\\udfce"), VIEW_INIT("0")},
        {"a lone surrogate of inner JSON is a replacement character", VIEW_INIT("\\\\ud835x"),
         VIEW_INIT("\xef\xbf\xbdx")},
        {"full-width forms are ASCII", VIEW_INIT("１＠Ａ"), VIEW_INIT("1@A")},
        {"Arabic digits are digits", VIEW_INIT("٤٠"), VIEW_INIT("40")},
        {"mathematical digits are digits", VIEW_INIT("𝟓𝟑"), VIEW_INIT("53")},
        {"circled digits are not", VIEW_INIT("①"), VIEW_INIT("①")},
        {"invisible characters are left out",
         VIEW_INIT("4\xe2\x80\x8b"
                   "1\xc2\xad"
                   "2"),
         VIEW_INIT("412")},
        {"dashes are -", VIEW_INIT("1–2−3"), VIEW_INIT("1-2-3")},
        {"spaces of other widths are spaces",
         VIEW_INIT("1\xc2\xa0"
                   "2\xe2\x80\xaf"
                   "3"),
         VIEW_INIT("1 2 3")},
        {"a Cyrillic look-alike beside Latin is Latin",
         VIEW_INIT("G\xd0\x92"
                   "32"),
         VIEW_INIT("GB32")},
        {"Cyrillic words stay", VIEW_INIT("\xd0\x92\xd0\x9e"), VIEW_INIT("\xd0\x92\xd0\x9e")},
        {"Chinese stays", VIEW_INIT("电话1"), VIEW_INIT("电话1")},
        {"HTML entities are decoded", VIEW_INIT("a&#64;b&#x2D;c&commat;"), VIEW_INIT("a@b-c@")},
        {"an ampersand alone stays", VIEW_INIT("a & b &#; &#xd800;"), VIEW_INIT("a & b &#; &#xd800;")},
        {"percent codes are decoded", VIEW_INIT("a%40b%2B1"), VIEW_INIT("a@b+1")},
        {"a percent sign alone stays", VIEW_INIT("5% of 100%"), VIEW_INIT("5% of 100%")},
        {"percent codes beyond ASCII are a boundary",
         VIEW_INIT("%E8"
                   "9"),
         VIEW_INIT("\x01"
                   "9")},
};

/* Every byte of the copy came from a unit that, read again, lies inside the raw text, in order. */
static bool map_is_sound(view raw)
{
        size_t last = 0;
        for (size_t i = 0; i < f.len; i++) {
                size_t start = fold_start_of(&f, i);
                size_t end = fold_end_of(&f, raw, i);
                if (start < last || end <= start || end > raw.len)
                        return false;
                last = start;
        }
        return fold_start_of(&f, f.len) == f.taken;
}

static bool copy_of_finds(view raw)
{
        for (size_t at = 0; at < raw.len; at++) {
                size_t i = fold_copy_of(&f, at);
                if (i > f.len
                    || (i > 0 && fold_start_of(&f, i - 1) >= at && (f.copy[i - 1] & 0xc0) != 0x80
                        && fold_start_of(&f, i - 1) > at))
                        return false;
        }
        return true;
}

static uint8_t big[3 * FOLD_WINDOW];

static void test_windows(void)
{
        memset(big, 'a', sizeof big);
        fold_fill(&f, (view){big, sizeof big});
        tap_ok(f.taken < FOLD_WINDOW && f.len == f.taken, SUBJECT, "a window takes no more than its size");
        for (size_t i = 0; i + 6 <= sizeof big; i += 6)
                memcpy(big + i, "\\u0041", 6);
        fold_fill(&f, (view){big, sizeof big});
        tap_ok(f.taken % 6 == 0 && f.len == f.taken / 6, SUBJECT, "a window never cuts an escape");
        for (size_t i = 0; i + 3 <= sizeof big; i += 3)
                memcpy(big + i, "\\n1", 3);
        fold_fill(&f, (view){big, sizeof big});
        tap_ok(f.taken % 3 != 1 && f.shifts <= FOLD_SHIFTS && f.taken > 1000, SUBJECT,
               "a window full of escapes is shorter");
        memset(big, '\\', sizeof big);
        fold_fill(&f, (view){big, sizeof big});
        tap_ok(f.taken > 0 && f.taken <= FOLD_WINDOW, SUBJECT, "a window of nothing but backslashes ends");
        for (size_t i = 0; i + 3 <= sizeof big; i += 3)
                memcpy(big + i, "\xe2\x80\x8b", 3);
        fold_fill(&f, (view){big, sizeof big});
        tap_ok(f.len == 0 && f.taken > 0, SUBJECT, "a window of invisible characters has no copy");
}

/* Looked through in words: each byte at each place of a word and behind it. */
static void test_plain(void)
{
        bool good = true;
        for (unsigned c = 1; c < 256; c++)
                for (size_t at = 0; at < 20; at++) {
                        uint8_t text[20];
                        memset(text, 'a', sizeof text);
                        text[at] = (uint8_t)c;
                        bool want = c < 0x80 && c != '\\' && c != '%' && c != '&';
                        good = good && fold_is_plain((view){text, sizeof text}) == want;
                }
        tap_ok(good && fold_is_plain((view){}), SUBJECT, "every byte is plain or not alike at every place");
}

int main(void)
{
        test_plain();
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                fold_fill(&f, cases[i].raw);
                bool good = view_equal((view){f.copy, f.len}, cases[i].copy) && f.taken == cases[i].raw.len
                            && map_is_sound(cases[i].raw) && copy_of_finds(cases[i].raw);
                if (!tap_ok(good, SUBJECT, cases[i].sentence))
                        printf("# got %.*s\n", (int)f.len, (const char *)f.copy);
        }
        tap_ok(fold_is_plain(VIEW("plain, text.")) && !fold_is_plain(VIEW("a\\n")) && !fold_is_plain(VIEW("é"))
                       && !fold_is_plain(VIEW("%")) && !fold_is_plain(VIEW("&")),
               SUBJECT, "only text that stands for itself is plain");

        uint8_t room[64];
        emit out = emit_into(room, sizeof room);
        view value;
        fold_decode(VIEW("１\\u0040\\\\n%40"), &out);
        tap_ok(!failed(emit_done(&out, &value)) && view_equal(value, VIEW("１@\n%40")), SUBJECT,
               "a value is decoded as it was spelled, not folded");
        test_windows();
        return tap_done();
}
