/* Property: how the bytes are cut changes nothing: not the events, not the offsets at which they are told, not the
 * failure. And no event exceeds the cap.
 *
 * First byte: how long the pieces of the second reading are. */
#include <assert.h>

#include "codec/sse.h"

enum : size_t { CAP = 256 };

typedef struct course {
        uint64_t digest, events;
        bool     failed;
} course;

static void mix(course *c, const void *bytes, size_t len)
{
        for (size_t i = 0; i < len; i++)
                c->digest = (c->digest ^ ((const uint8_t *)bytes)[i]) * 0x100000001B3u;
}

static void on_event(course *c, const sse *s, size_t at)
{
        view data = sse_data(s), name = sse_name(s);
        assert(data.len <= CAP && name.len <= sizeof s->name);
        mix(c, &at, sizeof at);
        mix(c, data.data, data.len);
        mix(c, &name.len, sizeof name.len);
        mix(c, name.data, name.len);
        c->events++;
}

static course read_all(view in, size_t step)
{
        course c = {};
        sse    s;
        bool   event;
        sse_begin(&s, CAP);
        for (size_t at = 0, used; at < in.len && !c.failed; at += used) {
                size_t end = in.len - at > step ? at + step : in.len;
                c.failed = failed(sse_feed(&s, view_slice(in, at, end), &used, &event));
                assert(used <= end - at && (c.failed || event || used == end - at));
                if (event)
                        on_event(&c, &s, at + used);
        }
        c.failed = failed(sse_eof(&s, &event)) || c.failed;
        if (event)
                on_event(&c, &s, in.len);
        sse_end(&s);
        return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 1)
                return 0;
        view   in = {data + 1, size - 1};
        course whole = read_all(in, SIZE_MAX), cut = read_all(in, 1u + data[0]);
        assert(whole.failed == cut.failed && whole.events == cut.events && whole.digest == cut.digest);
        return 0;
}
