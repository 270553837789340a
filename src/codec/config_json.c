#include "codec/config_json.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/emit.h"
#include "base/limit.h"
#include "codec/json_scan.h"

constexpr uint64_t MOST_EXACT = (uint64_t)1 << 53; /* beyond it other readers of the file lose digits */
constexpr size_t   SCAN_ARENA_BYTES = 4 * 1024 * 1024;
constexpr size_t   NUMBER_BYTES = 32; /* cJSON gives up on numbers of 64 */

typedef struct place {
        unsigned line, column;
} place;

struct config_node {
        const cJSON *item;
        config_node *parent, *first, *last, *next;
        place        at, key_at;
        size_t       index;  /* among its siblings */
        size_t       count;  /* of its children */
        uint64_t     number; /* when whole */
        config_kind  kind;
        bool         whole;  /* a number without sign, fraction and exponent, at most MOST_EXACT */
};

struct config_doc {
        cJSON       *tree;
        config_node *nodes; /* in the order of the file */
        size_t       count;
};

/* A reader of the text that keeps count of lines. */
typedef struct reader {
        json_scan *scan;
        view       text;
        size_t     counted; /* bytes whose lines are counted */
        place      here;
} reader;

static place place_of(reader *r, size_t offset)
{
        for (; r->counted < offset && r->counted < r->text.len; r->counted++) {
                bool newline = r->text.data[r->counted] == '\n';
                r->here.line += newline;
                r->here.column = newline ? 1 : r->here.column + 1;
        }
        return r->here;
}

/* Fills a terminated field of a fault. What is not printable ASCII becomes '?': keys reach terminals from here. */
static void put(char *out, size_t cap, const emit *e)
{
        assert(e->len < cap);
        for (size_t i = 0; i < e->len; i++)
                out[i] = e->bytes[i] >= 0x20 && e->bytes[i] < 0x7f ? (char)e->bytes[i] : '?';
        out[e->len] = 0;
}

static void put_text(char *out, size_t cap, const char *text)
{
        uint8_t bytes[sizeof(config_fault)];
        assert(cap <= sizeof bytes);
        emit e = emit_into(bytes, cap - 1);
        emit_text(&e, text);
        put(out, cap, &e);
}

/* The fault of a text that is no tree yet. */
static err text_fault(const char *code, const char *text, place at, config_fault *fault)
{
        put_text(fault->code, sizeof fault->code, code);
        put_text(fault->text, sizeof fault->text, text);
        fault->pointer[0] = 0;
        fault->line = at.line;
        fault->column = at.column;
        return FAIL(BAD_CONFIG);
}

static err scan_fault(reader *r, err e, config_fault *fault)
{
        static const struct {
                err_code    when;
                const char *code, *text;
        } rows[] = {
                {ERR_DUPLICATE_KEY, "DUPLICATE_KEY", "a key stands twice in one object"},
                {ERR_TOO_DEEP, "TOO_DEEP", "nested deeper than 16 levels"},
                {ERR_BAD_UTF8, "NOT_UTF8", "not valid UTF-8"},
                {ERR_JSON_LIMIT, "TOO_LARGE", "too many keys in one object, or a key or number too long"},
                {ERR_NONE, "BAD_JSON", "not valid JSON"},
        };
        static_assert(LIMIT_CONFIG_DEPTH == 16, "the sentence says so");
        if (e.code == ERR_NO_ROOM)
                return e;
        size_t row = 0;
        while (rows[row].when != e.code && rows[row].when != ERR_NONE)
                row++;
        return text_fault(rows[row].code, rows[row].text, place_of(r, json_scan_at(r->scan)), fault);
}

/* The strict pass: nothing else looks at the text before. Counts the values. */
static err accept(reader *r, size_t *values, config_fault *fault)
{
        json_token t = {};
        *values = 0;
        while (t.kind != JSON_DONE) {
                size_t budget = LIMIT_CONFIG_BYTES + r->text.len;
                err    e = json_scan_next(r->scan, &budget, &t);
                bool   opens = !failed(e) && (t.kind == JSON_OBJECT || t.kind == JSON_ARRAY);
                if (opens && t.depth >= LIMIT_CONFIG_DEPTH)
                        e = FAIL(TOO_DEEP);
                if (!failed(e) && t.kind == JSON_NUMBER && t.end - t.start > NUMBER_BYTES)
                        e = FAIL(JSON_LIMIT);
                if (failed(e))
                        return scan_fault(r, e, fault);
                *values += opens || (t.kind >= JSON_STRING && t.kind <= JSON_NULL);
        }
        return OK;
}

static void number_read(config_node *n, view raw)
{
        n->whole = true;
        for (size_t i = 0; i < raw.len && n->whole; i++) {
                n->whole = raw.data[i] >= '0' && raw.data[i] <= '9';
                n->number = n->number * 10 + (uint64_t)(raw.data[i] - '0');
                n->whole = n->whole && n->number <= MOST_EXACT;
        }
}

static config_kind kind_of(json_kind kind)
{
        switch (kind) {
        case JSON_OBJECT:
                return CONFIG_OBJECT;
        case JSON_ARRAY:
                return CONFIG_ARRAY;
        case JSON_STRING:
                return CONFIG_TEXT;
        case JSON_NUMBER:
                return CONFIG_NUMBER;
        case JSON_TRUE:
        case JSON_FALSE:
                return CONFIG_BOOL;
        case JSON_OBJECT_END:
        case JSON_ARRAY_END:
        case JSON_KEY:
        case JSON_NULL:
        case JSON_DONE:
        case JSON_YIELD:
                break;
        }
        return CONFIG_NULL;
}

/* Enters a node behind its siblings and finds its item in the tree, which has the same order. */
static void node_link(config_doc *doc, config_node *n, config_node *parent)
{
        n->parent = parent;
        if (parent == nullptr) {
                n->item = doc->tree;
        } else if (parent->first == nullptr) {
                parent->first = n;
                n->item = parent->item->child;
        } else {
                parent->last->next = n;
                n->item = parent->last->item->next;
        }
        assert(n->item != nullptr);
        if (parent != nullptr) {
                parent->last = n;
                n->index = parent->count++;
        }
}

/* The second pass, over an accepted text: a node for each value. */
static void build(config_doc *doc, reader *r)
{
        config_node *open = nullptr;
        place        key = r->here;
        json_token   t = {};
        for (size_t used = 0; t.kind != JSON_DONE;) {
                size_t budget = LIMIT_CONFIG_BYTES + r->text.len;
                err    e = json_scan_next(r->scan, &budget, &t);
                assert(!failed(e) && t.kind != JSON_YIELD);
                bool is_text = t.kind == JSON_KEY || t.kind == JSON_STRING;
                place at = place_of(r, is_text ? t.start - 1 : t.start);
                if (t.kind == JSON_KEY)
                        key = at;
                if (t.kind == JSON_OBJECT_END || t.kind == JSON_ARRAY_END)
                        open = open->parent;
                if (t.kind > JSON_NULL || t.kind == JSON_KEY || t.kind == JSON_OBJECT_END || t.kind == JSON_ARRAY_END)
                        continue;
                assert(used < doc->count);
                config_node *n = &doc->nodes[used++];
                node_link(doc, n, open);
                n->kind = kind_of(t.kind);
                n->at = at;
                n->key_at = open != nullptr && open->kind == CONFIG_OBJECT ? key : at;
                if (t.kind == JSON_NUMBER)
                        number_read(n, view_slice(r->text, t.start, t.end));
                if (t.kind == JSON_OBJECT || t.kind == JSON_ARRAY)
                        open = n;
        }
}

static err parse(reader *r, config_doc *doc, config_fault *fault)
{
        TRY(accept(r, &doc->count, fault));
        doc->nodes = calloc(doc->count, sizeof *doc->nodes);
        doc->tree = cJSON_ParseWithLength((const char *)r->text.data, r->text.len);
        if (doc->nodes == nullptr || doc->tree == nullptr)
                return FAIL(NO_ROOM);
        json_scan_again(r->scan, r->text);
        r->counted = 0;
        r->here = (place){1, 1};
        build(doc, r);
        return OK;
}

static err read_text(view text, config_doc **out, config_fault *fault)
{
        arena       scratch;
        config_doc *doc = calloc(1, sizeof *doc);
        arena_init(&scratch, SCAN_ARENA_BYTES);
        reader r = {json_scan_begin(text, nullptr, &scratch), text, 0, {1, 1}};
        err    e = doc == nullptr || r.scan == nullptr ? FAIL(NO_ROOM) : parse(&r, doc, fault);
        arena_end(&scratch);
        if (failed(e))
                config_free(doc);
        else
                *out = doc;
        return e;
}

err config_parse(view text, config_doc **out, config_fault *fault)
{
        *out = nullptr;
        *fault = (config_fault){};
        if (text.len > LIMIT_CONFIG_BYTES)
                return text_fault("TOO_LARGE", "the file is larger than 256 KiB", (place){1, 1}, fault);
        static_assert(LIMIT_CONFIG_BYTES == 256 * 1024, "the sentence says so");
        return read_text(text, out, fault);
}

err config_parse_files(view text, config_doc **out, config_fault *fault)
{
        *out = nullptr;
        *fault = (config_fault){};
        if (text.len > LIMIT_ADMIN_CONFIG_BYTES)
                return text_fault("TOO_LARGE", "the body is larger than 2 MiB", (place){1, 1}, fault);
        static_assert(LIMIT_ADMIN_CONFIG_BYTES == 2 * 1024 * 1024, "the sentence says so");
        return read_text(text, out, fault);
}

void config_free(config_doc *doc)
{
        if (doc == nullptr)
                return;
        cJSON_Delete(doc->tree);
        free(doc->nodes);
        free(doc);
}

const config_node *config_root(const config_doc *doc) { return doc->nodes; }

config_kind config_kind_of(const config_node *n) { return n->kind; }

const config_node *config_first(const config_node *n) { return n->first; }

const config_node *config_next(const config_node *n) { return n->next; }

size_t config_count(const config_node *n) { return n->count; }

view config_key(const config_node *n) { return view_of_text(n->item->string); }

const config_node *config_get(const config_node *n, const char *key)
{
        if (n == nullptr || n->kind != CONFIG_OBJECT)
                return nullptr;
        for (const config_node *m = n->first; m != nullptr; m = m->next)
                if (view_equal(config_key(m), view_of_text(key)))
                        return m;
        return nullptr;
}

static void pointer_step(const config_node *n, emit *out)
{
        emit_byte(out, '/');
        if (n->parent->kind == CONFIG_ARRAY) {
                emit_u64(out, n->index);
                return;
        }
        view key = config_key(n);
        for (size_t i = 0; i < key.len; i++) {
                if (key.data[i] == '~')
                        emit_text(out, "~0");
                else if (key.data[i] == '/')
                        emit_text(out, "~1");
                else
                        emit_byte(out, key.data[i]);
        }
}

/* src RFC 6901 */
static void pointer_put(const config_node *n, char *out, size_t cap)
{
        const config_node *chain[LIMIT_CONFIG_DEPTH];
        size_t             depth = 0;
        for (; n->parent != nullptr; n = n->parent) {
                assert(depth < LIMIT_CONFIG_DEPTH);
                chain[depth++] = n;
        }
        uint8_t bytes[sizeof(config_fault)];
        emit    e = emit_into(bytes, cap - 1);
        while (depth > 0)
                pointer_step(chain[--depth], &e);
        put(out, cap, &e);
}

static err fail_at(const config_node *n, place at, const char *code, const emit *sentence, config_fault *fault)
{
        put_text(fault->code, sizeof fault->code, code);
        put(fault->text, sizeof fault->text, sentence);
        pointer_put(n, fault->pointer, sizeof fault->pointer);
        fault->line = at.line;
        fault->column = at.column;
        return FAIL(BAD_CONFIG);
}

static void suggest(emit *sentence, const char *nearest)
{
        if (nearest == nullptr)
                return;
        emit_text(sentence, "; did you mean \"");
        emit_text(sentence, nearest);
        emit_text(sentence, "\"?");
}

err config_fail(const config_node *n, const char *code, const char *text, const char *nearest, config_fault *fault)
{
        uint8_t bytes[sizeof fault->text - 1];
        emit    sentence = emit_into(bytes, sizeof bytes);
        emit_text(&sentence, text);
        suggest(&sentence, nearest);
        return fail_at(n, n->at, code, &sentence, fault);
}

static err kind_fault(const config_node *n, config_kind kind, config_fault *fault)
{
        static const char *const sentences[] = {
                [CONFIG_OBJECT] = "must be an object",
                [CONFIG_ARRAY] = "must be an array",
                [CONFIG_TEXT] = "must be a string",
                [CONFIG_NUMBER] = "must be a number",
                [CONFIG_BOOL] = "must be true or false",
                [CONFIG_NULL] = "must be null",
        };
        uint8_t bytes[sizeof fault->text - 1];
        emit    sentence = emit_into(bytes, sizeof bytes);
        emit_text(&sentence, sentences[kind]);
        return fail_at(n, n->at, "WRONG_TYPE", &sentence, fault);
}

err config_keys(const config_node *object, const char *const known[], config_fault *fault)
{
        if (object->kind != CONFIG_OBJECT)
                return kind_fault(object, CONFIG_OBJECT, fault);
        for (const config_node *m = object->first; m != nullptr; m = m->next) {
                view key = config_key(m);
                bool good = view_equal(key, VIEW("note"));
                for (size_t i = 0; known[i] != nullptr && !good; i++)
                        good = view_equal(key, view_of_text(known[i]));
                if (good)
                        continue;
                uint8_t bytes[sizeof fault->text - 1];
                emit    sentence = emit_into(bytes, sizeof bytes);
                emit_text(&sentence, "unknown key");
                suggest(&sentence, config_nearest(key, known));
                return fail_at(m, m->key_at, "UNKNOWN_KEY", &sentence, fault);
        }
        return OK;
}

static err missing(const config_node *parent, const char *key, config_fault *fault)
{
        uint8_t bytes[sizeof fault->text - 1];
        emit    sentence = emit_into(bytes, sizeof bytes);
        emit_text(&sentence, "the key \"");
        emit_text(&sentence, key);
        emit_text(&sentence, "\" is required here");
        return fail_at(parent, parent->at, "MISSING_KEY", &sentence, fault);
}

err config_member(const config_node *parent, const char *key, config_kind kind, const config_node **out,
                  config_fault *fault)
{
        if (parent->kind != CONFIG_OBJECT)
                return kind_fault(parent, CONFIG_OBJECT, fault);
        *out = config_get(parent, key);
        if (*out == nullptr)
                return missing(parent, key, fault);
        return (*out)->kind == kind ? OK : kind_fault(*out, kind, fault);
}

err config_text_of(const config_node *n, view *out, config_fault *fault)
{
        if (n->kind != CONFIG_TEXT)
                return kind_fault(n, CONFIG_TEXT, fault);
        *out = view_of_text(n->item->valuestring);
        return OK;
}

err config_text(const config_node *parent, const char *key, view *out, config_fault *fault)
{
        const config_node *n = nullptr;
        TRY(config_member(parent, key, CONFIG_TEXT, &n, fault));
        return config_text_of(n, out, fault);
}

err config_bool(const config_node *parent, const char *key, bool *out, config_fault *fault)
{
        const config_node *n = nullptr;
        TRY(config_member(parent, key, CONFIG_BOOL, &n, fault));
        *out = cJSON_IsTrue(n->item);
        return OK;
}

bool config_is_true(const config_node *n) { return cJSON_IsTrue(n->item); }

err config_u64_of(const config_node *n, config_range range, uint64_t *out, config_fault *fault)
{
        if (n->kind != CONFIG_NUMBER)
                return kind_fault(n, CONFIG_NUMBER, fault);
        if (!n->whole || n->number < range.min || n->number > range.max) {
                uint8_t bytes[sizeof fault->text - 1];
                emit    sentence = emit_into(bytes, sizeof bytes);
                emit_text(&sentence, "must be a whole number from ");
                emit_u64(&sentence, range.min);
                emit_text(&sentence, " to ");
                emit_u64(&sentence, range.max);
                return fail_at(n, n->at, "OUT_OF_RANGE", &sentence, fault);
        }
        *out = n->number;
        return OK;
}

err config_u64(const config_node *parent, const char *key, config_range range, uint64_t *out, config_fault *fault)
{
        const config_node *n = nullptr;
        TRY(config_member(parent, key, CONFIG_NUMBER, &n, fault));
        return config_u64_of(n, range, out, fault);
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Levenshtein's distance, one row at a time; words longer than the row are far from everything. */
static size_t distance(view a, view b)
{
        size_t row[64];
        if (b.len >= sizeof row / sizeof row[0])
                return SIZE_MAX;
        for (size_t j = 0; j <= b.len; j++)
                row[j] = j;
        for (size_t i = 1; i <= a.len; i++) {
                size_t diagonal = row[0];
                row[0] = i;
                for (size_t j = 1; j <= b.len; j++) {
                        size_t change = diagonal + (a.data[i - 1] != b.data[j - 1]);
                        diagonal = row[j];
                        row[j] = least(change, least(row[j - 1], row[j]) + 1);
                }
        }
        return row[b.len];
}

const char *config_nearest(view word, const char *const known[])
{
        const char *nearest = nullptr;
        size_t      best = 3;
        for (size_t i = 0; known[i] != nullptr; i++) {
                size_t d = distance(word, view_of_text(known[i]));
                /* A word that shares no letter is no neighbour, however short both are. */
                if (d >= best || d >= strlen(known[i]))
                        continue;
                nearest = known[i];
                best = d;
        }
        return nearest;
}
