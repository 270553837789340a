#include "policy/redact.h"

#include <stdio.h>

#include "base/secret.h"
#include "policy/fold.h"
#include "policy/token.h"
#include "support/tap.h"

static const char SUBJECT[] = "redact";

static policy        rules;
static const uint8_t key[32] = {9, 8, 7};

static arena        memory;
static edits        changes;
static redact_table table;
static redactor    *r;
static uint8_t      result[512 * 1024];

static void begin(void)
{
        arena_end(&memory);
        arena_init(&memory, 64 << 20);
        edits_init(&changes, &memory);
        r = redact_begin(&rules, key, &memory, &changes);
}

/* Redacts one string in steps of `budget`. */
static err redact_in_steps(view text, size_t budget, uint8_t role)
{
        bool done = false;
        redact_string(r, text, 0, text.len, role);
        while (!done) {
                size_t left = budget;
                TRY(redact_step(r, &left, &done));
        }
        return OK;
}

/* The redacted text as it would leave. */
static view leaving(view text)
{
        edit_cursor c = {};
        view        piece;
        size_t      len = 0;
        while (edit_next(&changes, text, &c, SIZE_MAX, &piece)) {
                memcpy(result + len, piece.data, piece.len);
                len += piece.len;
        }
        return (view){result, len};
}

/* The text with placeholders written as their labels in brackets, so that rows can be read. */
static view redacted(view text, size_t budget)
{
        begin();
        if (failed(redact_in_steps(text, budget, FROM_USER)) || failed(redact_finish(r, &table)))
                return VIEW("failed");
        for (size_t i = 0; i < changes.count; i++) {
                if (!token_shaped(changes.list[i].text))
                        continue;
                const uint8_t *x = memchr(changes.list[i].text.data, 'x', changes.list[i].text.len);
                changes.list[i].text.len = (size_t)(x - changes.list[i].text.data);
        }
        return leaving(text);
}

static const struct {
        const char *sentence;
        view        text, want;
} cases[] = {
        {"text without values is itself", VIEW_INIT("Hello, world."), VIEW_INIT("Hello, world.")},
        {"an empty string is itself", VIEW_INIT(""), VIEW_INIT("")},
        {"a value is replaced", VIEW_INIT("mail a@example.com now"), VIEW_INIT("mail EMAIL now")},
        {"several values", VIEW_INIT("a@example.com, +14155550123"), VIEW_INIT("EMAIL, PHONE")},
        {"an escaped value", VIEW_INIT("mail a\\u0040example.com\\nnow"), VIEW_INIT("mail EMAIL\\nnow")},
        {"a value behind an escape", VIEW_INIT("x\\n212-555-0175\\n"), VIEW_INIT("x\\nPHONE\\n")},
        {"a value in JSON in JSON", VIEW_INIT("{\\\"a\\\":\\\"a@example.com\\\",\\\"b\\\":\\\"x\\\\n212-555-0175\\\"}"),
         VIEW_INIT("{\\\"a\\\":\\\"EMAIL\\\",\\\"b\\\":\\\"x\\\\nPHONE\\\"}")},
        {"full-width digits", VIEW_INIT("手机号１８６９０５０６８４３，"), VIEW_INIT("手机号PHONE，")},
        {"invisible characters inside",
         VIEW_INIT("ssn 300-\xc2\xad"
                   "37-4831\xc2\xad."),
         VIEW_INIT("ssn SSN\xc2\xad.")},
        {"HTML and percent codes", VIEW_INIT("a&#64;example.com?m=b%40example.com"), VIEW_INIT("EMAIL?m=EMAIL")},
        {"placeholders of ours pass", VIEW_INIT("EMAILxT0V9M3RW and CARDx12345678"),
         VIEW_INIT("EMAILxT0V9M3RW and CARDx12345678")},
        {"a key before an at sign", VIEW_INIT("x 625-08-4086@example.com"), VIEW_INIT("x EMAIL")},
};

static void test_rows(void)
{
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                bool good = true;
                for (size_t budget = 1; budget < 200 && good; budget = budget * 3)
                        good = view_equal(redacted(cases[i].text, budget), cases[i].want);
                if (!tap_ok(good, SUBJECT, cases[i].sentence))
                        printf("# got %s\n", result);
        }
}

static void test_values(void)
{
        begin();
        view text = VIEW("A@Example.com a\\u0040example.com b@example.com");
        bool ok = !failed(redact_in_steps(text, 1000, FROM_USER)) && !failed(redact_finish(r, &table));
        tap_ok(ok && table.count == 2 && changes.count == 3 && view_equal(changes.list[0].text, changes.list[1].text)
                       && !view_equal(changes.list[0].text, changes.list[2].text),
               SUBJECT, "spellings of one value share a placeholder, others do not");
        bool last = false;
        for (size_t i = 0; i < table.count; i++)
                last = last || view_equal(table.entries[i].value, VIEW("a@example.com"));
        tap_ok(last, SUBJECT, "a value comes back as it was spelled last, decoded");
        tap_ok(redact_counts(r)[ENTITY_EMAIL_ADDRESS] == 3 && redact_counts(r)[ENTITY_JWT] == 0, SUBJECT,
               "every replacement is counted by entity");

        uint8_t token[LIMIT_TOKEN_BYTES];
        size_t  len = changes.list[2].text.len;
        memcpy(token, changes.list[2].text.data, len);
        begin();
        ok = !failed(redact_in_steps(VIEW("b@example.com"), 10, FROM_USER));
        tap_ok(ok && view_equal(changes.list[0].text, (view){token, len}), SUBJECT,
               "the placeholder depends on nothing but key, entity and value");
}

static void test_roles(void)
{
        begin();
        bool ok = !failed(redact_in_steps(VIEW("a@example.com b@example.com"), 1000, FROM_SYSTEM));
        size_t first = changes.count;
        /* A document of its own for each string would break the order of edits: these strings have one each. */
        edits_init(&changes, &memory);
        ok = ok && !failed(redact_in_steps(VIEW("b@example.com c@example.com"), 1000, 0));
        redact_message_role(r, FROM_USER);
        edits_init(&changes, &memory);
        ok = ok && !failed(redact_in_steps(VIEW("d@example.com"), 1000, 0));
        redact_message_role(r, FROM_SYSTEM);
        ok = ok && !failed(redact_finish(r, &table));
        tap_ok(ok && first == 2 && table.count == 2, SUBJECT,
               "only values that stood in a message of user, assistant or tool come back");
        begin();
        ok = !failed(redact_in_steps(VIEW("a@example.com"), 1000, 0)) && !failed(redact_finish(r, &table));
        tap_ok(ok && table.count == 0, SUBJECT, "a role that was never told is none of those");
}

static void test_actions(void)
{
        rules.decide[ENTITY_CREDIT_CARD] = (policy_decision){POLICY_MASK, 4, 0, '*'};
        rules.decide[ENTITY_US_SSN].action = POLICY_BLOCK;
        rules.decide[ENTITY_IP_ADDRESS].action = POLICY_ALLOW;
        tap_ok(view_equal(redacted(VIEW("4111 1111 1111 1111 at 192.0.2.1"), 99),
                          VIEW("**** **** **** 1111 at 192.0.2.1")),
               SUBJECT, "mask hides in place and allow lets pass");
        begin();
        err e = redact_in_steps(VIEW("my ssn is 625-08-4086"), 99, FROM_USER);
        tap_ok(e.code == ERR_PII_BLOCKED && redact_blocked(r) == ENTITY_US_SSN, SUBJECT,
               "block ends it and names the entity");
        size_t budget = 9;
        bool   done;
        tap_ok(redact_step(r, &budget, &done).code == ERR_PII_BLOCKED
                       && redact_finish(r, &table).code == ERR_PII_BLOCKED,
               SUBJECT, "an error stays");
        rules.decide[ENTITY_CREDIT_CARD].action = POLICY_PSEUDONYMISE;
        rules.decide[ENTITY_US_SSN].action = POLICY_PSEUDONYMISE;
        rules.decide[ENTITY_IP_ADDRESS].action = POLICY_PSEUDONYMISE;
}

static uint8_t big[320 * 1024];

/* `piece` over and over. */
static view filled(const char *piece, size_t len)
{
        size_t n = strlen(piece);
        len -= len % n;
        for (size_t i = 0; i < len; i++)
                big[i] = (uint8_t)piece[i % n];
        return (view){big, len};
}

/* A value is found wherever it stands beside the ends of windows, and nothing else is. */
static bool found_everywhere(const char *filler, const char *value, size_t from, size_t to)
{
        size_t step = strlen(filler);
        for (size_t at = from - from % step; at < to; at += step * (1 + 13 / step)) {
                view text = filled(filler, 2 * FOLD_WINDOW + 5000);
                memcpy(big + at, value, strlen(value));
                begin();
                if (failed(redact_in_steps(text, LIMIT_STEP_BYTES, FROM_USER)) || changes.count != 1
                    || changes.list[0].start != at + 1 || changes.list[0].end != at + strlen(value) - 1)
                        return false;
        }
        return true;
}

static void test_windows(void)
{
        tap_ok(found_everywhere("a b ", " jane.doe@example.com ", FOLD_WINDOW - 2000, FOLD_WINDOW + 2000), SUBJECT,
               "a value at the end of a window, plain");
        tap_ok(found_everywhere("a\\nb", " jane.doe@example.com ", FOLD_WINDOW - 3000, FOLD_WINDOW + 2000), SUBJECT,
               "a value at the end of a window, with escapes");
        tap_ok(found_everywhere("电话", " 4111 1111 1111 1111 ", FOLD_WINDOW - 2000, FOLD_WINDOW + 2000), SUBJECT,
               "a value at the end of a window, Chinese");
        view text = filled("\xe2\x80\x8b", 3 * FOLD_WINDOW);
        memcpy(big + text.len, " a@example.com", 14);
        begin();
        bool ok = !failed(redact_in_steps((view){big, text.len + 14}, LIMIT_STEP_BYTES, FROM_USER));
        tap_ok(ok && changes.count == 1, SUBJECT, "windows of invisible characters end, and what follows is found");
        text = filled("\\u200b", 3 * FOLD_WINDOW);
        memcpy(big + text.len, " a@example.com", 14);
        begin();
        ok = !failed(redact_in_steps((view){big, text.len + 14}, LIMIT_STEP_BYTES, FROM_USER));
        tap_ok(ok && changes.count == 1, SUBJECT, "escaped ones too");
        text = filled("a.b@ex.org ", 200 * 1024);
        begin();
        ok = !failed(redact_in_steps(text, LIMIT_STEP_BYTES, FROM_USER));
        tap_ok(ok && changes.count == text.len / 11, SUBJECT, "more values than one scan can hold");
}

/* A private key of `lines` lines of base64, with other text around it. */
static view long_key(size_t lines, const char *feed, const char *end, size_t *from, size_t *to)
{
        size_t len = 0;
        len += (size_t)sprintf((char *)big, "see: ");
        *from = len;
        len += (size_t)sprintf((char *)big + len, "-----BEGIN %s-----%s", "PRIVATE KEY", feed);
        for (size_t i = 0; i < lines; i++)
                len += (size_t)sprintf((char *)big + len,
                                       "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7%06zu+/AbC%s", i, feed);
        if (*end != 0)
                len += (size_t)sprintf((char *)big + len, "-----END %s-----", end);
        *to = len;
        len += (size_t)sprintf((char *)big + len, " {and} a@example.com");
        return (view){big, len};
}

static void test_long_secrets(void)
{
        size_t from, to;
        view   text = long_key(2000, "\\n", "PRIVATE KEY", &from, &to);
        begin();
        bool ok = !failed(redact_in_steps(text, 1000, FROM_USER)) && changes.count == 2
                  && changes.list[0].start == from && changes.list[0].end == to && !failed(redact_finish(r, &table));
        tap_ok(ok, SUBJECT, "a private key longer than a window is replaced from BEGIN to END");
        bool whole = false;
        for (size_t i = 0; i < table.count; i++)
                whole = whole
                        || (table.entries[i].entity == ENTITY_PRIVATE_KEY
                            && table.entries[i].value.len == to - from - 2001);
        tap_ok(ok && whole, SUBJECT, "and kept whole, decoded");
        text = long_key(800, "\n", "", &from, &to);
        begin();
        ok = !failed(redact_in_steps(text, 99, FROM_USER)) && changes.count == 2 && changes.list[0].start == from;
        tap_ok(ok && changes.list[0].end >= to && changes.list[0].end <= to + 1, SUBJECT,
               "without its END it ends where its alphabet does");
        for (size_t lines = 0; lines < 420 && ok; lines += 20) {
                text = long_key(lines, "\\n", "PRIVATE KEY", &from, &to);
                begin();
                ok = !failed(redact_in_steps(text, 9999, FROM_USER)) && changes.count == 2 && changes.list[0].end == to;
        }
        tap_ok(ok, SUBJECT, "one shorter than a window is replaced as well");

        size_t head = (size_t)sprintf((char *)big, "t=ey%s.ey%s.", "JhbGciOiJIUzI1NiJ9", "JzdWIiOiIxMjM0In0");
        memset(big + head, 'a', 100 * 1024);
        memcpy(big + head + 100 * 1024, ", a@example.com", 15);
        begin();
        ok = !failed(redact_in_steps((view){big, head + 100 * 1024 + 15}, 5000, FROM_USER)) && changes.count == 2;
        tap_ok(ok && changes.list[0].start == 2 && changes.list[0].end == head + 100 * 1024, SUBJECT,
               "a token longer than a window is replaced whole");
        rules.decide[ENTITY_PRIVATE_KEY].action = POLICY_BLOCK;
        text = long_key(2000, "\\n", "PRIVATE KEY", &from, &to);
        begin();
        tap_ok(redact_in_steps(text, 1000, FROM_USER).code == ERR_PII_BLOCKED, SUBJECT, "and can be blocked");
        rules.decide[ENTITY_PRIVATE_KEY].action = POLICY_PSEUDONYMISE;
}

static void test_memory(void)
{
        arena_end(&memory);
        arena_init(&memory, 64 * 1024);
        edits_init(&changes, &memory);
        r = redact_begin(&rules, key, &memory, &changes);
        size_t n = 0;
        for (int i = 0; i < 3000; i++)
                n += (size_t)sprintf((char *)big + n, "a%d@example.com ", i);
        tap_ok(redact_in_steps((view){big, n}, LIMIT_STEP_BYTES, FROM_USER).code == ERR_NO_ROOM, SUBJECT,
               "a full arena is an error");
        arena_end(&memory);
        arena_init(&memory, 1);
        tap_ok(redact_begin(&rules, key, &memory, &changes) == nullptr, SUBJECT, "without memory there is no redactor");
        arena_init(&memory, 64 << 20);
        n = 0;
        begin();
        for (int i = 0; i < 20001 && n + 16 < sizeof big; i++)
                n += (size_t)sprintf((char *)big + n, "a%x@b.cc ", i);
        tap_ok(redact_in_steps((view){big, n}, LIMIT_STEP_BYTES, FROM_USER).code == ERR_POLICY_LIMIT, SUBJECT,
               "too many values are an error");
}

static void test_rebase(void)
{
        static uint8_t one[70000], two[70000];
        memset(one, ' ', sizeof one);
        memcpy(one + 69000, "a@example.com", 13);
        memcpy(two, one, sizeof one);
        begin();
        bool   done = false;
        size_t budget = 40000;
        redact_string(r, (view){one, sizeof one}, 0, sizeof one, FROM_USER);
        bool ok = !failed(redact_step(r, &budget, &done)) && !done;
        memset(one, 'x', sizeof one);
        redact_rebase(r, two);
        budget = 80000;
        ok = ok && !failed(redact_step(r, &budget, &done)) && done && changes.count == 1;
        tap_ok(ok, SUBJECT, "the document may move between steps");
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        rules.regions = (1u << REGION_COUNT) - 1;
        for (entity_id e = 0; e < ENTITY_COUNT; e++)
                rules.decide[e].action = POLICY_PSEUDONYMISE;
        test_rows();
        test_values();
        test_roles();
        test_actions();
        test_windows();
        test_long_secrets();
        test_memory();
        test_rebase();
        arena_end(&memory);
        return tap_done();
}
