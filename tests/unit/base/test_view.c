#include "base/view.h"

#include "support/tap.h"

static const char SUBJECT[] = "view";

static const struct {
        const char *sentence;
        view text;
        uint64_t max, want;
        bool good;
} numbers[] = {
        {"zero", VIEW_INIT("0"), 0, 0, true},
        {"a number", VIEW_INIT("1024"), 4096, 1024, true},
        {"the most it may be", VIEW_INIT("4096"), 4096, 4096, true},
        {"one more is none", VIEW_INIT("4097"), 4096, 0, false},
        {"the largest there is", VIEW_INIT("18446744073709551615"), UINT64_MAX, UINT64_MAX, true},
        {"one above it overflows", VIEW_INIT("18446744073709551616"), UINT64_MAX, 0, false},
        {"ten times it does too", VIEW_INIT("184467440737095516150"), UINT64_MAX, 0, false},
        {"nothing is none", VIEW_INIT(""), UINT64_MAX, 0, false},
        {"a leading zero is none", VIEW_INIT("01"), UINT64_MAX, 0, false},
        {"two zeros are none", VIEW_INIT("00"), UINT64_MAX, 0, false},
        {"a plus is none", VIEW_INIT("+1"), UINT64_MAX, 0, false},
        {"a minus is none", VIEW_INIT("-1"), UINT64_MAX, 0, false},
        {"white space is none", VIEW_INIT("1 "), UINT64_MAX, 0, false},
        {"a fraction is none", VIEW_INIT("1.0"), UINT64_MAX, 0, false},
        {"hexadecimal is none", VIEW_INIT("0x1"), UINT64_MAX, 0, false},
        {"a byte above nine is none", VIEW_INIT("1:"), UINT64_MAX, 0, false},
};

int main(void)
{
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
                uint64_t n = 77;
                bool good = view_decimal(numbers[i].text, numbers[i].max, &n);
                tap_ok(good == numbers[i].good && n == (good ? numbers[i].want : 77), "decimal", numbers[i].sentence);
        }
        view v = VIEW("abcdef");
        tap_ok(view_equal(view_slice(v, 1, 3), VIEW("bc")), SUBJECT, "a slice is a part");
        tap_ok(view_equal(view_slice(v, 4, SIZE_MAX), VIEW("ef")), SUBJECT, "its end is clamped");
        tap_ok(view_slice(v, 6, 6).data == nullptr && view_slice(v, 9, 12).len == 0 && view_slice(v, 3, 2).len == 0,
               SUBJECT, "behind the end, and turned round, it is empty");
        tap_ok(view_equal((view){}, view_slice(v, 2, 2)) && !view_equal(v, VIEW("abcdeF"))
                       && !view_equal(v, VIEW("abcde")),
               SUBJECT, "equal is equal to the byte");
        tap_ok(view_equal_nocase(v, VIEW("ABCdEF")) && !view_equal_nocase(VIEW("[@"), VIEW("{`"))
                       && !view_equal_nocase(VIEW("\xc3\x84"), VIEW("\xc3\xa4")) && !view_equal_nocase(v, VIEW("ABC")),
               SUBJECT, "case is ignored in ASCII letters alone");
        tap_ok(view_starts(v, VIEW("abc")) && view_starts(v, (view){}) && view_starts((view){}, (view){})
                       && !view_starts(v, VIEW("abd")) && !view_starts(VIEW("ab"), v),
               SUBJECT, "a prefix is a prefix");
        tap_ok(view_of_text("").len == 0 && view_equal(view_of_text("abcdef"), v), SUBJECT, "of C text");
        return tap_done();
}
