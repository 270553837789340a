#include "admin/query.h"

#include "support/tap.h"

static const char *const names[] = {"a", "bc", nullptr};

typedef struct row {
        const char *name, *query;
        bool good;
        const char *a, *bc; /* null: not there */
} row;

static bool is(const query_value *v, const char *want)
{
        return want == nullptr ? !v->there : v->there && strcmp(v->text, want) == 0;
}

static void rows(void)
{
        static const row table[] = {
                {"nothing", "", true, nullptr, nullptr},
                {"one value", "a=1", true, "1", nullptr},
                {"two in any order", "bc=x&a=y", true, "y", "x"},
                {"a name alone is empty", "a", true, "", nullptr},
                {"an empty value is empty", "a=&bc", true, "", ""},
                {"escapes and plus", "a=x%2Fy+z%c3%A4", true, "x/y z\xc3\xa4", nullptr},
                {"a value may hold =", "a=b=c", true, "b=c", nullptr},
                {"a trailing & adds nothing", "a=1&", true, "1", nullptr},
                {"an unknown name", "a=1&d=2", false, nullptr, nullptr},
                {"an empty name", "&a=1", false, nullptr, nullptr},
                {"a longer name is another", "bcd=1", false, nullptr, nullptr},
                {"twice", "a=1&a=1", false, nullptr, nullptr},
                {"twice, first without a value", "a&a=1", false, nullptr, nullptr},
                {"a cut escape", "a=%2", false, nullptr, nullptr},
                {"an escape of no digits", "a=%zz", false, nullptr, nullptr},
                {"a control character", "a=%0a", false, nullptr, nullptr},
                {"a hidden end", "a=x%00y", false, nullptr, nullptr},
                {"delete", "a=%7f", false, nullptr, nullptr},
                {"not UTF-8", "a=%ff", false, nullptr, nullptr},
        };
        for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
                query_value v[2] = {{.text = "old", .there = true}, {.text = "old", .there = true}};
                err e = query_read(view_of_text(table[i].query), names, v);
                bool good = table[i].good ? !failed(e) && is(&v[0], table[i].a) && is(&v[1], table[i].bc)
                                          : e.code == ERR_OUT_OF_RANGE;
                tap_ok(good, "query", table[i].name);
        }
}

static void lengths(void)
{
        char text[QUERY_VALUE + 2] = "a=";
        query_value v[2];
        memset(text + 2, 'x', QUERY_VALUE - 1);
        bool fits = !failed(query_read(view_of_text(text), names, v)) && strlen(v[0].text) == QUERY_VALUE - 1;
        char longer[QUERY_VALUE + 3] = "a=";
        memset(longer + 2, 'x', QUERY_VALUE);
        tap_ok(fits && query_read(view_of_text(longer), names, v).code == ERR_OUT_OF_RANGE, "query",
               "the longest value fits, one byte more does not");
}

int main(void)
{
        rows();
        lengths();
        return tap_done();
}
