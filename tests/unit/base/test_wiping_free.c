/* In the product's form alone: the linker puts base/wiping_free under free and realloc there. */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "support/tap.h"

static const char SUBJECT[] = "wiping_free";

#ifdef __SANITIZE_ADDRESS__

int main(void)
{
        tap_skip(SUBJECT, "the sanitizer has an allocator of its own");
        return tap_done();
}

#else

/* The allocator's own links: two words at the front of a free chunk, four in the bins of large ones. */
enum : size_t { LINKS = 32 };

static unsigned char *filled(size_t size)
{
        unsigned char *p = malloc(size);
        if (p == nullptr)
                abort();
        /* All that could be used, which the compiler would take for an overrun. */
        for (size_t i = 0; i < malloc_usable_size(p); i++)
                ((volatile unsigned char *)p)[i] = 0xa5;
        return p;
}

/* Reads where a chunk was; the compiler may not know. */
static size_t left_at(uintptr_t where, size_t from, size_t size)
{
        size_t found = 0;
        for (size_t i = from; i < size; i++)
                found += *(volatile unsigned char *)(where + i) == 0xa5;
        return found;
}

static void test_sizes(void)
{
        static const size_t sizes[] = {24, 40, 100, 1000, 1040, 5000, 30000, 100000};
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                unsigned char *p = filled(sizes[i]);
                unsigned char *guard = malloc(64); /* keeps the chunk from being given back to the kernel */
                uintptr_t where = (uintptr_t)p;
                size_t usable = malloc_usable_size(p);
                free(p);
                size_t from = sizes[i] <= 40 ? 16 : LINKS;
                char sentence[64];
                snprintf(sentence, sizeof sentence, "nothing is left of a freed chunk of %zu bytes", sizes[i]);
                tap_ok(left_at(where, from, usable) == 0, SUBJECT, sentence);
                free(guard);
        }
}

static void test_realloc(void)
{
        unsigned char *p = filled(1000), *guard = malloc(64);
        uintptr_t where = (uintptr_t)p;
        unsigned char *moved = realloc(p, 50000);
        tap_ok(moved != nullptr && (uintptr_t)moved != where && moved[0] == 0xa5 && moved[999] == 0xa5, SUBJECT,
               "a grown block keeps its content");
        tap_ok(left_at(where, LINKS, 1000) == 0, SUBJECT, "and leaves none where it was");
        where = (uintptr_t)moved;
        size_t was = malloc_usable_size(moved);
        unsigned char *guard_too = malloc(64), *small = realloc(moved, 100);
        tap_ok(small != nullptr && small[99] == 0xa5, SUBJECT, "a shrunk one keeps what fits");
        tap_ok((uintptr_t)small != where && left_at(where, LINKS, was) == 0, SUBJECT, "and leaves none of the rest");
        unsigned char *same = realloc(small, 90);
        tap_ok(same == small, SUBJECT, "a little less stays where it is");
        unsigned char *fresh = realloc(nullptr, 10);
        tap_ok(fresh != nullptr, SUBJECT, "realloc of nothing allocates");
        where = (uintptr_t)same;
        was = malloc_usable_size(same);
        unsigned char *gone = realloc(same, 0);
        tap_ok(gone == nullptr && left_at(where, LINKS, was) == 0, SUBJECT, "realloc to nothing frees and wipes");
        unsigned char *volatile held = filled(100);
        where = (uintptr_t)held;
        volatile size_t too_much = SIZE_MAX / 2;
        unsigned char *none = realloc(held, too_much);
        tap_ok(none == nullptr && left_at(where, 0, 100) == 100, SUBJECT, "what cannot grow stays whole");
        free(held);
        free(fresh);
        free(guard);
        free(guard_too);
}

int main(void)
{
        test_sizes();
        test_realloc();
        errno = 42;
        free(malloc(10));
        free(nullptr);
        tap_ok(errno == 42, SUBJECT, "errno stays as it was");
        return tap_done();
}

#endif
