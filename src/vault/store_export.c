/* Signed exports in the state file: the newest STORE_EXPORTS, as many as there is room for. */
#include <assert.h>

#include "base/secret.h"
#include "vault/little_endian.h"
#include "vault/store_records.h"

/* Bytes of the records that are not exports. */
static err room_taken(store *s, size_t *bytes)
{
        region exports = s->exports, probe;
        s->exports = (region){};
        region_init(&probe, CONTAINER_PAYLOAD_MAX);
        err e = store_save(s, &probe);
        *bytes = probe.len;
        region_end(&probe);
        s->exports = exports;
        return e;
}

/* The stored records from the first one that may stay when `more` bytes come. */
static view kept(const store *s, size_t taken, size_t more, size_t *count)
{
        view   records = region_view(&s->exports);
        size_t at = 0;
        *count = s->export_count;
        while (*count > 0 && (*count >= STORE_EXPORTS || taken + (records.len - at) + more > CONTAINER_PAYLOAD_MAX)) {
                record_type type;
                view        bytes;
                bool        there = record_next(records, &at, &type, &bytes);
                assert(there);
                --*count;
        }
        return view_slice(records, at, records.len);
}

static err compose(const store *s, size_t taken, view record, region *out, size_t *count)
{
        /* 8: the record's own head. */
        TRY(region_append(out, kept(s, taken, record.len + 8, count)));
        TRY(record_append(out, RECORD_EXPORT, record));
        ++*count;
        return taken + out->len <= CONTAINER_PAYLOAD_MAX ? OK : FAIL(NO_ROOM);
}

static err join_record(uint64_t sequence, view body, view signature, region *out)
{
        uint8_t head[12];
        le_write(head, sequence, 8);
        le_write(head + 8, body.len, 4);
        TRY(region_append(out, (view){head, sizeof head}));
        TRY(region_append(out, body));
        return region_append(out, signature);
}

static err write_with(store *s, const region *exports, size_t count, const store_chain *chain)
{
        region old = s->exports;
        size_t old_count = s->export_count;
        s->exports = *exports;
        s->export_count = count;
        err e = store_set_chain(s, chain);
        if (failed(e)) {
                s->exports = old;
                s->export_count = old_count;
                return e;
        }
        region_end(&old);
        return OK;
}

err store_append_export(store *s, uint64_t sequence, view body, view signature, bool clean)
{
        assert(store_is_open(s));
        if (sequence != s->chain.next_sequence)
                return FAIL(OUT_OF_RANGE);
        region record, exports;
        size_t taken, count = 0;
        region_init(&record, CONTAINER_PAYLOAD_MAX);
        region_init(&exports, CONTAINER_PAYLOAD_MAX);
        err e = room_taken(s, &taken);
        if (!failed(e))
                e = join_record(sequence, body, signature, &record);
        if (!failed(e))
                e = compose(s, taken, region_view(&record), &exports, &count);
        if (!failed(e)) {
                store_chain chain = s->chain;
                chain.next_sequence++;
                chain.clean = clean;
                secret_sha256(chain.previous, body);
                e = write_with(s, &exports, count, &chain);
        }
        region_end(&record);
        if (failed(e))
                region_end(&exports);
        return e;
}

err store_export(const store *s, uint64_t *sequence, view *body, view *signature)
{
        assert(store_is_open(s));
        view        records = region_view(&s->exports), bytes, found = {};
        size_t      at = 0;
        record_type type;
        while (record_next(records, &at, &type, &bytes)) {
                uint64_t here = le_read(bytes.data, 8);
                if (*sequence == 0 || here == *sequence)
                        found = bytes;
        }
        if (found.len == 0)
                return FAIL(OUT_OF_RANGE);
        err e = export_record_read(found, sequence, body, signature);
        assert(!failed(e));
        return OK;
}
