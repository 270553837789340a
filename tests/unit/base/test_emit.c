#include "base/emit.h"

#include "support/tap.h"

static const char SUBJECT[] = "emit";

static const struct {
        const char *sentence;
        view text, want;
} json[] = {
        {"plain text is itself", VIEW_INIT("a b/c"), VIEW_INIT("a b/c")},
        {"nothing is nothing", VIEW_INIT(""), VIEW_INIT("")},
        {"quote and backslash", VIEW_INIT("\"\\"), VIEW_INIT("\\\"\\\\")},
        {"the short escapes", VIEW_INIT("\b\t\n\f\r"), VIEW_INIT("\\b\\t\\n\\f\\r")},
        {"other controls in four digits", VIEW_INIT("\x01\x1f\v"), VIEW_INIT("\\u0001\\u001f\\u000b")},
        {"NUL too", VIEW_INIT("a\0b"), VIEW_INIT("a\\u0000b")},
        {"everything else as it is",
         VIEW_INIT("\x7f"
                   "ü€😀"),
         VIEW_INIT("\x7f"
                   "ü€😀")},
        {"an escape at either end", VIEW_INIT("\na\n"), VIEW_INIT("\\na\\n")},
};

static void test_json(void)
{
        for (size_t i = 0; i < sizeof json / sizeof *json; i++) {
                uint8_t bytes[64], quoted[64];
                emit e = emit_into(bytes, sizeof bytes), q = emit_into(quoted, sizeof quoted);
                emit_json_inner(&e, json[i].text);
                emit_json(&q, json[i].text);
                view all = {quoted, q.len};
                tap_ok(view_equal((view){bytes, e.len}, json[i].want) && all.data[0] == '"'
                               && all.data[all.len - 1] == '"'
                               && view_equal(view_slice(all, 1, all.len - 1), json[i].want),
                       SUBJECT, json[i].sentence);
        }
}

static void test_numbers(void)
{
        uint8_t bytes[128];
        emit e = emit_into(bytes, sizeof bytes);
        emit_u64(&e, 0);
        emit_byte(&e, ' ');
        emit_u64(&e, UINT64_MAX);
        emit_byte(&e, ' ');
        emit_i64(&e, INT64_MIN);
        emit_byte(&e, ' ');
        emit_i64(&e, -1);
        emit_byte(&e, ' ');
        emit_i64(&e, INT64_MAX);
        emit_byte(&e, ' ');
        emit_hex(&e, VIEW("\x00\xff\x5a"));
        view all;
        tap_ok(!failed(emit_done(&e, &all))
                       && view_equal(all,
                                     VIEW("0 18446744073709551615 -9223372036854775808 -1 9223372036854775807 00ff5a")),
               SUBJECT, "numbers from end to end of their range");
}

static void test_full(void)
{
        uint8_t bytes[9] = {};
        view all;
        bool good = true;
        bytes[8] = 0xee;
        emit e = emit_into(bytes, 8);
        emit_text(&e, "12345678");
        emit_view(&e, (view){});
        tap_ok(!failed(emit_done(&e, &all)) && all.len == 8, SUBJECT,
               "the last byte is there, and nothing fits after it");
        emit_byte(&e, '9');
        tap_ok(emit_done(&e, &all).code == ERR_NO_ROOM && all.len == 0 && bytes[8] == 0xee, SUBJECT,
               "one byte more is refused");
        e = emit_into(bytes, 8);
        emit_text(&e, "123456");
        emit_text(&e, "789");
        emit_text(&e, "7");
        tap_ok(failed(emit_done(&e, &all)) && e.len == 6, SUBJECT,
               "what did not fit is left out whole, and all after it");
        for (size_t cap = 0; cap < 40; cap++) {
                uint8_t room[41];
                memset(room, 0xee, sizeof room);
                e = emit_into(room, cap);
                emit_json(&e, VIEW("a\"b\x01"
                                   "c"));
                emit_u64(&e, 1234567);
                emit_hex(&e, VIEW("xyz"));
                good = good && e.full == (cap < 13 + 7 + 6) && room[cap] == 0xee;
        }
        tap_ok(good, SUBJECT, "no size of room is overrun");
}

/* Looked through in words: each byte that is escaped, at each place of a word and behind it. */
static void test_every_place(void)
{
        bool good = true;
        for (unsigned c = 1; c < 256; c++)
                for (size_t at = 0; at < 20; at++) {
                        uint8_t text[20], room[64], back[64];
                        memset(text, 'a', sizeof text);
                        text[at] = (uint8_t)c;
                        emit e = emit_into(room, sizeof room), want = emit_into(back, sizeof back);
                        emit_json_inner(&e, (view){text, sizeof text});
                        for (size_t i = 0; i < sizeof text; i++)
                                emit_json_inner(&want, (view){text + i, 1});
                        bool escaped = c < 0x20 || c == '"' || c == '\\';
                        good = good && view_equal((view){room, e.len}, (view){back, want.len})
                               && escaped == (e.len > sizeof text);
                }
        tap_ok(good, SUBJECT, "every byte is escaped or not alike at every place");
}

int main(void)
{
        test_every_place();
        test_json();
        test_numbers();
        test_full();
        return tap_done();
}
