#include "usage/record.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/tap.h"

static const char SUBJECT[] = "record";

static void *fresh(void)
{
        return mmap(nullptr, usage_ring_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static usage_ring *ring_make(void)
{
        usage_ring *r = nullptr;
        if (failed(usage_ring_format(fresh(), usage_ring_bytes(), &r)))
                abort();
        return r;
}

static void ring_drop(usage_ring *r) { munmap(r, usage_ring_bytes()); }

/* Every field tells its number, so that a mixture of two records shows. */
static usage_record numbered(uint64_t n)
{
        usage_record r = {.version = 1, .kind = USAGE_ATTEMPT, .ttft_ms = (uint32_t)n, .duration_ms = (uint32_t)n};
        for (size_t i = 0; i < TOKENS_CLASSES; i++)
                r.tokens[i] = n;
        for (size_t i = 0; i < LIMIT_ENTITIES; i++)
                r.redactions[i] = (uint16_t)n;
        return r;
}

static bool is_numbered(const usage_record *r, uint64_t n)
{
        usage_record want = numbered(n);
        want.sequence = n;
        return memcmp(r, &want, sizeof want) == 0;
}

static void test_layout(void)
{
        void       *memory = fresh();
        usage_ring *r;
        tap_ok(usage_ring_attach(memory, usage_ring_bytes(), &r).code == ERR_BAD_FILE, SUBJECT,
               "zeros are no ring");
        tap_ok(usage_ring_format(memory, usage_ring_bytes() - 1, &r).code == ERR_BAD_FILE, SUBJECT,
               "memory that is too small is not formatted");
        tap_ok(!failed(usage_ring_format(memory, usage_ring_bytes(), &r)), SUBJECT, "fresh memory is formatted");
        uint64_t identity = usage_ring_identity(r);
        tap_ok(identity != 0, SUBJECT, "a ring has an identity");
        tap_ok(!failed(usage_ring_attach(memory, usage_ring_bytes(), &r)) && usage_ring_identity(r) == identity,
               SUBJECT, "the reader finds the ring");
        tap_ok(usage_ring_attach(memory, usage_ring_bytes() - 1, &r).code == ERR_BAD_FILE, SUBJECT,
               "a cut ring is refused");
        usage_ring *other = ring_make();
        tap_ok(usage_ring_identity(other) != identity, SUBJECT, "two rings have two identities");
        ring_drop(other);
        ((uint8_t *)memory)[4] ^= 1;
        tap_ok(usage_ring_attach(memory, usage_ring_bytes(), &r).code == ERR_BAD_FILE, SUBJECT,
               "another layout is refused");
        munmap(memory, usage_ring_bytes());
}

static void test_order(void)
{
        usage_ring  *r = ring_make();
        usage_record got, one = numbered(1), two = numbered(2);
        tap_ok(!usage_ring_read(r, 1, &got) && !usage_ring_read(r, 0, &got), SUBJECT, "an empty ring has no record");
        tap_ok(usage_ring_reserve(r, 2), SUBJECT, "an empty ring has room");
        tap_ok(!usage_ring_read(r, 1, &got), SUBJECT, "a reserved record is not visible");
        usage_ring_commit(r, &one);
        usage_ring_commit(r, &two);
        tap_ok(usage_ring_read(r, 1, &got) && is_numbered(&got, 1), SUBJECT, "the first record comes first");
        tap_ok(usage_ring_read(r, 2, &got) && is_numbered(&got, 2), SUBJECT, "the second comes second");
        tap_ok(usage_ring_read(r, 1, &got) && is_numbered(&got, 1), SUBJECT, "a record can be read again");
        tap_ok(!usage_ring_read(r, 3, &got), SUBJECT, "there is no third");
        usage_ring_admit(r);
        usage_ring_admit(r);
        tap_ok(usage_ring_admitted(r) == 2, SUBJECT, "admitted exchanges are counted");
        ring_drop(r);
}

static void test_room(void)
{
        usage_ring  *r = ring_make();
        usage_record got;
        tap_ok(usage_ring_reserve(r, LIMIT_RING_RECORDS), SUBJECT, "all records can be reserved");
        tap_ok(!usage_ring_reserve(r, 1), SUBJECT, "not one more");
        usage_ring_release(r, 4);
        tap_ok(usage_ring_reserve(r, 4) && !usage_ring_reserve(r, 1), SUBJECT,
               "released records can be reserved again");
        for (uint64_t n = 1; n <= LIMIT_RING_RECORDS; n++) {
                usage_record one = numbered(n);
                usage_ring_commit(r, &one);
        }
        tap_ok(usage_ring_read(r, 1, &got) && is_numbered(&got, 1)
                       && usage_ring_read(r, LIMIT_RING_RECORDS, &got) && is_numbered(&got, LIMIT_RING_RECORDS),
               SUBJECT, "a full ring holds its first and last record");
        tap_ok(!usage_ring_reserve(r, 1), SUBJECT, "a full ring has no room");
        usage_ring_consumed(r, 3);
        tap_ok(usage_ring_reserve(r, 3) && !usage_ring_reserve(r, 1), SUBJECT, "what was consumed is free");
        usage_record next = numbered(LIMIT_RING_RECORDS + 1);
        usage_ring_commit(r, &next);
        tap_ok(usage_ring_read(r, LIMIT_RING_RECORDS + 1, &got) && is_numbered(&got, LIMIT_RING_RECORDS + 1), SUBJECT,
               "the ring goes round");
        tap_ok(!usage_ring_read(r, 1, &got), SUBJECT, "an overwritten record is not read");
        tap_ok(!usage_ring_reserve(r, UINT32_MAX), SUBJECT, "an absurd reservation is refused");
        ring_drop(r);
}

static _Atomic uint64_t *words_of(usage_ring *r) { return (_Atomic uint64_t *)(void *)r; }

static void test_hostile(void)
{
        enum { WRITTEN = 8 }; /* the writer's line begins at byte 64 */
        usage_ring  *r = ring_make();
        usage_record got;
        words_of(r)[WRITTEN] = UINT64_MAX;
        tap_ok(!usage_ring_read(r, 1, &got), SUBJECT, "a mark far ahead shows no record");
        words_of(r)[WRITTEN] = 100;
        tap_ok(!usage_ring_read(r, 1, &got), SUBJECT, "a mark without its record shows none");
        tap_ok(!usage_ring_reserve(r, LIMIT_RING_RECORDS), SUBJECT, "a mark ahead takes room from its own writer only");
        ring_drop(r);
}

static void write_until_killed(usage_ring *r)
{
        for (uint64_t n = 1;; n++) {
                usage_record one = numbered(n);
                while (!usage_ring_reserve(r, 1))
                        ;
                usage_ring_admit(r);
                usage_ring_commit(r, &one);
        }
}

/* The reader runs beside a writer that is killed at a moment of no one's choosing. */
static void test_killed_writer(void)
{
        bool     whole = true, behind = true;
        uint64_t all = 0;
        for (int round = 0; round < 60 && whole; round++) {
                usage_ring *r = ring_make();
                pid_t       child = fork();
                if (child == 0)
                        write_until_killed(r);
                usage_record got;
                uint64_t     next = 1, stop = (uint64_t)(random() % 20000) + 1;
                while (next < stop && whole) {
                        if (!usage_ring_read(r, next, &got))
                                continue;
                        whole = is_numbered(&got, next);
                        usage_ring_consumed(r, next++);
                }
                kill(child, SIGKILL);
                waitpid(child, nullptr, 0);
                for (; usage_ring_read(r, next, &got) && whole; next++)
                        whole = is_numbered(&got, next);
                uint64_t admitted = usage_ring_admitted(r);
                behind = behind && admitted + 1 >= next && admitted <= next;
                all += next - 1;
                ring_drop(r);
        }
        tap_ok(whole && all > 1000, SUBJECT, "a killed writer leaves only whole records");
        tap_ok(behind, SUBJECT, "at most one admitted exchange is lost with it");
}

int main(void)
{
        test_layout();
        test_order();
        test_room();
        test_hostile();
        test_killed_writer();
        return tap_done();
}
