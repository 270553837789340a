/* firmware/kept: what the box keeps of itself on the partition lethe-state, behind the vault: network settings, the
 * last time seen, the lowest security epoch, how the vault opens. In the clear and public by nature; nothing of a
 * request and no secret may ever stand here. Written by PID 1 alone.
 *
 * Two slots at 8 MiB. The older one is written, synced and read back: a cut at any byte leaves the newer one whole. */
#ifndef FIRMWARE_KEPT_H
#define FIRMWARE_KEPT_H

#include "base/result.h"
#include "base/view.h"

enum : uint64_t { KEPT_AT = 8 * 1024 * 1024 };
enum : size_t {
        KEPT_SLOTS = 2,
        KEPT_SLOT_BYTES = 64 * 1024,
        KEPT_HEAD_BYTES = 56,
        KEPT_TEXT_BYTES = 16 * 1024,
        KEPT_KEY_BYTES = 32,
        KEPT_VALUE_BYTES = 256,
};
enum : uint32_t { KEPT_FORMAT = 1 };

typedef enum kept_state {
        KEPT_FRESH,   /* neither slot was ever written */
        KEPT_GOOD,
        KEPT_DAMAGED, /* something was written and neither slot is whole: starts empty, may be written again */
        KEPT_NEWER,   /* a later version wrote here: what this one can read is there, and nothing is written */
} kept_state;

/* Lines `key value` in the order they came in. Keys are lower-case letters, digits, '-' and '_'; values printable
 * ASCII. A key may stand more than once, as in box.conf. */
typedef struct kept {
        kept_state state;
        uint64_t   generation; /* of the slot that was read; 0: none */
        size_t     len;
        uint8_t    text[KEPT_TEXT_BYTES];
} kept;

/* The newest whole slot; without one `out` is empty and its state says why. err SYSTEM: it cannot be read */
err kept_read(int fd, kept *out);
/* Into the older slot. err SYSTEM: it cannot be written, or reads back as something else, and the slot before holds;
 * ROLLED_BACK: KEPT_NEWER */
err kept_write(int fd, kept *k);

/* The first value; empty when the key is not there. */
view kept_get(const kept *k, view key);
/* Goes through the lines: `*at` begins at 0. False at the end. */
bool kept_next(const kept *k, size_t *at, view *key, view *value);
/* In the place of every line of that key. err OUT_OF_RANGE: not a key or a value; NO_ROOM: then nothing has changed */
err kept_set(kept *k, view key, view value);
/* One more line. err as kept_set */
err kept_add(kept *k, view key, view value);
/* Every line of that key. */
void kept_remove(kept *k, view key);

/* Numbers of kept_set and kept_get. False when there is none. */
bool kept_get_u64(const kept *k, view key, uint64_t *out);
err  kept_set_u64(kept *k, view key, uint64_t n);

/* One slot as it lies there. Decoding says FRESH for a slot that does not begin as one. */
void       kept_encode(const kept *k, uint64_t generation, uint8_t slot[KEPT_SLOT_BYTES]);
kept_state kept_decode(const uint8_t slot[KEPT_SLOT_BYTES], kept *out);

#endif
