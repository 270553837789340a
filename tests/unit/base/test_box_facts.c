#include "base/box_facts.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/tap.h"

static const char SUBJECT[] = "box_facts";

int main(void)
{
        int fd = memfd_create("facts", MFD_CLOEXEC);
        tap_ok(box_facts_map(fd) == nullptr && box_facts_map(-1) == nullptr, SUBJECT, "nothing is no facts");
        bool sized = ftruncate(fd, BOX_FACTS_BYTES - 1) == 0;
        tap_ok(sized && box_facts_map(fd) == nullptr, SUBJECT, "memory that is too short is refused");
        sized = ftruncate(fd, BOX_FACTS_BYTES) == 0;
        tap_ok(sized && box_facts_map(fd) == nullptr, SUBJECT, "memory of another layout is refused");
        box_facts *f = mmap(nullptr, sizeof *f, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        box_facts_format(f);
        const box_facts *seen = box_facts_map(fd);
        tap_ok(seen != nullptr && atomic_load(&seen->clones) == 0 && seen->has_image == 0, SUBJECT,
               "fresh facts know nothing");
        atomic_store(&f->time_state, BOX_TIME_NTP);
        atomic_fetch_add(&f->clones, 1);
        tap_ok(seen != nullptr && atomic_load(&seen->clones) == 1
                       && strcmp(box_time_name(atomic_load(&seen->time_state)), "ntp") == 0,
               SUBJECT, "what is written is seen");
        tap_ok(strcmp(box_time_name(77), "unknown") == 0 && strcmp(box_signing_name(77), "unsigned") == 0
                       && strcmp(box_signing_name(BOX_SIGNED_OWNER), "owner") == 0,
               SUBJECT, "a number beyond the table is the first");
        return tap_done();
}
