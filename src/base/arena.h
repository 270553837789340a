/* base/arena: all memory of one exchange; wiped and unmapped when it ends.
 *
 * Memory comes from the kernel in chunks of its own and goes back to it, so nothing of an exchange
 * stays in an allocator's free lists. Nothing in an arena is freed singly. A stock keeps a few first chunks, wiped, for
 * those who come next: mapping, touching and unmapping the same pages was a sixth of what a request costs. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "base/view.h"

typedef struct arena_chunk arena_chunk;

/* Spare chunks of one size, all zeros. */
typedef struct arena_stock {
        arena_chunk *spare; /* null: none */
        size_t       bytes; /* of each, whole pages */
        size_t       count, most;
} arena_stock;

typedef struct arena {
        arena_chunk *newest; /* chunk that serves the next allocation; null when empty */
        size_t       mapped; /* bytes mapped from the kernel, all chunks and regions */
        size_t       cap;    /* bytes: arena_alloc fails beyond it */
        size_t       first;  /* bytes of the first chunk, whole pages; 0: the usual */
        arena_stock *stock;  /* where chunks of its size come from and go to; null: the kernel; outlives the arena */
} arena;

/* in   cap  most bytes this arena may ever map */
void arena_init(arena *a, size_t cap);

/* Zeroed memory, aligned for any object; null when the cap or the kernel says no. `bytes` may be 0. */
void *arena_alloc(arena *a, size_t bytes);

/* A copy of v in the arena; an empty view when there is no room and v is not empty. */
view arena_copy(arena *a, view v);

/* Wipes what was handed out and gives everything back, to the stock or the kernel. The arena is empty and usable
 * afterwards. */
void arena_end(arena *a);

/* An empty stock of at most `most` chunks of so many bytes. */
void arena_stock_begin(arena_stock *s, size_t bytes, size_t most);
/* Gives the spare chunks back to the kernel. The stock is empty and usable afterwards. */
void arena_stock_clear(arena_stock *s);

/* A place to come back to: what was allocated after it is wiped and given back. One stream event is one such turn. */
typedef struct arena_mark {
        arena_chunk *chunk;
        size_t       used;
} arena_mark;
arena_mark arena_here(const arena *a);
void       arena_back(arena *a, arena_mark m);

/* A buffer that grows in place of its own mapping (mremap, so growth leaves no copy behind).
 * Counted in the arena's cap, wiped and unmapped by region_end or never: call it. */
typedef struct region {
        uint8_t *bytes;  /* null when nothing was reserved */
        size_t   len;    /* bytes in use */
        size_t   mapped; /* bytes mapped, whole pages */
        size_t   cap;    /* most bytes it may hold */
        arena   *home;   /* where it begins while it is small; null: in a mapping of its own */
        bool     at_home;
} region;

void region_init(region *r, size_t cap);

/* A region that stands in the arena as long as it is small: three mappings less for an exchange of a few kilobytes.
 * It must end before the arena does. */
void region_init_in(region *r, size_t cap, arena *home);

/* Makes room for `more` bytes behind len. err NO_ROOM; the content is unchanged then. */
err region_reserve(region *r, size_t more);

/* Appends a copy. err NO_ROOM */
err region_append(region *r, view v);

static inline view region_view(const region *r) { return (view){r->bytes, r->len}; }

/* Wipes [0, len) and forgets it, but keeps the mapping for the next use. */
void region_clear(region *r);

/* Wipes and unmaps. The region is empty and usable afterwards. */
void region_end(region *r);

/* Wipes memory in a way no compiler removes. The test build WIPE=0 leaves it out, so that the canary
 * test can show that it would find something. */
void wipe(void *bytes, size_t len);

#endif
