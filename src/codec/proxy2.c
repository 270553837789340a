#include "codec/proxy2.h"

#include <assert.h>

enum : uint16_t { FIXED_BYTES = 16 };
enum : size_t { V4_BYTES = 12, V6_BYTES = 36 };
enum : uint8_t { LOCAL = 0x20, PROXY = 0x21, TCP_V4 = 0x11, TCP_V6 = 0x21 };

static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";

void proxy2_begin(proxy2 *p) { *p = (proxy2){}; }

/* The length is judged together with its last byte, so that no cut changes where a wrong one is refused. */
static err length_known(proxy2 *p)
{
        size_t more = (size_t)p->bytes[14] << 8 | p->bytes[15];
        if (more > PROXY2_MORE_BYTES)
                return FAIL(BAD_HTTP);
        p->whole = (uint16_t)(FIXED_BYTES + more);
        if (p->bytes[12] == LOCAL)
                return OK;
        p->family = p->bytes[13] == TCP_V4 ? 4 : 6;
        return more >= (p->family == 4 ? V4_BYTES : V6_BYTES) ? OK : FAIL(BAD_HTTP);
}

static err take_fixed(proxy2 *p, uint8_t byte)
{
        size_t at = p->taken;
        if (at < sizeof signature && byte != signature[at])
                return FAIL(BAD_HTTP);
        if (at == 12 && byte != LOCAL && byte != PROXY)
                return FAIL(BAD_HTTP);
        /* Who speaks for itself may say anything here. */
        if (at == 13 && p->bytes[12] == PROXY && byte != TCP_V4 && byte != TCP_V6)
                return FAIL(BAD_HTTP);
        p->bytes[p->taken++] = byte;
        return p->taken == FIXED_BYTES ? length_known(p) : OK;
}

err proxy2_feed(proxy2 *p, view in, size_t *used, bool *done)
{
        *used = 0;
        *done = false;
        assert(p->taken < FIXED_BYTES || p->taken < p->whole);
        while (*used < in.len && p->taken < FIXED_BYTES)
                TRY(take_fixed(p, in.data[(*used)++]));
        if (p->taken < FIXED_BYTES)
                return OK;
        size_t left = p->whole - p->taken, n = in.len - *used < left ? in.len - *used : left;
        for (size_t i = 0; i < n && p->taken + i < sizeof p->bytes; i++)
                p->bytes[p->taken + i] = in.data[*used + i];
        p->taken += (uint16_t)n;
        *used += n;
        *done = p->taken == p->whole;
        return OK;
}

view proxy2_address(const proxy2 *p)
{
        assert(p->family != 0 && p->taken == p->whole);
        return (view){p->bytes + FIXED_BYTES, p->family == 4 ? 4 : 16};
}

uint16_t proxy2_port(const proxy2 *p)
{
        assert(p->family != 0 && p->taken == p->whole);
        const uint8_t *at = p->bytes + FIXED_BYTES + (p->family == 4 ? 8 : 32);
        return (uint16_t)(at[0] << 8 | at[1]);
}
