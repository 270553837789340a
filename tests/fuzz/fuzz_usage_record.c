/* Property: whatever a relay writes into its ring, the ledger's sums agree: requests are endings, attempts are the
 * three kinds of attempts, every record is either counted once or refused once, and the export fits its room. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "usage/export.h"
#include "usage/ledger.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const usage_names names = {.project_count = 2, .model_count = 2, .vendor_count = 2, .projects = {"a", "b"},
                                  .models = {"m", "n"}, .vendors = {"x", "y"}};

static void check(const ledger *l, uint64_t applied)
{
        uint64_t requests = 0, endings = 0, counted = ledger_refused(l);
        for (size_t i = 0; i < ledger_row_count(l); i++) {
                const ledger_counters *c = &ledger_row_at(l, i)->counters;
                assert(c->attempts == c->reported_attempts + c->estimated_attempts + c->not_billed_attempts);
                assert(c->suspect <= c->attempts && c->errors <= c->requests);
                requests += c->requests;
                counted += c->attempts;
        }
        for (int e = 0; e < ENDING_COUNT; e++)
                endings += ledger_ending(l, (ending)e);
        assert(requests == endings);
        assert(counted + requests == applied);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static uint8_t *memory, *ring_memory;
        if (memory == nullptr) {
                memory = malloc(ledger_bytes());
                ring_memory = malloc(usage_ring_bytes());
        }
        memset(memory, 0, ledger_bytes());
        memset(ring_memory, 0, 4096);
        ledger     *l;
        usage_ring *ring;
        if (failed(ledger_open(memory, ledger_bytes(), 1, &l)) || failed(ledger_names(l, 1, &names))
            || failed(usage_ring_format(ring_memory, usage_ring_bytes(), &ring)))
                abort();
        ledger_attach(l, 0, 1, 1);
        uint64_t applied = 0;
        for (size_t at = 0; at + sizeof(usage_record) <= size; at += sizeof(usage_record)) {
                usage_record r, back;
                memcpy(&r, data + at, sizeof r);
                if (!usage_ring_reserve(ring, 1))
                        break;
                usage_ring_commit(ring, &r);
                bool there = usage_ring_read(ring, applied + 1, &back);
                assert(there);
                (void)ledger_apply(l, 0, &back);
                usage_ring_consumed(ring, ++applied);
                assert(ledger_applied(l, 0) == applied);
        }
        check(l, applied);
        export_facts f = {.kind = "final", .version = "", .commit = ""};
        size_t       room = export_room(l);
        uint8_t     *buffer = malloc(room);
        emit         out = emit_into(buffer, room);
        err          e = export_write(&f, l, &out);
        assert(!failed(e));
        free(buffer);
        return 0;
}
