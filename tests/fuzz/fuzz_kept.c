/* Property: whatever lies in a slot, what is taken of it is lines of the form kept_add gives them, says the same once
 * written and read, and is found again by its keys.
 *
 * The input's first byte: bit 0, the rest is a slot's text below a head that fits it; else the rest is the slot. */
#include <assert.h>

#include "base/secret.h"
#include "firmware/kept.h"

static uint8_t slot[KEPT_SLOT_BYTES], again_slot[KEPT_SLOT_BYTES];
static kept    k, again;

static void lay(view in)
{
        bool   headed = in.len > 0 && (in.data[0] & 1) != 0;
        size_t at = headed ? KEPT_HEAD_BYTES : 0;
        in = view_slice(in, 1, 1 + KEPT_SLOT_BYTES - at);
        kept_encode(&(kept){}, 3, slot);
        if (in.len > 0)
                memcpy(slot + at, in.data, in.len);
        if (!headed)
                return;
        slot[52] = (uint8_t)in.len;
        slot[53] = (uint8_t)(in.len >> 8);
        secret_hash(slot + 8, (view){slot + 40, KEPT_HEAD_BYTES - 40 + in.len}, (view){});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        view   key, value;
        size_t at = 0, last = 0;
        lay((view){data, size});
        kept_state state = kept_decode(slot, &k);
        assert(state == k.state && k.len <= sizeof k.text && (state == KEPT_GOOD || k.len == 0));
        while (kept_next(&k, &at, &key, &value)) {
                assert(at > last && kept_get(&k, key).len > 0 && value.len > 0);
                last = at;
        }
        assert(at == k.len);
        kept_encode(&k, k.generation, again_slot);
        assert(kept_decode(again_slot, &again) == KEPT_GOOD && again.len == k.len);
        assert(memcmp(k.text, again.text, k.len) == 0);
        if (k.len > 0) {
                uint8_t first[KEPT_KEY_BYTES];
                size_t  len = (at = 0, kept_next(&k, &at, &key, &value), key.len);
                memcpy(first, key.data, len);
                kept_remove(&k, (view){first, len});
                assert(kept_get(&k, (view){first, len}).len == 0 && k.len < again.len);
        }
        return 0;
}
