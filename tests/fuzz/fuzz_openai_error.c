/* Property: whatever stands in a vendor's error, what is read of it is bounded and goes into an error of ours that
 * reads back the same. */
#include <assert.h>

#include "base/limit.h"
#include "dialect/openai_error.h"

static void bounded(view v) { assert(v.len <= LIMIT_ERROR_MESSAGE_BYTES); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        enum : size_t { ROOM = LIMIT_ERROR_MESSAGE_BYTES * 4 * 6 + 1024 };
        arena a;
        openai_error e, back;
        arena_init(&a, 64 << 20);
        openai_error_read((view){data, size}, &a, &e);
        bounded(e.message);
        bounded(e.type);
        bounded(e.code);
        bounded(e.param);
        uint8_t *room = arena_alloc(&a, ROOM);
        assert(room != nullptr);
        emit out = emit_into(room, ROOM);
        openai_error_write(&e, &out);
        assert(!out.full);
        openai_error_read((view){room, out.len}, &a, &back);
        assert(view_equal(e.message, back.message) && view_equal(e.type, back.type) && view_equal(e.code, back.code)
               && view_equal(e.param, back.param));
        arena_end(&a);
        return 0;
}
