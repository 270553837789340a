/* Opening the state file, and what is lent from it. */
#include <unistd.h>

#include "base/clock.h"
#include "base/event.h"
#include "base/secret.h"
#include "role/keeper_state.h"

enum : uint64_t { TICKET_MS = 60 * 60 * 1000 };

void keeper_vault_written(keeper *k)
{
        k->page->seen_generation = k->store.info.generation;
        atomic_store(&k->board->exports_fill, store_exports_state(&k->store).fill);
}

static void ticket_make(lease_ticket_key *t, uint64_t epoch)
{
        secret_random(t->name, sizeof t->name);
        secret_random(t->key, sizeof t->key);
        t->epoch = epoch;
}

/* A ticket stays good for the hour after its key was followed by another. */
void keeper_tickets_turn(keeper *k, uint64_t now_ms)
{
        keeper_page *p = k->page;
        if (!store_is_open(&k->store) || now_ms < p->ticket_due_ms)
                return;
        lease_ticket_key next;
        ticket_make(&next, p->tickets[0].epoch + 1);
        p->tickets[1] = p->tickets[0];
        p->tickets[0] = next;
        wipe(&next, sizeof next);
        p->ticket_due_ms = now_ms + TICKET_MS;
        store_fill_lease(&k->store, p->tickets, k->lease);
        event(EVENT_TICKET_ROTATED, (int64_t)p->tickets[0].epoch, 0);
}

/* The other machine has these keys too, those of the hour before not less. */
void keeper_clone_turn(keeper *k)
{
        keeper_page *p = k->page;
        uint32_t     clones = k->box == nullptr ? 0 : atomic_load(&k->box->clones);
        if (clones == p->clones)
                return;
        p->clones = clones;
        event(EVENT_CLONE, clones, 0);
        seal_make(&k->pair);
        secret_random(p->boot_id, sizeof p->boot_id);
        uint64_t epoch = p->tickets[0].epoch;
        for (size_t i = 0; i < 2 && store_is_open(&k->store); i++)
                ticket_make(&p->tickets[i], epoch + 2 - i);
        if (!store_is_open(&k->store))
                return;
        store_fill_lease(&k->store, p->tickets, k->lease);
        event(EVENT_TICKET_ROTATED, (int64_t)p->tickets[0].epoch, 0);
}

/* The first opening since the supervisor's start is a boot; it is told to the store before anything else is. */
static err boot(keeper *k)
{
        keeper_page *p = k->page;
        if (p->boot_known != 0)
                return OK;
        store_chain chain = k->store.chain;
        p->previous_clean = chain.clean;
        chain.boot_count++;
        chain.clean = false;
        TRY(store_set_chain(&k->store, &chain));
        p->boot_count = chain.boot_count;
        secret_random(p->boot_id, sizeof p->boot_id);
        p->boot_started_s = clock_wall_s();
        p->period_started_ms = clock_ms();
        atomic_signal_fence(memory_order_seq_cst);
        p->boot_known = 1;
        return OK;
}

/* A keeper killed while it stored an export: whether the period is over is written in the chain. */
static void settle_export(keeper *k)
{
        uint64_t exporting = ledger_exporting(k->ledger);
        if (exporting == 0)
                return;
        if (k->store.chain.next_sequence > exporting) {
                ledger_close_period(k->ledger, clock_wall_s());
                k->page->period_started_ms = clock_ms();
        } else {
                ledger_set_exporting(k->ledger, 0);
        }
}

err keeper_vault_opened(keeper *k)
{
        keeper_page *p = k->page;
        memcpy(p->vault_key, store_vault_key(&k->store), sizeof p->vault_key);
        atomic_store(&p->has_key, 1);
        err e = boot(k);
        if (failed(e)) {
                event(EVENT_STATE_FAILED, e.code, 0);
                return e;
        }
        keeper_vault_written(k);
        settle_export(k);
        /* A successor finds ticket keys that are still good. */
        store_fill_lease(&k->store, p->tickets, k->lease);
        keeper_tickets_turn(k, clock_ms());
        k->refused_tries = 0;
        keeper_tpm_look(k);
        event(EVENT_VAULT_OPEN, (int64_t)k->store.info.generation, (int64_t)store_credential_count(&k->store));
        return OK;
}

static err open_by_key_file(keeper *k)
{
        uint8_t bytes[KEY_FILE_BYTES + 1] = {};
        ssize_t n = pread(k->key_file, bytes, sizeof bytes, 0);
        err     e = n < 0 ? FAIL(SYSTEM) : FAIL(BAD_CREDENTIAL);
        if (n == KEY_FILE_BYTES)
                e = store_unlock_secret(&k->store, SLOT_KEY_FILE, (view){bytes, KEY_FILE_BYTES});
        wipe(bytes, sizeof bytes);
        close(k->key_file);
        k->key_file = -1;
        return e;
}

/* A keeper killed between writing a rotated vault and keeping its new key leaves the old one: it is as at a start. */
static err open_by_page(keeper *k)
{
        err e = store_unlock(&k->store, k->page->vault_key);
        if (e.code != ERR_BAD_CREDENTIAL)
                return e;
        atomic_store(&k->page->has_key, 0);
        wipe(k->page->vault_key, sizeof k->page->vault_key);
        return k->key_file >= 0 ? open_by_key_file(k) : OK;
}

void keeper_vault_rotated(keeper *k)
{
        memcpy(k->page->vault_key, store_vault_key(&k->store), sizeof k->page->vault_key);
        keeper_vault_written(k);
}

err keeper_vault_attach(keeper *k)
{
        keeper_tpm_begin(k);
        TRY(container_lock(k->state));
        err e = store_attach(&k->store, k->state, k->page->seen_generation);
        if (e.code == ERR_BAD_FILE && k->in_state && k->page->seen_generation == 0) {
                bool blank;
                TRY(container_is_blank(k->state, &blank));
                return blank ? OK : e;
        }
        TRY(e);
        if (atomic_load(&k->page->has_key) != 0)
                TRY(open_by_page(k));
        else if (k->key_file >= 0)
                TRY(open_by_key_file(k));
        else
                keeper_tpm_open(k);
        return store_is_open(&k->store) ? keeper_vault_opened(k) : OK;
}

void keeper_vault_end(keeper *k)
{
        /* Nothing is lent any more: relays that still run find the lease closed. */
        lease_write_begin(k->lease);
        wipe(k->lease->tickets, sizeof k->lease->tickets);
        wipe(k->lease->pepper, sizeof k->lease->pepper);
        wipe(k->lease->pseudonym_key, sizeof k->lease->pseudonym_key);
        wipe(k->lease->credentials, sizeof k->lease->credentials);
        lease_write_end(k->lease, false);
        store_close(&k->store);
        seal_wipe(&k->pair);
        wipe(k->page, KEEPER_PAGE_BYTES);
}
