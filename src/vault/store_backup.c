/* What leaves a vault for another box, and what a box takes over from one that was lost. */
#include <assert.h>

#include "base/secret.h"
#include "vault/little_endian.h"
#include "vault/store_records.h"

/* All but the signing seed and the exports: a copy whose seed is zeros. */
static err payload_of(const store *s, region *payload)
{
        store plain = *s;
        TRY(store_secrets_map(&plain.secrets));
        *plain.secrets = *s->secrets;
        wipe(plain.secrets->signing_seed, sizeof plain.secrets->signing_seed);
        wipe(plain.secrets->vault_key, sizeof plain.secrets->vault_key);
        plain.exports = (region){};
        plain.export_count = plain.acknowledged_count = 0;
        err e = store_save(&plain, payload);
        store_secrets_unmap(plain.secrets);
        return e;
}

err store_backup(const store *s, backup_facts *f, region *out)
{
        assert(store_is_open(s));
        region       payload;
        minisign_key signer;
        memcpy(f->device, s->info.device, sizeof f->device);
        memcpy(f->previous, s->chain.previous, sizeof f->previous);
        f->generation = s->info.generation;
        f->next_sequence = s->chain.next_sequence;
        region_init(&payload, CONTAINER_PAYLOAD_MAX);
        err e = payload_of(s, &payload);
        if (!failed(e)) {
                store_signing_key(s, &signer);
                e = backup_write(f, &signer, region_view(&payload), out);
                minisign_key_wipe(&signer);
        }
        region_end(&payload);
        return e;
}

err store_from_backup(store *s, view payload)
{
        *s = (store){.fd = -1};
        TRY(store_secrets_map(&s->secrets));
        err e = store_load(s, payload);
        if (!failed(e) && s->export_count > 0)
                e = FAIL(BAD_FILE);
        if (failed(e))
                store_close(s);
        return e;
}

void store_inheritance_of(const store *s, const backup_facts *f, store_inheritance *out)
{
        *out = (store_inheritance){.from = {.there = 1, .next_sequence = f->next_sequence}};
        memcpy(out->pepper, s->secrets->pepper, sizeof out->pepper);
        memcpy(out->pseudonym_key, s->secrets->pseudonym_key, sizeof out->pseudonym_key);
        memcpy(out->from.device, f->device, sizeof f->device);
        memcpy(out->from.export_key, f->export_key, sizeof f->export_key);
        memcpy(out->from.export_key_number, f->export_key_number, sizeof f->export_key_number);
        memcpy(out->from.previous, f->previous, sizeof f->previous);
}

err store_inherit(store *s, const store_inheritance *from)
{
        assert(store_is_open(s));
        store_secrets *k = s->secrets;
        if (from->from.there != 1 || from->from.next_sequence == 0)
                return FAIL(OUT_OF_RANGE);
        /* Client keys and pseudonyms made before would mean nothing any more. */
        if (s->chain.next_sequence != 1 || k->credential_count > 0 || s->config.len > 0 || s->succeeds.there != 0)
                return FAIL(EXISTS);
        uint8_t pepper[32], pseudonym_key[32];
        memcpy(pepper, k->pepper, sizeof pepper);
        memcpy(pseudonym_key, k->pseudonym_key, sizeof pseudonym_key);
        memcpy(k->pepper, from->pepper, sizeof k->pepper);
        memcpy(k->pseudonym_key, from->pseudonym_key, sizeof k->pseudonym_key);
        s->succeeds = from->from;
        err e = store_write_out(s);
        if (failed(e)) {
                memcpy(k->pepper, pepper, sizeof pepper);
                memcpy(k->pseudonym_key, pseudonym_key, sizeof pseudonym_key);
                s->succeeds = (store_succeeds){};
        }
        wipe(pepper, sizeof pepper);
        wipe(pseudonym_key, sizeof pseudonym_key);
        return e;
}
