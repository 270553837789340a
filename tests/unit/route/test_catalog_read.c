#include "route/catalog_read.h"

#include "unit/route/catalog_rows.h"

static const char SUBJECT[] = "catalog_read";

static const struct {
        const char *text;
        uint64_t want; /* UINT64_MAX: refused */
} times[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:59Z", 59},
        {"1970-12-31T23:59:59Z", 31535999},
        {"2000-02-29T12:00:00Z", 951825600},
        {"2000-03-01T00:00:00Z", 951868800},
        {"2027-01-01T00:00:00Z", 1798761600},
        {"2038-01-19T03:14:08Z", 2147483648},
        {"2100-02-28T00:00:00Z", 4107456000},
        {"2100-03-01T00:00:00Z", 4107542400},
        {"9999-12-31T23:59:59Z", 253402300799},
        {"2100-02-29T00:00:00Z", UINT64_MAX},
        {"2027-02-29T00:00:00Z", UINT64_MAX},
        {"2027-04-31T00:00:00Z", UINT64_MAX},
        {"1969-12-31T23:59:59Z", UINT64_MAX},
        {"2027-00-01T00:00:00Z", UINT64_MAX},
        {"2027-13-01T00:00:00Z", UINT64_MAX},
        {"2027-01-00T00:00:00Z", UINT64_MAX},
        {"2027-01-32T00:00:00Z", UINT64_MAX},
        {"2027-01-01T24:00:00Z", UINT64_MAX},
        {"2027-01-01T00:60:00Z", UINT64_MAX},
        {"2027-01-01T00:00:60Z", UINT64_MAX},
        {"2027-01-01 00:00:00Z", UINT64_MAX},
        {"2027-01-01T00:00:00z", UINT64_MAX},
        {"2027-01-01T00:00:00+00:00", UINT64_MAX},
        {"2027-01-01T00:00:0aZ", UINT64_MAX},
        {"2027-1-01T00:00:000Z", UINT64_MAX},
        {"", UINT64_MAX},
};

static void check_times(void)
{
        for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
                uint8_t text[64];
                emit e = emit_into(text, sizeof text);
                config_doc *doc;
                config_fault f;
                uint64_t got = 0;
                emit_json(&e, view_of_text(times[i].text));
                if (failed(config_parse((view){text, e.len}, &doc, &f)))
                        abort();
                catalog_reader r = {doc, nullptr, &f};
                bool refused = failed(catalog_read_time(&r, config_root(doc), &got));
                tap_ok(refused == (times[i].want == UINT64_MAX) && (refused || got == times[i].want), SUBJECT,
                       times[i].text);
                config_free(doc);
        }
}

static void check_names(void)
{
        static const char *const good[] = {"a", "Z9", "a._:/-f", "1234567"};
        static const char *const bad[] = {"", "12345678", "a b", "a@b", "a\"b", "\xc3\xa9", "a\nb", "a,b"};
        for (size_t i = 0; i < sizeof good / sizeof good[0] + sizeof bad / sizeof bad[0]; i++) {
                bool want = i < sizeof good / sizeof good[0];
                const char *name = want ? good[i] : bad[i - sizeof good / sizeof good[0]];
                uint8_t text[64];
                char out[8];
                emit e = emit_into(text, sizeof text);
                config_doc *doc;
                config_fault f;
                emit_json(&e, view_of_text(name));
                if (failed(config_parse((view){text, e.len}, &doc, &f)))
                        abort();
                catalog_reader r = {doc, nullptr, &f};
                bool read = !failed(catalog_read_name(&r, config_root(doc), (catalog_text){out, sizeof out, ""}));
                tap_ok(read == want && (!read || strcmp(out, name) == 0), SUBJECT,
                       want ? "a name is read" : "what is no name is refused");
                if (strcmp(name, "a@b") == 0)
                        tap_ok(!failed(catalog_read_name(&r, config_root(doc), (catalog_text){out, sizeof out, "@"})),
                               SUBJECT, "unless more is allowed");
                config_free(doc);
        }
}

static const config_node *parsed(const char *text, config_doc **doc, config_fault *f)
{
        if (failed(config_parse(view_of_text(text), doc, f)))
                abort();
        return config_root(*doc);
}

static void check_optional(void)
{
        static const char *const words[] = {"low", "high", nullptr};
        config_doc *doc;
        config_fault f;
        const config_node *n = parsed("{\"n\":7,\"b\":true,\"w\":\"high\",\"x\":\"hgih\",\"y\":\"else\"}", &doc, &f);
        catalog_reader r = {doc, nullptr, &f};
        uint64_t number = 3;
        bool flag = false;
        uint8_t word = 9;
        tap_ok(!failed(catalog_read_number(&r, n, "absent", (config_range){1, 2}, &number)) && number == 3
                       && !failed(catalog_read_flag(&r, n, "absent", &flag)) && !flag
                       && !failed(catalog_read_word(&r, n, "absent", words, &word)) && word == 9,
               SUBJECT, "what is absent leaves its default");
        tap_ok(!failed(catalog_read_number(&r, n, "n", (config_range){1, 7}, &number)) && number == 7
                       && !failed(catalog_read_flag(&r, n, "b", &flag)) && flag
                       && !failed(catalog_read_word(&r, n, "w", words, &word)) && word == 1,
               SUBJECT, "what is there is read");
        tap_ok(failed(catalog_read_number(&r, n, "n", (config_range){1, 6}, &number))
                       && failed(catalog_read_flag(&r, n, "n", &flag))
                       && failed(catalog_read_word(&r, n, "n", words, &word)),
               SUBJECT, "and refused when it is something else");
        tap_ok(failed(catalog_read_word(&r, n, "x", words, &word)) && strcmp(f.code, "UNKNOWN_WORD") == 0
                       && strcmp(f.pointer, "/x") == 0
                       && strcmp(f.text, "must be \"low\" or \"high\"; did you mean \"high\"?") == 0,
               SUBJECT, "a word that is not known is told the known and the nearest");
        tap_ok(failed(catalog_read_word(&r, n, "y", words, &word))
                       && strcmp(f.text, "must be \"low\" or \"high\"") == 0,
               SUBJECT, "when there is a near one");
        tap_ok(failed(catalog_read_fail_number(&r, n, "CODE",
                                               (catalog_sentence){"no ", 18446744073709551615U, " of it"}))
                       && strcmp(f.text, "no 18446744073709551615 of it") == 0 && strcmp(f.code, "CODE") == 0,
               SUBJECT, "a sentence holds a number");
        config_free(doc);
}

static void check_ranges(void)
{
        config_doc *doc;
        config_fault f;
        catalog_cidr out[2];
        const config_node *n = parsed("{\"two\":[\"10.0.0.0/8\",\"fd00::/8\"],\"three\":[1,2,3],"
                                      "\"same\":[\"10.0.0.0/8\",\"10.0.0.0/8\"],\"bits\":[\"10.0.0.1/8\"]}",
                                      &doc, &f);
        catalog_reader r = {doc, nullptr, &f};
        catalog_ranges ranges = {out, 2, 0};
        tap_ok(!failed(catalog_read_ranges(&r, n, "absent", &ranges)) && ranges.count == 0, SUBJECT,
               "an absent list is no range");
        tap_ok(!failed(catalog_read_ranges(&r, n, "two", &ranges)) && ranges.count == 2 && out[0].net[0] == 10
                       && out[1].family == 6,
               SUBJECT, "ranges are read in order");
        static const struct {
                const char *key, *code;
        } bad[] = {{"three", "TOO_MANY"}, {"same", "DUPLICATE_NAME"}, {"bits", "BAD_CIDR"}};
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
                ranges = (catalog_ranges){out, 2, 0};
                tap_ok(failed(catalog_read_ranges(&r, n, bad[i].key, &ranges)) && strcmp(f.code, bad[i].code) == 0,
                       SUBJECT, bad[i].code);
        }
        config_free(doc);
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        check_times();
        check_names();
        check_optional();
        check_ranges();
        return tap_done();
}
