#include "codec/json_keys.h"

#include "base/emit.h"
#include "base/secret.h"
#include "support/tap.h"

static const char SUBJECT[] = "json_keys";

static json_key key_at(size_t start, size_t len, bool escaped)
{
        return (json_key){.start = (uint32_t)start, .len = (uint16_t)len, .escaped = escaped};
}

/* `count` different keys are entered; then each of them again is found. */
static bool all_found_again(size_t count)
{
        static uint8_t doc[16384];
        static size_t starts[LIMIT_JSON_KEYS + 1];
        emit e = emit_into(doc, sizeof doc);
        arena a;
        json_keyset set = {};
        view text;
        bool good = true;
        arena_init(&a, 1 << 20);
        json_keys *k = arena_alloc(&a, sizeof *k);
        k->arena = &a;
        for (size_t i = 0; i < count; i++) {
                starts[i] = e.len;
                emit_u64(&e, i * 7919);
                starts[i + 1] = e.len;
        }
        json_keyset_open(k, &set);
        for (size_t i = 0; i < count && good; i++)
                good = !failed(
                        json_keyset_add(k, &set, doc, key_at(starts[i], starts[i + 1] - starts[i], false), &text));
        for (size_t i = 0; i < count && good; i++)
                good = count == LIMIT_JSON_KEYS
                       || json_keyset_add(k, &set, doc, key_at(starts[i], starts[i + 1] - starts[i], false), &text).code
                                  == ERR_DUPLICATE_KEY;
        json_keyset_close(k, &set);
        good = good && k->count == 0;
        /* The same object once more, with the memory of the first. */
        size_t mapped = a.mapped;
        json_keyset_open(k, &set);
        for (size_t i = 0; i < count && good; i++)
                good = !failed(
                        json_keyset_add(k, &set, doc, key_at(starts[i], starts[i + 1] - starts[i], false), &text));
        good = good && a.mapped == mapped;
        arena_end(&a);
        return good;
}

static void counts(void)
{
        bool good = true;
        for (size_t count = 0; count <= LIMIT_JSON_KEYS && good; count += count < 80 ? 1 : 59)
                good = all_found_again(count);
        tap_ok(good, SUBJECT, "a repeated key is found in objects of any size, and memory is used again");
        tap_ok(all_found_again(LIMIT_JSON_KEYS), SUBJECT, "an object may have 1024 keys");
}

static void nesting(void)
{
        static const uint8_t doc[] = "ab\\u0061";
        arena a;
        json_keyset outer = {}, inner = {};
        view text;
        arena_init(&a, 1 << 20);
        json_keys *k = arena_alloc(&a, sizeof *k);
        k->arena = &a;
        json_keyset_open(k, &outer);
        bool good = !failed(json_keyset_add(k, &outer, doc, key_at(0, 1, false), &text));
        json_keyset_open(k, &inner);
        good = good && !failed(json_keyset_add(k, &inner, doc, key_at(0, 1, false), &text));
        good = good && !failed(json_keyset_add(k, &inner, doc, key_at(1, 1, false), &text));
        json_keyset_close(k, &inner);
        good = good && !failed(json_keyset_add(k, &outer, doc, key_at(1, 1, false), &text));
        good = good && json_keyset_add(k, &outer, doc, key_at(2, 6, true), &text).code == ERR_DUPLICATE_KEY;
        tap_ok(good && view_equal(text, VIEW("a")), SUBJECT, "an inner object does not disturb the outer one");
        arena_end(&a);
}

static void room(void)
{
        static const uint8_t doc[] = "a";
        arena a;
        json_keyset set = {};
        view text;
        static json_keys k;
        arena_init(&a, 0);
        k = (json_keys){.arena = &a};
        json_keyset_open(&k, &set);
        tap_ok(json_keyset_add(&k, &set, doc, key_at(0, 1, false), &text).code == ERR_NO_ROOM, SUBJECT,
               "no memory is an error");
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        counts();
        nesting();
        room();
        return tap_done();
}
