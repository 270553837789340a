#include "table.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { TABLE_BYTES = 64 * 1024, ROWS = 1024 };

typedef struct shared {
        _Atomic uint64_t turn; /* odd: being written */
        uint64_t set_ms;
        size_t len;
        char bytes[TABLE_BYTES];
        _Atomic uint64_t seen[ROWS]; /* how often each row matched */
} shared;

typedef struct row {
        slice kind, name, words;
} row;

static shared *all;
static struct {
        uint64_t turn, set_ms;
        text rows;
} mine; /* this worker's copy */

static uint64_t now_ms(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void table_share(void)
{
        all = mmap(nullptr, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (all == MAP_FAILED)
                abort();
}

/* Cuts a word off the front of a line. */
static slice word_take(slice *line)
{
        while (line->len > 0 && (*line->at == ' ' || *line->at == '\t')) {
                line->at++;
                line->len--;
        }
        slice word = {line->at, 0};
        while (word.len < line->len && strchr(" \t\r", word.at[word.len]) == nullptr)
                word.len++;
        line->at += word.len;
        line->len -= word.len;
        return word;
}

/* Cuts one line off the front; false: there is none left. */
static bool row_take(slice *rest, row *out)
{
        if (rest->len == 0)
                return false;
        const char *end = memchr(rest->at, '\n', rest->len);
        slice line = {rest->at, end == nullptr ? rest->len : (size_t)(end - rest->at)};
        size_t used = line.len + (end != nullptr);
        rest->at += used;
        rest->len -= used;
        *out = (row){.kind = word_take(&line)};
        if (!slice_is(out->kind, "all"))
                out->name = word_take(&line);
        out->words = word_take(&line);
        return true;
}

static bool row_is_empty(const row *r) { return r->kind.len == 0 || r->kind.at[0] == '#'; }

static bool row_is_good(const row *r, fault *f)
{
        fault_clear(f);
        if (!slice_is(r->kind, "all") && !slice_is(r->kind, "key") && !slice_is(r->kind, "model"))
                return false;
        return r->words.len > 0 && fault_add(r->words, f);
}

int table_set(slice rows)
{
        slice rest = rows;
        row r;
        fault f;
        for (int line = 1; row_take(&rest, &r); line++) {
                if (line > ROWS || (!row_is_empty(&r) && !row_is_good(&r, &f)))
                        return line;
        }
        if (rows.len > TABLE_BYTES)
                return ROWS;
        uint64_t turn = atomic_load(&all->turn);
        while (turn % 2 != 0 || !atomic_compare_exchange_weak(&all->turn, &turn, turn + 1)) {
                sched_yield();
                turn = atomic_load(&all->turn);
        }
        memcpy(all->bytes, rows.at == nullptr ? "" : rows.at, rows.len);
        all->len = rows.len;
        all->set_ms = now_ms();
        for (size_t i = 0; i < ROWS; i++)
                atomic_store(&all->seen[i], 0);
        atomic_store(&all->turn, turn + 2);
        return 0;
}

/* Copied again until nobody wrote meanwhile. */
static void copy_refresh(void)
{
        for (;;) {
                uint64_t turn = atomic_load(&all->turn);
                if (turn == mine.turn)
                        return;
                if (turn % 2 == 0) {
                        mine.rows.len = 0;
                        text_add(&mine.rows, all->bytes, all->len <= TABLE_BYTES ? all->len : 0);
                        mine.set_ms = all->set_ms;
                        if (atomic_load(&all->turn) == turn)
                                mine.turn = turn;
                } else {
                        sched_yield();
                }
        }
}

static bool same(slice a, slice b) { return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0); }

static bool row_counts(const fault *f, size_t line, chance *c)
{
        uint64_t age = now_ms() - mine.set_ms, share = f->permille + 10 * f->percent;
        if (age < f->from_ms || (f->for_ms != 0 && age >= f->for_ms))
                return false;
        if (share != 0 && !chance_hit(c, share))
                return false;
        return f->times == 0 || atomic_fetch_add(&all->seen[line], 1) < f->times;
}

void table_words(text *out, slice key, slice model, chance *c)
{
        copy_refresh();
        slice rest = text_all(&mine.rows);
        row r;
        fault f;
        for (size_t line = 0; row_take(&rest, &r); line++) {
                bool ours = slice_is(r.kind, "all") || (slice_is(r.kind, "key") && same(r.name, key))
                            || (slice_is(r.kind, "model") && same(r.name, model));
                if (!ours || !row_is_good(&r, &f) || !row_counts(&f, line, c))
                        continue;
                if (out->len > 0)
                        text_str(out, ",");
                text_slice(out, r.words);
        }
}
