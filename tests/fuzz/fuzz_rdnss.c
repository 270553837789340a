/* Property: whatever the kernel hands on of a router's words, what is taken of it are addresses that a box may ask, as
 * many as there is room for, and lie in the message. */
#include <assert.h>

#include "firmware/rdnss.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        box_address out[BOX_RESOLVERS_SAID];
        size_t      count = rdnss_read((view){data, size}, 2, out);
        assert(count <= BOX_RESOLVERS_SAID);
        for (size_t i = 0; i < count; i++) {
                assert(out[i].family == 6 && out[i].prefix == 0 && out[i].bytes[0] != 0xff);
                assert(memmem(data, size, out[i].bytes, sizeof out[i].bytes) != nullptr);
        }
        return 0;
}
