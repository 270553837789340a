/* base/wiping_free: stands under every library of a role that sees content, by the linker's --wrap.
 *
 * M_PERTURB is not enough: small chunks go to the thread cache unwiped. realloc is replaced because the
 * allocator's own leaves the old block's bytes behind when it moves. */
#include <errno.h>
#include <malloc.h>
#include <string.h>

#include "base/arena.h"

void  __real_free(void *p);
void  __wrap_free(void *p);
void *__wrap_realloc(void *p, size_t size);

void __wrap_free(void *p)
{
        if (p == nullptr)
                return;
        int saved = errno;
        wipe(p, malloc_usable_size(p));
        __real_free(p);
        errno = saved;
}

void *__wrap_realloc(void *p, size_t size)
{
        if (p == nullptr)
                return malloc(size);
        if (size == 0) {
                __wrap_free(p);
                return nullptr;
        }
        size_t old = malloc_usable_size(p);
        if (size <= old && size >= old / 2)
                return p;
        void *moved = malloc(size);
        if (moved == nullptr)
                return nullptr;
        memcpy(moved, p, old < size ? old : size);
        __wrap_free(p);
        return moved;
}
