#include "firmware/text.h"

#include "support/tap.h"

static const char SUBJECT[] = "text";

static void test_lines(void)
{
        view rest = VIEW("one\ntwo\r\n\nlast");
        tap_ok(view_equal(text_line(&rest), VIEW("one")) && view_equal(text_line(&rest), VIEW("two"))
                       && text_line(&rest).len == 0 && view_equal(text_line(&rest), VIEW("last")) && rest.len == 0
                       && text_line(&rest).len == 0,
               SUBJECT, "lines end with LF or CR LF, the last one anyhow");
}

static void test_words(void)
{
        view line = VIEW(" \ta  bc\t"), none = {};
        tap_ok(view_equal(text_word(&line), VIEW("a")) && view_equal(text_word(&line), VIEW("bc"))
                       && text_word(&line).len == 0 && text_word(&none).len == 0,
               SUBJECT, "words stand between blanks and tabs");
        tap_ok(text_contains(VIEW("abc"), VIEW("bc")) && !text_contains(VIEW("abc"), VIEW("cb"))
                       && !text_contains((view){}, VIEW("a")) && text_contains((view){}, (view){}),
               SUBJECT, "a part is found, and nothing is part of everything");
}

static void test_sentences(void)
{
        notice s = {};
        tap_ok(failed(notice_fail(&s, "a ", VIEW("b\x1b[2J\xff"), " c"))
                       && view_equal(notice_view(&s), VIEW("a b?[2J? c")),
               SUBJECT, "what could move a terminal's cursor is shown as question marks");
        uint8_t many[1000];
        memset(many, 'x', sizeof many);
        notice_set(&s, "", (view){many, sizeof many}, "end");
        tap_ok(s.len == NOTICE_BYTES, SUBJECT, "a sentence has a most");
}

int main(void)
{
        test_lines();
        test_words();
        test_sentences();
        return tap_done();
}
