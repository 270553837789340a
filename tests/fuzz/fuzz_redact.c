/* Of any string a JSON document can hold: what is replaced does not depend on how the work is cut, replacements follow
 * each other, and the edited document is still one string. */
#include <assert.h>

#include "base/secret.h"
#include "codec/json_scan.h"
#include "policy/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static policy rules;

static void setup(void)
{
        static bool done;
        if (done)
                return;
        done = true;
        err e = secret_setup();
        assert(!failed(e));
        rules.regions = (1u << REGION_COUNT) - 1;
        for (entity_id id = 0; id < ENTITY_COUNT; id++)
                rules.decide[id] =
                        (policy_decision){id == ENTITY_CREDIT_CARD ? POLICY_MASK : POLICY_PSEUDONYMISE, 4, 0, '*'};
}

static bool is_string(view doc, arena *a)
{
        json_scan *s = json_scan_begin(doc, nullptr, a);
        size_t     budget = SIZE_MAX;
        json_token t;
        return s != nullptr && !failed(json_scan_next(s, &budget, &t)) && t.kind == JSON_STRING
               && !failed(json_scan_next(s, &budget, &t)) && t.kind == JSON_DONE;
}

static err redact_all(view doc, size_t step, arena *a, edits *e)
{
        static const uint8_t key[32] = {1};
        redact_table         table;
        edits_init(e, a);
        redactor *r = redact_begin(&rules, key, a, e);
        if (r == nullptr)
                return FAIL(NO_ROOM);
        redact_string(r, doc, 1, doc.len - 1, FROM_USER);
        for (bool done = false; !done;) {
                size_t budget = step;
                TRY(redact_step(r, &budget, &done));
                assert(budget <= step);
        }
        TRY(redact_finish(r, &table));
        for (size_t i = 0; i < table.count; i++)
                assert(table.entries[i].value.len > 0 && table.entries[i].token.len <= table.longest);
        return OK;
}

static void check_result(view doc, const edits *e, arena *a)
{
        size_t      len = 0, last = 0;
        view        piece;
        edit_cursor c = {};
        uint8_t    *out = arena_alloc(a, edits_length(e, doc.len) + 1);
        if (out == nullptr)
                return;
        for (size_t i = 0; i < e->count; i++) {
                const edit *one = &e->list[i];
                assert(one->start >= last && one->end > one->start && one->end < doc.len && one->text.len > 0);
                last = one->end;
        }
        while (edit_next(e, doc, &c, SIZE_MAX, &piece)) {
                memcpy(out + len, piece.data, piece.len);
                len += piece.len;
        }
        assert(len == edits_length(e, doc.len));
        assert(is_string((view){out, len}, a));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        arena a;
        edits whole, steps;
        setup();
        if (size < 3)
                return 0;
        arena_init(&a, 64 << 20);
        size_t step = 1 + data[0] * 37u;
        view   doc = {data + 1, size - 1};
        if (is_string(doc, &a)) {
                err e = redact_all(doc, SIZE_MAX / 2, &a, &whole);
                assert(redact_all(doc, step, &a, &steps).code == e.code);
                if (!failed(e)) {
                        assert(whole.count == steps.count);
                        for (size_t i = 0; i < whole.count; i++)
                                assert(whole.list[i].start == steps.list[i].start
                                       && whole.list[i].end == steps.list[i].end
                                       && view_equal(whole.list[i].text, steps.list[i].text));
                        check_result(doc, &whole, &a);
                }
        }
        arena_end(&a);
        return 0;
}
