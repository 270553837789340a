#include "base/board.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/tap.h"

static const char SUBJECT[] = "board";

static void test_keys(board *b)
{
        int one = board_key_slot(b, 5), two = board_key_slot(b, 5 + BOARD_KEYS);
        tap_ok(one >= 0 && board_key_slot(b, 5) == one, SUBJECT, "a key keeps its slot");
        tap_ok(two >= 0 && two != one && board_key_slot(b, 5 + BOARD_KEYS) == two, SUBJECT,
               "a key whose place is taken gets the next");
        b->columns[0].running[one] = 3;
        b->columns[LIMIT_COLUMNS - 1].running[one] = 4;
        tap_ok(board_running(b, one) == 7 && board_running(b, two) == 0, SUBJECT,
               "its exchanges are summed over all processes");
        bool good = true;
        uint32_t filled = 2;
        for (uint64_t id = 1000000; filled < BOARD_KEYS; id++, filled++)
                good = good && board_key_slot(b, id) >= 0;
        tap_ok(good, SUBJECT, "every slot can be used");
        tap_ok(board_key_slot(b, UINT64_MAX) == -1, SUBJECT, "a full table says so");
        tap_ok(board_key_slot(b, 5) == one && board_key_slot(b, 1000000) >= 0, SUBJECT, "and still finds those it has");
}

static void test_counters(board *b)
{
        b->columns[1].in_use = 77;
        b->columns[1].generation = 4;
        b->columns[1].counters[COUNTER_attempts] = 10;
        b->columns[1].counters[COUNTER_exchanges_now] = 6;
        b->columns[1].running[9] = 6;
        b->columns[2].counters[COUNTER_attempts] = 5;
        b->columns[2].counters[COUNTER_exchanges_now] = 1;
        board_add(&b->columns[5].counters[COUNTER_exchanges_ended], 2);
        board_add(&b->columns[5].counters[COUNTER_exchanges_ended], UINT64_C(1) << 40);
        tap_ok(board_sum(b, COUNTER_exchanges_ended) == (UINT64_C(1) << 40) + 2, SUBJECT,
               "adding to one's own column adds");
        tap_ok(board_sum(b, COUNTER_attempts) == 15 && board_sum(b, COUNTER_exchanges_now) == 7, SUBJECT,
               "numbers are summed over the columns");
        atomic_store(&b->columns[1].endings[3], 7);
        atomic_store(&b->columns[2].endings[3], 2);
        board_retire(b, 1);
        tap_ok(board_endings(b, 3) == 9 && b->retired_endings[3] == 7 && b->columns[1].endings[3] == 0, SUBJECT,
               "how exchanges ended outlives the process that saw it");
        tap_ok(board_sum(b, COUNTER_attempts) == 15 && b->retired[COUNTER_attempts] == 10, SUBJECT,
               "what a dead process has counted stays");
        tap_ok(board_sum(b, COUNTER_exchanges_now) == 1 && b->retired[COUNTER_exchanges_now] == 0, SUBJECT,
               "what it was doing falls away");
        tap_ok(board_running(b, 9) == 0 && b->columns[1].in_use == 0 && b->columns[1].generation == 0, SUBJECT,
               "and its column is free");
        b->columns[1].counters[COUNTER_attempts] = 1;
        board_retire(b, 1);
        board_retire(b, 1);
        tap_ok(board_sum(b, COUNTER_attempts) == 16, SUBJECT, "retiring twice counts once");
}

static void test_cells(board *b)
{
        tap_ok(board_cell_find(b, 5) == -1 && b->cells[5].id == 0, SUBJECT, "looking for a cell claims none");
        int one = board_cell_of(b, 5), two = board_cell_of(b, 5 + BOARD_CELLS);
        tap_ok(one >= 0 && board_cell_of(b, 5) == one && board_cell_find(b, 5) == one, SUBJECT,
               "a cell is found again");
        tap_ok(two >= 0 && two != one && board_cell_find(b, 5 + BOARD_CELLS) == two, SUBJECT,
               "one whose place is taken gets the next");
        int end = board_cell_of(b, UINT64_MAX), over = board_cell_of(b, UINT64_MAX - BOARD_CELLS);
        tap_ok(end == BOARD_CELLS - 1 && over == 0 && board_cell_find(b, UINT64_MAX - BOARD_CELLS) == 0, SUBJECT,
               "behind the last comes the first");
        b->columns[3].in_use = 9;
        b->columns[4].in_use = 9;
        b->columns[3].in_flight[one] = 2;
        b->columns[4].in_flight[one] = 5;
        b->columns[5].in_flight[one] = 100;
        tap_ok(board_in_flight(b, one) == 7 && board_in_flight(b, two) == 0, SUBJECT,
               "attempts in flight are summed over living processes");
        bool good = true;
        uint32_t filled = 4;
        for (uint64_t id = 1000000; filled < BOARD_CELLS; id++, filled++)
                good = good && board_cell_of(b, id) >= 0;
        tap_ok(good && board_cell_of(b, 77) == -1 && board_cell_find(b, 77) == -1, SUBJECT, "a full table says so");
        tap_ok(board_cell_find(b, 5) == one, SUBJECT, "and still finds those it has");
}

static void test_lock(board *b)
{
        tap_ok(board_cell_lock(b, 7, &b->columns[3]) && !board_cell_lock(b, 7, &b->columns[4]), SUBJECT,
               "a cell is one process's at a time, and nobody waits for ever");
        tap_ok(board_cell_lock(b, 8, &b->columns[4]), SUBJECT, "its neighbour is free");
        board_cell_unlock(b, 7);
        tap_ok(board_cell_lock(b, 7, &b->columns[3]), SUBJECT, "given back, it can be taken again");
        int one = board_cell_find(b, 5);
        board_retire(b, 3);
        tap_ok(board_cell_lock(b, 7, &b->columns[4]) && !board_cell_lock(b, 8, &b->columns[5]), SUBJECT,
               "a dead process's cells are given back, and no others");
        tap_ok(board_in_flight(b, one) == 5, SUBJECT, "and its attempts fall away");
        board_cell_unlock(b, 7);
        board_cell_unlock(b, 8);
}

/* Without the lock, additions of eight processes to one plain number would be lost. */
static void test_eight_processes(board *b)
{
        enum : uint64_t { PROCESSES = 8, ADDITIONS = 100'000 };
        volatile uint64_t *number = (void *)b->cells[9].bytes;
        _Atomic uint32_t *ready = (void *)b->cells[10].bytes;
        *number = 0;
        *ready = 0;
        for (uint64_t p = 0; p < PROCESSES; p++) {
                if (fork() != 0)
                        continue;
                atomic_fetch_add(ready, 1);
                while (atomic_load(ready) < PROCESSES)
                        sched_yield();
                for (uint64_t i = 0; i < ADDITIONS; i++) {
                        while (!board_cell_lock(b, 9, &b->columns[p]))
                                sched_yield();
                        *number = *number + 1;
                        board_cell_unlock(b, 9);
                }
                _exit(0);
        }
        for (uint64_t p = 0; p < PROCESSES; p++)
                (void)wait(nullptr);
        tap_ok(*number == PROCESSES * ADDITIONS, SUBJECT, "changes of eight processes to one cell are all kept");
}

int main(void)
{
        board *b = mmap(nullptr, sizeof *b, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (b == MAP_FAILED)
                return 1;
        tap_ok(!board_valid(b), SUBJECT, "empty memory is no board");
        board_format(b);
        tap_ok(board_valid(b), SUBJECT, "a formatted one is");
        b->layout++;
        tap_ok(!board_valid(b), SUBJECT, "one of another layout is not");
        b->layout--;
        test_keys(b);
        test_counters(b);
        test_cells(b);
        test_lock(b);
        test_eight_processes(b);
        bool good = true;
        int gauges = 0;
        for (int c = 0; c < COUNTER_COUNT; c++) {
                good = good && strlen(counter_name((counter_id)c)) > 2 && strlen(counter_text((counter_id)c)) > 5;
                for (int other = 0; other < c; other++)
                        good = good && strcmp(counter_name((counter_id)c), counter_name((counter_id)other)) != 0;
                gauges += counter_is_gauge((counter_id)c);
        }
        tap_ok(good, SUBJECT, "every number has a name of its own and a text");
        tap_ok(gauges == 7 && counter_is_gauge(COUNTER_connections_now) && !counter_is_gauge(COUNTER_connections),
               SUBJECT, "gauges are told from counters");
        return tap_done();
}
