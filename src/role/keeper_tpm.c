/* The vault key in a TPM, and its signature beside each export.
 *
 * Sealed to PCR 4 (every program the firmware started: loader, image, kernel), 11 (what stands in the image), 12 and 13
 * (nothing was added to it), 7 (Secure Boot and its keys) and 2 (drivers that the firmware took from cards or from a
 * disk, which run before all others and are measured nowhere else). Not to 0 and 1: firmware updates would seal the
 * vault and what they bring is for the reader of quotes to judge. Not to 5 and 9: they hold the partition table, and
 * what 11 holds already. */
#include <assert.h>

#include "base/event.h"
#include "base/secret.h"
#include "role/keeper_state.h"
#include "usage/quote.h"

enum : uint32_t {
        SEAL_PCRS = 1u << 2 | 1u << 4 | 1u << 7 | 1u << 11 | 1u << 12 | 1u << 13,
        QUOTE_PCRS = SEAL_PCRS | 1u << 0,
};

static tpm device(const keeper *k) { return (tpm){.fd = k->tpm, .gone = k->tpm_gone}; }

static void leave(keeper *k, const tpm *t) { k->tpm_gone = k->tpm_gone || t->gone; }

static bool has_tpm_slot(const keeper *k)
{
        for (size_t i = 0; i < KEY_SLOTS; i++)
                if (k->store.info.slots[i].kind == SLOT_TPM)
                        return true;
        return false;
}

/* Whether the slot was sealed to the values that the registers have. err as tpm/device.h */
static err fits_now(tpm *t, const key_slot *slot, bool *fits)
{
        tpm_pcrs now;
        uint8_t  wanted[32], policy[32];
        TRY(tpm_read_policy((view){slot->sealed.public_part, slot->sealed.public_len}, wanted));
        TRY(tpm_pcrs_now(t, slot->pcr_mask, &now));
        tpm_policy_of(&now, policy);
        *fits = memcmp(policy, wanted, sizeof policy) == 0;
        return OK;
}

void keeper_tpm_look(keeper *k)
{
        k->tpm_slots = 0;
        k->tpm_state = k->tpm < 0 ? KEEPER_TPM_ABSENT : KEEPER_TPM_UNUSED;
        if (k->tpm < 0 || !has_tpm_slot(k))
                return;
        tpm t = device(k);
        k->tpm_state = KEEPER_TPM_OTHER_START;
        for (uint32_t i = 0; i < KEY_SLOTS; i++) {
                bool fits = false;
                if (k->store.info.slots[i].kind != SLOT_TPM)
                        continue;
                if (failed(fits_now(&t, &k->store.info.slots[i], &fits))) {
                        leave(k, &t);
                        k->tpm_state = KEEPER_TPM_FAILS;
                        return;
                }
                k->tpm_slots |= (uint32_t)fits << i;
        }
        if (k->tpm_slots != 0)
                k->tpm_state = KEEPER_TPM_OPENED;
}

void keeper_tpm_begin(keeper *k)
{
        tpm t = device(k);
        k->tpm_state = k->tpm < 0 ? KEEPER_TPM_ABSENT : KEEPER_TPM_UNUSED;
        if (k->tpm >= 0 && failed(tpm_clear_leftovers(&t)))
                k->tpm_state = KEEPER_TPM_FAILS;
        leave(k, &t);
}

static err open_slot(keeper *k, tpm *t, uint32_t index)
{
        const key_slot *slot = &k->store.info.slots[index];
        uint8_t         secret[TPM_SEALED_BYTES] = {}, wrapping[32] = {};
        err             e = tpm_unseal(t, &slot->sealed, slot->pcr_mask, secret);
        if (!failed(e))
                e = container_wrapping_key(slot, (view){secret, sizeof secret}, wrapping);
        if (!failed(e))
                e = store_unlock_slot(&k->store, index, wrapping);
        wipe(secret, sizeof secret);
        wipe(wrapping, sizeof wrapping);
        return e;
}

static keeper_tpm why(err e)
{
        if (e.code == ERR_BAD_CREDENTIAL)
                return KEEPER_TPM_OTHER_START;
        return e.code == ERR_NO_TARGET ? KEEPER_TPM_OTHER_TPM : KEEPER_TPM_FAILS;
}

void keeper_tpm_open(keeper *k)
{
        tpm t = device(k);
        keeper_tpm_look(k);
        t.gone = k->tpm_gone;
        for (uint32_t i = 0; i < KEY_SLOTS && !store_is_open(&k->store); i++) {
                if ((k->tpm_slots >> i & 1) == 0)
                        continue;
                err e = open_slot(k, &t, i);
                k->tpm_state = failed(e) ? why(e) : KEEPER_TPM_OPENED;
        }
        leave(k, &t);
}

/* ---- slots ---- */

static err of_tpm(err e) { return failed(e) ? FAIL(TPM_FAILED) : OK; }

/* A slot for these values, unless there is one. */
static err add_slot(keeper *k, tpm *t, const tpm_pcrs *pcrs, uint32_t *index)
{
        key_slot slot = {.kind = SLOT_TPM, .pcr_mask = pcrs->mask};
        uint8_t  secret[TPM_SEALED_BYTES], wrapping[32] = {};
        secret_random(secret, sizeof secret);
        secret_random(slot.salt, sizeof slot.salt);
        err e = of_tpm(tpm_seal(t, pcrs, secret, &slot.sealed));
        if (!failed(e))
                e = container_wrapping_key(&slot, (view){secret, sizeof secret}, wrapping);
        if (!failed(e))
                e = store_slot_add(&k->store, &slot, wrapping, index);
        wipe(secret, sizeof secret);
        wipe(wrapping, sizeof wrapping);
        return e;
}

/* A slot that was sealed to these values already; KEY_SLOTS: none. It may be of a TPM that was cleared since, so it is
 * replaced and not trusted. */
static uint32_t slot_for(const keeper *k, const tpm_pcrs *pcrs)
{
        uint8_t wanted[32], policy[32];
        tpm_policy_of(pcrs, wanted);
        for (uint32_t i = 0; i < KEY_SLOTS; i++) {
                const key_slot *s = &k->store.info.slots[i];
                if (s->kind == SLOT_TPM
                    && !failed(tpm_read_policy((view){s->sealed.public_part, s->sealed.public_len}, policy))
                    && memcmp(policy, wanted, sizeof policy) == 0)
                        return i;
        }
        return KEY_SLOTS;
}

static err renew_slot(keeper *k, tpm *t, const tpm_pcrs *pcrs, emit *out)
{
        uint32_t old = slot_for(k, pcrs), index = 0;
        TRY(add_slot(k, t, pcrs, &index));
        if (old < KEY_SLOTS)
                TRY(store_slots_remove(&k->store, (uint32_t)1 << old));
        emit_view(out, (view){(const uint8_t *)&index, sizeof index});
        return OK;
}

static err seal(keeper *k, tpm *t, view in, emit *out)
{
        tpm_pcrs now;
        if (in.len != 0)
                return FAIL(OUT_OF_RANGE);
        TRY(of_tpm(tpm_pcrs_now(t, SEAL_PCRS, &now)));
        return renew_slot(k, t, &now, out);
}

/* Drops the slots of images that do not run. Without one that opens now, the others may be all there is. */
static err settle(keeper *k)
{
        uint32_t others = 0;
        for (uint32_t i = 0; i < KEY_SLOTS; i++)
                others |= (uint32_t)(k->store.info.slots[i].kind == SLOT_TPM) << i;
        others &= ~k->tpm_slots;
        if (others == 0 || k->tpm_slots == 0)
                return OK;
        return store_slots_remove(&k->store, others);
}

/* Only where the box opens by TPM: nobody gets a slot by updating who has not chosen one. What runs now and what comes
 * are two slots; those of images before, or of one that was installed and never started, go. */
static err reseal(keeper *k, tpm *t, view in, emit *out)
{
        tpm_pcrs          pcrs;
        keeper_tpm_values q;
        if (in.len != sizeof q)
                return FAIL(OUT_OF_RANGE);
        if (!has_tpm_slot(k))
                return FAIL(NO_TARGET);
        memcpy(&q, in.data, sizeof q);
        TRY(settle(k));
        TRY(of_tpm(tpm_pcrs_now(t, SEAL_PCRS, &pcrs)));
        memcpy(pcrs.value[4], q.pcr4, sizeof q.pcr4);
        memcpy(pcrs.value[11], q.pcr11, sizeof q.pcr11);
        return renew_slot(k, t, &pcrs, out);
}

err keeper_tpm_answer(keeper *k, keeper_op op, view in, emit *out)
{
        if (!store_is_open(&k->store))
                return FAIL(SEALED);
        if (k->tpm < 0)
                return FAIL(NO_TPM);
        tpm t = device(k);
        err e = op == KEEPER_TPM_SEAL ? seal(k, &t, in, out) : reseal(k, &t, in, out);
        leave(k, &t);
        return e;
}

/* An older image opens the vault until the newer one has proven itself, and no longer: what was mended since would
 * otherwise be worth nothing to whoever holds the disk. */
void keeper_tpm_turn(keeper *k)
{
        bool settled = k->box != nullptr && atomic_load(&k->box->settled) == 1;
        if (settled && !k->tpm_settled && store_is_open(&k->store)) {
                uint64_t before = k->store.info.generation;
                (void)!failed(settle(k));
                if (k->store.info.generation != before)
                        keeper_vault_written(k);
        }
        k->tpm_settled = settled && store_is_open(&k->store);
}

/* ---- exports ---- */

err keeper_tpm_clock(keeper *k, tpm_clock *out)
{
        tpm t = device(k);
        if (k->tpm < 0)
                return FAIL(NO_TPM);
        err e = of_tpm(tpm_clock_now(&t, out));
        leave(k, &t);
        return e;
}

err keeper_tpm_quote(keeper *k, view export, emit *out)
{
        tpm       t = device(k);
        tpm_quote q;
        uint8_t   extra[32];
        if (k->tpm < 0)
                return FAIL(NO_TPM);
        quote_binding(export, extra);
        err e = of_tpm(tpm_quote_now(&t, extra, QUOTE_PCRS, &q));
        leave(k, &t);
        if (!failed(e))
                e = quote_write(&q, out);
        if (failed(e))
                event(EVENT_QUOTE_FAILED, (int64_t)k->store.chain.next_sequence, (int64_t)t.code);
        return e;
}
