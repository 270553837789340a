#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/box_wire.h"
#include "base/event.h"
#include "role/supervise.h"
#include "usage/ledger.h"
#include "vault/lease.h"

enum : size_t { VAULT_KEY_BYTES = 4096 };

static int sized(int fd, size_t bytes)
{
        if (fd >= 0 && ftruncate(fd, (off_t)bytes) != 0) {
                close(fd);
                return -1;
        }
        return fd;
}

/* Sealed in its size: a role that cut its own ring short would end whoever reads it. */
static int plain_memory(const char *name, size_t bytes)
{
        int fd = sized(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), bytes);
        if (fd >= 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
                return fd;
        if (fd >= 0)
                close(fd);
        return -1;
}

/* Memory that even the kernel's own mapping does not show; where it lacks, the roles lock what they map. */
static int secret_memory(const char *name, size_t bytes)
{
        int fd = sized((int)syscall(SYS_memfd_secret, O_CLOEXEC), bytes);
        if (fd >= 0)
                return fd;
        event(EVENT_NO_SECRET_MEMORY, (int64_t)bytes, ROLE_SUPERVISOR);
        return plain_memory(name, bytes);
}

int shared_ring(void)
{
        int fd = plain_memory("ring", usage_ring_bytes());
        if (fd < 0)
                return -1;
        usage_ring *ring;
        void *memory = mmap(nullptr, usage_ring_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        bool good = memory != MAP_FAILED && !failed(usage_ring_format(memory, usage_ring_bytes(), &ring));
        if (memory != MAP_FAILED)
                munmap(memory, usage_ring_bytes());
        if (good)
                return fd;
        close(fd);
        return -1;
}

err shared_make(supervisor *s)
{
        s->board_fd = plain_memory("board", sizeof(board));
        s->ledger_fd = plain_memory("ledger", ledger_bytes());
        s->lease_fd = secret_memory("lease", sizeof(lease));
        s->vault_key_fd = secret_memory("vault", VAULT_KEY_BYTES);
        s->ring_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (s->board_fd < 0 || s->ledger_fd < 0 || s->lease_fd < 0 || s->vault_key_fd < 0 || s->ring_wake < 0)
                return FAIL(SYSTEM);
        s->bundle = s->box_channel >= 0 ? plain_memory("bundle", BOX_BUNDLE_BYTES) : -1;
        if (s->box_channel >= 0 && s->bundle < 0)
                return FAIL(SYSTEM);
        s->board = mmap(nullptr, sizeof(board), PROT_READ | PROT_WRITE, MAP_SHARED, s->board_fd, 0);
        if (s->board == MAP_FAILED)
                return FAIL(SYSTEM);
        board_format(s->board);
        s->box = s->box_facts >= 0 ? box_facts_map(s->box_facts) : nullptr;
        for (size_t i = 0; i < LIMIT_COLUMNS; i++)
                s->rings[i].fd = -1;
        return OK;
}
