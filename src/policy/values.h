/* policy/values: the distinct values of one request and their placeholders, found by keyed digest. */
#ifndef POLICY_VALUES_H
#define POLICY_VALUES_H

#include "policy/redact.h"

typedef struct values {
        arena        *arena;
        redact_entry *list;
        uint32_t     *slots; /* open addressing: index + 1 in list, 0 free; a power of two of them */
        uint32_t     *pending; /* entries that stood in the message whose role is not known yet */
        size_t        count, room, slot_count;
        size_t        waiting, waiting_room;
} values;

static inline void values_begin(values *v, arena *a) { *v = (values){.arena = a}; }

/* The entry of a value, new or known; the placeholder is set, value and roles are the caller's to fill.
 * err POLICY_LIMIT (too many values, or two that 60 bits do not tell apart), NO_ROOM */
err values_find(values *v, entity_id entity, const uint8_t digest[static 32], redact_entry **out);

/* Notes where the entry stood; role 0 is settled by values_role. err NO_ROOM */
err  values_seen(values *v, redact_entry *e, uint8_t role);
void values_role(values *v, uint8_t role);

/* The entries that may be restored, sorted. err NO_ROOM */
err values_table(const values *v, uint8_t roles, redact_table *out);

#endif
