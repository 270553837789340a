#include <stdlib.h>

#include "base/secret.h"
#include "support/tap.h"
#include "vault/container.h"

static const struct {
        const char *name;
        uint8_t     bytes[24];
        size_t      len;
        bool        good;
        size_t      used;
} rows[] = {
        {"nothing at all",                    {0},                                    0,  true,  0},
        {"zeros only",                        {0},                                    24, true,  0},
        {"one empty record",                  {3},                                    8,  true,  8},
        {"one record and zeros",              {2, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3},      24, true,  11},
        {"two records",                       {1, 0, 0, 0, 0, 0, 0, 0, 4},            16, true,  16},
        {"type 9 is not listed",              {9, 0, 0, 0, 0, 0, 0, 0},               24, false, 0},
        {"type 0 with bytes behind it",       {0, 0, 0, 0, 1, 0, 0, 0, 7},            24, false, 0},
        {"type 257 is not type 1",            {1, 1, 0, 0, 0, 0, 0, 0},               24, false, 0},
        {"a reserved byte that is not zero",  {1, 0, 1, 0, 0, 0, 0, 0},               24, false, 0},
        {"a record longer than the payload",  {1, 0, 0, 0, 17, 0, 0, 0, 1},           24, false, 0},
        {"a record of 2^32 - 1 bytes",        {1, 0, 0, 0, 255, 255, 255, 255, 1},    24, false, 0},
        {"a head cut short",                  {1, 0, 0, 0, 0, 0, 0},                  7,  false, 0},
        {"rubbish behind the last record",    {3, 0, 0, 0, 0, 0, 0, 0, 0, 9},         24, false, 8},
};

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                /* In memory of its own length, so that a sanitizer sees one byte too far. */
                uint8_t *exact = malloc(rows[i].len + 1);
                memcpy(exact, rows[i].bytes, rows[i].len);
                exact = realloc(exact, rows[i].len > 0 ? rows[i].len : 1);
                size_t used;
                err    e = records_check((view){exact, rows[i].len}, &used);
                tap_ok(failed(e) != rows[i].good && used == rows[i].used, "records", rows[i].name);
                free(exact);
        }

        region r;
        region_init(&r, 64);
        bool good = !failed(record_append(&r, RECORD_CHAIN, VIEW("abc"))) && r.len == 11
                    && !failed(record_append(&r, RECORD_EXPORT, VIEW("")));
        size_t      at = 0;
        record_type type;
        view        bytes;
        good = good && record_next(region_view(&r), &at, &type, &bytes) && type == RECORD_CHAIN
               && view_equal(bytes, VIEW("abc"));
        good = good && record_next(region_view(&r), &at, &type, &bytes) && type == RECORD_EXPORT && bytes.len == 0;
        good = good && !record_next(region_view(&r), &at, &type, &bytes) && at == r.len;
        tap_ok(good, "records", "what was appended is walked");
        uint8_t big[64] = {};
        tap_ok(record_append(&r, RECORD_CHAIN, (view){big, sizeof big}).code == ERR_NO_ROOM && r.len == 19, "records",
               "what does not fit is left out whole");
        tap_ok(record_append(&r, RECORD_CHAIN, (view){big, CONTAINER_PAYLOAD_MAX + 1}).code == ERR_NO_ROOM, "records",
               "nor what no payload could hold");
        region_end(&r);
        return tap_done();
}
