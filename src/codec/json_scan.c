#include "codec/json_scan.h"

#include <assert.h>

#include "base/limit.h"
#include "codec/json_keys.h"
#include "codec/json_path.h"
#include "codec/json_text.h"
#include "codec/utf8.h"

static_assert(LIMIT_RESPONSE_BYTES < UINT32_MAX && LIMIT_BODY_BYTES < UINT32_MAX, "keys are kept as 32-bit offsets");
static_assert(LIMIT_JSON_DEPTH < UINT8_MAX);

/* What may come next. */
typedef enum scan_state : uint8_t {
        WANT_VALUE,
        WANT_FIRST,     /* a value, or the end of an empty array */
        WANT_NEXT,      /* a comma, or the end of the array */
        WANT_FIRST_KEY, /* a key, or the end of an empty object */
        WANT_KEY,
        WANT_COLON,
        WANT_MEMBER,    /* a comma, or the end of the object */
        WANT_END,       /* nothing but white space */
        IN_KEY,
        IN_STRING,
        STATE_COUNT
} scan_state;

typedef enum scan_class : uint8_t {
        OTHER, SPACE, QUOTE, BRACE, BRACE_END, BRACKET, BRACKET_END, COMMA, COLON, DIGIT, LETTER, CLASS_COUNT
} scan_class;

typedef enum scan_action : uint8_t { BAD, KEY, STRING, OBJECT, ARRAY, END, NUMBER, WORD, SEPARATE, ASSIGN } scan_action;

/* clang-format off */
static const scan_class classes[256] = {
        [' '] = SPACE, ['\t'] = SPACE, ['\n'] = SPACE, ['\r'] = SPACE,
        ['"'] = QUOTE, ['{'] = BRACE, ['}'] = BRACE_END, ['['] = BRACKET, [']'] = BRACKET_END, [','] = COMMA,
        [':'] = COLON, ['t'] = LETTER, ['f'] = LETTER, ['n'] = LETTER, ['-'] = DIGIT,
        ['0'] = DIGIT, ['1'] = DIGIT, ['2'] = DIGIT, ['3'] = DIGIT, ['4'] = DIGIT,
        ['5'] = DIGIT, ['6'] = DIGIT, ['7'] = DIGIT, ['8'] = DIGIT, ['9'] = DIGIT,
};

static const scan_action actions[STATE_COUNT][CLASS_COUNT] = {
        [WANT_VALUE]     = {[QUOTE] = STRING, [BRACE] = OBJECT, [BRACKET] = ARRAY, [DIGIT] = NUMBER, [LETTER] = WORD},
        [WANT_FIRST]     = {[QUOTE] = STRING, [BRACE] = OBJECT, [BRACKET] = ARRAY, [DIGIT] = NUMBER, [LETTER] = WORD,
                            [BRACKET_END] = END},
        [WANT_NEXT]      = {[COMMA] = SEPARATE, [BRACKET_END] = END},
        [WANT_FIRST_KEY] = {[QUOTE] = KEY, [BRACE_END] = END},
        [WANT_KEY]       = {[QUOTE] = KEY},
        [WANT_COLON]     = {[COLON] = ASSIGN},
        [WANT_MEMBER]    = {[COMMA] = SEPARATE, [BRACE_END] = END},
        [WANT_END]       = {},
};
/* clang-format on */

/* An open container, and its own place as a value. */
typedef struct frame {
        json_keyset keys;
        uint32_t    index;
        uint16_t    node;
        bool        is_object;
} frame;

struct json_scan {
        const uint8_t        *doc;
        size_t                len, at;
        size_t                start; /* of the running string's content */
        const json_paths     *paths; /* null: no table */
        const json_path_node *nodes;
        uint32_t              values; /* so far */
        uint32_t              index;  /* of the present value in its array */
        uint16_t              node;   /* of the present value */
        uint8_t               depth;
        scan_state            state;
        bool                  escaped, ascii; /* the running string so far */
        err                   fault;
        json_keys             keys;
        frame                 frames[LIMIT_JSON_DEPTH];
};

static const json_path_node nowhere[] = {{}};

json_scan *json_scan_begin(view doc, const json_paths *paths, arena *a)
{
        json_scan *s = arena_alloc(a, sizeof *s);
        if (s == nullptr)
                return nullptr;
        s->paths = paths;
        s->nodes = paths == nullptr ? nowhere : json_path_nodes(paths);
        s->keys.arena = a;
        json_scan_again(s, doc);
        return s;
}

void json_scan_again(json_scan *s, view doc)
{
        assert(doc.len <= UINT32_MAX);
        s->doc = doc.data;
        s->len = doc.len;
        s->at = s->start = 0;
        s->values = s->index = 0;
        s->node = s->paths == nullptr ? JSON_PATH_NOWHERE : JSON_PATH_ROOT;
        s->depth = 0;
        s->state = WANT_VALUE;
        s->fault = OK;
        s->keys.count = 0;
}

void json_scan_rebase(json_scan *s, const uint8_t *doc) { s->doc = doc; }

size_t json_scan_at(const json_scan *s)
{
        /* A key is judged at its end, but the fault is the whole key. */
        return s->fault.code == ERR_DUPLICATE_KEY ? s->start : s->at;
}

static void token(const json_scan *s, json_kind kind, size_t start, json_token *out)
{
        *out = (json_token){
                .kind = kind,
                .depth = s->depth,
                .path = s->nodes[s->node].id,
                .index = s->index,
                .start = start,
                .end = s->at,
        };
}

static void value_over(json_scan *s)
{
        if (s->depth == 0)
                s->state = WANT_END;
        else
                s->state = s->frames[s->depth - 1].is_object ? WANT_MEMBER : WANT_NEXT;
}

static err container_open(json_scan *s, bool is_object, json_token *out)
{
        if (s->depth == LIMIT_JSON_DEPTH)
                return FAIL(TOO_DEEP);
        s->at++;
        token(s, is_object ? JSON_OBJECT : JSON_ARRAY, s->at - 1, out);
        frame *f = &s->frames[s->depth++];
        f->index = s->index;
        f->node = s->node;
        f->is_object = is_object;
        s->index = 0;
        if (is_object)
                json_keyset_open(&s->keys, &f->keys);
        else
                s->node = s->nodes[s->node].element;
        s->state = is_object ? WANT_FIRST_KEY : WANT_FIRST;
        return OK;
}

static void container_close(json_scan *s, json_token *out)
{
        assert(s->depth > 0);
        const frame *f = &s->frames[--s->depth];
        if (f->is_object)
                json_keyset_close(&s->keys, &f->keys);
        s->index = f->index;
        s->node = f->node;
        s->at++;
        token(s, f->is_object ? JSON_OBJECT_END : JSON_ARRAY_END, s->at - 1, out);
        value_over(s);
}

static size_t digits(view v, size_t at)
{
        size_t from = at;
        while (at < v.len && v.data[at] >= '0' && v.data[at] <= '9')
                at++;
        return at - from;
}

static bool number_valid(view v)
{
        size_t at = v.data[0] == '-';
        size_t whole = digits(v, at);
        if (whole == 0 || (whole > 1 && v.data[at] == '0'))
                return false;
        at += whole;
        if (at < v.len && v.data[at] == '.') {
                size_t fraction = digits(v, at + 1);
                if (fraction == 0)
                        return false;
                at += 1 + fraction;
        }
        if (at < v.len && (v.data[at] == 'e' || v.data[at] == 'E')) {
                at++;
                if (at < v.len && (v.data[at] == '+' || v.data[at] == '-'))
                        at++;
                size_t exponent = digits(v, at);
                if (exponent == 0)
                        return false;
                at += exponent;
        }
        return at == v.len;
}

static bool number_byte(uint8_t c)
{
        return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static err number(json_scan *s, json_token *out)
{
        view   rest = view_slice((view){s->doc, s->len}, s->at, s->at + LIMIT_JSON_NUMBER_BYTES + 1);
        size_t len = 0;
        while (len < rest.len && number_byte(rest.data[len]))
                len++;
        if (len > LIMIT_JSON_NUMBER_BYTES)
                return FAIL(JSON_LIMIT);
        if (!number_valid(view_slice(rest, 0, len)))
                return FAIL(BAD_JSON);
        s->at += len;
        token(s, JSON_NUMBER, s->at - len, out);
        value_over(s);
        return OK;
}

static err word(json_scan *s, json_token *out)
{
        static const struct {
                view      text;
                json_kind kind;
        } words[] = {
                {VIEW_INIT("true"), JSON_TRUE},
                {VIEW_INIT("false"), JSON_FALSE},
                {VIEW_INIT("null"), JSON_NULL},
        };
        view rest = {s->doc + s->at, s->len - s->at};
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
                if (!view_starts(rest, words[i].text))
                        continue;
                s->at += words[i].text.len;
                token(s, words[i].kind, s->at - words[i].text.len, out);
                value_over(s);
                return OK;
        }
        return FAIL(BAD_JSON);
}

static void text_begin(json_scan *s, scan_state state)
{
        s->at++;
        s->start = s->at;
        s->escaped = false;
        s->ascii = true;
        s->state = state;
}

/* Takes what is not plain inside a string: an escape, or a run of bytes from 0x80 on. */
static err text_special(json_scan *s, size_t stop)
{
        view    rest = {s->doc + s->at, s->len - s->at};
        uint8_t c = rest.data[0];
        if (c == '\\') {
                size_t len = json_escape_length(rest);
                if (len == 0)
                        return FAIL(BAD_JSON);
                s->escaped = true;
                s->at += len;
                return OK;
        }
        if (c < 0x20)
                return FAIL(BAD_JSON);
        s->ascii = false;
        while (s->at < stop && s->doc[s->at] >= 0x80) {
                size_t len = utf8_length((view){s->doc + s->at, s->len - s->at});
                if (len == 0)
                        return FAIL(BAD_UTF8);
                s->at += len;
        }
        return OK;
}

/* Goes on in the running string. *closed: its closing quote was reached; s->at stands on it. */
static err text_run(json_scan *s, size_t stop, bool *closed)
{
        *closed = false;
        while (s->at < stop) {
                s->at = json_plain_run(s->doc, s->at, stop);
                if (s->at == stop)
                        return OK;
                *closed = s->doc[s->at] == '"';
                if (*closed)
                        return OK;
                TRY(text_special(s, stop));
        }
        return OK;
}

static err key_over(json_scan *s, json_token *out)
{
        frame   *f = &s->frames[s->depth - 1];
        json_key key = {.start = (uint32_t)s->start, .len = (uint16_t)(s->at - s->start), .escaped = s->escaped};
        view     text;
        TRY(json_keyset_add(&s->keys, &f->keys, s->doc, key, &text));
        s->node = JSON_PATH_NOWHERE;
        if (s->paths != nullptr && !json_path_member(s->paths, f->node, text, &s->node))
                return FAIL(DUPLICATE_KEY);
        token(s, JSON_KEY, s->start, out);
        s->state = WANT_COLON;
        return OK;
}

static err text(json_scan *s, size_t stop, json_token *out)
{
        bool is_key = s->state == IN_KEY, closed;
        if (is_key && stop > s->start + LIMIT_JSON_KEY_BYTES + 1)
                stop = s->start + LIMIT_JSON_KEY_BYTES + 1;
        TRY(text_run(s, stop, &closed));
        if (is_key && s->at - s->start > LIMIT_JSON_KEY_BYTES)
                return FAIL(JSON_LIMIT);
        if (!closed && s->at >= s->len)
                return FAIL(BAD_JSON);
        if (!closed) {
                token(s, JSON_YIELD, s->at, out);
                return OK;
        }
        if (is_key) {
                TRY(key_over(s, out));
        } else {
                token(s, JSON_STRING, s->start, out);
                value_over(s);
        }
        out->escaped = s->escaped;
        out->ascii = s->ascii;
        s->at++;
        return OK;
}

static void separate(json_scan *s)
{
        bool in_object = s->state == WANT_MEMBER;
        s->at++;
        s->index += !in_object;
        s->state = in_object ? WANT_KEY : WANT_VALUE;
}

static err act(json_scan *s, scan_action action, size_t stop, json_token *out)
{
        bool container = action == OBJECT || action == ARRAY;
        bool scalar = action == STRING || action == NUMBER || action == WORD;
        if ((container || scalar) && ++s->values > LIMIT_JSON_TOKENS)
                return FAIL(JSON_LIMIT);
        switch (action) {
        case KEY:
                text_begin(s, IN_KEY);
                return text(s, stop, out);
        case STRING:
                text_begin(s, IN_STRING);
                return text(s, stop, out);
        case OBJECT:
        case ARRAY:
                return container_open(s, action == OBJECT, out);
        case END:
                container_close(s, out);
                return OK;
        case NUMBER:
                return number(s, out);
        case WORD:
                return word(s, out);
        case BAD:
        case SEPARATE:
        case ASSIGN:
                break;
        }
        return FAIL(BAD_JSON);
}

static err walk(json_scan *s, size_t stop, json_token *out)
{
        if (s->state == IN_KEY || s->state == IN_STRING)
                return text(s, stop, out);
        while (s->at < stop) {
                scan_class c = classes[s->doc[s->at]];
                if (c == SPACE) {
                        s->at++;
                        continue;
                }
                scan_action action = actions[s->state][c];
                if (action == SEPARATE) {
                        separate(s);
                } else if (action == ASSIGN) {
                        s->at++;
                        s->state = WANT_VALUE;
                } else {
                        return act(s, action, stop, out);
                }
        }
        if (s->at == s->len && s->state != WANT_END)
                return FAIL(BAD_JSON);
        token(s, s->at == s->len ? JSON_DONE : JSON_YIELD, s->at, out);
        return OK;
}

err json_scan_next(json_scan *s, size_t *budget, json_token *out)
{
        TRY(s->fault);
        size_t from = s->at;
        size_t stop = *budget < s->len - from ? from + *budget : s->len;
        s->fault = walk(s, stop, out);
        size_t used = s->at - from;
        *budget -= used < *budget ? used : *budget;
        return s->fault;
}
