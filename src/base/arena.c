#include "base/arena.h"

#include <assert.h>
#include <stdckdint.h>
#include <sys/mman.h>

#include "base/limit.h"

/* To the sanitizer a spare chunk is not there, as an unmapped one would not be. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define SPARE_CLOSE(p, len) ASAN_POISON_MEMORY_REGION(p, len)
#define SPARE_OPEN(p, len)  ASAN_UNPOISON_MEMORY_REGION(p, len)
#else
#define SPARE_CLOSE(p, len) ((void)0)
#define SPARE_OPEN(p, len)  ((void)0)
#endif

enum : size_t {
        ALIGN = 16,
        PAGE = 4096,
        FIRST_CHUNK = 16 * 1024,
        HOME_BYTES = 8 * 1024,
        LARGEST_GROWTH = 1024 * 1024,
};

struct arena_chunk {
        arena_chunk *older;
        size_t       size; /* bytes mapped, this header included */
        size_t       used; /* bytes handed out, this header included */
        size_t       pad;
};
static_assert(sizeof(arena_chunk) % ALIGN == 0);

void wipe(void *bytes, size_t len)
{
#ifdef LETHE_NO_WIPE
        (void)bytes;
        (void)len;
#else
        if (len > 0)
                explicit_bzero(bytes, len);
#endif
}

static void *map_pages(size_t bytes)
{
        void *p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return p == MAP_FAILED ? nullptr : p;
}

static bool round_up(size_t bytes, size_t unit, size_t *out)
{
        if (ckd_add(out, bytes, unit - 1))
                return false;
        *out &= ~(unit - 1);
        return true;
}

void arena_init(arena *a, size_t cap)
{
        *a = (arena){.cap = cap};
}

void arena_stock_begin(arena_stock *s, size_t bytes, size_t most)
{
        assert(bytes % PAGE == 0 && bytes > sizeof(arena_chunk));
        *s = (arena_stock){.bytes = bytes, .most = most};
}

static arena_chunk *stock_take(arena_stock *s)
{
        arena_chunk *c = s->spare;
        SPARE_OPEN(c, s->bytes);
        s->spare = c->older;
        s->count--;
        return c;
}

static bool stock_give(arena_stock *s, arena_chunk *c)
{
        if (s->count == s->most)
                return false;
        c->older = s->spare;
        s->spare = c;
        s->count++;
        SPARE_CLOSE(c, s->bytes);
        return true;
}

void arena_stock_clear(arena_stock *s)
{
        while (s->spare != nullptr)
                munmap(stock_take(s), s->bytes);
}

static arena_chunk *chunk_add(arena *a, size_t need)
{
        size_t size = a->newest != nullptr ? a->newest->size * 2 : a->first != 0 ? a->first : FIRST_CHUNK;
        if (size > LARGEST_GROWTH)
                size = LARGEST_GROWTH;
        if (size < need && !round_up(need, PAGE, &size))
                return nullptr;
        size_t total;
        if (ckd_add(&total, a->mapped, size) || total > a->cap)
                return nullptr;
        bool spare = a->stock != nullptr && a->stock->spare != nullptr && a->stock->bytes == size;
        arena_chunk *c = spare ? stock_take(a->stock) : map_pages(size);
        if (c == nullptr)
                return nullptr;
        c->older = a->newest;
        c->size = size;
        c->used = sizeof(arena_chunk);
        a->newest = c;
        a->mapped = total;
        return c;
}

void *arena_alloc(arena *a, size_t bytes)
{
        size_t rounded, need;
        if (!round_up(bytes, ALIGN, &rounded) || ckd_add(&need, rounded, sizeof(arena_chunk)))
                return nullptr;
        arena_chunk *c = a->newest;
        if (c == nullptr || rounded > c->size - c->used) {
                c = chunk_add(a, need);
                if (c == nullptr)
                        return nullptr;
        }
        assert(c->used + rounded <= c->size);
        void *p = (uint8_t *)c + c->used;
        c->used += rounded;
#ifdef LETHE_NO_WIPE
        memset(p, 0, rounded);
#endif
        return p;
}

view arena_copy(arena *a, view v)
{
        if (v.len == 0)
                return (view){};
        uint8_t *p = arena_alloc(a, v.len);
        if (p == nullptr)
                return (view){};
        memcpy(p, v.data, v.len);
        return (view){p, v.len};
}

static void chunk_drop(arena *a)
{
        arena_chunk *c = a->newest;
        a->newest = c->older;
        a->mapped -= c->size;
        size_t size = c->size;
        wipe(c, c->used);
        if (a->stock == nullptr || a->stock->bytes != size || !stock_give(a->stock, c))
                munmap(c, size);
}

arena_mark arena_here(const arena *a) { return (arena_mark){a->newest, a->newest == nullptr ? 0 : a->newest->used}; }

void arena_back(arena *a, arena_mark m)
{
        while (a->newest != m.chunk)
                chunk_drop(a);
        if (a->newest == nullptr)
                return;
        assert(m.used <= a->newest->used);
        wipe((uint8_t *)a->newest + m.used, a->newest->used - m.used);
        a->newest->used = m.used;
}

void arena_end(arena *a)
{
        while (a->newest != nullptr)
                chunk_drop(a);
        assert(a->mapped == 0);
}

void region_init(region *r, size_t cap)
{
        *r = (region){.cap = cap};
}

void region_init_in(region *r, size_t cap, arena *home)
{
        *r = (region){.cap = cap, .home = home};
}

static err region_begin(region *r, size_t need, size_t size)
{
        enum : size_t { UNIT = 256 };
        if (r->home != nullptr && need <= HOME_BYTES && round_up(need, UNIT, &need)) {
                r->bytes = arena_alloc(r->home, need);
                r->mapped = need;
                r->at_home = true;
        } else {
                r->bytes = map_pages(size);
                r->mapped = size;
        }
        if (r->bytes == nullptr) {
                r->mapped = 0;
                r->at_home = false;
                return FAIL(NO_ROOM);
        }
        return OK;
}

/* Grown up: into a mapping of its own. What stood in the arena is wiped now and unmapped with it. */
static err region_move_out(region *r, size_t size)
{
        uint8_t *bytes = map_pages(size);
        if (bytes == nullptr)
                return FAIL(NO_ROOM);
        memcpy(bytes, r->bytes, r->len);
        wipe(r->bytes, r->len);
        r->bytes = bytes;
        r->mapped = size;
        r->at_home = false;
        return OK;
}

err region_reserve(region *r, size_t more)
{
        assert(r->len <= r->mapped);
        size_t need, size;
        if (ckd_add(&need, r->len, more) || need > r->cap || !round_up(need, PAGE, &size))
                return FAIL(NO_ROOM);
        if (need <= r->mapped)
                return OK;
        if (r->bytes == nullptr)
                return region_begin(r, need, size);
        if (r->at_home)
                return region_move_out(r, size);
        /* Doubling keeps appends linear; pages not yet touched cost nothing. */
        if (size < r->mapped * 2)
                size = r->mapped * 2;
        void *moved = mremap(r->bytes, r->mapped, size, MREMAP_MAYMOVE);
        if (moved == MAP_FAILED)
                return FAIL(NO_ROOM);
        r->bytes = moved;
        r->mapped = size;
        return OK;
}

err region_append(region *r, view v)
{
        if (v.len == 0)
                return OK;
        TRY(region_reserve(r, v.len));
        memcpy(r->bytes + r->len, v.data, v.len);
        r->len += v.len;
        return OK;
}

void region_clear(region *r)
{
        if (r->bytes != nullptr)
                wipe(r->bytes, r->len);
        r->len = 0;
}

void region_end(region *r)
{
        if (r->bytes != nullptr) {
                wipe(r->bytes, r->len);
                if (!r->at_home)
                        munmap(r->bytes, r->mapped);
        }
        *r = (region){.cap = r->cap, .home = r->home};
}
