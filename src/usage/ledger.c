#include "usage/ledger.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

enum : uint32_t {
        MAGIC = 0x4c544c44,
        LAYOUT = 1,
        BUCKETS = 2 * LIMIT_LEDGER_ROWS, /* at most half full, so that a search ends soon */
        UNDO_BYTES = sizeof(ledger_counters),
        UNDO_ENTRIES = 8,
};

/* What stood at `offset` before the change. */
typedef struct undo_entry {
        uint32_t offset, bytes;
        uint8_t  old[UNDO_BYTES];
} undo_entry;

typedef struct ring_place {
        uint64_t identity; /* of the ring here now; 0: none */
        uint64_t retired;  /* of the last one retired here */
        uint64_t applied;
        uint64_t ended; /* EXCHANGE records applied */
        uint32_t generation;
} ring_place;

typedef struct generation_place {
        uint32_t generation;
        uint32_t used; /* 1: names of the same position are whole */
} generation_place;

struct ledger {
        uint32_t magic, layout;

        /* The intent: entries below undo_count are put back by the next start. */
        _Atomic uint32_t undo_count;
        undo_entry       undo[UNDO_ENTRIES];

        /* 1: a period is being closed; clearing is done anew, not undone. */
        _Atomic uint32_t closing;

        uint64_t exporting;
        uint64_t started_s;
        uint64_t refused;
        uint64_t endings[ENDING_COUNT];
        uint64_t redactions[LIMIT_ENTITIES];

        ring_place       rings[LIMIT_COLUMNS];
        generation_place generations[LIMIT_LEDGER_GENERATIONS];
        usage_names      names[LIMIT_LEDGER_GENERATIONS];

        uint32_t   row_count;
        uint16_t   buckets[BUCKETS]; /* row + 1; 0: empty */
        ledger_row rows[LIMIT_LEDGER_ROWS];
};
static_assert(LIMIT_LEDGER_ROWS < UINT16_MAX);
static_assert(LIMIT_LEDGER_GENERATIONS > LIMIT_COLUMNS + 1, "a generation that serves never gives way to another");

size_t ledger_bytes(void) { return sizeof(ledger); }

/* The process may be killed between any two stores, but memory keeps their order: only the compiler must be told. */
static void in_order(void) { atomic_signal_fence(memory_order_seq_cst); }

static void undo_save(ledger *l, void *place, size_t bytes)
{
        uint32_t n = atomic_load(&l->undo_count);
        assert(n < UNDO_ENTRIES && bytes <= UNDO_BYTES);
        undo_entry *e = &l->undo[n];
        e->offset = (uint32_t)((uint8_t *)place - (uint8_t *)l);
        e->bytes = (uint32_t)bytes;
        memcpy(e->old, place, bytes);
        in_order();
        atomic_store(&l->undo_count, n + 1);
        in_order();
}

static void undo_forget(ledger *l)
{
        in_order();
        atomic_store(&l->undo_count, 0);
        in_order();
}

/* Latest first, and each entry stays until it is back: killed in here, the next start repeats it. */
static void undo_all(ledger *l)
{
        for (uint32_t n = atomic_load(&l->undo_count); n > 0; n--) {
                const undo_entry *e = &l->undo[n - 1];
                memcpy((uint8_t *)l + e->offset, e->old, e->bytes);
                in_order();
                atomic_store(&l->undo_count, n - 1);
                in_order();
        }
}

static void clear_period(ledger *l, uint64_t now_s)
{
        l->row_count = 0;
        memset(l->buckets, 0, sizeof l->buckets);
        memset(l->endings, 0, sizeof l->endings);
        memset(l->redactions, 0, sizeof l->redactions);
        l->refused = 0;
        l->exporting = 0;
        l->started_s = now_s;
        in_order();
        atomic_store(&l->closing, 0);
        in_order();
}

static bool undo_sound(const ledger *l)
{
        uint32_t n = atomic_load(&l->undo_count);
        if (n > UNDO_ENTRIES || l->row_count > LIMIT_LEDGER_ROWS)
                return false;
        for (uint32_t i = 0; i < n; i++)
                if (l->undo[i].bytes > UNDO_BYTES || l->undo[i].offset > sizeof *l - UNDO_BYTES)
                        return false;
        return true;
}

err ledger_open(void *memory, size_t bytes, uint64_t now_s, ledger **out)
{
        *out = nullptr;
        if (bytes < sizeof(ledger))
                return FAIL(BAD_FILE);
        ledger *l = memory;
        if (l->magic == 0) {
                l->started_s = now_s;
                l->layout = LAYOUT;
                in_order();
                l->magic = MAGIC;
        }
        if (l->magic != MAGIC || l->layout != LAYOUT || !undo_sound(l))
                return FAIL(BAD_FILE);
        undo_all(l);
        if (atomic_load(&l->closing) != 0)
                clear_period(l, now_s);
        *out = l;
        return OK;
}

/* The position of its names; -1 when they are not known. */
static int generation_find(const ledger *l, uint32_t generation)
{
        for (size_t i = 0; i < LIMIT_LEDGER_GENERATIONS; i++)
                if (l->generations[i].used != 0 && l->generations[i].generation == generation)
                        return (int)i;
        return -1;
}

static bool generation_has_ring(const ledger *l, uint32_t generation)
{
        for (size_t i = 0; i < LIMIT_COLUMNS; i++)
                if (l->rings[i].identity != 0 && l->rings[i].generation == generation)
                        return true;
        return false;
}

static int generation_room(const ledger *l)
{
        int oldest = -1;
        for (size_t i = 0; i < LIMIT_LEDGER_GENERATIONS; i++) {
                const generation_place *g = &l->generations[i];
                if (g->used == 0)
                        return (int)i;
                if (!generation_has_ring(l, g->generation)
                    && (oldest < 0 || g->generation < l->generations[oldest].generation))
                        oldest = (int)i;
        }
        return oldest;
}

err ledger_names(ledger *l, uint32_t generation, const usage_names *names)
{
        assert(names->project_count <= LIMIT_PROJECTS && names->model_count <= LIMIT_MODELS
               && names->vendor_count <= LIMIT_UPSTREAMS);
        if (generation_find(l, generation) >= 0)
                return OK;
        int at = generation_room(l);
        if (at < 0)
                return FAIL(NO_ROOM);
        usage_names *to = &l->names[at];
        l->generations[at].used = 0;
        in_order();
        l->generations[at].generation = generation;
        /* Only what is in use: an untouched page of the memfd costs nothing. */
        to->project_count = names->project_count;
        to->model_count = names->model_count;
        to->vendor_count = names->vendor_count;
        memcpy(to->projects, names->projects, names->project_count * sizeof names->projects[0]);
        memcpy(to->models, names->models, names->model_count * sizeof names->models[0]);
        memcpy(to->vendors, names->vendors, names->vendor_count * sizeof names->vendors[0]);
        in_order();
        l->generations[at].used = 1;
        return OK;
}

bool ledger_attach(ledger *l, uint32_t slot, uint64_t identity, uint32_t generation)
{
        assert(slot < LIMIT_COLUMNS && identity != 0);
        ring_place *p = &l->rings[slot];
        if (p->identity == identity)
                return true;
        if (p->retired == identity)
                return false;
        undo_save(l, p, sizeof *p);
        *p = (ring_place){.identity = identity, .retired = p->retired, .generation = generation};
        undo_forget(l);
        return true;
}

static uint32_t hash_text(uint32_t h, const char *text)
{
        constexpr uint32_t FNV_PRIME = 16777619;
        for (; *text != '\0'; text++)
                h = (h ^ (uint8_t)*text) * FNV_PRIME;
        return h * FNV_PRIME;
}

typedef struct row_key {
        const char *project, *model, *vendor;
} row_key;

static const row_key NO_NAMES = {"", "", ""};

/* The bucket that holds the row or would. The table is never full. */
static uint32_t bucket_find(const ledger *l, row_key k)
{
        constexpr uint32_t FNV_START = 2166136261;
        uint32_t b = hash_text(hash_text(hash_text(FNV_START, k.project), k.model), k.vendor) % BUCKETS;
        for (; l->buckets[b] != 0; b = (b + 1) % BUCKETS) {
                const ledger_row *r = &l->rows[l->buckets[b] - 1];
                if (strcmp(r->project, k.project) == 0 && strcmp(r->model, k.model) == 0
                    && strcmp(r->vendor, k.vendor) == 0)
                        break;
        }
        return b;
}

/* The row, made under the running intent when there is none. The last row is kept for NO_NAMES, which also takes what
 * finds no room: the sums stay whole. */
static ledger_row *row_find(ledger *l, row_key k)
{
        uint32_t b = bucket_find(l, k);
        if (l->buckets[b] == 0 && l->row_count >= LIMIT_LEDGER_ROWS - 1)
                b = bucket_find(l, NO_NAMES);
        if (l->buckets[b] != 0)
                return &l->rows[l->buckets[b] - 1];
        bool        full = l->row_count >= LIMIT_LEDGER_ROWS - 1;
        ledger_row *r = &l->rows[l->row_count];
        if (full)
                k = NO_NAMES;
        *r = (ledger_row){};
        memcpy(r->project, k.project, strlen(k.project) + 1);
        memcpy(r->model, k.model, strlen(k.model) + 1);
        memcpy(r->vendor, k.vendor, strlen(k.vendor) + 1);
        undo_save(l, &l->buckets[b], sizeof l->buckets[b]);
        undo_save(l, &l->row_count, sizeof l->row_count);
        l->row_count++;
        l->buckets[b] = (uint16_t)l->row_count;
        return r;
}

static bool name_sound(uint16_t index, uint16_t count) { return index == USAGE_NO_INDEX || index < count; }

static bool zero_bytes(const uint8_t *bytes, size_t len)
{
        uint8_t any = 0;
        for (size_t i = 0; i < len; i++)
                any |= bytes[i];
        return any == 0;
}

static bool exchange_sound(const usage_record *r)
{
        uint64_t any = 0;
        for (size_t c = 0; c < TOKENS_CLASSES; c++)
                any |= r->tokens[c];
        return any == 0 && r->ending < ENDING_COUNT && r->basis == USAGE_NONE && r->suspect == 0
               && r->attempts <= LIMIT_ATTEMPTS;
}

static bool attempt_sound(const usage_record *r)
{
        uint64_t most = 0, redactions = 0;
        for (size_t c = 0; c < TOKENS_CLASSES; c++)
                most = r->tokens[c] > most ? r->tokens[c] : most;
        for (size_t i = 0; i < LIMIT_ENTITIES; i++)
                redactions |= r->redactions[i];
        if (r->basis < USAGE_REPORTED || r->basis > USAGE_NOT_BILLED)
                return false;
        return most <= (r->basis == USAGE_NOT_BILLED ? 0 : TOKENS_MAX) && redactions == 0 && r->ending == 0
               && r->suspect <= 1 && r->attempts == 0 && r->vendor != USAGE_NO_INDEX;
}

static bool record_sound(const usage_record *r, const usage_names *g)
{
        if (r->version != 1 || r->streamed > 1 || r->reserved != 0 || !zero_bytes(r->zero, sizeof r->zero))
                return false;
        if (g == nullptr || !name_sound(r->project, g->project_count)
            || !name_sound(r->model, g->model_count) || !name_sound(r->vendor, g->vendor_count))
                return false;
        return r->kind == USAGE_EXCHANGE ? exchange_sound(r) : r->kind == USAGE_ATTEMPT && attempt_sound(r);
}

static row_key key_of(const usage_record *r, const usage_names *g)
{
        return (row_key){
                r->project == USAGE_NO_INDEX ? "" : g->projects[r->project],
                r->model == USAGE_NO_INDEX ? "" : g->models[r->model],
                r->vendor == USAGE_NO_INDEX ? "" : g->vendors[r->vendor],
        };
}

static bool ending_is_error(ending e)
{
        switch (e) {
        case ENDING_UPSTREAM_ERROR:
        case ENDING_UPSTREAM_CUT:
        case ENDING_TIMEOUT:
        case ENDING_SHED:
        case ENDING_LOST:
                return true;
        case ENDING_WHOLE:
        case ENDING_CLIENT_ABORT:
        case ENDING_CLIENT_STALL:
        case ENDING_REJECTED_AUTH:
        case ENDING_REJECTED_QUOTA:
        case ENDING_REJECTED_POLICY:
        case ENDING_REJECTED_INPUT:
        case ENDING_COUNT:
                return false;
        }
        return false;
}

/* Under the running intent: the row's counters, the endings. */
static void count_ending(ledger *l, ledger_row *row, ending e, uint64_t n)
{
        undo_save(l, &row->counters, sizeof row->counters);
        undo_save(l, &l->endings[e], sizeof l->endings[e]);
        row->counters.requests += n;
        row->counters.errors += ending_is_error(e) ? n : 0;
        l->endings[e] += n;
}

static void count_exchange(ledger *l, ledger_row *row, const usage_record *r)
{
        static_assert(sizeof l->redactions > UNDO_BYTES && sizeof l->redactions <= 2 * UNDO_BYTES);
        constexpr size_t HALF = LIMIT_ENTITIES / 2;
        count_ending(l, row, (ending)r->ending, 1);
        undo_save(l, &l->redactions[0], HALF * sizeof l->redactions[0]);
        undo_save(l, &l->redactions[HALF], (LIMIT_ENTITIES - HALF) * sizeof l->redactions[0]);
        for (size_t i = 0; i < LIMIT_ENTITIES; i++)
                l->redactions[i] += r->redactions[i];
}

static void count_attempt(ledger *l, ledger_row *row, const usage_record *r)
{
        undo_save(l, &row->counters, sizeof row->counters);
        ledger_counters *c = &row->counters;
        c->attempts++;
        c->suspect += r->suspect;
        c->reported_attempts += r->basis == USAGE_REPORTED;
        c->estimated_attempts += r->basis == USAGE_ESTIMATED;
        c->not_billed_attempts += r->basis == USAGE_NOT_BILLED;
        uint64_t *sums = r->basis == USAGE_REPORTED ? c->reported : c->estimated;
        for (size_t i = 0; i < TOKENS_CLASSES; i++)
                sums[i] += r->tokens[i];
}

err ledger_apply(ledger *l, uint32_t slot, const usage_record *record)
{
        assert(slot < LIMIT_COLUMNS);
        ring_place *p = &l->rings[slot];
        assert(p->identity != 0);
        int                at = record->generation == p->generation ? generation_find(l, record->generation) : -1;
        const usage_names *g = at < 0 ? nullptr : &l->names[at];
        bool               sound = record_sound(record, g);
        undo_save(l, p, sizeof *p);
        if (sound) {
                ledger_row *row = row_find(l, key_of(record, g));
                if (record->kind == USAGE_EXCHANGE) {
                        count_exchange(l, row, record);
                        p->ended++;
                } else {
                        count_attempt(l, row, record);
                }
        } else {
                undo_save(l, &l->refused, sizeof l->refused);
                l->refused++;
        }
        p->applied++;
        undo_forget(l);
        return sound ? OK : FAIL(OUT_OF_RANGE);
}

uint64_t ledger_applied(const ledger *l, uint32_t slot)
{
        assert(slot < LIMIT_COLUMNS);
        return l->rings[slot].applied;
}

void ledger_retire(ledger *l, uint32_t slot, uint64_t admitted)
{
        assert(slot < LIMIT_COLUMNS);
        ring_place *p = &l->rings[slot];
        uint64_t    lost = admitted > p->ended ? admitted - p->ended : 0;
        /* The number is the dead relay's own word: it cannot have had more running than that. */
        if (lost > LIMIT_EXCHANGES)
                lost = LIMIT_EXCHANGES;
        undo_save(l, p, sizeof *p);
        if (lost > 0)
                count_ending(l, row_find(l, NO_NAMES), ENDING_LOST, lost);
        *p = (ring_place){.retired = p->identity};
        undo_forget(l);
}

size_t ledger_row_count(const ledger *l) { return l->row_count; }

const ledger_row *ledger_row_at(const ledger *l, size_t i)
{
        assert(i < l->row_count);
        return &l->rows[i];
}

uint64_t ledger_ending(const ledger *l, ending e)
{
        assert(e < ENDING_COUNT);
        return l->endings[e];
}

uint64_t ledger_redactions(const ledger *l, unsigned entity)
{
        assert(entity < LIMIT_ENTITIES);
        return l->redactions[entity];
}

uint64_t ledger_refused(const ledger *l) { return l->refused; }

uint64_t ledger_started_s(const ledger *l) { return l->started_s; }

void ledger_set_exporting(ledger *l, uint64_t sequence) { l->exporting = sequence; }

uint64_t ledger_exporting(const ledger *l) { return l->exporting; }

void ledger_close_period(ledger *l, uint64_t now_s)
{
        assert(atomic_load(&l->undo_count) == 0);
        atomic_store(&l->closing, 1);
        in_order();
        clear_period(l, now_s);
}
