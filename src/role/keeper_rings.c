/* Usage records on their way from rings into the ledger. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/event.h"
#include "role/keeper_state.h"

/* Records of one ring read before the keeper looks at its channels again. */
enum : uint64_t { TURN_RECORDS = 4096 };

/* Reads at most `most` records. True: there may be more. */
static bool drain(keeper *k, uint32_t slot, uint64_t most)
{
        usage_ring  *ring = k->rings[slot];
        uint64_t     sequence = ledger_applied(k->ledger, slot), refused = 0;
        const uint64_t first = sequence;
        usage_record record;
        while (sequence - first < most && usage_ring_read(ring, sequence + 1, &record)) {
                if (failed(ledger_apply(k->ledger, slot, &record)))
                        refused++;
                sequence++;
        }
        if (sequence != first)
                usage_ring_consumed(ring, sequence);
        /* One line for all of them: a hostile relay must not be able to flood the log. */
        if (refused > 0)
                event(EVENT_USAGE_REFUSED, slot, ERR_OUT_OF_RANGE);
        return sequence - first == most;
}

/* A relay may mark records for ever: what a ring can hold is all that is owed. */
static void retire(keeper *k, uint32_t slot)
{
        drain(k, slot, LIMIT_RING_RECORDS);
        ledger_retire(k->ledger, slot, usage_ring_admitted(k->rings[slot]));
        munmap(k->rings[slot], usage_ring_bytes());
        k->rings[slot] = nullptr;
}

err keeper_ring_granted(keeper *k, uint32_t slot, uint32_t generation, int fd)
{
        struct stat s;
        if (k->ledger == nullptr || slot >= LIMIT_COLUMNS)
                return FAIL(BAD_FILE);
        if (fstat(fd, &s) != 0)
                return FAIL(SYSTEM);
        if (s.st_size < 0 || (size_t)s.st_size < usage_ring_bytes())
                return FAIL(BAD_FILE);
        void *memory = mmap(nullptr, usage_ring_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED)
                return FAIL(SYSTEM);
        usage_ring *ring = nullptr;
        err         e = usage_ring_attach(memory, usage_ring_bytes(), &ring);
        if (!failed(e) && k->rings[slot] != nullptr)
                retire(k, slot);
        if (failed(e) || !ledger_attach(k->ledger, slot, usage_ring_identity(ring), generation)) {
                munmap(memory, usage_ring_bytes());
                return e;
        }
        k->rings[slot] = ring;
        usage_ring_consumed(ring, ledger_applied(k->ledger, slot));
        return OK;
}

void keeper_ring_dead(keeper *k, uint32_t slot)
{
        if (slot >= LIMIT_COLUMNS)
                return;
        if (k->rings[slot] != nullptr)
                retire(k, slot);
        wire_message done = {.type = WIRE_RING_DONE, .slot = slot};
        if (failed(wire_send(k->control, &done, -1)))
                k->phase = KEEPER_ORPHANED;
}

bool keeper_rings_turn(keeper *k)
{
        bool more = false;
        for (uint32_t slot = 0; slot < LIMIT_COLUMNS; slot++)
                if (k->rings[slot] != nullptr && drain(k, slot, TURN_RECORDS))
                        more = true;
        return more;
}

void keeper_rings_end(keeper *k)
{
        for (uint32_t slot = 0; slot < LIMIT_COLUMNS; slot++)
                if (k->rings[slot] != nullptr)
                        retire(k, slot);
}
