#include "policy/values.h"

#include <assert.h>

#include "policy/token.h"

/* The first 64 bits of a digest, in the order in which a placeholder spells them. */
static uint64_t head_of(const uint64_t digest[static 4])
{
        uint8_t  bytes[8];
        uint64_t head = 0;
        memcpy(bytes, digest, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes; i++)
                head = head << 8 | bytes[i];
        return head;
}

static uint64_t short_body(uint64_t head) { return head >> (64 - 5 * TOKEN_BODY); }
static uint64_t long_body(uint64_t head) { return head >> (64 - 5 * TOKEN_BODY_LONG); }

static size_t slot_of(const values *v, entity_id entity, uint64_t head)
{
        /* The digest is keyed, so nobody outside can aim at a slot. */
        return (size_t)((short_body(head) + (uint64_t)entity * 0x9e3779b97f4a7c15u) & (v->slot_count - 1));
}

static void put(values *v, size_t index)
{
        const redact_entry *e = &v->list[index];
        size_t slot = slot_of(v, e->entity, head_of(e->digest));
        while (v->slots[slot] != 0)
                slot = (slot + 1) & (v->slot_count - 1);
        v->slots[slot] = (uint32_t)index + 1;
}

/* Room for one more entry, at most half of the slots in use. */
static err grow(values *v)
{
        if (v->count < v->room)
                return OK;
        size_t        room = v->room == 0 ? 16 : v->room * 2;
        redact_entry *list = arena_alloc(v->arena, room * sizeof *list);
        uint32_t     *slots = arena_alloc(v->arena, room * 2 * sizeof *slots);
        if (list == nullptr || slots == nullptr)
                return FAIL(NO_ROOM);
        if (v->count > 0)
                memcpy(list, v->list, v->count * sizeof *list);
        v->list = list;
        v->slots = slots;
        v->room = room;
        v->slot_count = room * 2;
        for (size_t i = 0; i < v->count; i++)
                put(v, i);
        return OK;
}

static err add(values *v, entity_id entity, const uint64_t digest[static 4], bool collides, redact_entry **out)
{
        if (v->count == LIMIT_REDACTIONS)
                return FAIL(POLICY_LIMIT);
        TRY(grow(v));
        uint8_t bytes[32], text[LIMIT_TOKEN_BYTES];
        memcpy(bytes, digest, sizeof bytes);
        size_t len = token_write(entity, bytes, collides ? TOKEN_BODY_LONG : TOKEN_BODY, text);
        view   token = arena_copy(v->arena, (view){text, len});
        if (token.len == 0)
                return FAIL(NO_ROOM);
        redact_entry *e = &v->list[v->count];
        *e = (redact_entry){.entity = entity, .token = token};
        memcpy(e->digest, digest, sizeof e->digest);
        put(v, v->count++);
        *out = e;
        return OK;
}

err values_find(values *v, entity_id entity, const uint8_t digest[static 32], redact_entry **out)
{
        uint64_t words[4];
        memcpy(words, digest, sizeof words);
        uint64_t head = head_of(words);
        bool     collides = false;
        for (size_t slot = v->slot_count > 0 ? slot_of(v, entity, head) : 0; v->slot_count > 0 && v->slots[slot] != 0;
             slot = (slot + 1) & (v->slot_count - 1)) {
                redact_entry *e = &v->list[v->slots[slot] - 1];
                uint64_t      other = head_of(e->digest);
                if (e->entity != entity || short_body(other) != short_body(head))
                        continue;
                if (memcmp(e->digest, words, sizeof words) == 0) {
                        *out = e;
                        return OK;
                }
                if (long_body(other) == long_body(head))
                        return FAIL(POLICY_LIMIT);
                collides = true;
        }
        return add(v, entity, words, collides, out);
}

err values_seen(values *v, redact_entry *e, uint8_t role)
{
        assert(e >= v->list && e < v->list + v->count);
        e->roles |= role;
        if (role != 0 || e->pending)
                return OK;
        if (v->waiting == v->waiting_room) {
                size_t    room = v->waiting_room == 0 ? 16 : v->waiting_room * 2;
                uint32_t *list = arena_alloc(v->arena, room * sizeof *list);
                if (list == nullptr)
                        return FAIL(NO_ROOM);
                if (v->waiting > 0)
                        memcpy(list, v->pending, v->waiting * sizeof *list);
                v->pending = list;
                v->waiting_room = room;
        }
        e->pending = true;
        v->pending[v->waiting++] = (uint32_t)(e - v->list);
        return OK;
}

void values_role(values *v, uint8_t role)
{
        for (size_t i = 0; i < v->waiting; i++) {
                redact_entry *e = &v->list[v->pending[i]];
                e->roles |= role;
                e->pending = false;
        }
        v->waiting = 0;
}

static void sift(redact_entry *list, size_t at, size_t count)
{
        for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
                if (child + 1 < count && token_compare(list[child].token, list[child + 1].token) < 0)
                        child++;
                if (token_compare(list[at].token, list[child].token) >= 0)
                        return;
                redact_entry swap = list[at];
                list[at] = list[child];
                list[child] = swap;
                at = child;
        }
}

/* In place, so that no value's place is left in memory of somebody else's. */
static void sort(redact_entry *list, size_t count)
{
        for (size_t i = count / 2; i-- > 0;)
                sift(list, i, count);
        for (size_t last = count; last > 1; last--) {
                redact_entry swap = list[0];
                list[0] = list[last - 1];
                list[last - 1] = swap;
                sift(list, 0, last - 1);
        }
}

err values_table(const values *v, uint8_t roles, redact_table *out)
{
        *out = (redact_table){};
        redact_entry *list = arena_alloc(v->arena, v->count * sizeof *list);
        if (list == nullptr)
                return FAIL(NO_ROOM);
        for (size_t i = 0; i < v->count; i++) {
                const redact_entry *e = &v->list[i];
                if ((e->roles & roles) == 0)
                        continue;
                list[out->count++] = *e;
                out->longest = e->token.len > out->longest ? e->token.len : out->longest;
                out->shortest = out->shortest == 0 || e->token.len < out->shortest ? e->token.len : out->shortest;
                out->longest_value = e->value.len > out->longest_value ? e->value.len : out->longest_value;
        }
        sort(list, out->count);
        out->entries = list;
        return OK;
}
