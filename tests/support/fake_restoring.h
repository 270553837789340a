/* Restoring without policy: "TOKEN" becomes a value that needs escaping; its beginnings are held back. */
#ifndef TESTS_SUPPORT_FAKE_RESTORING_H
#define TESTS_SUPPORT_FAKE_RESTORING_H

#include "dialect/restoring.h"

static const char fake_token[] = "TOKEN";
#define FAKE_VALUE "v\"\n\xc3\xbc"

typedef struct fake_lane {
        size_t held;
        bool source;
} fake_lane;

static inline void fake_begin(void *ctx, void *state, bool json_source)
{
        (void)ctx;
        *(fake_lane *)state = (fake_lane){.source = json_source};
}

static inline void fake_feed(void *ctx, void *state, view delta, emit *out)
{
        (void)ctx;
        fake_lane *l = state;
        for (size_t i = 0; i < delta.len; i++) {
                uint8_t c = delta.data[i];
                if (c != (uint8_t)fake_token[l->held]) {
                        emit_view(out, (view){(const uint8_t *)fake_token, l->held});
                        l->held = 0;
                }
                if (c != (uint8_t)fake_token[l->held]) {
                        emit_byte(out, c);
                } else if (++l->held == sizeof fake_token - 1) {
                        l->held = 0;
                        if (l->source)
                                emit_json_inner(out, VIEW(FAKE_VALUE));
                        else
                                emit_view(out, VIEW(FAKE_VALUE));
                }
        }
}

static inline void fake_flush(void *ctx, void *state, emit *out)
{
        (void)ctx;
        fake_lane *l = state;
        emit_view(out, (view){(const uint8_t *)fake_token, l->held});
        l->held = 0;
}

static inline size_t fake_room(void *ctx, const void *state, size_t delta_len)
{
        (void)ctx;
        (void)state;
        return (delta_len + sizeof fake_token) * 2 + 16;
}

static const restoring fake = {nullptr, sizeof(fake_lane), fake_begin, fake_feed, fake_flush, fake_room};

#endif
