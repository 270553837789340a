#include "codec/json_keys.h"

#include <assert.h>

#include "base/secret.h"
#include "codec/json_scan.h"

enum : uint32_t {
        ONE_BY_ONE = 16,   /* keys of one object before a table pays */
        FIRST_SLOTS = 64,
        MOST_SLOTS = 2048, /* at most half full */
        FIRST_ROOM = 64,
};
static_assert(MOST_SLOTS >= 2 * LIMIT_JSON_KEYS);
static_assert(LIMIT_JSON_KEYS * LIMIT_JSON_DEPTH < UINT32_MAX);
static_assert(LIMIT_JSON_KEY_BYTES <= UINT16_MAX);

void json_keyset_open(const json_keys *k, json_keyset *set)
{
        set->first = k->count;
        set->slots = 0;
}

void json_keyset_close(json_keys *k, const json_keyset *set)
{
        assert(set->first <= k->count);
        k->count = set->first;
}

static view decoded(json_keys *k, const uint8_t *doc, json_key key, size_t scratch)
{
        view raw = {doc + key.start, key.len};
        if (!key.escaped)
                return raw;
        emit out = emit_into(k->scratch[scratch], sizeof k->scratch[scratch]);
        json_unescape(raw, &out);
        assert(!out.full);
        return (view){out.bytes, out.len};
}

static bool grow(json_keys *k)
{
        uint32_t  room = k->room == 0 ? FIRST_ROOM : k->room * 2;
        json_key *stack = arena_alloc(k->arena, room * sizeof *stack);
        if (stack == nullptr)
                return false;
        if (k->count > 0)
                memcpy(stack, k->stack, k->count * sizeof *stack);
        k->stack = stack;
        k->room = room;
        return true;
}

static bool known_one_by_one(json_keys *k, const json_keyset *set, const uint8_t *doc, view text)
{
        for (uint32_t i = set->first; i < k->count; i++) {
                json_key old = k->stack[i];
                if (!old.escaped && old.len != text.len)
                        continue;
                if (view_equal(decoded(k, doc, old, 1), text))
                        return true;
        }
        return false;
}

static bool known_in_table(json_keys *k, const json_keyset *set, const uint8_t *doc, view text, uint32_t hash)
{
        uint32_t mask = set->slots - 1;
        for (uint32_t at = hash & mask; set->table[at] != 0; at = (at + 1) & mask) {
                json_key old = k->stack[set->first + set->table[at] - 1];
                if (old.hash == hash && view_equal(decoded(k, doc, old, 1), text))
                        return true;
        }
        return false;
}

static void enter(json_keyset *set, uint32_t hash, uint32_t position)
{
        uint32_t mask = set->slots - 1;
        uint32_t at = hash & mask;
        while (set->table[at] != 0)
                at = (at + 1) & mask;
        set->table[at] = (uint16_t)(position + 1);
}

/* Gives the set a table of `slots` and enters what it has. */
static bool spread(json_keys *k, json_keyset *set, const uint8_t *doc, uint32_t slots)
{
        if (set->table == nullptr)
                set->table = arena_alloc(k->arena, MOST_SLOTS * sizeof *set->table);
        if (set->table == nullptr)
                return false;
        bool hashed = set->slots > 0;
        memset(set->table, 0, slots * sizeof *set->table);
        set->slots = slots;
        for (uint32_t i = set->first; i < k->count; i++) {
                json_key *key = &k->stack[i];
                if (!hashed)
                        key->hash = (uint32_t)secret_siphash(decoded(k, doc, *key, 1));
                enter(set, key->hash, i - set->first);
        }
        return true;
}

err json_keyset_add(json_keys *k, json_keyset *set, const uint8_t *doc, json_key key, view *text)
{
        assert(key.len <= LIMIT_JSON_KEY_BYTES);
        uint32_t have = k->count - set->first;
        if (have >= LIMIT_JSON_KEYS)
                return FAIL(JSON_LIMIT);
        if (k->count == k->room && !grow(k))
                return FAIL(NO_ROOM);
        if (have >= ONE_BY_ONE && set->slots == 0 && !spread(k, set, doc, FIRST_SLOTS))
                return FAIL(NO_ROOM);
        if (set->slots > 0 && have * 2 >= set->slots && !spread(k, set, doc, set->slots * 2))
                return FAIL(NO_ROOM);
        *text = decoded(k, doc, key, 0);
        if (set->slots == 0) {
                if (known_one_by_one(k, set, doc, *text))
                        return FAIL(DUPLICATE_KEY);
        } else {
                key.hash = (uint32_t)secret_siphash(*text);
                if (known_in_table(k, set, doc, *text, key.hash))
                        return FAIL(DUPLICATE_KEY);
                enter(set, key.hash, have);
        }
        k->stack[k->count++] = key;
        return OK;
}
