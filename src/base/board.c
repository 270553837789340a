#include "base/board.h"

#include <assert.h>

enum : uint32_t { MAGIC = 0x4c544842, LAYOUT = 1 };

static const struct {
        const char *name, *text;
        bool        gauge;
} rows[COUNTER_COUNT] = {
#define ROW(name, text) [COUNTER_##name] = {#name, text, false},
        COUNTERS(ROW)
#undef ROW
#define ROW(name, text) [COUNTER_##name] = {#name, text, true},
        GAUGES(ROW)
#undef ROW
};

void board_format(board *b)
{
        b->magic = MAGIC;
        b->layout = LAYOUT;
}

bool board_valid(const board *b) { return b->magic == MAGIC && b->layout == LAYOUT; }

int board_key_slot(board *b, uint64_t id_hash)
{
        assert(id_hash != 0);
        for (uint32_t i = 0; i < BOARD_KEYS; i++) {
                uint32_t at = (uint32_t)((id_hash + i) % BOARD_KEYS);
                uint64_t there = 0;
                if (atomic_compare_exchange_strong(&b->key_ids[at], &there, id_hash) || there == id_hash)
                        return (int)at;
        }
        return -1;
}

uint32_t board_running(const board *b, int slot)
{
        assert(slot >= 0 && (uint32_t)slot < BOARD_KEYS);
        uint32_t sum = 0;
        for (size_t i = 0; i < LIMIT_COLUMNS; i++)
                sum += atomic_load_explicit(&b->columns[i].running[slot], memory_order_relaxed);
        return sum;
}

uint64_t board_sum(const board *b, counter_id c)
{
        assert(c < COUNTER_COUNT);
        uint64_t sum = atomic_load_explicit(&b->retired[c], memory_order_relaxed);
        for (size_t i = 0; i < LIMIT_COLUMNS; i++)
                sum += atomic_load_explicit(&b->columns[i].counters[c], memory_order_relaxed);
        return sum;
}

void board_retire(board *b, uint32_t column)
{
        assert(column < LIMIT_COLUMNS);
        board_column *col = &b->columns[column];
        for (int c = 0; c < COUNTER_COUNT; c++) {
                uint64_t n = atomic_exchange(&col->counters[c], 0);
                if (!rows[c].gauge)
                        atomic_fetch_add(&b->retired[c], n);
        }
        for (uint32_t k = 0; k < BOARD_KEYS; k++)
                atomic_store_explicit(&col->running[k], 0, memory_order_relaxed);
        atomic_store(&col->generation, 0);
        atomic_store(&col->in_use, 0);
}

const char *counter_name(counter_id c)
{
        assert(c < COUNTER_COUNT);
        return rows[c].name;
}

const char *counter_text(counter_id c)
{
        assert(c < COUNTER_COUNT);
        return rows[c].text;
}

bool counter_is_gauge(counter_id c)
{
        assert(c < COUNTER_COUNT);
        return rows[c].gauge;
}
