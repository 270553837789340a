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

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        check_times();
        check_names();
        return tap_done();
}
