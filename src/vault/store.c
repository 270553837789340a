#include "vault/store.h"

#include <assert.h>
#include <sys/mman.h>

#include "base/secret.h"
#include "vault/client_key.h"
#include "vault/config_set.h"
#include "vault/key_slot.h"
#include "vault/little_endian.h"
#include "vault/store_records.h"

/* Locked, left out of dumps, and gone from the address space when the store is closed. */
err store_secrets_map(store_secrets **out)
{
        void *p = mmap(nullptr, sizeof **out, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
                return FAIL(NO_ROOM);
        if (failed(secret_lock(p, sizeof **out))) {
                munmap(p, sizeof **out);
                return FAIL(SYSTEM);
        }
        *out = p;
        return OK;
}

void store_secrets_unmap(store_secrets *k)
{
        wipe(k, sizeof *k);
        munmap(k, sizeof *k);
}

err store_attach(store *s, int fd, uint64_t seen_generation)
{
        *s = (store){.fd = fd, .seen_generation = seen_generation};
        region_init(&s->exports, CONTAINER_PAYLOAD_MAX);
        config_set_init(&s->config);
        return container_inspect(fd, seen_generation, &s->info);
}

void store_close(store *s)
{
        if (s->secrets != nullptr)
                store_secrets_unmap(s->secrets);
        s->secrets = nullptr;
        region_end(&s->exports);
        region_end(&s->config);
        region_end(&s->backup);
        s->export_count = 0;
        s->acknowledged_count = 0;
        s->opens = STORE_OPENS_UNSAID;
        s->succeeds = (store_succeeds){};
        s->chain = (store_chain){};
}

err store_unlock(store *s, const uint8_t vault_key[static 32])
{
        assert(!store_is_open(s));
        store_secrets *secrets;
        TRY(store_secrets_map(&secrets));
        memcpy(secrets->vault_key, vault_key, 32);
        s->secrets = secrets;
        region         payload;
        container_info info;
        err            e = container_read(s->fd, secrets->vault_key, s->seen_generation, &info, &payload);
        if (!failed(e))
                e = store_load(s, region_view(&payload));
        region_end(&payload);
        if (failed(e)) {
                store_close(s);
                return e;
        }
        s->info = info;
        return OK;
}

err store_unlock_slot(store *s, uint32_t slot, const uint8_t wrapping[static 32])
{
        if (slot >= KEY_SLOTS || s->info.slots[slot].kind == SLOT_EMPTY)
                return FAIL(OUT_OF_RANGE);
        uint8_t vault_key[32] = {};
        err     e = container_unwrap(&s->info.slots[slot], wrapping, vault_key);
        if (!failed(e))
                e = store_unlock(s, vault_key);
        wipe(vault_key, sizeof vault_key);
        return e;
}

err store_unlock_secret(store *s, slot_kind kind, view secret)
{
        err e = FAIL(BAD_CREDENTIAL);
        for (uint32_t i = 0; i < KEY_SLOTS && e.code == ERR_BAD_CREDENTIAL; i++) {
                if (s->info.slots[i].kind != kind)
                        continue;
                uint8_t wrapping[32] = {};
                e = container_wrapping_key(&s->info.slots[i], secret, wrapping);
                if (!failed(e))
                        e = store_unlock_slot(s, i, wrapping);
                wipe(wrapping, sizeof wrapping);
        }
        return e;
}

err store_write_out(store *s)
{
        region payload;
        region_init(&payload, CONTAINER_PAYLOAD_MAX);
        err e = store_save(s, &payload);
        if (!failed(e))
                e = container_write(s->fd, s->secrets->vault_key, &s->info, region_view(&payload));
        region_end(&payload);
        return e;
}

/* The payload of a new vault: a fresh identity, nothing else. End it in every case. */
static err fresh_payload(region *payload)
{
        store s = {.fd = -1, .chain = {.next_sequence = 1, .clean = true}};
        region_init(payload, CONTAINER_PAYLOAD_MAX);
        region_init(&s.exports, CONTAINER_PAYLOAD_MAX);
        config_set_init(&s.config);
        TRY(store_secrets_map(&s.secrets));
        secret_random(s.secrets->signing_seed, 32);
        secret_random(s.secrets->pepper, 32);
        secret_random(s.secrets->pseudonym_key, 32);
        err e = store_save(&s, payload);
        store_close(&s);
        return e;
}

err store_create(int fd, const container_opener *opener, uint64_t now_s)
{
        region payload;
        err    e = fresh_payload(&payload);
        if (!failed(e))
                e = container_create(fd, opener, now_s, region_view(&payload));
        region_end(&payload);
        return e;
}

err store_create_wrapped(int fd, const key_slot *slot, const uint8_t wrapping[static 32], uint64_t now_s)
{
        region payload;
        err    e = fresh_payload(&payload);
        if (!failed(e))
                e = container_create_wrapped(fd, slot, wrapping, now_s, region_view(&payload));
        region_end(&payload);
        return e;
}

/* Proof that who asks could have opened it. */
static err prove(const store *s, uint32_t slot, const uint8_t proof[static 32])
{
        if (slot >= KEY_SLOTS || s->info.slots[slot].kind == SLOT_EMPTY)
                return FAIL(OUT_OF_RANGE);
        uint8_t key[32] = {};
        err     e = container_unwrap(&s->info.slots[slot], proof, key);
        if (!failed(e) && !secret_equal(key, s->secrets->vault_key, sizeof key))
                e = FAIL(BAD_CREDENTIAL);
        wipe(key, sizeof key);
        return e;
}

err store_rotate(store *s, uint32_t proof_slot, const uint8_t proof[static 32], const key_slot *slot,
                 const uint8_t wrapping[static 32])
{
        assert(store_is_open(s));
        TRY(prove(s, proof_slot, proof));
        container_info old_info = s->info;
        key_slot       one = *slot;
        uint8_t        key[32], old_key[32];
        secret_random(key, sizeof key);
        err e = key_slot_wrap_by(&one, wrapping, key);
        if (!failed(e)) {
                memcpy(old_key, s->secrets->vault_key, sizeof old_key);
                memset(s->info.slots, 0, sizeof s->info.slots);
                s->info.slots[0] = one;
                memcpy(s->secrets->vault_key, key, sizeof key);
                e = store_write_out(s);
                if (failed(e)) {
                        s->info = old_info;
                        memcpy(s->secrets->vault_key, old_key, sizeof old_key);
                }
                wipe(old_key, sizeof old_key);
                /* The other copy is still under the old key. When this write fails the next change makes up for it. */
                if (!failed(e))
                        (void)!failed(store_write_out(s));
        }
        wipe(key, sizeof key);
        return e;
}

const uint8_t *store_vault_key(const store *s)
{
        assert(store_is_open(s));
        return s->secrets->vault_key;
}

void store_signing_key(const store *s, minisign_key *out)
{
        assert(store_is_open(s));
        minisign_key_from_seed(out, s->secrets->signing_seed);
}

const uint8_t *store_pepper(const store *s)
{
        assert(store_is_open(s));
        return s->secrets->pepper;
}

const uint8_t *store_pseudonym_key(const store *s)
{
        assert(store_is_open(s));
        return s->secrets->pseudonym_key;
}

void store_key_hash(const store *s, view id, view secret, uint8_t hash[static 32])
{
        client_key_hash(store_pepper(s), id, secret, hash);
}

void store_fill_lease(const store *s, const lease_ticket_key tickets[static 2], lease *l)
{
        assert(store_is_open(s));
        lease_write_begin(l);
        memcpy(l->tickets, tickets, sizeof l->tickets);
        memcpy(l->pepper, s->secrets->pepper, sizeof l->pepper);
        memcpy(l->pseudonym_key, s->secrets->pseudonym_key, sizeof l->pseudonym_key);
        memcpy(l->credentials, s->secrets->credentials, sizeof l->credentials);
        l->credential_count = (uint32_t)s->secrets->credential_count;
        lease_write_end(l, true);
}

size_t store_credential_count(const store *s)
{
        assert(store_is_open(s));
        return s->secrets->credential_count;
}

const lease_credential *store_credential(const store *s, size_t index)
{
        assert(index < store_credential_count(s));
        return &s->secrets->credentials[index];
}

static void row_insert(store_secrets *k, size_t at, const lease_credential *row)
{
        assert(k->credential_count < LIMIT_CREDENTIALS);
        memmove(&k->credentials[at + 1], &k->credentials[at], (k->credential_count - at) * sizeof *row);
        k->credentials[at] = *row;
        k->credential_count++;
}

static void row_remove(store_secrets *k, size_t at)
{
        assert(at < k->credential_count);
        k->credential_count--;
        memmove(&k->credentials[at], &k->credentials[at + 1], (k->credential_count - at) * sizeof *k->credentials);
        wipe(&k->credentials[k->credential_count], sizeof *k->credentials);
}

err store_put(store *s, view name, view host, view secret)
{
        assert(store_is_open(s));
        store_secrets *k = s->secrets;
        if (!store_name_valid(name) || !store_host_valid(host) || !store_secret_valid(secret))
                return FAIL(OUT_OF_RANGE);
        bool   found;
        size_t at = credential_place(k, name, &found);
        if (!found && k->credential_count == LIMIT_CREDENTIALS)
                return FAIL(NO_ROOM);
        lease_credential row = {.len = (uint16_t)secret.len}, old = {};
        memcpy(row.name, name.data, name.len);
        memcpy(row.host, host.data, host.len);
        memcpy(row.secret, secret.data, secret.len);
        if (found) {
                old = k->credentials[at];
                k->credentials[at] = row;
        } else {
                row_insert(k, at, &row);
        }
        err e = store_write_out(s);
        if (failed(e) && found)
                k->credentials[at] = old;
        if (failed(e) && !found)
                row_remove(k, at);
        wipe(&row, sizeof row);
        wipe(&old, sizeof old);
        return e;
}

err store_remove(store *s, view name)
{
        assert(store_is_open(s));
        if (!store_name_valid(name))
                return FAIL(NO_TARGET);
        bool   found;
        size_t at = credential_place(s->secrets, name, &found);
        if (!found)
                return FAIL(NO_TARGET);
        lease_credential old = s->secrets->credentials[at];
        row_remove(s->secrets, at);
        err e = store_write_out(s);
        if (failed(e))
                row_insert(s->secrets, at, &old);
        wipe(&old, sizeof old);
        return e;
}

err store_set_chain(store *s, const store_chain *chain)
{
        assert(store_is_open(s) && chain->next_sequence > 0);
        store_chain old = s->chain;
        s->chain = *chain;
        err e = store_write_out(s);
        if (failed(e))
                s->chain = old;
        return e;
}

err store_set_config(store *s, view set, store_opens opens)
{
        assert(store_is_open(s) && opens < STORE_OPENS_COUNT);
        TRY(config_set_check(set));
        region      old = s->config, next;
        store_opens before = s->opens;
        config_set_init(&next);
        err e = region_append(&next, set);
        if (!failed(e)) {
                s->config = next;
                s->opens = opens;
                e = store_write_out(s);
        }
        if (failed(e)) {
                s->config = old;
                s->opens = before;
                region_end(&next);
                return e;
        }
        region_end(&old);
        return OK;
}
