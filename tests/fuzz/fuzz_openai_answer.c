/* Property: an answer comes out the same for every size of the steps; it is JSON, and unchanged where nothing stood to
 * be put back.
 *
 * First byte: the size of the steps. */
#include <assert.h>
#include <string.h>

#include "dialect/openai_answer.h"
#include "support/fake_restoring.h"

static err run(view doc, size_t step, region *out, openai_answer *a)
{
        arena memory;
        bool done = false;
        arena_init(&memory, 64 << 20);
        err e = openai_answer_begin(a, doc, &fake, &memory, out);
        while (!failed(e) && !done) {
                size_t budget = step;
                e = openai_answer_step(a, &budget, &done);
        }
        arena_end(&memory);
        return e;
}

static void must_be_json(view doc)
{
        arena memory;
        arena_init(&memory, 64 << 20);
        json_scan *s = json_scan_begin(doc, nullptr, &memory);
        json_token t = {};
        while (t.kind != JSON_DONE) {
                size_t budget = SIZE_MAX;
                err e = json_scan_next(s, &budget, &t);
                assert(!failed(e));
        }
        arena_end(&memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 1)
                return 0;
        view doc = {data + 1, size - 1};
        region whole, cut;
        openai_answer a, b;
        region_init(&whole, 64 << 20);
        region_init(&cut, 64 << 20);
        err first = run(doc, SIZE_MAX, &whole, &a), second = run(doc, 1u + data[0], &cut, &b);
        assert(first.code == second.code);
        if (!failed(first)) {
                assert(view_equal(region_view(&whole), region_view(&cut)) && a.error == b.error);
                assert(memcmp(&a.usage, &b.usage, sizeof a.usage) == 0);
                must_be_json(region_view(&whole));
                /* Without a T, in whatever spelling, there is nothing to put back or to hold. */
                if (memchr(doc.data, 'T', doc.len) == nullptr && memchr(doc.data, '\\', doc.len) == nullptr)
                        assert(view_equal(doc, region_view(&whole)));
        }
        region_end(&whole);
        region_end(&cut);
        return 0;
}
