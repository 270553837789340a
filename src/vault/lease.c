#include "vault/lease.h"

#include <assert.h>

#include "base/arena.h"

/* A write takes some microseconds; a reader that saw no end of one in this many looks goes back to its loop. */
constexpr unsigned TRIES = 1000;

typedef err copy_fn(const lease *l, view name, void *out);

static uint64_t version_settled(const lease *l)
{
        for (unsigned i = 0; i < TRIES; i++) {
                uint64_t v = atomic_load_explicit(&l->version, memory_order_acquire);
                if (v % 2 == 0)
                        return v;
                __builtin_ia32_pause();
        }
        return UINT64_MAX;
}

/* Runs `copy` until it has seen one version from start to end. */
static err consistent(const lease *l, copy_fn *copy, view name, void *out)
{
        for (unsigned i = 0; i < TRIES; i++) {
                uint64_t before = version_settled(l);
                if (before == UINT64_MAX)
                        return FAIL(AGAIN);
                bool open = lease_is_open(l);
                err  e = open ? copy(l, name, out) : FAIL(SEALED);
                atomic_thread_fence(memory_order_acquire);
                if (atomic_load_explicit(&l->version, memory_order_relaxed) == before)
                        return e;
        }
        return FAIL(AGAIN);
}

static bool name_equal(const char stored[static LIMIT_NAME_BYTES], view name)
{
        return name.len < LIMIT_NAME_BYTES && memcmp(stored, name.data, name.len) == 0 && stored[name.len] == '\0';
}

static err copy_credential(const lease *l, view name, void *out)
{
        /* May be torn until the version is looked at again, so it is bounded here. */
        size_t count = l->credential_count < LIMIT_CREDENTIALS ? l->credential_count : LIMIT_CREDENTIALS;
        for (size_t i = 0; i < count; i++) {
                if (!name_equal(l->credentials[i].name, name))
                        continue;
                memcpy(out, &l->credentials[i], sizeof l->credentials[i]);
                return OK;
        }
        return FAIL(NO_TARGET);
}

static err copy_pepper(const lease *l, view, void *out)
{
        memcpy(out, l->pepper, sizeof l->pepper);
        return OK;
}

static err copy_pseudonym_key(const lease *l, view, void *out)
{
        memcpy(out, l->pseudonym_key, sizeof l->pseudonym_key);
        return OK;
}

static err copy_tickets(const lease *l, view, void *out)
{
        memcpy(out, l->tickets, sizeof l->tickets);
        return OK;
}

err lease_copy_credential(const lease *l, view name, lease_credential *out)
{
        *out = (lease_credential){};
        if (name.len == 0)
                return FAIL(NO_TARGET);
        err e = consistent(l, copy_credential, name, out);
        if (failed(e))
                wipe(out, sizeof *out);
        return e;
}

err lease_copy_pepper(const lease *l, uint8_t out[static 32]) { return consistent(l, copy_pepper, (view){}, out); }

err lease_copy_pseudonym_key(const lease *l, uint8_t out[static 32])
{
        return consistent(l, copy_pseudonym_key, (view){}, out);
}

err lease_copy_tickets(const lease *l, lease_ticket_key out[static 2])
{
        return consistent(l, copy_tickets, (view){}, out);
}

bool lease_is_open(const lease *l) { return atomic_load_explicit(&l->open, memory_order_relaxed) != 0; }

void lease_write_begin(lease *l)
{
        /* Odd already: a writer died here, and what it left is written anew before anybody reads it. */
        uint64_t v = atomic_load_explicit(&l->version, memory_order_relaxed);
        atomic_store_explicit(&l->version, v | 1, memory_order_relaxed);
        atomic_thread_fence(memory_order_release);
}

void lease_write_end(lease *l, bool open)
{
        uint64_t v = atomic_load_explicit(&l->version, memory_order_relaxed);
        assert(v % 2 == 1);
        atomic_store_explicit(&l->open, open ? 1 : 0, memory_order_relaxed);
        atomic_store_explicit(&l->version, v + 1, memory_order_release);
}
