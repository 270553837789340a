/* Key slots of an open store: what else may open it. */
#include <assert.h>

#include "base/secret.h"
#include "vault/key_slot.h"
#include "vault/store_records.h"

/* A slot lies in the header, so the other copy shows the old ones until it is written too: both are. */
static err write_slots(store *s, const key_slot old[static KEY_SLOTS])
{
        err e = store_write_out(s);
        if (failed(e)) {
                memcpy(s->info.slots, old, sizeof s->info.slots);
                return e;
        }
        /* It has happened; the older copy is renewed by the next write if not by this one. */
        (void)!failed(store_write_out(s));
        return OK;
}

static bool slot_sound(const key_slot *k)
{
        switch (k->kind) {
        case SLOT_PASSPHRASE:
                return k->ops >= 1 && k->ops <= ARGON_OPS_MAX && k->mem_bytes >= ARGON_MEM_MIN
                       && k->mem_bytes <= ARGON_MEM_MAX;
        case SLOT_KEY_FILE:
                return k->ops == 0 && k->mem_bytes == 0;
        case SLOT_TPM:
                return k->ops == 0 && k->mem_bytes == 0 && k->pcr_mask != 0 && k->sealed.private_len > 0
                       && k->sealed.public_len > 0;
        case SLOT_EMPTY:
                break;
        }
        return false;
}

err store_slot_add(store *s, const key_slot *public_part, const uint8_t wrapping[static 32], uint32_t *index)
{
        assert(store_is_open(s));
        key_slot old[KEY_SLOTS];
        uint32_t free_slot = 0;
        if (!slot_sound(public_part))
                return FAIL(OUT_OF_RANGE);
        while (free_slot < KEY_SLOTS && s->info.slots[free_slot].kind != SLOT_EMPTY)
                free_slot++;
        if (free_slot == KEY_SLOTS)
                return FAIL(NO_ROOM);
        memcpy(old, s->info.slots, sizeof old);
        s->info.slots[free_slot] = *public_part;
        key_slot_close(&s->info.slots[free_slot], wrapping, store_vault_key(s));
        *index = free_slot;
        return write_slots(s, old);
}

/* Who holds it can be asked for it anywhere; a TPM is one chip, which may break. */
static size_t held_by_people(const store *s)
{
        size_t n = 0;
        for (size_t i = 0; i < KEY_SLOTS; i++)
                n += s->info.slots[i].kind == SLOT_PASSPHRASE || s->info.slots[i].kind == SLOT_KEY_FILE;
        return n;
}

err store_slots_remove(store *s, uint32_t which)
{
        assert(store_is_open(s));
        key_slot old[KEY_SLOTS];
        memcpy(old, s->info.slots, sizeof old);
        for (uint32_t i = 0; i < KEY_SLOTS; i++) {
                if ((which >> i & 1) == 0)
                        continue;
                if (old[i].kind == SLOT_EMPTY) {
                        memcpy(s->info.slots, old, sizeof old);
                        return FAIL(NO_TARGET);
                }
                s->info.slots[i] = (key_slot){};
        }
        if (which >> KEY_SLOTS != 0 || which == 0 || held_by_people(s) == 0) {
                memcpy(s->info.slots, old, sizeof old);
                return which >> KEY_SLOTS != 0 || which == 0 ? FAIL(NO_TARGET) : FAIL(LAST_SLOT);
        }
        return write_slots(s, old);
}
