#include <sys/mman.h>

#include "base/limit.h"
#include "unit/codec/json_rows.h"

static const char SUBJECT[] = "json_scan";

/* clang-format off */
static const struct {
        const char *name;
        view        doc;
        err_code    want;
} rows[] = {
        {"an empty object",                       VIEW_INIT("{}"),                        ERR_NONE},
        {"an empty array",                        VIEW_INIT(" [ ] "),                     ERR_NONE},
        {"a lone string",                         VIEW_INIT("\"a\""),                     ERR_NONE},
        {"an empty string",                       VIEW_INIT("\"\""),                      ERR_NONE},
        {"an empty key",                          VIEW_INIT("{\"\":1}"),                  ERR_NONE},
        {"a lone number",                         VIEW_INIT("-0"),                        ERR_NONE},
        {"a number with all its parts",           VIEW_INIT("[-12.5e+3,0.1E-2,1e400]"),   ERR_NONE},
        {"an integer beyond 2^53",                VIEW_INIT("9007199254740993"),          ERR_NONE},
        {"the three words",                       VIEW_INIT("[true,false,null]"),         ERR_NONE},
        {"all kinds of white space",              VIEW_INIT("\t\r\n [ 1 ,\n2 ]\n"),       ERR_NONE},
        {"all simple escapes",                    VIEW_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), ERR_NONE},
        {"a surrogate pair",                      VIEW_INIT("\"\\ud83d\\ude00\""),        ERR_NONE},
        {"the last code point",                   VIEW_INIT("\"\xf4\x8f\xbf\xbf\""),      ERR_NONE},
        {"DEL and U+2028 in a string",            VIEW_INIT("\"\x7f\xe2\x80\xa8\""),      ERR_NONE},
        {"equal keys in different objects",       VIEW_INIT("[{\"a\":1},{\"a\":{\"a\":1}}]"), ERR_NONE},
        {"keys that differ in case, no table",    VIEW_INIT("{\"a\":1,\"A\":1}"),         ERR_NONE},
        {"nothing",                               VIEW_INIT(""),                          ERR_BAD_JSON},
        {"white space alone",                     VIEW_INIT("  "),                        ERR_BAD_JSON},
        {"a trailing comma in an array",          VIEW_INIT("[1,]"),                      ERR_BAD_JSON},
        {"a trailing comma in an object",         VIEW_INIT("{\"a\":1,}"),                ERR_BAD_JSON},
        {"a leading comma",                       VIEW_INIT("[,1]"),                      ERR_BAD_JSON},
        {"two commas",                            VIEW_INIT("[1,,2]"),                    ERR_BAD_JSON},
        {"a missing comma",                       VIEW_INIT("[1 2]"),                     ERR_BAD_JSON},
        {"a missing colon",                       VIEW_INIT("{\"a\" 1}"),                 ERR_BAD_JSON},
        {"a colon in an array",                   VIEW_INIT("[\"a\":1]"),                 ERR_BAD_JSON},
        {"a key without value",                   VIEW_INIT("{\"a\"}"),                   ERR_BAD_JSON},
        {"a value without key",                   VIEW_INIT("{1}"),                       ERR_BAD_JSON},
        {"a bare key",                            VIEW_INIT("{a:1}"),                     ERR_BAD_JSON},
        {"an array closed as an object",          VIEW_INIT("[1}"),                       ERR_BAD_JSON},
        {"an object closed as an array",          VIEW_INIT("{\"a\":1]"),                 ERR_BAD_JSON},
        {"a missing bracket",                     VIEW_INIT("[1"),                        ERR_BAD_JSON},
        {"a bracket too many",                    VIEW_INIT("[1]]"),                      ERR_BAD_JSON},
        {"a second document",                     VIEW_INIT("{}{}"),                      ERR_BAD_JSON},
        {"NUL behind the document",               VIEW_INIT("{}\0"),                      ERR_BAD_JSON},
        {"a comment",                             VIEW_INIT("[1/**/]"),                   ERR_BAD_JSON},
        {"a line comment",                        VIEW_INIT("[1]//"),                     ERR_BAD_JSON},
        {"single quotes",                         VIEW_INIT("['a']"),                     ERR_BAD_JSON},
        {"a BOM",                                 VIEW_INIT("\xef\xbb\xbf{}"),            ERR_BAD_JSON},
        {"UTF-16, little end first",              VIEW_INIT("{\0}\0"),                    ERR_BAD_JSON},
        {"UTF-16 with its mark",                  VIEW_INIT("\xff\xfe{\0}\0"),            ERR_BAD_JSON},
        {"UTF-32, big end first",                 VIEW_INIT("\0\0\0{\0\0\0}"),            ERR_BAD_JSON},
        {"form feed as white space",              VIEW_INIT("[\f1]"),                     ERR_BAD_JSON},
        {"a no-break space as white space",       VIEW_INIT("[\xc2\xa0" "1]"),            ERR_BAD_JSON},
        {"NaN",                                   VIEW_INIT("[NaN]"),                     ERR_BAD_JSON},
        {"Infinity",                              VIEW_INIT("Infinity"),                  ERR_BAD_JSON},
        {"-Infinity",                             VIEW_INIT("-Infinity"),                 ERR_BAD_JSON},
        {"True",                                  VIEW_INIT("True"),                      ERR_BAD_JSON},
        {"tru",                                   VIEW_INIT("tru"),                       ERR_BAD_JSON},
        {"nulll",                                 VIEW_INIT("nulll"),                     ERR_BAD_JSON},
        {"+1",                                    VIEW_INIT("+1"),                        ERR_BAD_JSON},
        {"01",                                    VIEW_INIT("01"),                        ERR_BAD_JSON},
        {"-01",                                   VIEW_INIT("[-01]"),                     ERR_BAD_JSON},
        {"1.",                                    VIEW_INIT("[1.]"),                      ERR_BAD_JSON},
        {".5",                                    VIEW_INIT("[.5]"),                      ERR_BAD_JSON},
        {"1.e1",                                  VIEW_INIT("[1.e1]"),                    ERR_BAD_JSON},
        {"1e",                                    VIEW_INIT("[1e]"),                      ERR_BAD_JSON},
        {"1e+",                                   VIEW_INIT("[1e+]"),                     ERR_BAD_JSON},
        {"1-2",                                   VIEW_INIT("[1-2]"),                     ERR_BAD_JSON},
        {"0x10",                                  VIEW_INIT("[0x10]"),                    ERR_BAD_JSON},
        {"a lone minus",                          VIEW_INIT("[-]"),                       ERR_BAD_JSON},
        {"a lone high surrogate",                 VIEW_INIT("\"\\ud83d\""),               ERR_BAD_JSON},
        {"a lone low surrogate",                  VIEW_INIT("\"\\ude00\""),               ERR_BAD_JSON},
        {"a high surrogate before a letter",      VIEW_INIT("\"\\ud83d\\u0041\""),        ERR_BAD_JSON},
        {"two high surrogates",                   VIEW_INIT("\"\\ud83d\\ud83d\""),        ERR_BAD_JSON},
        {"an escaped NUL",                        VIEW_INIT("\"\\u0000\""),               ERR_BAD_JSON},
        {"an escaped NUL in a key",               VIEW_INIT("{\"a\\u0000\":1}"),          ERR_BAD_JSON},
        {"a raw NUL",                             VIEW_INIT("\"a\0b\""),                  ERR_BAD_JSON},
        {"a raw control",                         VIEW_INIT("\"\x01\""),                  ERR_BAD_JSON},
        {"a raw line feed",                       VIEW_INIT("\"a\nb\""),                  ERR_BAD_JSON},
        {"a raw tab behind eight plain bytes",    VIEW_INIT("\"12345678\t\""),            ERR_BAD_JSON},
        {"an unknown escape",                     VIEW_INIT("\"\\x41\""),                 ERR_BAD_JSON},
        {"a backslash before NUL",                VIEW_INIT("\"\\\0\""),                  ERR_BAD_JSON},
        {"an escape with bad digits",             VIEW_INIT("\"\\u00zz\""),               ERR_BAD_JSON},
        {"an escape with a sign",                 VIEW_INIT("\"\\u+123\""),               ERR_BAD_JSON},
        {"an escape cut by the quote",            VIEW_INIT("\"\\u00\""),                 ERR_BAD_JSON},
        {"an escaped closing quote",              VIEW_INIT("\"a\\\""),                   ERR_BAD_JSON},
        {"a string without end",                  VIEW_INIT("\"abc"),                     ERR_BAD_JSON},
        {"a surrogate in UTF-8",                  VIEW_INIT("\"\xed\xa0\x80\""),          ERR_BAD_UTF8},
        {"an overlong slash",                     VIEW_INIT("\"\xc0\xaf\""),              ERR_BAD_UTF8},
        {"an overlong three-byte form",           VIEW_INIT("\"\xe0\x80\xaf\""),          ERR_BAD_UTF8},
        {"a value above U+10FFFF",                VIEW_INIT("\"\xf4\x90\x80\x80\""),      ERR_BAD_UTF8},
        {"the byte FF",                           VIEW_INIT("\"\xff\""),                  ERR_BAD_UTF8},
        {"a lone continuation byte",              VIEW_INIT("\"\x80\""),                  ERR_BAD_UTF8},
        {"a sequence cut by the quote",           VIEW_INIT("\"\xe4\xbd\""),              ERR_BAD_UTF8},
        {"a sequence cut by the end",             VIEW_INIT("\"\xe4\xbd"),                ERR_BAD_UTF8},
        {"invalid UTF-8 in a key",                VIEW_INIT("{\"\xff\":1}"),              ERR_BAD_UTF8},
        {"a key twice",                           VIEW_INIT("{\"model\":\"a\",\"model\":\"b\"}"), ERR_DUPLICATE_KEY},
        {"a key twice, once escaped",             VIEW_INIT("{\"model\":1,\"\\u006dodel\":2}"),   ERR_DUPLICATE_KEY},
        {"a key twice, escaped first",            VIEW_INIT("{\"\\u006dodel\":1,\"model\":2}"),   ERR_DUPLICATE_KEY},
        {"a key twice, escaped in two ways",      VIEW_INIT("{\"\\/\":1,\"\\u002f\":2}"),         ERR_DUPLICATE_KEY},
        {"an empty key twice",                    VIEW_INIT("{\"\":1,\"\":2}"),                   ERR_DUPLICATE_KEY},
        {"a key twice around a deeper object",    VIEW_INIT("{\"a\":{\"b\":1},\"a\":1}"),         ERR_DUPLICATE_KEY},
        {"a key twice, deep",
         VIEW_INIT("[[{\"x\":{\"a\":1,\"b\":2,\"a\":3}}]]"), ERR_DUPLICATE_KEY},
        {"a key twice, raw and as surrogates",
         VIEW_INIT("{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2}"), ERR_DUPLICATE_KEY},
};
/* clang-format on */

static bool same_tokens(const json_run *a, const json_run *b)
{
        if (a->result.code != b->result.code || a->count != b->count || a->at != b->at)
                return false;
        for (size_t i = 0; i < a->count; i++) {
                const json_token *x = &a->tokens[i], *y = &b->tokens[i];
                if (x->kind != y->kind || x->escaped != y->escaped || x->ascii != y->ascii || x->depth != y->depth
                    || x->path != y->path || x->index != y->index || x->start != y->start || x->end != y->end)
                        return false;
        }
        return true;
}

/* Every row, and the same for every budget. */
static void verdicts(void)
{
        static json_run whole;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                whole = *json_run_all(rows[i].doc, nullptr, SIZE_MAX);
                bool good = whole.result.code == rows[i].want;
                for (size_t step = 1; step <= rows[i].doc.len && good; step++)
                        good = same_tokens(&whole, json_run_all(rows[i].doc, nullptr, step));
                tap_ok(good, SUBJECT, rows[i].name);
        }
}

/* A document that is accepted whole is refused when any of its bytes at the end is missing. */
static void cuts(void)
{
        static const view doc = VIEW_INIT("{\"a\":[1.5e3,true,\"\\ud83d\\ude00x\xe4\xbd\xa0\"],\"b\":{\"c\":null}}");
        bool good = !failed(json_run_all(doc, nullptr, SIZE_MAX)->result);
        for (size_t cut = 0; cut < doc.len && good; cut++) {
                /* The cut text ends where memory ends, so that reading past it is seen. */
                uint8_t *copy = malloc(cut + 1);
                memcpy(copy, doc.data, cut);
                good = failed(json_run_all((view){copy, cut}, nullptr, 3)->result);
                free(copy);
        }
        tap_ok(good, SUBJECT, "a document cut anywhere is refused");
}

typedef struct expect {
        json_kind kind;
        uint8_t depth;
        uint16_t path;
        uint32_t index;
        size_t start, end;
        bool escaped, ascii;
} expect;

static void tokens(void)
{
        static const json_path_row paths[] = {{"a", 1}, {"a[]", 2}, {"a[].t", 3}};
        static const view doc = VIEW_INIT("{\"a\":[7,{\"t\":\"x\\n\"},[]],\"b\":\"\xc3\xa9\"}");
        static const expect want[] = {
                {JSON_OBJECT, 0, 0, 0, 0, 1, false, false},      {JSON_KEY, 1, 1, 0, 2, 3, false, true},
                {JSON_ARRAY, 1, 1, 0, 5, 6, false, false},       {JSON_NUMBER, 2, 2, 0, 6, 7, false, false},
                {JSON_OBJECT, 2, 2, 1, 8, 9, false, false},      {JSON_KEY, 3, 3, 0, 10, 11, false, true},
                {JSON_STRING, 3, 3, 0, 14, 17, true, true},      {JSON_OBJECT_END, 2, 2, 1, 18, 19, false, false},
                {JSON_ARRAY, 2, 2, 2, 20, 21, false, false},     {JSON_ARRAY_END, 2, 2, 2, 21, 22, false, false},
                {JSON_ARRAY_END, 1, 1, 0, 22, 23, false, false}, {JSON_KEY, 1, 0, 0, 25, 26, false, true},
                {JSON_STRING, 1, 0, 0, 29, 31, false, false},    {JSON_OBJECT_END, 0, 0, 0, 32, 33, false, false},
        };
        const json_paths *table = json_paths_compile(paths, sizeof paths / sizeof paths[0]);
        const json_run *run = json_run_all(doc, table, SIZE_MAX);
        bool good = !failed(run->result) && run->count == sizeof want / sizeof want[0];
        for (size_t i = 0; good && i < run->count; i++) {
                const json_token *t = &run->tokens[i];
                good = t->kind == want[i].kind && t->depth == want[i].depth && t->path == want[i].path
                       && t->index == want[i].index && t->start == want[i].start && t->end == want[i].end
                       && t->escaped == want[i].escaped && t->ascii == want[i].ascii;
        }
        tap_ok(good, SUBJECT, "tokens carry kind, depth, path, index, range and spelling");
}

static view filled(size_t len, uint8_t byte)
{
        uint8_t *p = mmap(nullptr, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memset(p, byte, len);
        return (view){p, len};
}

static uint8_t *bytes_of(view v) { return (uint8_t *)(uintptr_t)v.data; }

static void deep(size_t levels, bool objects, err_code want, const char *name)
{
        size_t unit = objects ? 5 : 1;
        view doc = filled(levels * (unit + 1) + 1, '[');
        uint8_t *p = bytes_of(doc);
        for (size_t i = 0; objects && i < levels; i++)
                memcpy(p + i * unit, "{\"a\":", unit);
        p[levels * unit] = '1';
        memset(p + levels * unit + 1, objects ? '}' : ']', levels);
        const json_run *run = json_run_all(doc, nullptr, SIZE_MAX);
        tap_ok(run->result.code == want && run->mapped < 64 * 1024, SUBJECT, name);
        munmap(p, doc.len);
}

/* {"k0":0,"k1":0,...}; with `again`, the first key a second time at the end. */
static view many_keys(size_t count, bool again)
{
        view doc = filled(count * 16 + 64, ' ');
        emit e = emit_into(bytes_of(doc), doc.len);
        emit_byte(&e, '{');
        for (size_t i = 0; i < count; i++) {
                emit_text(&e, i == 0 ? "\"k" : ",\"k");
                emit_u64(&e, i);
                emit_text(&e, "\":0");
        }
        emit_text(&e, again ? ",\"\\u006b0\":1}" : "}");
        return (view){e.bytes, e.len};
}

static void bombs(void)
{
        deep(64, false, ERR_NONE, "64 arrays are accepted");
        deep(65, false, ERR_TOO_DEEP, "65 arrays are refused");
        deep(64, true, ERR_NONE, "64 objects are accepted");
        deep(65, true, ERR_TOO_DEEP, "65 objects are refused");
        deep(10000, false, ERR_TOO_DEEP, "10 000 arrays are refused in constant memory");
        deep(1000000, false, ERR_TOO_DEEP, "10^6 arrays are refused in constant memory");

        view doc = filled(16u << 20, '0');
        for (size_t i = 0; i < doc.len; i += 2)
                bytes_of(doc)[i] = ',';
        bytes_of(doc)[0] = '[';
        const json_run *run = json_run_all(doc, nullptr, 65536);
        tap_ok(run->result.code == ERR_JSON_LIMIT && run->mapped < 64 * 1024, SUBJECT,
               "16 MiB of [0,0,... ends at the cap of values in constant memory");
        memset(bytes_of(doc), 'x', doc.len);
        bytes_of(doc)[0] = bytes_of(doc)[doc.len - 1] = '"';
        run = json_run_all(doc, nullptr, 65536);
        tap_ok(!failed(run->result) && run->count == 1 && run->mapped < 64 * 1024, SUBJECT,
               "a string of 16 MiB is accepted in constant memory");
        memset(bytes_of(doc), '1', doc.len);
        tap_ok(json_run_all(doc, nullptr, 65536)->result.code == ERR_JSON_LIMIT, SUBJECT,
               "a number of 16 MiB is refused");
        memset(bytes_of(doc), 'x', doc.len);
        memcpy(bytes_of(doc), "{\"", 2);
        run = json_run_all(doc, nullptr, SIZE_MAX);
        tap_ok(run->result.code == ERR_JSON_LIMIT && run->at < 1024, SUBJECT,
               "a key of 16 MiB is refused at its 257th byte");
        memset(bytes_of(doc), ' ', doc.len);
        tap_ok(json_run_all(doc, nullptr, 65536)->result.code == ERR_BAD_JSON, SUBJECT,
               "16 MiB of white space are no document");
        munmap(bytes_of(doc), doc.len);

        tap_ok(!failed(json_run_all(many_keys(1024, false), nullptr, 65536)->result), SUBJECT,
               "1024 keys in one object are accepted");
        tap_ok(json_run_all(many_keys(1025, false), nullptr, 65536)->result.code == ERR_JSON_LIMIT, SUBJECT,
               "1025 keys in one object are refused");
        run = json_run_all(many_keys(1000000, false), nullptr, 65536);
        tap_ok(run->result.code == ERR_JSON_LIMIT && run->at < 64 * 1024, SUBJECT,
               "10^6 keys in one object are refused at the 1025th");
}

/* A number or key at its limit, and one byte above. */
static void limits(void)
{
        uint8_t text[512];
        memset(text, '1', sizeof text);
        tap_ok(!failed(json_run_all((view){text, 64}, nullptr, SIZE_MAX)->result)
                       && json_run_all((view){text, 65}, nullptr, SIZE_MAX)->result.code == ERR_JSON_LIMIT,
               SUBJECT, "a number has at most 64 bytes");
        bool good = true;
        for (size_t len = 255; len <= 258; len++) {
                for (size_t step = 1; step < 4; step++) {
                        memset(text, 'k', sizeof text);
                        memcpy(text, "{\"", 2);
                        memcpy(text + 2 + len, "\":1}", 4);
                        err_code code = json_run_all((view){text, len + 6}, nullptr, step)->result.code;
                        good = good && code == (len <= 256 ? ERR_NONE : ERR_JSON_LIMIT);
                }
        }
        tap_ok(good, SUBJECT, "a key has at most 256 bytes, whatever the budget");
}

static void variants(void)
{
        static const json_path_row paths[] = {
                {"model", 1}, {"stream_options.include_usage", 2}, {"messages[].role", 3}};
        static const struct {
                const char *name;
                view doc;
                err_code want;
        } cases[] = {
                {"a case variant of a known key is refused, both there", VIEW_INIT("{\"model\":1,\"Model\":2}"),
                 ERR_DUPLICATE_KEY},
                {"a case variant of a known key is refused, alone", VIEW_INIT("{\"MODEL\":2}"), ERR_DUPLICATE_KEY},
                {"an escaped case variant is refused", VIEW_INIT("{\"\\u004dodel\":2}"), ERR_DUPLICATE_KEY},
                {"a case variant deeper down is refused", VIEW_INIT("{\"messages\":[{\"Role\":1}]}"),
                 ERR_DUPLICATE_KEY},
                {"a long s that folds to a known key is refused",
                 VIEW_INIT("{\"me\xc5\xbf\xc5\xbf"
                           "ages\":1}"),
                 ERR_DUPLICATE_KEY},
                {"an escaped known key is the known key", VIEW_INIT("{\"\\u006dodel\":2}"), ERR_NONE},
                {"the same word elsewhere is free", VIEW_INIT("{\"messages\":[{\"Model\":1,\"model\":2}]}"), ERR_NONE},
        };
        const json_paths *table = json_paths_compile(paths, sizeof paths / sizeof paths[0]);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                tap_ok(json_run_all(cases[i].doc, table, 1)->result.code == cases[i].want, SUBJECT, cases[i].name);
}

static void again(void)
{
        arena a;
        arena_init(&a, 1u << 20);
        json_scan *s = json_scan_begin(VIEW("{\"a\":{\"b\":"), nullptr, &a);
        size_t mapped = 0;
        bool good = true;
        for (int i = 0; i < 10000 && good; i++) {
                json_token t = {};
                err e = OK;
                json_scan_again(s,
                                i % 2 == 0 ? VIEW("{\"a\":1,\"b\":[{\"a\":2}]}") : VIEW("{\"a\":{\"b\":1,\"b\":2}}"));
                for (size_t budget = 1000; !failed(e) && t.kind != JSON_DONE;)
                        e = json_scan_next(s, &budget, &t);
                good = e.code == (i % 2 == 0 ? ERR_NONE : ERR_DUPLICATE_KEY);
                mapped = mapped == 0 ? a.mapped : mapped;
        }
        tap_ok(good && a.mapped == mapped, SUBJECT, "one scanner reads many documents without growing");
        arena_end(&a);
}

static void budget(void)
{
        arena a;
        json_token t;
        arena_init(&a, 1u << 20);
        uint8_t first[] = "\"abcdefghijklmnop\"", second[] = "\"abcdefghijklmnop\"";
        json_scan *s = json_scan_begin((view){first, sizeof first - 1}, nullptr, &a);
        size_t left = 5;
        bool good = !failed(json_scan_next(s, &left, &t)) && t.kind == JSON_YIELD && left == 0 && json_scan_at(s) == 5;
        good = good && !failed(json_scan_next(s, &left, &t)) && t.kind == JSON_YIELD && json_scan_at(s) == 5;
        memset(first, 0xff, sizeof first);
        json_scan_rebase(s, second);
        left = 100;
        good = good && !failed(json_scan_next(s, &left, &t)) && t.kind == JSON_STRING && t.end == 17 && left == 87;
        tap_ok(good, SUBJECT, "a string is left and taken up again, at another place in memory");
        arena_end(&a);

        arena_init(&a, 1000);
        tap_ok(json_scan_begin(VIEW("{}"), nullptr, &a) == nullptr, SUBJECT, "no room is no scanner");
        arena_end(&a);

        arena_init(&a, 64 * 1024);
        view full = filled(400000, ' ');
        emit e = emit_into(bytes_of(full), full.len);
        for (int depth = 0; depth < 60; depth++) {
                emit_byte(&e, '{');
                for (uint64_t i = 0; i < 400; i++) {
                        emit_byte(&e, '"');
                        emit_u64(&e, i);
                        emit_text(&e, "\":0,");
                }
                emit_text(&e, "\"x\":");
        }
        s = json_scan_begin((view){e.bytes, e.len}, nullptr, &a);
        err got = OK;
        for (left = SIZE_MAX; !failed(got);)
                got = json_scan_next(s, &left, &t);
        tap_ok(got.code == ERR_NO_ROOM && json_scan_next(s, &left, &t).code == ERR_NO_ROOM, SUBJECT,
               "a full arena is an error, and errors stay");
        arena_end(&a);
        const json_run *run = json_run_all((view){e.bytes, e.len}, nullptr, SIZE_MAX);
        tap_ok(run->result.code == ERR_BAD_JSON && run->mapped < 2 << 20, SUBJECT,
               "24 000 keys open at once take less than 2 MiB");
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        verdicts();
        cuts();
        tokens();
        bombs();
        limits();
        variants();
        again();
        budget();
        return tap_done();
}
