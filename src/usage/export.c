#include "usage/export.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* src  RFC 8785 by way of RFC 7493: above this an integer may lose digits in a reader that has only doubles */
constexpr uint64_t INTEGER_MAX = 999999999999999;

/* Every key is written in ascending order by hand: sorting at run time would hide what the file looks like. */

static void put_key(emit *out, const char *key)
{
        if (out->len > 0 && out->bytes[out->len - 1] != '{')
                emit_byte(out, ',');
        emit_json(out, view_of_text(key));
        emit_byte(out, ':');
}

static void put_u64(emit *out, const char *key, uint64_t n)
{
        put_key(out, key);
        if (n > INTEGER_MAX)
                emit_byte(out, '"');
        emit_u64(out, n);
        if (n > INTEGER_MAX)
                emit_byte(out, '"');
}

static void put_text(emit *out, const char *key, const char *text)
{
        put_key(out, key);
        emit_json(out, view_of_text(text));
}

static void put_hex(emit *out, const char *key, const uint8_t *bytes, size_t len)
{
        put_key(out, key);
        emit_byte(out, '"');
        emit_hex(out, (view){bytes, len});
        emit_byte(out, '"');
}

static void open_object(emit *out, const char *key)
{
        put_key(out, key);
        emit_byte(out, '{');
}

static void close_object(emit *out) { emit_byte(out, '}'); }

static void put_tokens(emit *out, const char *key, const uint64_t counts[static TOKENS_CLASSES])
{
        open_object(out, key);
        put_u64(out, "cache_read", counts[TOKENS_CACHE_READ]);
        put_u64(out, "cache_write", counts[TOKENS_CACHE_WRITE]);
        put_u64(out, "input", counts[TOKENS_INPUT]);
        put_u64(out, "output", counts[TOKENS_OUTPUT]);
        put_u64(out, "reasoning", counts[TOKENS_REASONING]);
        close_object(out);
}

/* The names are null for the totals. */
static void put_counters(emit *out, const ledger_counters *c, const ledger_row *names)
{
        put_u64(out, "attempts", c->attempts);
        put_u64(out, "errors", c->errors);
        put_tokens(out, "estimated", c->estimated);
        put_u64(out, "estimated_attempts", c->estimated_attempts);
        if (names != nullptr)
                put_text(out, "model", names->model);
        put_u64(out, "not_billed", c->not_billed_attempts);
        if (names != nullptr)
                put_text(out, "project", names->project);
        put_tokens(out, "reported", c->reported);
        put_u64(out, "reported_attempts", c->reported_attempts);
        put_u64(out, "requests", c->requests);
        put_u64(out, "suspect", c->suspect);
        if (names != nullptr)
                put_text(out, "vendor", names->vendor);
}

static int row_order(const void *a, const void *b, void *context)
{
        const ledger     *l = *(const ledger *const *)context;
        const ledger_row *x = ledger_row_at(l, *(const uint16_t *)a), *y = ledger_row_at(l, *(const uint16_t *)b);
        int               by_project = strcmp(x->project, y->project);
        if (by_project != 0)
                return by_project;
        int by_model = strcmp(x->model, y->model);
        return by_model != 0 ? by_model : strcmp(x->vendor, y->vendor);
}

static void put_rows(emit *out, const ledger *l)
{
        uint16_t order[LIMIT_LEDGER_ROWS];
        size_t   count = ledger_row_count(l);
        assert(count <= LIMIT_LEDGER_ROWS);
        for (size_t i = 0; i < count; i++)
                order[i] = (uint16_t)i;
        qsort_r(order, count, sizeof order[0], row_order, &l);
        put_key(out, "rows");
        emit_byte(out, '[');
        for (size_t i = 0; i < count; i++) {
                const ledger_row *r = ledger_row_at(l, order[i]);
                emit_text(out, i == 0 ? "{" : ",{");
                put_counters(out, &r->counters, r);
                close_object(out);
        }
        emit_byte(out, ']');
}

static void add_counters(ledger_counters *sum, const ledger_counters *c)
{
        sum->requests += c->requests;
        sum->attempts += c->attempts;
        sum->reported_attempts += c->reported_attempts;
        sum->estimated_attempts += c->estimated_attempts;
        sum->not_billed_attempts += c->not_billed_attempts;
        sum->suspect += c->suspect;
        sum->errors += c->errors;
        for (size_t i = 0; i < TOKENS_CLASSES; i++) {
                sum->reported[i] += c->reported[i];
                sum->estimated[i] += c->estimated[i];
        }
}

static void put_totals(emit *out, const ledger *l)
{
        ledger_counters sum = {};
        for (size_t i = 0; i < ledger_row_count(l); i++)
                add_counters(&sum, &ledger_row_at(l, i)->counters);
        open_object(out, "totals");
        put_counters(out, &sum, nullptr);
        close_object(out);
}

typedef struct named_count {
        const char *name;
        uint64_t    count;
} named_count;

static int name_order(const void *a, const void *b)
{
        return strcmp(((const named_count *)a)->name, ((const named_count *)b)->name);
}

/* For the two objects whose keys come from other tables. */
static void put_named(emit *out, const char *key, named_count *counts, size_t n)
{
        qsort(counts, n, sizeof counts[0], name_order);
        open_object(out, key);
        for (size_t i = 0; i < n; i++)
                put_u64(out, counts[i].name, counts[i].count);
        close_object(out);
}

static void put_outcomes(emit *out, const ledger *l)
{
        named_count counts[ENDING_COUNT];
        for (int e = 0; e < ENDING_COUNT; e++)
                counts[e] = (named_count){ending_field((ending)e), ledger_ending(l, (ending)e)};
        put_named(out, "outcomes", counts, ENDING_COUNT);
}

static void put_redactions(emit *out, const export_facts *f, const ledger *l)
{
        named_count counts[LIMIT_ENTITIES];
        size_t      n = 0;
        for (unsigned i = 0; i < LIMIT_ENTITIES; i++)
                if (f->entity_names[i] != nullptr)
                        counts[n++] = (named_count){f->entity_names[i], ledger_redactions(l, i)};
        put_named(out, "redactions", counts, n);
}

/* Equal resets in two exports: no start of the machine between them. */
static void put_tpm(emit *out, const export_facts *f)
{
        open_object(out, "tpm");
        put_u64(out, "clock", f->tpm.ms);
        put_hex(out, "previous_quote", f->previous_quote, sizeof f->previous_quote);
        put_u64(out, "reset_count", f->tpm.resets);
        put_u64(out, "restart_count", f->tpm.restarts);
        put_u64(out, "safe", f->tpm.safe);
        close_object(out);
}

size_t export_room(const ledger *l)
{
        /* A row: two token objects and seven counters of at most 22 bytes, 300 bytes of keys, names escaped. */
        constexpr size_t ROW = 1536;
        constexpr size_t REST = 16 * 1024;
        static_assert(ROW > 300 + 17 * 22 + 6 * (LIMIT_NAME_BYTES * 4));
        return REST + ledger_row_count(l) * ROW;
}

/* What the box says of itself, which nobody but a TPM's quote bears out. */
static void put_box(emit *out, const box_facts *b)
{
        if (b == nullptr)
                return;
        open_object(out, "box");
        put_u64(out, "clone_suspected", atomic_load(&b->clones));
        if (b->has_image != 0)
                put_hex(out, "image", b->image_digest, sizeof b->image_digest);
        put_u64(out, "secure_boot", atomic_load(&b->secure_boot));
        put_text(out, "signing", box_signing_name(atomic_load(&b->signing)));
        put_text(out, "time_state", box_time_name(atomic_load(&b->time_state)));
        put_u64(out, "tpm", atomic_load(&b->tpm));
        if (atomic_load(&b->throw_away_updates) != 0)
                put_text(out, "update_keys", "throw_away");
        close_object(out);
}

/* So that who reads both series knows which one ended where the other began. */
static void put_succeeds(emit *out, const export_facts *f)
{
        if (!f->succeeds)
                return;
        open_object(out, "succeeds");
        put_hex(out, "device", f->succeeds_device, sizeof f->succeeds_device);
        put_hex(out, "key", f->succeeds_key_number, sizeof f->succeeds_key_number);
        put_u64(out, "next", f->succeeds_next);
        put_hex(out, "prev", f->succeeds_previous, sizeof f->succeeds_previous);
        close_object(out);
}

err export_write(const export_facts *f, const ledger *l, emit *out)
{
        emit_byte(out, '{');
        open_object(out, "boot");
        put_u64(out, "count", f->boot_count);
        put_hex(out, "id", f->boot_id, sizeof f->boot_id);
        put_u64(out, "previous_clean", f->previous_clean);
        put_u64(out, "started", f->boot_started_s);
        close_object(out);
        put_box(out, f->box);
        open_object(out, "config");
        put_hex(out, "sha256", f->config_digest, sizeof f->config_digest);
        close_object(out);
        put_hex(out, "device", f->device, sizeof f->device);
        put_text(out, "format", "relay-usage/1");
        put_hex(out, "key", f->key_number, sizeof f->key_number);
        put_text(out, "kind", f->kind);
        put_outcomes(out, l);
        open_object(out, "period");
        put_u64(out, "end", f->end_s);
        put_u64(out, "monotonic_ms", f->monotonic_ms);
        put_u64(out, "start", f->start_s);
        put_text(out, "tz", "utc");
        close_object(out);
        open_object(out, "policy");
        put_hex(out, "sha256", f->policy_digest, sizeof f->policy_digest);
        close_object(out);
        put_hex(out, "prev", f->previous, sizeof f->previous);
        put_redactions(out, f, l);
        put_u64(out, "refused_records", ledger_refused(l));
        put_rows(out, l);
        put_u64(out, "seq", f->sequence);
        open_object(out, "software");
        put_text(out, "commit", f->commit);
        put_text(out, "version", f->version);
        close_object(out);
        put_succeeds(out, f);
        put_totals(out, l);
        if (f->has_tpm)
                put_tpm(out, f);
        close_object(out);
        emit_byte(out, '\n');
        view whole;
        return emit_done(out, &whole);
}
