#include "base/box_facts.h"

#include <sys/mman.h>
#include <sys/stat.h>

enum : uint32_t { MAGIC = 0x4c544246, LAYOUT = 1 };

void box_facts_format(box_facts *f)
{
        f->magic = MAGIC;
        f->layout = LAYOUT;
}

const box_facts *box_facts_map(int fd)
{
        struct stat s;
        if (fstat(fd, &s) != 0 || s.st_size < (off_t)sizeof(box_facts))
                return nullptr;
        const box_facts *f = mmap(nullptr, sizeof *f, PROT_READ, MAP_SHARED, fd, 0);
        if (f == MAP_FAILED)
                return nullptr;
        if (f->magic == MAGIC && f->layout == LAYOUT)
                return f;
        munmap((void *)(uintptr_t)f, sizeof *f);
        return nullptr;
}

const char *box_time_name(uint32_t state)
{
        static const char *const names[BOX_TIME_COUNT] = {"unknown", "rtc", "host", "ntp", "constrained"};
        return state < BOX_TIME_COUNT ? names[state] : names[BOX_TIME_UNKNOWN];
}

const char *box_signing_name(uint32_t signing)
{
        static const char *const names[BOX_SIGNING_COUNT] = {"unsigned", "throw_away", "owner"};
        return signing < BOX_SIGNING_COUNT ? names[signing] : names[BOX_UNSIGNED];
}
