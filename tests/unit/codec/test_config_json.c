#include "codec/config_json.h"

#include <stdlib.h>

#include "base/limit.h"
#include "base/secret.h"
#include "support/tap.h"

static const char SUBJECT[] = "config_json";

/* clang-format off */
static const struct {
        const char *name;
        view        text;
        const char *code; /* null: accepted */
        unsigned    line, column;
} texts[] = {
        {"an object",                        VIEW_INIT("{\"a\":1}"),                          nullptr,         0, 0},
        {"a lone value",                     VIEW_INIT(" 7 "),                                nullptr,         0, 0},
        {"nothing",                          VIEW_INIT(""),                                   "BAD_JSON",      1, 1},
        {"a trailing comma on line three",   VIEW_INIT("{\n \"a\": 1,\n}"),                   "BAD_JSON",      3, 1},
        {"a bad word",                       VIEW_INIT("{\n  \"a\": yes\n}"),                 "BAD_JSON",      2, 8},
        {"a comment",                        VIEW_INIT("{} // no"),                           "BAD_JSON",      1, 4},
        {"a NUL inside",                     VIEW_INIT("{\"a\":\"\\u0000\"}"),                "BAD_JSON",      1, 7},
        {"a BOM",                            VIEW_INIT("\xef\xbb\xbf{}"),                     "BAD_JSON",      1, 1},
        {"a key twice, at the second",       VIEW_INIT("{\"a\":1,\n\"a\":2}"),                "DUPLICATE_KEY", 2, 2},
        {"bytes that are not UTF-8",         VIEW_INIT("[\"\xff\"]"),                         "NOT_UTF8",      1, 3},
        {"16 levels",                        VIEW_INIT("[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]"),  nullptr,         0, 0},
        {"17 levels",                        VIEW_INIT("[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]"), "TOO_DEEP",     1, 18},
        {"65 levels",                        VIEW_INIT("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
                                                       "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["),  "TOO_DEEP",      1, 18},
        {"a number of 33 bytes",             VIEW_INIT("[123456789012345678901234567890123]"), "TOO_LARGE",    1, 35},
};
/* clang-format on */

static void parsing(void)
{
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
                config_doc *doc;
                config_fault f;
                err e = config_parse(texts[i].text, &doc, &f);
                bool good = failed(e) == (texts[i].code != nullptr);
                if (good && failed(e))
                        good = e.code == ERR_BAD_CONFIG && doc == nullptr && strcmp(f.code, texts[i].code) == 0
                               && f.line == texts[i].line && f.column == texts[i].column && f.pointer[0] == 0
                               && f.text[0] != 0;
                tap_ok(good, SUBJECT, texts[i].name);
                config_free(doc);
        }
        static uint8_t large[LIMIT_CONFIG_BYTES + 1];
        config_doc *doc;
        config_fault f;
        memset(large, ' ', sizeof large);
        memcpy(large, "{}", 2);
        bool good = !failed(config_parse((view){large, LIMIT_CONFIG_BYTES}, &doc, &f));
        config_free(doc);
        good = good && failed(config_parse((view){large, sizeof large}, &doc, &f)) && strcmp(f.code, "TOO_LARGE") == 0;
        tap_ok(good, SUBJECT, "a file has at most 256 KiB");
        memset(large, 'x', sizeof large);
        memcpy(large, "{\"", 2);
        good = failed(config_parse((view){large, LIMIT_CONFIG_BYTES}, &doc, &f)) && strcmp(f.code, "TOO_LARGE") == 0;
        tap_ok(good, SUBJECT, "a key has at most 256 bytes");
        for (size_t i = 0; i < sizeof large; i += 2)
                memcpy(large + i, ",0", i + 1 < sizeof large ? 2 : 1);
        large[0] = '[';
        large[LIMIT_CONFIG_BYTES - 1] = ']';
        large[LIMIT_CONFIG_BYTES - 2] = '1';
        large[LIMIT_CONFIG_BYTES - 3] = '1';
        good = !failed(config_parse((view){large, LIMIT_CONFIG_BYTES}, &doc, &f))
               && config_count(config_root(doc)) == LIMIT_CONFIG_BYTES / 2 - 1;
        tap_ok(good, SUBJECT, "a file of nothing but small values is read");
        config_free(doc);
}

static config_doc *parsed(const char *text)
{
        config_doc *doc;
        config_fault f;
        if (failed(config_parse(view_of_text(text), &doc, &f)))
                abort();
        return doc;
}

static void tree(void)
{
        config_doc *doc = parsed("{\"t\":\"x\\u00e9\",\"l\":[1,{\"in\":true},[]],\"o\":{},\"z\":null,\"T\":2}");
        const config_node *root = config_root(doc), *l = config_get(root, "l");
        static const config_kind kinds[] = {CONFIG_TEXT, CONFIG_ARRAY, CONFIG_OBJECT, CONFIG_NULL, CONFIG_NUMBER};
        bool good = config_kind_of(root) == CONFIG_OBJECT && config_count(root) == 5;
        size_t i = 0;
        for (const config_node *n = config_first(root); n != nullptr && good; n = config_next(n))
                good = config_kind_of(n) == kinds[i++];
        good = good && i == 5 && view_equal(config_key(config_first(root)), VIEW("t"));
        tap_ok(good, SUBJECT, "members stand in the file's order with their kinds");
        good = config_count(l) == 3 && config_kind_of(config_get(config_next(config_first(l)), "in")) == CONFIG_BOOL;
        tap_ok(good, SUBJECT, "elements stand in the file's order");
        good = config_get(root, "x") == nullptr && config_get(l, "in") == nullptr && config_get(nullptr, "t") == nullptr
               && config_get(root, "T") != config_get(root, "t") && config_get(root, "L") == nullptr;
        tap_ok(good, SUBJECT, "what is absent is null, and case matters");
        config_fault f;
        view text;
        good = !failed(config_text(root, "t", &text, &f)) && view_equal(text, VIEW("x\xc3\xa9"));
        tap_ok(good, SUBJECT, "texts are decoded");
        config_free(doc);
        config_free(nullptr);
}

/* clang-format off */
static const char TYPED[] = "{\n"
        "  \"s\": \"secret\", \"n\": 5,\n"
        "  \"big\": 9007199254740992, \"bigger\": 9007199254740993, \"neg\": -1, \"frac\": 1.0, \"exp\": 1e2,\n"
        "  \"yes\": true, \"no\": false,\n"
        "  \"o\": {\"a/b~c\": [0, {\"deep\": \"secret\"}]}\n"
        "}";
/* clang-format on */

static bool fault_is(const config_fault *f, const char *code, const char *pointer, unsigned line, unsigned column)
{
        return strcmp(f->code, code) == 0 && strcmp(f->pointer, pointer) == 0 && f->line == line && f->column == column
               && strstr(f->text, "secret") == nullptr;
}

static void typed(void)
{
        config_doc *doc = parsed(TYPED);
        const config_node *root = config_root(doc);
        config_fault f;
        uint64_t n = 0;
        bool yes = false, no = true;
        view text;
        bool good = !failed(config_u64(root, "n", (config_range){5, 5}, &n, &f)) && n == 5
                    && !failed(config_u64(root, "big", (config_range){0, UINT64_MAX}, &n, &f))
                    && n == (uint64_t)1 << 53;
        tap_ok(good, SUBJECT, "whole numbers up to 2^53 are read");
        good = failed(config_u64(root, "n", (config_range){6, 9}, &n, &f)) && fault_is(&f, "OUT_OF_RANGE", "/n", 2, 23)
               && strcmp(f.text, "must be a whole number from 6 to 9") == 0
               && failed(config_u64(root, "n", (config_range){0, 4}, &n, &f));
        tap_ok(good, SUBJECT, "a number outside its range names the range");
        good = failed(config_u64(root, "bigger", (config_range){0, UINT64_MAX}, &n, &f))
               && fault_is(&f, "OUT_OF_RANGE", "/bigger", 3, 38)
               && failed(config_u64(root, "neg", (config_range){0, 9}, &n, &f))
               && failed(config_u64(root, "frac", (config_range){0, 9}, &n, &f))
               && failed(config_u64(root, "exp", (config_range){0, 999}, &n, &f));
        tap_ok(good, SUBJECT, "a sign, fraction or exponent is not read, nor what other readers would round");
        good = failed(config_u64(root, "s", (config_range){0, 9}, &n, &f)) && fault_is(&f, "WRONG_TYPE", "/s", 2, 8)
               && failed(config_text(root, "n", &text, &f)) && fault_is(&f, "WRONG_TYPE", "/n", 2, 23)
               && failed(config_bool(root, "n", &yes, &f)) && strcmp(f.text, "must be true or false") == 0;
        tap_ok(good, SUBJECT, "another kind is told");
        good = !failed(config_bool(root, "yes", &yes, &f)) && yes && !failed(config_bool(root, "no", &no, &f))
               && !no;
        tap_ok(good, SUBJECT, "truth is read");
        good = failed(config_text(config_get(root, "o"), "gone", &text, &f))
               && fault_is(&f, "MISSING_KEY", "/o", 5, 8) && strcmp(f.text, "the key \"gone\" is required here") == 0
               && failed(config_text(root, "gone", &text, &f)) && fault_is(&f, "MISSING_KEY", "", 1, 1);
        tap_ok(good, SUBJECT, "a missing key is told where it should stand");
        const config_node *list = config_first(config_get(root, "o"));
        const config_node *deep = config_first(config_next(config_first(list)));
        good = failed(config_fail(deep, "CODE", "sentence", "word", &f))
               && fault_is(&f, "CODE", "/o/a~1b~0c/1/deep", 5, 31)
               && strcmp(f.text, "sentence; did you mean \"word\"?") == 0;
        tap_ok(good, SUBJECT, "a pointer is escaped and counts elements");
        good = failed(config_text(list, "x", &text, &f)) && fault_is(&f, "WRONG_TYPE", "/o/a~1b~0c", 5, 18)
               && failed(config_text_of(config_first(list), &text, &f)) && !failed(config_text_of(deep, &text, &f))
               && view_equal(text, VIEW("secret"));
        tap_ok(good, SUBJECT, "elements have their own access");
        config_free(doc);
}

static void keys(void)
{
        static const char *const known[] = {"rules", "floor", "ca", nullptr};
        config_fault f;
        config_doc *doc = parsed("{\"rules\":1,\"note\":[\"free\"],\n \"ruels\":\"secret\"}");
        bool good = failed(config_keys(config_root(doc), known, &f));
        tap_ok(good && fault_is(&f, "UNKNOWN_KEY", "/ruels", 2, 2)
                       && strcmp(f.text, "unknown key; did you mean \"rules\"?") == 0,
               SUBJECT, "an unknown key is told at the key, with the nearest");
        config_free(doc);
        doc = parsed("{\"x\\u001b[2J\\u009b\":1}");
        good = failed(config_keys(config_root(doc), known, &f)) && strcmp(f.pointer, "/x?[2J??") == 0
               && strcmp(f.text, "unknown key") == 0;
        tap_ok(good, SUBJECT, "a key cannot steer a terminal, and nothing near is nothing said");
        config_free(doc);
        doc = parsed("{\"rules\":[],\"floor\":2,\"note\":1}");
        good = !failed(config_keys(config_root(doc), known, &f))
               && failed(config_keys(config_first(config_root(doc)), known, &f))
               && fault_is(&f, "WRONG_TYPE", "/rules", 1, 10);
        tap_ok(good, SUBJECT, "known keys pass, and only objects have keys");
        config_free(doc);
        uint8_t text[300];
        memset(text, '/', sizeof text);
        memcpy(text, "{\"", 2);
        memcpy(text + 202, "\":1}", 4);
        good = !failed(config_parse((view){text, 206}, &doc, &f))
               && failed(config_keys(config_root(doc), known, &f)) && strlen(f.pointer) < sizeof f.pointer;
        tap_ok(good, SUBJECT, "a pointer longer than its room is cut");
        config_free(doc);
}

static void nearest(void)
{
        static const char *const known[] = {"EMAIL_ADDRESS", "IBAN", "ca", "dns", nullptr};
        static const struct {
                const char *word, *want;
        } rows[] = {
                {"EMIAL_ADDRESS", "EMAIL_ADDRESS"},
                {"EMAIL_ADRESS", "EMAIL_ADDRESS"},
                {"IBANS", "IBAN"},
                {"ibn", nullptr},
                {"cas", "ca"},
                {"c", "ca"},
                {"", nullptr},
                {"zz", nullptr},
                {"EMAILADDRES", "EMAIL_ADDRESS"},
                {"EMALADDRES", nullptr},
                {"IBAN_NUMBER_THAT_IS_LONGER_THAN_ANY_WORD_OF_A_VOCABULARY_CAN_EVER_BE", nullptr},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                const char *got = config_nearest(view_of_text(rows[i].word), known);
                tap_ok(got == nullptr ? rows[i].want == nullptr
                                      : rows[i].want != nullptr && strcmp(got, rows[i].want) == 0,
                       SUBJECT, "the nearest word is at most two edits away");
        }
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        parsing();
        tree();
        typed();
        keys();
        nearest();
        return tap_done();
}
