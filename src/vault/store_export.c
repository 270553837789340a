/* Signed exports in the state file: at most STORE_EXPORTS, as many as there is room for. Acknowledged ones give way,
 * the oldest first; one that nobody has acknowledged never does. */
#include <assert.h>

#include "base/secret.h"
#include "vault/config_set.h"
#include "vault/little_endian.h"
#include "vault/store_records.h"

/* type, zero, length: what stands before a record's bytes (records.c). */
constexpr size_t RECORD_HEAD = 8;

/* What may be stored next. */
typedef struct composed {
        region   exports;
        size_t   count;
        uint64_t acknowledged[STORE_EXPORTS];
        size_t   acknowledged_count;
} composed;

/* Bytes of the records that are not exports, with the list of acknowledged ones at its longest. A whole configuration
 * has its place, whether it is there or not: exports never keep one from being stored. */
static err room_taken(const store *s, size_t *bytes)
{
        store  others = *s;
        region probe;
        others.exports = (region){};
        others.acknowledged_count = 0;
        region_init(&probe, CONTAINER_PAYLOAD_MAX);
        err e = store_save(&others, &probe);
        *bytes = probe.len + RECORD_HEAD + STORE_EXPORTS * 8 - s->config.len + CONFIG_SET_BYTES;
        region_end(&probe);
        return e;
}

static bool next_record(const store *s, size_t *at, view *bytes)
{
        record_type type;
        return record_next(region_view(&s->exports), at, &type, bytes);
}

bool store_export_next(const store *s, size_t *at, uint64_t *sequence, size_t *bytes)
{
        view           record;
        store_exported files;
        if (!next_record(s, at, &record))
                return false;
        err e = export_record_read(record, sequence, &files);
        assert(!failed(e));
        *bytes = files.body.len + files.signature.len + files.quote.len;
        return true;
}

bool store_has_export(const store *s, uint64_t sequence)
{
        view record;
        for (size_t at = 0; next_record(s, &at, &record);)
                if (le_read(record.data, 8) == sequence)
                        return true;
        return false;
}

bool store_acknowledged(const store *s, uint64_t sequence)
{
        for (size_t i = 0; i < s->acknowledged_count; i++)
                if (s->acknowledged[i] == sequence)
                        return true;
        return false;
}

/* Copies what stays when `more` bytes come: acknowledged ones are left out, from the oldest on, until it fits.
 * err EXPORTS_FULL: what may go is gone, and it still does not fit; NO_ROOM */
static err keep(const store *s, size_t taken, size_t more, composed *out)
{
        size_t count = s->export_count, left = s->exports.len;
        view   record;
        for (size_t at = 0; next_record(s, &at, &record);) {
                uint64_t sequence = le_read(record.data, 8);
                bool     full = count >= STORE_EXPORTS || taken + left + more > CONTAINER_PAYLOAD_MAX;
                bool     acknowledged = store_acknowledged(s, sequence);
                if (full && acknowledged) {
                        count--;
                        left -= RECORD_HEAD + record.len;
                        continue;
                }
                if (acknowledged)
                        out->acknowledged[out->acknowledged_count++] = sequence;
                TRY(record_append(&out->exports, RECORD_EXPORT, record));
        }
        out->count = count;
        return count < STORE_EXPORTS && taken + left + more <= CONTAINER_PAYLOAD_MAX ? OK : FAIL(EXPORTS_FULL);
}

static err compose(const store *s, view record, composed *out)
{
        size_t taken, more = RECORD_HEAD + record.len;
        TRY(room_taken(s, &taken));
        if (taken + more > CONTAINER_PAYLOAD_MAX)
                return FAIL(NO_ROOM);
        TRY(keep(s, taken, more, out));
        TRY(record_append(&out->exports, RECORD_EXPORT, record));
        out->count++;
        return OK;
}

static err join_record(uint64_t sequence, const store_exported *files, region *out)
{
        uint8_t head[16];
        bool    quoted = files->quote.len > 0;
        le_write(head, sequence, 8);
        le_write(head + 8, files->body.len | (quoted ? STORE_QUOTED : 0), 4);
        le_write(head + 12, files->quote.len, 4);
        TRY(region_append(out, (view){head, quoted ? 16 : 12}));
        TRY(region_append(out, files->body));
        TRY(region_append(out, files->signature));
        return region_append(out, files->quote);
}

static err write_with(store *s, const composed *next, const store_chain *chain)
{
        region old = s->exports;
        size_t old_count = s->export_count, old_acknowledged_count = s->acknowledged_count;
        uint64_t old_acknowledged[STORE_EXPORTS];
        memcpy(old_acknowledged, s->acknowledged, sizeof old_acknowledged);
        s->exports = next->exports;
        s->export_count = next->count;
        memcpy(s->acknowledged, next->acknowledged, sizeof s->acknowledged);
        s->acknowledged_count = next->acknowledged_count;
        err e = store_set_chain(s, chain);
        if (failed(e)) {
                s->exports = old;
                s->export_count = old_count;
                memcpy(s->acknowledged, old_acknowledged, sizeof s->acknowledged);
                s->acknowledged_count = old_acknowledged_count;
                return e;
        }
        region_end(&old);
        return OK;
}

err store_append_export(store *s, uint64_t sequence, const store_exported *files, bool clean)
{
        assert(store_is_open(s));
        if (sequence != s->chain.next_sequence || files->quote.len > STORE_QUOTE_MAX)
                return FAIL(OUT_OF_RANGE);
        region   record;
        composed next = {};
        region_init(&record, CONTAINER_PAYLOAD_MAX);
        region_init(&next.exports, CONTAINER_PAYLOAD_MAX);
        err e = join_record(sequence, files, &record);
        if (!failed(e))
                e = compose(s, region_view(&record), &next);
        if (!failed(e)) {
                store_chain chain = s->chain;
                chain.next_sequence++;
                chain.clean = clean;
                secret_sha256(chain.previous, files->body);
                e = write_with(s, &next, &chain);
        }
        region_end(&record);
        if (failed(e))
                region_end(&next.exports);
        return e;
}

/* Ascending, each once. */
static void acknowledge_one(store *s, uint64_t sequence)
{
        if (store_acknowledged(s, sequence) || !store_has_export(s, sequence))
                return;
        size_t at = s->acknowledged_count++;
        assert(at < STORE_EXPORTS);
        for (; at > 0 && s->acknowledged[at - 1] > sequence; at--)
                s->acknowledged[at] = s->acknowledged[at - 1];
        s->acknowledged[at] = sequence;
}

err store_acknowledge(store *s, const uint64_t *sequences, size_t count)
{
        assert(store_is_open(s));
        uint64_t old[STORE_EXPORTS];
        size_t   old_count = s->acknowledged_count;
        memcpy(old, s->acknowledged, sizeof old);
        for (size_t i = 0; i < count; i++)
                acknowledge_one(s, sequences[i]);
        if (s->acknowledged_count == old_count)
                return OK;
        store_chain chain = s->chain;
        err         e = store_set_chain(s, &chain);
        if (failed(e)) {
                memcpy(s->acknowledged, old, sizeof old);
                s->acknowledged_count = old_count;
        }
        return e;
}

store_exports store_exports_state(const store *s)
{
        assert(store_is_open(s));
        store_exports out = {.kept = s->export_count, .unacknowledged = s->export_count - s->acknowledged_count};
        size_t        bytes = 0, taken;
        view          record;
        for (size_t at = 0; next_record(s, &at, &record);)
                if (!store_acknowledged(s, le_read(record.data, 8)))
                        bytes += RECORD_HEAD + record.len;
        out.fill = (unsigned)(out.unacknowledged * 100 / STORE_EXPORTS);
        if (!failed(room_taken(s, &taken)) && taken < CONTAINER_PAYLOAD_MAX) {
                unsigned by_bytes = (unsigned)(bytes * 100 / (CONTAINER_PAYLOAD_MAX - taken));
                out.fill = by_bytes > out.fill ? by_bytes : out.fill;
        }
        return out;
}

err store_export(const store *s, uint64_t *sequence, store_exported *out)
{
        assert(store_is_open(s));
        view bytes, found = {};
        *out = (store_exported){};
        for (size_t at = 0; next_record(s, &at, &bytes);) {
                uint64_t here = le_read(bytes.data, 8);
                if (*sequence == 0 || here == *sequence)
                        found = bytes;
        }
        if (found.len == 0)
                return FAIL(OUT_OF_RANGE);
        err e = export_record_read(found, sequence, out);
        assert(!failed(e));
        return OK;
}
