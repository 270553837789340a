/* Property: whatever a volume holds, its label is found within the volume and its bounds, and says the same twice.
 *
 * The input is the volume: its first 4 KiB, then what stands at 32 KiB, and zeros between and behind. */
#include <assert.h>

#include "firmware/label.h"

enum : uint64_t { FRONT_BYTES = 4096, ISO_AT = 32768, VOLUME_BYTES = 1 << 20 };

static bool read_volume(void *context, uint64_t at, uint8_t *out, size_t len)
{
        const view *v = context;
        if (at > VOLUME_BYTES || len > VOLUME_BYTES - at)
                return false;
        memset(out, 0, len);
        for (size_t i = 0; i < len; i++) {
                uint64_t from = at + i;
                uint64_t in = from < FRONT_BYTES ? from : from >= ISO_AT ? from - ISO_AT + FRONT_BYTES : UINT64_MAX;
                if (in < v->len)
                        out[i] = v->data[in];
        }
        return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        view v = {data, size};
        label l, again;
        label_probe(read_volume, &v, &l);
        label_probe(read_volume, &v, &again);
        assert(l.len <= sizeof l.text && (l.kind != LABEL_NONE || l.len == 0));
        assert(l.len == 0 || l.text[l.len - 1] != ' ');
        assert(memcmp(&l, &again, sizeof l) == 0);
        return 0;
}
