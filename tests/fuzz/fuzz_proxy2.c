/* Property: how the bytes are cut changes nothing: not where the header ends, not whom it names, not the refusal. And
 * nothing behind the header is taken.
 *
 * First byte: how long the pieces of the second reading are. */
#include <assert.h>

#include "codec/proxy2.h"

typedef struct course {
        size_t  used;
        uint8_t address[16], family;
        uint16_t port;
        bool    failed, done;
} course;

static course read_all(view in, size_t step)
{
        course c = {};
        proxy2 p;
        proxy2_begin(&p);
        while (c.used < in.len && !c.failed && !c.done) {
                size_t end = in.len - c.used > step ? c.used + step : in.len, used = 0;
                c.failed = failed(proxy2_feed(&p, view_slice(in, c.used, end), &used, &c.done));
                assert(used <= end - c.used && (c.failed || c.done || used == end - c.used));
                c.used += used;
        }
        assert(c.used <= 16 + PROXY2_MORE_BYTES);
        if (c.done && p.family != 0) {
                view address = proxy2_address(&p);
                assert(address.len == (p.family == 4 ? 4 : 16));
                memcpy(c.address, address.data, address.len);
                c.family = p.family;
                c.port = proxy2_port(&p);
        }
        return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 1)
                return 0;
        view   in = {data + 1, size - 1};
        course whole = read_all(in, SIZE_MAX), cut = read_all(in, 1u + data[0]);
        assert(whole.failed == cut.failed && whole.done == cut.done && whole.used == cut.used);
        assert(whole.family == cut.family && whole.port == cut.port);
        assert(memcmp(whole.address, cut.address, sizeof whole.address) == 0);
        return 0;
}
