#include "json.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 128 };

typedef struct reader {
        json_doc *doc;
        const char *at, *end;
} reader;

static bool read_value(reader *r, int depth, int *out);

static void skip_space(reader *r)
{
        while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
                r->at++;
}

static bool take(reader *r, char c)
{
        skip_space(r);
        if (r->at == r->end || *r->at != c)
                return false;
        r->at++;
        return true;
}

static int node_new(json_doc *doc, json_type type)
{
        if (doc->count == doc->cap) {
                doc->cap = doc->cap == 0 ? 64 : doc->cap * 2;
                doc->nodes = realloc(doc->nodes, (size_t)doc->cap * sizeof *doc->nodes);
                if (doc->nodes == nullptr)
                        abort();
        }
        doc->nodes[doc->count] = (json_node){.type = type, .child = -1, .next = -1};
        return doc->count++;
}

static void put_utf8(text *t, uint32_t point)
{
        char out[4];
        size_t len;
        if (point < 0x80) {
                out[0] = (char)point;
                len = 1;
        } else if (point < 0x800) {
                out[0] = (char)(0xc0 | point >> 6);
                out[1] = (char)(0x80 | (point & 0x3f));
                len = 2;
        } else if (point < 0x10000) {
                out[0] = (char)(0xe0 | point >> 12);
                out[1] = (char)(0x80 | (point >> 6 & 0x3f));
                out[2] = (char)(0x80 | (point & 0x3f));
                len = 3;
        } else {
                out[0] = (char)(0xf0 | point >> 18);
                out[1] = (char)(0x80 | (point >> 12 & 0x3f));
                out[2] = (char)(0x80 | (point >> 6 & 0x3f));
                out[3] = (char)(0x80 | (point & 0x3f));
                len = 4;
        }
        text_add(t, out, len);
}

static bool read_hex4(reader *r, uint32_t *out)
{
        if (r->end - r->at < 4)
                return false;
        *out = 0;
        for (int i = 0; i < 4; i++) {
                char c = *r->at++;
                uint32_t digit;
                if (c >= '0' && c <= '9')
                        digit = (uint32_t)(c - '0');
                else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
                        digit = (uint32_t)((c | 0x20) - 'a' + 10);
                else
                        return false;
                *out = *out << 4 | digit;
        }
        return true;
}

static bool read_unicode(reader *r)
{
        uint32_t point;
        if (!read_hex4(r, &point))
                return false;
        if (point >= 0xdc00 && point < 0xe000)
                return false;
        if (point >= 0xd800 && point < 0xdc00) {
                uint32_t low;
                if (r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u')
                        return false;
                r->at += 2;
                if (!read_hex4(r, &low) || low < 0xdc00 || low >= 0xe000)
                        return false;
                point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        }
        put_utf8(&r->doc->strings, point);
        return true;
}

static bool read_escape(reader *r)
{
        static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
        if (r->at == r->end)
                return false;
        char c = *r->at++;
        if (c == 'u')
                return read_unicode(r);
        const char *found = c == 0 ? nullptr : strchr(names, c);
        if (found == nullptr)
                return false;
        text_add(&r->doc->strings, values + (found - names), 1);
        return true;
}

/* The opening quote is taken. Leaves the unescaped bytes in doc.strings. */
static bool read_string(reader *r, size_t *start, size_t *len)
{
        text *to = &r->doc->strings;
        *start = to->len;
        const char *from = r->at;
        while (r->at < r->end && *r->at != '"') {
                if ((unsigned char)*r->at < 0x20)
                        return false;
                if (*r->at != '\\') {
                        r->at++;
                        continue;
                }
                text_add(to, from, (size_t)(r->at - from));
                r->at++;
                if (!read_escape(r))
                        return false;
                from = r->at;
        }
        if (r->at == r->end)
                return false;
        text_add(to, from, (size_t)(r->at - from));
        r->at++;
        *len = to->len - *start;
        return true;
}

static bool read_digits(reader *r)
{
        const char *from = r->at;
        while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
                r->at++;
        return r->at > from;
}

static bool read_number(reader *r, int node)
{
        const char *from = r->at;
        if (*r->at == '-')
                r->at++;
        bool zero = r->at < r->end && *r->at == '0';
        if (zero)
                r->at++;
        else if (!read_digits(r))
                return false;
        if (r->at < r->end && *r->at == '.') {
                r->at++;
                if (!read_digits(r))
                        return false;
        }
        if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
                r->at++;
                if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
                        r->at++;
                if (!read_digits(r))
                        return false;
        }
        r->doc->nodes[node].str = (size_t)(from - r->doc->input.at);
        r->doc->nodes[node].str_len = (size_t)(r->at - from);
        return true;
}

static bool read_word(reader *r, const char *word)
{
        size_t len = strlen(word);
        if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
                return false;
        r->at += len;
        return true;
}

static bool read_children(reader *r, int parent, int depth)
{
        bool object = r->doc->nodes[parent].type == JSON_OBJECT;
        char close = object ? '}' : ']';
        int last = -1;
        if (take(r, close))
                return true;
        do {
                size_t key = 0, key_len = 0;
                if (object && (!take(r, '"') || !read_string(r, &key, &key_len) || !take(r, ':')))
                        return false;
                int child;
                if (!read_value(r, depth + 1, &child))
                        return false;
                r->doc->nodes[child].key = key;
                r->doc->nodes[child].key_len = key_len;
                if (last < 0)
                        r->doc->nodes[parent].child = child;
                else
                        r->doc->nodes[last].next = child;
                last = child;
                r->doc->nodes[parent].count++;
        } while (take(r, ','));
        return take(r, close);
}

static bool read_value(reader *r, int depth, int *out)
{
        skip_space(r);
        if (r->at == r->end || depth > DEPTH_MAX)
                return false;
        switch (*r->at) {
        case '{':
        case '[':
                *out = node_new(r->doc, *r->at++ == '{' ? JSON_OBJECT : JSON_ARRAY);
                return read_children(r, *out, depth);
        case '"': {
                r->at++;
                size_t start, len;
                *out = node_new(r->doc, JSON_STRING);
                if (!read_string(r, &start, &len))
                        return false;
                r->doc->nodes[*out].str = start;
                r->doc->nodes[*out].str_len = len;
                return true;
        }
        case 't':
                *out = node_new(r->doc, JSON_TRUE);
                return read_word(r, "true");
        case 'f':
                *out = node_new(r->doc, JSON_FALSE);
                return read_word(r, "false");
        case 'n':
                *out = node_new(r->doc, JSON_NULL);
                return read_word(r, "null");
        default:
                if (*r->at != '-' && (*r->at < '0' || *r->at > '9'))
                        return false;
                *out = node_new(r->doc, JSON_NUMBER);
                return read_number(r, *out);
        }
}

bool json_parse(json_doc *doc, slice input)
{
        doc->count = 0;
        doc->strings.len = 0;
        doc->input = input;
        reader r = {doc, input.at, input.at + input.len};
        int root;
        if (!read_value(&r, 0, &root))
                return false;
        skip_space(&r);
        return r.at == r.end;
}

void json_free(json_doc *doc)
{
        free(doc->nodes);
        text_free(&doc->strings);
        *doc = (json_doc){};
}

int json_member(const json_doc *doc, int object, const char *key)
{
        if (!json_is(doc, object, JSON_OBJECT))
                return -1;
        for (int i = doc->nodes[object].child; i >= 0; i = doc->nodes[i].next) {
                if (slice_is((slice){doc->strings.bytes + doc->nodes[i].key, doc->nodes[i].key_len}, key))
                        return i;
        }
        return -1;
}

int json_first(const json_doc *doc, int node) { return node < 0 ? -1 : doc->nodes[node].child; }

int json_next(const json_doc *doc, int node) { return node < 0 ? -1 : doc->nodes[node].next; }

bool json_is(const json_doc *doc, int node, json_type type) { return node >= 0 && doc->nodes[node].type == type; }

slice json_str(const json_doc *doc, int node)
{
        if (!json_is(doc, node, JSON_STRING))
                return (slice){};
        return (slice){doc->strings.bytes + doc->nodes[node].str, doc->nodes[node].str_len};
}
