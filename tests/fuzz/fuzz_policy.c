/* A policy file either gives a complaint with its place, or a policy that decides for every entity; the same bytes
 * always give the same. */
#include <assert.h>

#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static policy first, second;
        config_fault  fault, again;
        err           e = policy_compile((view){data, size}, &first, &fault);
        assert(policy_compile((view){data, size}, &second, &again).code == e.code);
        if (failed(e)) {
                assert(e.code == ERR_BAD_POLICY || e.code == ERR_NO_ROOM);
                assert(fault.code[0] != 0 || e.code == ERR_NO_ROOM);
                assert(memcmp(fault.pointer, again.pointer, sizeof fault.pointer) == 0);
                return 0;
        }
        assert(memcmp(&first, &second, sizeof first) == 0);
        assert(first.name[0] != 0);
        assert(first.regions != 0);
        for (entity_id id = 0; id < ENTITY_COUNT; id++) {
                const policy_decision *d = &first.decide[id];
                assert(d->action < POLICY_ACTIONS);
                assert(d->keep_first <= 6 && d->keep_last <= 6);
                assert(d->action == POLICY_MASK ? d->mask_char != 0 : d->mask_char == 0);
        }
        return 0;
}
