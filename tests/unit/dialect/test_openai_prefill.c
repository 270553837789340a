#include "dialect/openai_prefill.h"

#include <stdlib.h>

#include "codec/json_scan.h"
#include "support/tap.h"

static const char SUBJECT[] = "prefill";

/* ---- the message ---- */

static const struct {
        const char *sentence, *said, *flag, *want;
        bool alone;
} messages[] = {
        {"a message of the assistant", "a \\\"b\\\"\\n\\u00e4", "",
         ",{\"role\":\"assistant\",\"content\":\"a \\\"b\\\"\\n\\u00e4\"}", false},
        {"with the flag its vendor wants", "a", "prefix", ",{\"role\":\"assistant\",\"content\":\"a\",\"prefix\":true}",
         false},
        {"the only message has no comma", "a", "partial", "{\"role\":\"assistant\",\"content\":\"a\",\"partial\":true}",
         true},
};

static void test_messages(void)
{
        for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
                view said = view_of_text(messages[i].said), flag = view_of_text(messages[i].flag), got;
                uint8_t bytes[256];
                emit e = emit_into(bytes, openai_prefill_room(said, flag));
                openai_prefill_write(said, flag, messages[i].alone, &e);
                tap_ok(!failed(emit_done(&e, &got)) && view_equal(got, view_of_text(messages[i].want)), SUBJECT,
                       messages[i].sentence);
        }
}

/* ---- what comes again ---- */

static const struct {
        const char *sentence, *said, *pieces[5], *want; /* want: null where it is broken; "|" ends each piece */
} rows[] = {
        {"the rest alone", "Once upon", {" a", " time"}, " a| time|"},
        {"the prefill in one piece, then the rest", "Once upon", {"Once upon a", " time"}, " a| time|"},
        {"the prefill alone in its piece", "Once upon", {"Once upon", " a"}, "| a|"},
        {"in many", "Once upon", {"O", "nce", " upo", "n a", " time"}, "||| a| time|"},
        {"a rest that begins like it in its first piece", "Once upon", {"Once more", "."}, "Once more|.|"},
        {"in its second", "Once upon", {"Once ", "u", "nder", "."}, "||Once under|.|"},
        {"a rest that is the beginning of it", "Once upon", {"On", "ce"}, "|Once|"},
        {"and all at once", "Once upon", {"Once"}, "Once|"},
        {"nothing comes", "Once upon", {""}, "|"},
        {"nothing comes at first", "Once upon", {"", "Once upon a"}, "| a|"},
        {"the same characters, escaped here and plain there",
         "a\\u00e4\\n\\\"\\ud83d\\ude00/z",
         {"a\xc3\xa4", "\\u000a\\\"", "\xf0\x9f\x98\x80\\/z", "!"},
         "|||!|"},
        {"plain here and escaped there",
         "a\xc3\xa4 b\xf0\x9f\x98\x80",
         {"\\u0061\\u00E4", "\\u0020b\\uD83D\\uDE00", "!"},
         "||!|"},
        {"an escape that goes on otherwise", "ab\\u00e4cd", {"ab", "\\u00e5cd"}, "|ab\\u00e5cd|"},
        {"what was held back keeps its escapes", "ab\\u00e4cd", {"ab\xc3\xa4", "x"}, "|ab\\u00e4x|"},
        {"once it is over nothing is compared any more", "Once upon", {"Once upon", "Once upon"}, "|Once upon|"},
        {"three bytes may be chance", "aha", {"aha"}, nullptr},
        {"three bytes that do not come again are none", "aha", {"b"}, "b|"},
        {"four are not", "ahab", {"ahab", "x"}, "|x|"},
        {"text that goes round may be the rest", "na na ", {"na na ", "na"}, nullptr},
        {"text that ends in the middle of its round", "0, 0, 0,", {"0, 0, 0,"}, nullptr},
        {"as long as it does not come whole it is", "na na ", {"na ", "no"}, "|na no|"},
};

static bool row_holds(size_t i)
{
        arena a;
        openai_repeat r = {.said = view_of_text(rows[i].said)};
        uint8_t bytes[512];
        emit out = emit_into(bytes, sizeof bytes);
        bool broken = false;
        arena_init(&a, 1 << 20);
        for (size_t p = 0; p < 5 && rows[i].pieces[p] != nullptr && !broken; p++) {
                view piece = view_of_text(rows[i].pieces[p]), was = piece;
                bool changed = false, last = p == 4 || rows[i].pieces[p + 1] == nullptr;
                err e = openai_repeat_take(&r, &piece, last, &a, &changed);
                broken = failed(e);
                if (broken && e.code != ERR_UPSTREAM_BROKEN)
                        return false;
                if (changed == view_equal(piece, was))
                        return false;
                emit_view(&out, piece);
                emit_byte(&out, '|');
        }
        arena_end(&a);
        return rows[i].want == nullptr ? broken
                                       : !broken && view_equal((view){bytes, out.len}, view_of_text(rows[i].want));
}

static void test_rows(void)
{
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                tap_ok(row_holds(i), "what comes again", rows[i].sentence);
}

/* The characters of a text, each written plain or as \uXXXX by a bit of `how`. */
static view spelled(const char *text, unsigned how, uint8_t *room)
{
        emit e = emit_into(room, 1024);
        for (size_t i = 0; text[i] != '\0'; i++) {
                if ((how >> (i % 8) & 1) == 0) {
                        emit_byte(&e, (uint8_t)text[i]);
                        continue;
                }
                uint8_t c = (uint8_t)text[i];
                emit_text(&e, "\\u00");
                emit_hex(&e, (view){&c, 1});
        }
        return (view){room, e.len};
}

/* The vendor says `text`, its pieces cut at two places: what goes on must read `want`. */
static bool cut_holds(const char *said, const char *text, const char *want, unsigned how)
{
        uint8_t said_room[1024], room[3][1024], bytes[2048], plain[2048];
        size_t n = strlen(text);
        for (size_t i = 0; i <= n; i++)
                for (size_t j = i; j <= n; j++) {
                        const size_t cut[4] = {0, i, j, n};
                        openai_repeat r = {.said = spelled(said, how, said_room)};
                        emit out = emit_into(bytes, sizeof bytes), decoded = emit_into(plain, sizeof plain);
                        arena a;
                        arena_init(&a, 1 << 20);
                        for (size_t p = 0; p < 3; p++) {
                                char part[1024];
                                bool changed = false;
                                snprintf(part, sizeof part, "%.*s", (int)(cut[p + 1] - cut[p]), text + cut[p]);
                                view piece = spelled(part, how * 37 + 11, room[p]);
                                if (failed(openai_repeat_take(&r, &piece, p == 2, &a, &changed)))
                                        return false;
                                emit_view(&out, piece);
                        }
                        arena_end(&a);
                        json_unescape((view){bytes, out.len}, &decoded);
                        if (!view_equal((view){plain, decoded.len}, view_of_text(want)))
                                return false;
                }
        return true;
}

static void test_cuts(void)
{
        bool again = true, rest = true, like = true;
        for (unsigned how = 0; how < 256; how += 5) {
                again = again && cut_holds("Once upon", "Once upon a time", " a time", how);
                rest = rest && cut_holds("Once upon", " a time", " a time", how);
                like = like && cut_holds("Once upon", "Once under", "Once under", how);
        }
        tap_ok(again, "every cut", "the prefill comes again and is left out, however it is spelled");
        tap_ok(rest, "every cut", "the rest comes alone");
        tap_ok(like, "every cut", "a rest that begins like it is whole");
        tap_ok(cut_holds("Once upon", "Once upon", "", 0), "every cut", "nothing comes but what came before");
}

static void test_memory(void)
{
        arena none;
        openai_repeat r = {.said = VIEW("Once upon")};
        view piece = VIEW("On");
        bool changed = false;
        arena_init(&none, 0);
        (void)openai_repeat_take(&r, &piece, false, &none, &changed);
        piece = VIEW("x");
        tap_ok(openai_repeat_take(&r, &piece, false, &none, &changed).code == ERR_NO_ROOM, SUBJECT,
               "without memory for what was held back it says so");
}

int main(void)
{
        test_messages();
        test_rows();
        test_cuts();
        test_memory();
        return tap_done();
}
