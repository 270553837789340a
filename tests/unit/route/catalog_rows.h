/* One good configuration and changes to it, for the catalog tests. */
#ifndef TESTS_UNIT_ROUTE_CATALOG_ROWS_H
#define TESTS_UNIT_ROUTE_CATALOG_ROWS_H

#include <stdlib.h>

#include "base/emit.h"
#include "base/secret.h"
#include "route/catalog.h"
#include "support/tap.h"

#define HASH_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HASH_B "ff112233445566778899aabbccddeeff00112233445566778899aabbccddee00"

static const char GOOD[] =
        "{\"lethe\":\"config/1\",\n"
        "\"hosts\":[\"localhost\",\"127.0.0.1\"],\n"
        "\"upstreams\":[\n"
        " {\"name\":\"one\",\"vendor\":\"openai\",\"base_url\":\"https://api.example.org/v1\",\"ca\":\"ca.pem\"},\n"
        " {\"name\":\"two\",\"vendor\":\"house\",\"base_url\":\"http://127.0.0.1:8000/v1\",\"plain_http\":true,"
        "\"local\":[\"127.0.0.0/8\"]},\n"
        " {\"name\":\"three\",\"vendor\":\"openai\",\"base_url\":\"https://b.example.org\",\"ca\":\"b.pem\"}],\n"
        "\"models\":[\n"
        " {\"name\":\"small\",\"targets\":[{\"upstream\":\"one\",\"model\":\"gpt-4o-mini\"},"
        "{\"upstream\":\"two\",\"model\":\"llama\"}]},\n"
        " {\"name\":\"big\",\"targets\":[{\"upstream\":\"one\",\"model\":\"gpt-4o\"}]}],\n"
        "\"keys\":[\n"
        " {\"id\":\"AAAAAAAA\",\"hash\":\"" HASH_A "\",\"project\":\"alpha\",\"models\":[\"small\"]},\n"
        " {\"id\":\"BBBBBBBB\",\"hash\":\"" HASH_B "\",\"project\":\"beta\",\"models\":[\"*\"]}]}\n";

/* `find` (its first occurrence) becomes `put`; an empty code means that the file must be accepted. */
typedef struct catalog_row {
        const char *name, *find, *put, *code, *pointer;
} catalog_row;

static inline view catalog_changed(const char *find, const char *put)
{
        static char text[LIMIT_CONFIG_BYTES];
        const char *at = strstr(GOOD, find);
        if (at == nullptr)
                abort();
        size_t before = (size_t)(at - GOOD), more = strlen(put);
        memcpy(text, GOOD, before);
        memcpy(text + before, put, more);
        const char *rest = at + strlen(find);
        memcpy(text + before + more, rest, strlen(rest));
        return (view){(const uint8_t *)text, before + more + strlen(rest)};
}

static inline catalog *catalog_room(void)
{
        static catalog *c;
        if (c == nullptr)
                c = calloc(1, sizeof *c);
        if (c == nullptr)
                abort();
        return c;
}

/* Null when it is refused. */
static inline const catalog *catalog_with(const char *find, const char *put)
{
        config_fault f;
        return failed(catalog_compile(catalog_changed(find, put), catalog_room(), &f)) ? nullptr : catalog_room();
}

static inline void catalog_check(const char *subject, const catalog_row *rows, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                config_fault f = {};
                err e = catalog_compile(catalog_changed(rows[i].find, rows[i].put), catalog_room(), &f);
                bool good = rows[i].code[0] == 0 ? !failed(e) : e.code == ERR_BAD_CONFIG;
                if (good && failed(e))
                        good = strcmp(f.code, rows[i].code) == 0 && strcmp(f.pointer, rows[i].pointer) == 0
                               && f.line > 0 && f.column > 0 && strlen(f.text) > 3;
                if (!tap_ok(good, subject, rows[i].name))
                        printf("# got %s at %s line %u: %s\n", f.code, f.pointer, f.line, f.text);
        }
}

#endif
