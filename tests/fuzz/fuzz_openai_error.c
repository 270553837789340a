/* Property: whatever stands in a vendor's error, what is read of it is bounded, goes into an error of ours that reads
 * back the same, and means something a vendor can say; when to come back is five minutes at most.
 *
 * First byte: whose error it is. */
#include <assert.h>

#include "base/limit.h"
#include "dialect/openai_error.h"
#include "route/fault.h"
#include "route/retry_after.h"

static void bounded(view v) { assert(v.len <= LIMIT_ERROR_MESSAGE_BYTES); }

static void means_something(const openai_error *e, uint8_t whose)
{
        static const char *const vendors[] = {"house",      "zhipu",   "qwen",  "qianfan",   "siliconflow",
                                              "kimi",       "gemini",  "azure", "groq",      "cohere",
                                              "openrouter", "mistral", "xai",   "llama.cpp", "vllm"};
        static const uint16_t statuses[] = {200, 400, 401, 403, 413, 429, 498, 500, 503};
        const char *vendor = vendors[whose % (sizeof vendors / sizeof *vendors)];
        for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
                fault_class c = fault_of(&(fault_said){statuses[i], vendor, e->code, e->type, e->message});
                assert(c <= FAULT_TIMEOUT);
        }
        uint64_t ms = retry_after_text(e->message);
        assert(ms <= RETRY_AFTER_MOST_MS || ms == RETRY_AFTER_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 1)
                return 0;
        enum : size_t { ROOM = LIMIT_ERROR_MESSAGE_BYTES * 4 * 6 + 1024 };
        arena a;
        openai_error e, back;
        arena_init(&a, 64 << 20);
        openai_error_read((view){data + 1, size - 1}, &a, &e);
        bounded(e.message);
        bounded(e.type);
        bounded(e.code);
        bounded(e.param);
        bounded(e.retry_delay);
        means_something(&e, data[0]);
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
