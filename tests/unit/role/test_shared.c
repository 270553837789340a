/* Memory that outlives processes. */
#include "role/supervise.h"

#include "stand_in.h"
#include "usage/ledger.h"
#include "usage/record.h"
#include "vault/lease.h"

static const char SUBJECT[] = "shared";
static stage      t;

static bool has_size(int fd, size_t bytes)
{
        struct stat st;
        return fstat(fd, &st) == 0 && (size_t)st.st_size == bytes;
}

static bool keeps_size(int fd)
{
        struct stat st;
        return fstat(fd, &st) == 0 && ftruncate(fd, 0) < 0 && errno == EPERM && ftruncate(fd, st.st_size + 1) < 0
               && errno == EPERM && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0;
}

static uint64_t identity(int fd)
{
        void       *memory = mmap(nullptr, usage_ring_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        usage_ring *r = nullptr;
        must(memory != MAP_FAILED, "map");
        uint64_t id = failed(usage_ring_attach(memory, usage_ring_bytes(), &r)) ? 0 : usage_ring_identity(r);
        munmap(memory, usage_ring_bytes());
        return id;
}

static void rings(void)
{
        int a = shared_ring(), b = shared_ring();
        tap_ok(a >= 0 && b >= 0 && has_size(a, usage_ring_bytes()) && identity(a) != 0, SUBJECT, "a ring is formatted");
        tap_ok(identity(a) != identity(b), SUBJECT, "two rings are told apart");
        tap_ok(keeps_size(a), SUBJECT, "a ring keeps its size, whatever its relay tries");
        tap_ok((fcntl(a, F_GETFD) & FD_CLOEXEC) != 0, SUBJECT, "a ring does not pass into another program");
        close(a);
        close(b);
}

/* The kernel's secret memory knows no seals. */
static bool is_secret(int fd) { return fcntl(fd, F_GET_SEALS) < 0; }

static void secrets(void)
{
        const int fds[] = {t.s->lease_fd, t.s->vault_key_fd};
        tap_ok(has_size(fds[0], sizeof(lease)) && has_size(fds[1], 4096), SUBJECT,
                "lease and vault key have their room");
        bool told = stage_logged(&t, "NO_SECRET_MEMORY");
        tap_ok(is_secret(fds[0]) == is_secret(fds[1]) && is_secret(fds[0]) != told, SUBJECT,
               "they are secret memory, or an event says that they are not");
        bool sealed = is_secret(fds[0]) || (keeps_size(fds[0]) && keeps_size(fds[1]));
        tap_ok(sealed, SUBJECT, "where they are not, they keep their size");
        /* The keeper that comes back finds what the last one wrote. */
        char *first = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);
        char *second = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);
        must(first != MAP_FAILED && second != MAP_FAILED, "vault key");
        tap_ok(first[0] == 0, SUBJECT, "the vault key's page begins empty");
        first[0] = 7;
        tap_ok(second[0] == 7, SUBJECT, "what one keeper writes there the next one reads");
        munmap(first, 4096);
        munmap(second, 4096);
}

int main(int count, char *arguments[])
{
        stand_in_if_named(count, arguments);
        stage_make(&t);
        tap_ok(!failed(shared_make(t.s)), SUBJECT, "all shared memory is made");
        bool free = true;
        for (size_t i = 0; i < LIMIT_COLUMNS; i++)
                free = free && t.s->rings[i].fd == -1 && !t.s->rings[i].dead;
        tap_ok(board_valid(t.s->board) && has_size(t.s->board_fd, sizeof(board)), SUBJECT, "the board is formatted");
        tap_ok(keeps_size(t.s->board_fd) && keeps_size(t.s->ledger_fd), SUBJECT, "board and ledger keep their size");
        tap_ok(has_size(t.s->ledger_fd, ledger_bytes()), SUBJECT, "the ledger has room for all its rows");
        tap_ok(free, SUBJECT, "every column is free");
        uint64_t wakes;
        tap_ok(read(t.s->ring_wake, &wakes, sizeof wakes) < 0 && errno == EAGAIN, SUBJECT,
               "nobody waits on the bell for ever");
        const int held[] = {t.s->board_fd, t.s->ledger_fd, t.s->lease_fd, t.s->vault_key_fd, t.s->ring_wake};
        bool      closing = true;
        for (size_t i = 0; i < sizeof held / sizeof *held; i++)
                closing = closing && (fcntl(held[i], F_GETFD) & FD_CLOEXEC) != 0;
        tap_ok(closing, SUBJECT, "none of it passes into another program unless granted");
        rings();
        secrets();
        stage_end(&t);
        return tap_done();
}
