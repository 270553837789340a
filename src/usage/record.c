#include "usage/record.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

enum : uint32_t { MAGIC = 0x4c545552, LAYOUT = 1 };

/* Each side writes its own cache line only. A sequence s lies at records[s % LIMIT_RING_RECORDS].
 *
 *      consumed        written         written + reserved      consumed + LIMIT_RING_RECORDS
 *         |  to be read   |  owed by exchanges  |    free              |            */
struct usage_ring {
        uint32_t magic, layout;
        uint64_t identity;

        alignas(64) _Atomic uint64_t written; /* last sequence whose record is whole; published last */
        _Atomic uint64_t reserved;
        _Atomic uint64_t admitted;

        alignas(64) _Atomic uint64_t consumed;

        alignas(64) usage_record records[LIMIT_RING_RECORDS];
};
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock in shared memory would die with its holder");

size_t usage_ring_bytes(void) { return sizeof(usage_ring); }

err usage_ring_format(void *memory, size_t bytes, usage_ring **out)
{
        *out = nullptr;
        if (bytes < sizeof(usage_ring))
                return FAIL(BAD_FILE);
        usage_ring *r = memory;
        /* Zero is no identity: it means "none" in the ledger. */
        do
                if (getrandom(&r->identity, sizeof r->identity, 0) != sizeof r->identity)
                        return FAIL(SYSTEM);
        while (r->identity == 0);
        r->layout = LAYOUT;
        r->magic = MAGIC;
        *out = r;
        return OK;
}

err usage_ring_attach(void *memory, size_t bytes, usage_ring **out)
{
        *out = nullptr;
        usage_ring *r = memory;
        if (bytes < sizeof(usage_ring) || r->magic != MAGIC || r->layout != LAYOUT || r->identity == 0)
                return FAIL(BAD_FILE);
        *out = r;
        return OK;
}

uint64_t usage_ring_identity(const usage_ring *r) { return r->identity; }

bool usage_ring_reserve(usage_ring *r, uint32_t count)
{
        uint64_t written = atomic_load_explicit(&r->written, memory_order_relaxed);
        uint64_t reserved = atomic_load_explicit(&r->reserved, memory_order_relaxed);
        uint64_t consumed = atomic_load_explicit(&r->consumed, memory_order_acquire);
        uint64_t owed = written - consumed + reserved;
        if (owed > LIMIT_RING_RECORDS || count > LIMIT_RING_RECORDS - owed)
                return false;
        atomic_store_explicit(&r->reserved, reserved + count, memory_order_relaxed);
        return true;
}

void usage_ring_release(usage_ring *r, uint32_t count)
{
        uint64_t reserved = atomic_load_explicit(&r->reserved, memory_order_relaxed);
        assert(count <= reserved);
        atomic_store_explicit(&r->reserved, reserved - count, memory_order_relaxed);
}

void usage_ring_commit(usage_ring *r, const usage_record *record)
{
        uint64_t reserved = atomic_load_explicit(&r->reserved, memory_order_relaxed);
        assert(reserved > 0);
        uint64_t      sequence = atomic_load_explicit(&r->written, memory_order_relaxed) + 1;
        usage_record *place = &r->records[sequence % LIMIT_RING_RECORDS];
        *place = *record;
        place->sequence = sequence;
        atomic_store_explicit(&r->written, sequence, memory_order_release);
        atomic_store_explicit(&r->reserved, reserved - 1, memory_order_relaxed);
}

void usage_ring_admit(usage_ring *r) { atomic_fetch_add_explicit(&r->admitted, 1, memory_order_release); }

/* The writer may be hostile: its mark alone proves nothing, so the record's own number must agree. */
bool usage_ring_read(const usage_ring *r, uint64_t sequence, usage_record *out)
{
        uint64_t written = atomic_load_explicit(&r->written, memory_order_acquire);
        if (sequence == 0 || written < sequence || written - sequence >= LIMIT_RING_RECORDS)
                return false;
        *out = r->records[sequence % LIMIT_RING_RECORDS];
        return out->sequence == sequence;
}

void usage_ring_consumed(usage_ring *r, uint64_t sequence)
{
        atomic_store_explicit(&r->consumed, sequence, memory_order_release);
}

uint64_t usage_ring_admitted(const usage_ring *r)
{
        return atomic_load_explicit(&r->admitted, memory_order_acquire);
}
