/* The state file's parsers. The first byte chooses:
 * 0  a copy's header (zero-filled, its check sum made right): what is accepted is written back as the same bytes, and
 *    its Argon2id numbers are within their caps
 * 1  records: what is accepted is walked to its end, inside the payload, and appended anew gives the same bytes
 * 2  a store's payload: what is loaded is saved and loaded again as the same */
#include <assert.h>

#include "base/secret.h"
#include "vault/store_records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void header(view in)
{
        uint8_t     bytes[CONTAINER_HEADER_BYTES] = {}, again[CONTAINER_HEADER_BYTES];
        slot_header h;
        bool        newer;
        if (in.len > 0)
                memcpy(bytes, in.data, in.len < sizeof bytes ? in.len : sizeof bytes);
        slot_header_seal(bytes);
        if (failed(slot_header_read(bytes, &h, &newer)))
                return;
        assert(!newer && h.info.generation > 0 && h.payload_bytes <= CONTAINER_PAYLOAD_MAX);
        for (size_t i = 0; i < KEY_SLOTS; i++)
                assert(h.info.slots[i].ops <= ARGON_OPS_MAX && h.info.slots[i].mem_bytes <= ARGON_MEM_MAX);
        slot_header_write(&h, again);
        assert(memcmp(bytes, again, sizeof bytes) == 0);
}

static void records(view in)
{
        size_t      used, at = 0;
        record_type type;
        view        bytes;
        if (failed(records_check(in, &used)))
                return;
        assert(used <= in.len);
        region again;
        region_init(&again, CONTAINER_PAYLOAD_MAX);
        while (record_next(in, &at, &type, &bytes)) {
                assert(bytes.data >= in.data && bytes.data + bytes.len <= in.data + used);
                err e = record_append(&again, type, bytes);
                assert(!failed(e));
        }
        assert(at == used && view_equal(region_view(&again), view_slice(in, 0, used)));
        region_end(&again);
}

static void contents(view in)
{
        static store_secrets secrets;
        store                s = {.fd = -1, .secrets = &secrets};
        size_t               used;
        if (failed(records_check(in, &used)))
                return;
        err e = store_load(&s, view_slice(in, 0, used));
        if (!failed(e)) {
                region saved, again;
                region_init(&saved, CONTAINER_PAYLOAD_MAX);
                region_init(&again, CONTAINER_PAYLOAD_MAX);
                e = store_save(&s, &saved);
                assert(!failed(e) && saved.len == used);
                region_end(&s.exports);
                region_end(&s.config);
                e = store_load(&s, region_view(&saved));
                assert(!failed(e));
                e = store_save(&s, &again);
                assert(!failed(e) && view_equal(region_view(&saved), region_view(&again)));
                region_end(&saved);
                region_end(&again);
        }
        region_end(&s.exports);
        region_end(&s.config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static bool ready;
        if (!ready) {
                err e = secret_setup();
                assert(!failed(e));
                ready = true;
        }
        if (size == 0)
                return 0;
        view in = {data + 1, size - 1};
        switch (data[0] % 3) {
        case 0:
                header(in);
                break;
        case 1:
                records(in);
                break;
        default:
                contents(in);
        }
        return 0;
}
