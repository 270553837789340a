/* Stands under malloc and mmap by the linker's --wrap: counts what the relay holds, and refuses on demand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "codec/json_path.h"
#include "sim/sim.h"

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *p, size_t bytes);
void __real_free(void *p);
void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t bytes);
void *__real_mremap(void *at, size_t old, size_t bytes, int flags);
const json_paths *__real_json_paths_compile(const json_path_row *rows, size_t count);

enum : size_t { SLOTS = 1 << 15 };

/* Live blocks, by open addressing. */
static struct {
        void *block, *caller;
        uint64_t serial;
} slots[SLOTS];
static sim_memory held;
static uint64_t serial;
static unsigned fail_one_in;
static bool exempt; /* tables that are made once and stay */

static size_t home_of(const void *p) { return (size_t)((uintptr_t)p / 16 * 0x9e3779b97f4a7c15 >> 40) % SLOTS; }

static void note(void *p, void *caller)
{
        if (p == nullptr || exempt)
                return;
        size_t i = home_of(p);
        while (slots[i].block != nullptr)
                i = (i + 1) % SLOTS;
        slots[i].block = p;
        slots[i].caller = caller;
        slots[i].serial = ++serial;
        if (++held.blocks > SLOTS / 2)
                sim_fail("more than %zu blocks of memory are held", SLOTS / 2);
}

/* Moves what stood behind a freed place into it, as far as it may. */
static void close_gap(size_t gap)
{
        for (size_t i = (gap + 1) % SLOTS; slots[i].block != nullptr; i = (i + 1) % SLOTS) {
                size_t home = home_of(slots[i].block);
                if ((i - home) % SLOTS < (i - gap) % SLOTS)
                        continue;
                slots[gap] = slots[i];
                gap = i;
        }
        slots[gap].block = nullptr;
}

static void forget(const void *p)
{
        for (size_t i = home_of(p); slots[i].block != nullptr; i = (i + 1) % SLOTS)
                if (slots[i].block == p) {
                        held.blocks--;
                        close_gap(i);
                        return;
                }
}

static bool refused(void) { return fail_one_in != 0 && !exempt && sim_below(fail_one_in) == 0; }

void *__wrap_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes)
{
        void *p = refused() ? nullptr : __real_malloc(bytes);
        note(p, __builtin_return_address(0));
        return p;
}

void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes)
{
        void *p = refused() ? nullptr : __real_calloc(count, bytes);
        note(p, __builtin_return_address(0));
        return p;
}

void *__wrap_realloc(void *p, size_t bytes);
void *__wrap_realloc(void *p, size_t bytes)
{
        if (p != nullptr)
                forget(p);
        void *moved = __real_realloc(p, bytes);
        note(moved, __builtin_return_address(0));
        return moved;
}

void __wrap_free(void *p);
void __wrap_free(void *p)
{
        if (p != nullptr)
                forget(p);
        __real_free(p);
}

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
        if (refused())
                return MAP_FAILED;
        void *p = __real_mmap(at, bytes, protection, flags, fd, offset);
        if (p != MAP_FAILED)
                held.mapped += bytes;
        return p;
}

int __wrap_munmap(void *at, size_t bytes);
int __wrap_munmap(void *at, size_t bytes)
{
        held.mapped -= bytes;
        return __real_munmap(at, bytes);
}

void *__wrap_mremap(void *at, size_t old, size_t bytes, int flags, ...);
void *__wrap_mremap(void *at, size_t old, size_t bytes, int flags, ...)
{
        if (refused())
                return MAP_FAILED;
        void *p = __real_mremap(at, old, bytes, flags);
        if (p != MAP_FAILED)
                held.mapped += bytes - old;
        return p;
}

/* What the system would say of this process is not the same twice. */
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
        (void)path;
        (void)flags;
        return -1;
}

/* Asked of the system from time to time; here it would only cost time. */
int __wrap_malloc_trim(size_t pad);
int __wrap_malloc_trim(size_t pad)
{
        (void)pad;
        return 0;
}

const json_paths *__wrap_json_paths_compile(const json_path_row *rows, size_t count);
const json_paths *__wrap_json_paths_compile(const json_path_row *rows, size_t count)
{
        exempt = true;
        const json_paths *p = __real_json_paths_compile(rows, count);
        exempt = false;
        return p;
}

sim_memory sim_memory_now(void) { return held; }

void sim_memory_fail(unsigned one_in) { fail_one_in = one_in; }

uint64_t sim_memory_serial(void) { return serial; }

void sim_memory_tell(uint64_t than)
{
        for (size_t i = 0; i < SLOTS; i++)
                if (slots[i].block != nullptr && slots[i].serial > than)
                        sim_say("memory: block %llu asked for at %p (base %p)", (unsigned long long)slots[i].serial,
                                slots[i].caller, (void *)(uintptr_t)&sim_memory_tell);
}

void *sim_alloc(size_t bytes)
{
        void *p = __real_calloc(1, bytes);
        if (p == nullptr)
                abort();
        return p;
}

void *sim_grow(void *p, size_t bytes)
{
        void *moved = __real_realloc(p, bytes);
        if (moved == nullptr)
                abort();
        return moved;
}

void sim_room(uint8_t **bytes, size_t *room, size_t need)
{
        if (need <= *room)
                return;
        size_t more = *room == 0 ? 1024 : *room;
        while (more < need)
                more *= 2;
        *bytes = sim_grow(*bytes, more);
        *room = more;
}

void sim_free(void *p) { __real_free(p); }
