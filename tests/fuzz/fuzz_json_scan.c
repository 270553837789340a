/* Properties: the verdict and the tokens are the same for every budget; every range lies in the document; a decoded
 * string is valid UTF-8 without NUL and equals its raw range; brackets pair; memory is bounded. The first byte chooses
 * the budget. */
#include <assert.h>
#include <stdlib.h>

#include "base/secret.h"
#include "codec/json_scan.h"
#include "codec/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const json_path_row rows[] = {
        {"model", 1}, {"messages[].content", 2}, {"messages[].content[].text", 3}, {"tools.**", 4}, {"*.x", 5},
        {"[][]", 6},
};

static void check_text(view doc, const json_token *t)
{
        view raw = view_slice(doc, t->start, t->end);
        size_t cap = raw.len + 1;
        uint8_t *bytes = malloc(cap);
        emit e = emit_into(bytes, cap);
        assert(bytes != nullptr);
        json_unescape(raw, &e);
        view decoded = {bytes, e.len};
        assert(!e.full && utf8_valid(decoded));
        assert(decoded.len == 0 || memchr(bytes, 0, decoded.len) == nullptr);
        assert(json_raw_equal(raw, decoded));
        assert(t->escaped || view_equal(raw, decoded));
        bool ascii = true;
        for (size_t i = 0; i < raw.len; i++)
                ascii = ascii && raw.data[i] < 0x80;
        assert(ascii == t->ascii);
        free(bytes);
}

static void check_token(view doc, const json_token *t, size_t *open)
{
        assert(t->start <= t->end && t->end <= doc.len);
        if (t->kind == JSON_OBJECT_END || t->kind == JSON_ARRAY_END)
                (*open)--;
        assert(t->depth == *open);
        if (t->kind == JSON_OBJECT || t->kind == JSON_ARRAY)
                (*open)++;
        if (t->kind == JSON_KEY || t->kind == JSON_STRING) {
                assert(doc.data[t->start - 1] == '"' && doc.data[t->end] == '"');
                check_text(doc, t);
        }
}

static err next(json_scan *s, size_t step, json_token *t)
{
        err e = OK;
        do {
                size_t budget = step;
                e = json_scan_next(s, &budget, t);
                assert(budget <= step);
        } while (!failed(e) && t->kind == JSON_YIELD);
        return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const json_paths *paths;
        if (paths == nullptr) {
                if (failed(secret_setup()))
                        abort();
                paths = json_paths_compile(rows, sizeof rows / sizeof rows[0]);
        }
        if (size == 0)
                return 0;
        size_t step = (size_t)data[0] % 7 + 1;
        view doc = {data + 1, size - 1};
        arena a;
        arena_init(&a, 16 << 20);
        json_scan *whole = json_scan_begin(doc, paths, &a), *stepped = json_scan_begin(doc, paths, &a);
        assert(whole != nullptr && stepped != nullptr);
        json_token t = {}, same = {};
        size_t open = 0;
        do {
                err first = next(whole, SIZE_MAX, &t), second = next(stepped, step, &same);
                assert(first.code == second.code && json_scan_at(whole) == json_scan_at(stepped));
                if (failed(first))
                        break;
                assert(t.kind == same.kind && t.start == same.start && t.end == same.end && t.path == same.path
                       && t.index == same.index && t.depth == same.depth && t.escaped == same.escaped
                       && t.ascii == same.ascii);
                check_token(doc, &t, &open);
        } while (t.kind != JSON_DONE);
        assert(a.mapped < 8 << 20);
        arena_end(&a);
        return 0;
}
