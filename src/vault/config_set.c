/* A record's bytes: name as length u16 and bytes, then the file to the record's end. */
#include "vault/config_set.h"

#include <assert.h>

#include "base/secret.h"
#include "vault/container.h"
#include "vault/little_endian.h"

enum : size_t { RECORD_HEAD = 8, NAME_HEAD = 2 };

static const view names[] = {VIEW_INIT("lethe.json"),    VIEW_INIT("policy.json"),   VIEW_INIT("tls/admin.crt"),
                             VIEW_INIT("tls/admin.key"), VIEW_INIT("tls/server.crt"), VIEW_INIT("tls/server.key")};

static bool ca_byte(uint8_t c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_'
               || c == '-';
}

/* As lethe.json may name it: "ca" of an upstream. */
static bool ca_valid(view name)
{
        static const view folder = VIEW_INIT("ca/");
        if (!view_starts(name, folder))
                return false;
        view file = view_slice(name, folder.len, name.len);
        if (file.len == 0 || file.len >= LIMIT_NAME_BYTES || file.data[0] == '.')
                return false;
        for (size_t i = 0; i < file.len; i++)
                if (!ca_byte(file.data[i]))
                        return false;
        return true;
}

static_assert(sizeof "ca/" - 1 + LIMIT_NAME_BYTES <= CONFIG_NAME_BYTES);

bool config_name_valid(view name)
{
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                if (view_equal(name, names[i]))
                        return true;
        return ca_valid(name) && !config_name_secret(name);
}

bool config_name_secret(view name)
{
        static const view end = VIEW_INIT(".key");
        return name.len >= end.len && view_equal(view_slice(name, name.len - end.len, name.len), end);
}

void config_set_init(region *set) { region_init(set, CONFIG_SET_BYTES); }

static bool file_read(view record, config_file *out)
{
        if (record.len < NAME_HEAD)
                return false;
        size_t len = (size_t)le_read(record.data, NAME_HEAD);
        if (len > record.len - NAME_HEAD)
                return false;
        *out = (config_file){view_slice(record, NAME_HEAD, NAME_HEAD + len),
                             view_slice(record, NAME_HEAD + len, record.len)};
        return config_name_valid(out->name) && out->bytes.len <= LIMIT_CONFIG_BYTES;
}

bool config_set_next(view set, size_t *at, config_file *out)
{
        record_type type;
        view        bytes;
        return record_next(set, at, &type, &bytes) && type == RECORD_CONFIG && file_read(bytes, out);
}

bool config_set_find(view set, view name, config_file *out)
{
        for (size_t at = 0; config_set_next(set, &at, out);)
                if (view_equal(out->name, name))
                        return true;
        *out = (config_file){};
        return false;
}

size_t config_set_count(view set)
{
        config_file f;
        size_t      n = 0;
        for (size_t at = 0; config_set_next(set, &at, &f);)
                n++;
        return n;
}

static int compare(view a, view b)
{
        size_t shorter = a.len < b.len ? a.len : b.len;
        int    order = shorter == 0 ? 0 : memcmp(a.data, b.data, shorter);
        return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

err config_set_check(view set)
{
        config_file f;
        view        before = {};
        size_t      at = 0, n = 0;
        for (; config_set_next(set, &at, &f); n++) {
                if (compare(before, f.name) >= 0)
                        return FAIL(BAD_FILE);
                before = f.name;
        }
        return at == set.len && n <= CONFIG_SET_FILES && set.len <= CONFIG_SET_BYTES ? OK : FAIL(BAD_FILE);
}

static err append(region *set, const config_file *f)
{
        uint8_t head[RECORD_HEAD] = {}, len[NAME_HEAD];
        le_write(head, RECORD_CONFIG, 2);
        le_write(head + 4, NAME_HEAD + f->name.len + f->bytes.len, 4);
        le_write(len, f->name.len, sizeof len);
        TRY(region_append(set, (view){head, sizeof head}));
        TRY(region_append(set, (view){len, sizeof len}));
        TRY(region_append(set, f->name));
        return region_append(set, f->bytes);
}

static err merge(view old, const config_file *f, region *out)
{
        config_file here;
        bool        done = false;
        for (size_t at = 0; config_set_next(old, &at, &here);) {
                int order = compare(f->name, here.name);
                if (!done && order <= 0)
                        TRY(append(out, f));
                done = done || order <= 0;
                if (order != 0)
                        TRY(append(out, &here));
        }
        if (!done)
                TRY(append(out, f));
        return config_set_count(region_view(out)) <= CONFIG_SET_FILES ? OK : FAIL(NO_ROOM);
}

err config_set_put(region *set, const config_file *f)
{
        if (!config_name_valid(f->name))
                return FAIL(OUT_OF_RANGE);
        if (f->bytes.len > LIMIT_CONFIG_BYTES)
                return FAIL(NO_ROOM);
        region next;
        config_set_init(&next);
        err e = merge(region_view(set), f, &next);
        if (failed(e)) {
                region_end(&next);
                return e;
        }
        region_end(set);
        *set = next;
        return OK;
}

uint64_t config_set_number(view set)
{
        uint8_t hash[SECRET_HASH_BYTES];
        if (set.len == 0)
                return 0;
        secret_hash(hash, set, (view){});
        uint64_t number = le_read(hash, 8);
        return number == 0 ? 1 : number;
}
