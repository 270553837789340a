#include "dialect/openai_answer.h"

#include <assert.h>

#include "base/limit.h"

enum : uint16_t { ID_TEXT = 1, ID_SOURCE, ID_ERROR, ID_RESULT, ID_COMPLAINT };

/* Decoded and restored in pieces, so that a long text needs no second copy of itself. */
enum : size_t { PIECE_BYTES = 8 * 1024 };

static const json_paths *answer_paths(void)
{
        static const json_path_row rows[] = {
                {"choices[].message.content", ID_TEXT},
                {"choices[].message.content[].text", ID_TEXT},
                {"choices[].message.refusal", ID_TEXT},
                {"choices[].message.reasoning_content", ID_TEXT},
                {"choices[].message.reasoning", ID_TEXT},
                {"choices[].message.tool_calls[].function.arguments", ID_SOURCE},
                {"choices[].message.tool_calls[].custom.input", ID_TEXT},
                {"choices[].message.function_call.arguments", ID_SOURCE},
                {"error", ID_ERROR},
                {"choices[].error", ID_ERROR},
                {"choices", ID_RESULT},
                {"data", ID_RESULT},
                {"code", ID_COMPLAINT},
                {"message", ID_COMPLAINT},
                {"msg", ID_COMPLAINT},
                {"error_code", ID_COMPLAINT},
                {"error_msg", ID_COMPLAINT},
                OPENAI_USAGE_PATHS,
        };
        static const json_paths *compiled;
        if (compiled == nullptr)
                compiled = json_paths_compile(rows, sizeof rows / sizeof *rows);
        return compiled;
}

err openai_answer_begin(openai_answer *a, view doc, const restoring *r, arena *memory, region *out)
{
        *a = (openai_answer){.doc = doc, .restoring = r, .arena = memory, .out = out};
        if (r != nullptr) {
                a->text_lane.by = r;
                a->text_lane.state = arena_alloc(memory, r->lane_bytes);
                if (a->text_lane.state == nullptr)
                        return FAIL(NO_ROOM);
        }
        a->scan = json_scan_begin(doc, answer_paths(), memory);
        return a->scan == nullptr ? FAIL(NO_ROOM) : OK;
}

static size_t escape_length(const uint8_t *at)
{
        if (at[1] != 'u')
                return 2;
        bool high_surrogate = ascii_lower(at[2]) == 'd' && strchr("89abAB", at[3]) != nullptr;
        return high_surrogate ? 12 : 6;
}

/* The end of a piece that cuts neither an escape nor a code point. */
static size_t piece_end(const openai_answer *a)
{
        size_t end = a->text_at + PIECE_BYTES;
        if (end >= a->text_end)
                return a->text_end;
        size_t at = a->text_at;
        while (at < end)
                at += a->doc.data[at] == '\\' ? escape_length(a->doc.data + at) : 1;
        while (at < a->text_end && (a->doc.data[at] & 0xc0) == 0x80)
                at++;
        return at;
}

static err text_step(openai_answer *a, size_t *budget)
{
        arena_mark mark = arena_here(a->arena);
        size_t     end = piece_end(a);
        lane_piece piece = {.raw = view_slice(a->doc, a->text_at, end), .last = end == a->text_end};
        if (!lane_pass(&a->text_lane, &piece, a->arena))
                return FAIL(NO_ROOM);
        TRY(region_append(a->out, piece.changed ? piece.text : piece.raw));
        arena_back(a->arena, mark);
        *budget -= piece.raw.len < *budget ? piece.raw.len : *budget;
        a->text_at = end;
        if (piece.last) {
                a->in_text = false;
                a->copied = end;
        }
        return OK;
}

static err text_begin(openai_answer *a, const json_token *t)
{
        TRY(region_append(a->out, view_slice(a->doc, a->copied, t->start)));
        a->restoring->begin(a->restoring->ctx, a->text_lane.state, t->path == ID_SOURCE);
        a->in_text = true;
        a->text_at = t->start;
        a->text_end = t->end;
        return OK;
}

/* Whether this is an answer at all. */
static void take_sign(openai_answer *a, const json_token *t)
{
        if (t->kind == JSON_NULL || t->kind == JSON_KEY)
                return;
        if (t->path == ID_ERROR)
                a->error = true;
        else if (t->path == ID_COMPLAINT)
                a->complains = true;
        else if (t->kind == JSON_ARRAY)
                a->answers = true;
}

static err take(openai_answer *a, const json_token *t)
{
        if (t->path >= OPENAI_USAGE && t->path <= OPENAI_USAGE_LAST)
                openai_usage_token(&a->usage, a->doc, t);
        else if (t->path >= ID_ERROR && t->path <= ID_COMPLAINT)
                take_sign(a, t);
        else if ((t->path == ID_TEXT || t->path == ID_SOURCE) && t->kind == JSON_STRING && a->restoring != nullptr
                 && t->end > t->start)
                return text_begin(a, t);
        if (t->depth == 0 && t->kind != JSON_OBJECT && t->kind != JSON_OBJECT_END)
                return FAIL(UPSTREAM_BROKEN);
        return OK;
}

err openai_answer_step(openai_answer *a, size_t *budget, bool *done)
{
        *done = false;
        while (*budget > 0) {
                if (a->in_text) {
                        TRY(text_step(a, budget));
                        continue;
                }
                json_token t;
                if (failed(json_scan_next(a->scan, budget, &t)))
                        return FAIL(UPSTREAM_BROKEN);
                if (t.kind == JSON_YIELD)
                        return OK;
                if (t.kind == JSON_DONE) {
                        *done = true;
                        a->error = a->error || (a->complains && !a->answers);
                        return a->restoring == nullptr
                                     ? OK
                                     : region_append(a->out, view_slice(a->doc, a->copied, a->doc.len));
                }
                TRY(take(a, &t));
        }
        return OK;
}
