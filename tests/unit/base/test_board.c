#include "base/board.h"

#include <string.h>
#include <sys/mman.h>

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
        tap_ok(board_sum(b, COUNTER_attempts) == 15 && board_sum(b, COUNTER_exchanges_now) == 7, SUBJECT,
               "numbers are summed over the columns");
        board_retire(b, 1);
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
        bool good = true;
        int gauges = 0;
        for (int c = 0; c < COUNTER_COUNT; c++) {
                good = good && strlen(counter_name((counter_id)c)) > 2 && strlen(counter_text((counter_id)c)) > 5;
                for (int other = 0; other < c; other++)
                        good = good && strcmp(counter_name((counter_id)c), counter_name((counter_id)other)) != 0;
                gauges += counter_is_gauge((counter_id)c);
        }
        tap_ok(good, SUBJECT, "every number has a name of its own and a text");
        tap_ok(gauges == 3 && counter_is_gauge(COUNTER_connections_now) && !counter_is_gauge(COUNTER_connections),
               SUBJECT, "gauges are told from counters");
        return tap_done();
}
