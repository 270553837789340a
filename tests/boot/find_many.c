/* Where any of many byte strings stand, in one pass: a proof looks for the secrets of hundreds of connections in
 * hundreds of megabytes, and a pass for each of them would take it all day. For search.py, which loads it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 1 << 16 };

typedef struct needle {
        const uint8_t *bytes;
        size_t len; /* 4 at least */
} needle;

typedef struct found {
        size_t at, which;
} found;

static uint32_t slot_of(const uint8_t *at)
{
        uint32_t first;
        memcpy(&first, at, sizeof first);
        return (first * 2654435761u) >> 16;
}

/* Returns how many there are; the first `room` of them are in `out`. */
size_t find_many(const uint8_t *data, size_t len, const needle *needles, size_t count, found *out, size_t room);
size_t find_many(const uint8_t *data, size_t len, const needle *needles, size_t count, found *out, size_t room)
{
        static size_t heads[SLOTS];
        size_t hits = 0, *next = calloc(count + 1, sizeof *next);
        if (next == nullptr)
                abort();
        memset(heads, 0, sizeof heads);
        for (size_t i = 0; i < count; i++) {
                uint32_t slot = slot_of(needles[i].bytes);
                next[i + 1] = heads[slot];
                heads[slot] = i + 1;
        }
        for (size_t at = 0; at + sizeof(uint32_t) <= len; at++)
                for (size_t i = heads[slot_of(data + at)]; i != 0; i = next[i]) {
                        const needle *n = &needles[i - 1];
                        if (n->len > len - at || memcmp(data + at, n->bytes, n->len) != 0)
                                continue;
                        if (hits < room)
                                out[hits] = (found){at, i - 1};
                        hits++;
                }
        free(next);
        return hits;
}
