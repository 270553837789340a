/* Records of the payload: type u16, zero u16, length u32, bytes; then zeros to the payload's end. */
#include <assert.h>

#include "vault/container.h"
#include "vault/little_endian.h"

constexpr size_t RECORD_HEAD_BYTES = 8;

static bool type_listed(uint64_t type)
{
        switch (type) {
        case RECORD_IDENTITY:
        case RECORD_CREDENTIAL:
        case RECORD_EXPORT:
        case RECORD_CHAIN:
        case RECORD_ACKNOWLEDGED:
        case RECORD_SUCCEEDS:
        case RECORD_CONFIG:
        case RECORD_OPENS:
                return true;
        default:
                return false;
        }
}

bool record_next(view payload, size_t *at, record_type *type, view *bytes)
{
        assert(*at <= payload.len);
        view rest = view_slice(payload, *at, payload.len);
        if (rest.len < RECORD_HEAD_BYTES || !type_listed(le_read(rest.data, 2)) || le_read(rest.data + 2, 2) != 0)
                return false;
        uint64_t len = le_read(rest.data + 4, 4);
        if (len > rest.len - RECORD_HEAD_BYTES)
                return false;
        *type = (record_type)le_read(rest.data, 2);
        *bytes = (view){rest.data + RECORD_HEAD_BYTES, (size_t)len};
        *at += RECORD_HEAD_BYTES + (size_t)len;
        return true;
}

err record_append(region *payload, record_type type, view bytes)
{
        assert(type_listed(type));
        if (bytes.len > CONTAINER_PAYLOAD_MAX)
                return FAIL(NO_ROOM);
        TRY(region_reserve(payload, RECORD_HEAD_BYTES + bytes.len));
        uint8_t head[RECORD_HEAD_BYTES] = {};
        le_write(head, type, 2);
        le_write(head + 4, bytes.len, 4);
        TRY(region_append(payload, (view){head, sizeof head}));
        return region_append(payload, bytes);
}

err records_check(view payload, size_t *used)
{
        *used = 0;
        record_type type;
        view        bytes;
        while (record_next(payload, used, &type, &bytes))
                continue;
        for (size_t i = *used; i < payload.len; i++)
                if (payload.data[i] != 0)
                        return FAIL(BAD_FILE);
        return OK;
}
