#include "base/board.h"

#include <assert.h>

enum : uint32_t { MAGIC = 0x4c544842, LAYOUT = 4 };

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

int board_cell_of(board *b, uint64_t id)
{
        assert(id != 0);
        for (uint32_t i = 0; i < BOARD_CELLS; i++) {
                uint32_t at = (uint32_t)((id + i) % BOARD_CELLS);
                uint64_t there = 0;
                if (atomic_compare_exchange_strong(&b->cells[at].id, &there, id) || there == id)
                        return (int)at;
        }
        return -1;
}

int board_cell_find(const board *b, uint64_t id)
{
        assert(id != 0);
        for (uint32_t i = 0; i < BOARD_CELLS; i++) {
                uint32_t at = (uint32_t)((id + i) % BOARD_CELLS);
                uint64_t there = atomic_load_explicit(&b->cells[at].id, memory_order_acquire);
                if (there == id)
                        return (int)at;
                if (there == 0)
                        return -1;
        }
        return -1;
}

static uint32_t owner_of(const board *b, const board_column *mine) { return (uint32_t)(mine - b->columns) + 1; }

bool board_cell_lock(board *b, int cell, const board_column *mine)
{
        enum : int { TRIES = 4096 };
        assert(cell >= 0 && (uint32_t)cell < BOARD_CELLS);
        for (int i = 0; i < TRIES; i++) {
                uint32_t nobody = 0;
                if (atomic_compare_exchange_weak_explicit(&b->cells[cell].lock, &nobody, owner_of(b, mine),
                                                          memory_order_acquire, memory_order_relaxed))
                        return true;
        }
        return false;
}

void board_cell_unlock(board *b, int cell)
{
        assert(cell >= 0 && (uint32_t)cell < BOARD_CELLS);
        atomic_store_explicit(&b->cells[cell].lock, 0, memory_order_release);
}

uint32_t board_in_flight(const board *b, int cell)
{
        assert(cell >= 0 && (uint32_t)cell < BOARD_CELLS);
        uint32_t sum = 0;
        for (size_t i = 0; i < LIMIT_COLUMNS; i++)
                if (atomic_load_explicit(&b->columns[i].in_use, memory_order_relaxed) != 0)
                        sum += atomic_load_explicit(&b->columns[i].in_flight[cell], memory_order_relaxed);
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

uint64_t board_endings(const board *b, uint32_t ending)
{
        assert(ending < BOARD_ENDINGS);
        uint64_t sum = atomic_load_explicit(&b->retired_endings[ending], memory_order_relaxed);
        for (size_t i = 0; i < LIMIT_COLUMNS; i++)
                sum += atomic_load_explicit(&b->columns[i].endings[ending], memory_order_relaxed);
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
        for (uint32_t e = 0; e < BOARD_ENDINGS; e++)
                atomic_fetch_add(&b->retired_endings[e], atomic_exchange(&col->endings[e], 0));
        for (uint32_t k = 0; k < BOARD_KEYS; k++)
                atomic_store_explicit(&col->running[k], 0, memory_order_relaxed);
        for (uint32_t c = 0; c < BOARD_CELLS; c++) {
                atomic_store_explicit(&col->in_flight[c], 0, memory_order_relaxed);
                uint32_t dead = column + 1;
                atomic_compare_exchange_strong(&b->cells[c].lock, &dead, 0);
        }
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
