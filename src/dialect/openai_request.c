#include "dialect/openai_request.h"

#include <assert.h>

#include "base/limit.h"

enum : uint16_t {
        ID_NONE,
        ID_MODEL,
        ID_STREAM,
        ID_OPTIONS,
        ID_INCLUDE_USAGE,
        ID_MESSAGES,
        ID_MESSAGE,
        ID_ROLE,
        ID_DATA_URL,
        ID_BASE64,
        ID_INPUT,
        ID_FORMAT,
        ID_CHOICES,
        ID_MOST,
        ID_MOST_COMPLETION,
        ID_FUNCTIONAL,
};

static const json_path_row path_rows[] = {
#define PATH(path, id, functional) {path, ID_##id},
#include "dialect/openai_path.def"
#undef PATH
};

static bool is_functional(uint16_t id)
{
        static const struct {
                uint16_t id;
                bool functional;
        } rows[] = {
#define PATH(path, id, functional) {ID_##id, functional},
#include "dialect/openai_path.def"
#undef PATH
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                if (rows[i].id == id)
                        return rows[i].functional;
        return false;
}

const json_paths *openai_request_paths(void)
{
        static const json_paths *compiled;
        if (compiled == nullptr)
                compiled = json_paths_compile(path_rows, sizeof path_rows / sizeof *path_rows);
        return compiled;
}

void openai_request_begin(openai_request *r, openai_endpoint endpoint)
{
        *r = (openai_request){.endpoint = endpoint, .one_text = true};
}

static openai_role role_of(view raw)
{
        static const struct {
                const char *word;
                openai_role role;
        } roles[] = {{"user", OPENAI_USER},     {"assistant", OPENAI_ASSISTANT}, {"tool", OPENAI_TOOL},
                     {"function", OPENAI_TOOL}, {"system", OPENAI_SYSTEM},       {"developer", OPENAI_SYSTEM}};
        for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
                if (json_raw_equal(raw, view_of_text(roles[i].word)))
                        return roles[i].role;
        return OPENAI_OTHER;
}

static err take_flag(openai_request *r, const json_token *t)
{
        if (t->kind != JSON_TRUE && t->kind != JSON_FALSE && t->kind != JSON_NULL)
                return FAIL(BAD_BODY);
        r->flag_start = t->start;
        r->flag_end = t->end;
        r->usage_wanted = t->kind == JSON_TRUE;
        return OK;
}

static err take_options(openai_request *r, const json_token *t)
{
        if (t->kind == JSON_OBJECT) {
                r->options_object = r->options_empty = true;
                r->options_start = t->start;
                return OK;
        }
        if (t->kind == JSON_NULL) {
                r->options_start = t->start;
                r->options_end = t->end;
                return OK;
        }
        return t->kind == JSON_OBJECT_END ? OK : FAIL(BAD_BODY);
}

static void take_most(openai_request *r, view doc, const json_token *t)
{
        size_t i = t->path == ID_MOST ? 0 : 1;
        if (t->kind != JSON_NUMBER)
                return;
        /* What is no number of tokens the vendor will say itself; it is no reason to lower it. */
        if (!view_decimal(view_slice(doc, t->start, t->end), UINT64_MAX, &r->most[i].tokens))
                return;
        r->most[i].start = t->start;
        r->most[i].end = t->end;
}

static err take_messages(openai_request *r, const json_token *t)
{
        if (t->kind != JSON_ARRAY && t->kind != JSON_ARRAY_END)
                return FAIL(BAD_BODY);
        r->has_payload = true;
        if (t->kind == JSON_ARRAY) {
                r->messages_empty = true;
                return OK;
        }
        r->messages_end = t->start;
        if (r->role == OPENAI_ASSISTANT)
                r->one_text = false;
        return OK;
}

static err take_message(openai_request *r, const json_token *t)
{
        if (t->kind != JSON_OBJECT && t->kind != JSON_OBJECT_END)
                return FAIL(BAD_BODY);
        r->in_message = t->kind == JSON_OBJECT;
        r->messages_empty = false;
        if (r->in_message)
                r->role = OPENAI_OTHER;
        return OK;
}

static err take_known(openai_request *r, view doc, const json_token *t)
{
        view raw = view_slice(doc, t->start, t->end);
        switch (t->path) {
        case ID_MODEL:
                if (t->kind != JSON_STRING)
                        return FAIL(BAD_BODY);
                r->has_model = true;
                r->model_start = t->start;
                r->model_end = t->end;
                return OK;
        case ID_STREAM:
                if (t->kind != JSON_TRUE && t->kind != JSON_FALSE && t->kind != JSON_NULL)
                        return FAIL(BAD_BODY);
                r->stream = t->kind == JSON_TRUE;
                return OK;
        case ID_OPTIONS:
                return take_options(r, t);
        case ID_INCLUDE_USAGE:
                return take_flag(r, t);
        case ID_MESSAGES:
                return take_messages(r, t);
        case ID_INPUT:
                r->has_payload = true;
                /* Token ids cannot be examined without the vendor's tokenizer, so they may not pass. */
                return t->kind == JSON_NUMBER ? FAIL(POLICY_LIMIT) : OK;
        case ID_MESSAGE:
                return take_message(r, t);
        case ID_ROLE:
                if (t->kind != JSON_STRING)
                        return FAIL(BAD_BODY);
                r->role = role_of(raw);
                return OK;
        case ID_FORMAT:
                /* A grammar begins at its beginning, whatever stands before. */
                if (t->kind != JSON_STRING || !json_raw_equal(raw, VIEW("text")))
                        r->one_text = false;
                return OK;
        case ID_CHOICES:
                if (t->kind != JSON_NULL && !view_equal(raw, VIEW("1")))
                        r->one_text = false;
                return OK;
        case ID_MOST:
        case ID_MOST_COMPLETION:
                take_most(r, doc, t);
                return OK;
        default:
                return OK;
        }
}

/* Media in base64 pass unread, anything else that stands in their place is text. Of very long ones the beginning is
 * looked at: enough to tell a file from words. */
static bool is_base64(view raw)
{
        raw = view_slice(raw, 0, LIMIT_STEP_BYTES);
        for (size_t i = 0; i < raw.len; i++) {
                uint8_t c = raw.data[i];
                bool letter = ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
                /* The backslash is of "\/", as some libraries write the slash. */
                if (!letter && (c < '0' || c > '9') && (c == 0 || strchr("+/=-_\\", c) == nullptr))
                        return false;
        }
        return true;
}

/* "data:image/png;base64,...": a data: URL without that word holds plain text. */
static bool is_data_url(view raw)
{
        enum : size_t { TYPE_BYTES = 128 };
        static const view scheme = VIEW_INIT("data:"), coding = VIEW_INIT(";base64,");
        if (!view_starts(raw, scheme))
                return false;
        size_t at = scheme.len;
        while (at < raw.len && at < TYPE_BYTES && !view_starts(view_slice(raw, at, raw.len), coding)) {
                uint8_t c = raw.data[at++];
                bool letter = ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
                if (!letter && (c < '0' || c > '9') && (c == 0 || strchr("+/=-_.;\\", c) == nullptr))
                        return false;
        }
        view rest = view_slice(raw, at, raw.len);
        return view_starts(rest, coding) && is_base64(view_slice(rest, coding.len, rest.len));
}

/* What a place that means something holds when it means it: a short word. Anything else in it is text. */
static bool is_word(view raw)
{
        enum : size_t { WORD_BYTES = 256 };
        if (raw.len > WORD_BYTES)
                return false;
        for (size_t i = 0; i < raw.len; i++) {
                uint8_t c = raw.data[i];
                bool letter = ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
                if (!letter && (c < '0' || c > '9') && (c == 0 || strchr("_-.:/", c) == nullptr))
                        return false;
        }
        return true;
}

static bool is_text(const openai_request *r, view doc, const json_token *t)
{
        view raw = view_slice(doc, t->start, t->end);
        switch (t->path) {
        case ID_MODEL:
                return false; /* never sent: the target's name stands in its place */
        case ID_ROLE:
                return r->role == OPENAI_OTHER && !is_word(raw);
        case ID_DATA_URL:
                return !is_data_url(raw);
        case ID_BASE64:
                return !is_base64(raw);
        default:
                return !is_functional(t->path) || !is_word(raw);
        }
}

/* Letters and underscores are no entity's whole shape: the keys of every ordinary body. */
static bool is_plain_word(view key)
{
        for (size_t i = 0; i < key.len; i++) {
                uint8_t c = ascii_lower(key.data[i]);
                if (c != '_' && (c < 'a' || c > 'z'))
                        return false;
        }
        return true;
}

err openai_request_token(openai_request *r, view doc, const json_token *t, openai_text *text)
{
        *text = OPENAI_NO_TEXT;
        if (t->depth == 0) {
                if (t->kind == JSON_DONE)
                        return OK;
                if (t->kind != JSON_OBJECT && t->kind != JSON_OBJECT_END)
                        return FAIL(BAD_BODY);
                if (t->kind == JSON_OBJECT)
                        r->root_empty = true;
                else
                        r->root_end = t->start;
                return OK;
        }
        if (t->kind == JSON_KEY) {
                r->root_empty = false;
                /* A key below stream_options: the object is not empty. */
                if (r->options_object && r->options_end == 0)
                        r->options_empty = false;
                if (!is_plain_word(view_slice(doc, t->start, t->end)))
                        *text = OPENAI_KEY;
                return OK;
        }
        TRY(take_known(r, doc, t));
        if (t->path == ID_OPTIONS && t->kind == JSON_OBJECT_END)
                r->options_end = t->end;
        if (t->path == ID_MESSAGE && t->kind == JSON_OBJECT_END)
                *text = OPENAI_MESSAGE_END;
        else if (t->kind == JSON_STRING && is_text(r, doc, t))
                *text = OPENAI_SCAN;
        return OK;
}

/* Usage is always asked for; the answer hides it again from a caller who did not ask. */
static err ask_for_usage(const openai_request *r, edits *e)
{
        if (r->options_start == 0)
                return edits_insert(e, r->root_end, r->root_end, VIEW(",\"stream_options\":{\"include_usage\":true}"));
        if (!r->options_object)
                return edits_insert(e, r->options_start, r->options_end, VIEW("{\"include_usage\":true}"));
        if (r->flag_start != 0)
                return edits_insert(e, r->flag_start, r->flag_end, VIEW("true"));
        size_t inside = r->options_start + 1;
        return edits_insert(e, inside, inside,
                            r->options_empty ? VIEW("\"include_usage\":true") : VIEW("\"include_usage\":true,"));
}

err openai_request_finish(openai_request *r, edits *e)
{
        if (!r->has_model || !r->has_payload || r->root_end == 0)
                return FAIL(BAD_BODY);
        if (r->endpoint == OPENAI_EMBEDDINGS)
                r->stream = false;
        if (r->stream && !r->usage_wanted)
                return ask_for_usage(r, e);
        return OK;
}

bool openai_request_resumable(const openai_request *r, uint64_t tokens_said)
{
        for (size_t i = 0; i < 2; i++)
                if (r->most[i].end != 0 && r->most[i].tokens <= tokens_said)
                        return false;
        return r->one_text && r->messages_end != 0;
}

/* The edit at [start, end), made or changed. */
static err edit_at(edits *e, size_t start, size_t end, view text)
{
        for (size_t i = 0; i < e->count; i++)
                if (e->list[i].start == start && e->list[i].end == end) {
                        edits_change(e, start, text);
                        return OK;
                }
        return edits_insert(e, start, end, text);
}

err openai_request_resume(const openai_request *r, view prefill, uint64_t tokens_said, edits *e)
{
        enum : size_t { DIGITS = 20 };
        for (size_t i = 0; i < 2; i++) {
                if (r->most[i].end == 0)
                        continue;
                uint8_t *bytes = arena_alloc(e->arena, DIGITS);
                if (bytes == nullptr)
                        return FAIL(NO_ROOM);
                emit number = emit_into(bytes, DIGITS);
                emit_u64(&number, r->most[i].tokens - tokens_said);
                TRY(edit_at(e, r->most[i].start, r->most[i].end, (view){bytes, number.len}));
        }
        return edit_at(e, r->messages_end, r->messages_end, prefill);
}
