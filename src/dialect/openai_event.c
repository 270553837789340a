#include "dialect/openai_event.h"

#include <assert.h>

#include "base/limit.h"

enum : uint16_t {
        ID_CHOICES = 1,
        ID_CHOICE,
        ID_INDEX,
        ID_FINISH,
        ID_CONTENT,
        ID_REFUSAL,
        ID_REASONING,
        ID_THOUGHT,
        ID_TOOL,
        ID_TOOL_INDEX,
        ID_ARGUMENTS,
        ID_INPUT,
        ID_CALL,
        ID_ERROR,
        ID_ROLE,
        ID_LOGPROBS,
        ID_UNKNOWN,
};

static const json_paths *event_paths(void)
{
        static const json_path_row rows[] = {
                {"choices", ID_CHOICES},
                {"choices[]", ID_CHOICE},
                {"choices[].index", ID_INDEX},
                {"choices[].finish_reason", ID_FINISH},
                {"choices[].text", ID_CONTENT},
                {"choices[].delta.content", ID_CONTENT},
                {"choices[].delta.refusal", ID_REFUSAL},
                {"choices[].delta.reasoning_content", ID_REASONING},
                {"choices[].delta.reasoning", ID_THOUGHT},
                {"choices[].delta.tool_calls[]", ID_TOOL},
                {"choices[].delta.tool_calls[].index", ID_TOOL_INDEX},
                {"choices[].delta.tool_calls[].function.arguments", ID_ARGUMENTS},
                {"choices[].delta.tool_calls[].custom.input", ID_INPUT},
                {"choices[].delta.function_call.arguments", ID_CALL},
                {"choices[].delta.role", ID_ROLE},
                {"choices[].delta.**", ID_UNKNOWN},
                {"choices[].logprobs", ID_LOGPROBS},
                {"error", ID_ERROR},
                OPENAI_USAGE_PATHS,
                OPENAI_ENVELOPE_PATHS,
        };
        static const json_paths *compiled;
        if (compiled == nullptr)
                compiled = json_paths_compile(rows, sizeof rows / sizeof *rows);
        return compiled;
}

enum : size_t { NOTES = 256 };

/* A lane's piece in this event. */
typedef struct note {
        lane_kind kind;
        uint32_t tool;
        size_t start, end;
} note;

/* Where this event closes a lane: what was held back of it. */
typedef struct tail {
        lane_kind kind;
        uint32_t choice, tool;
        view text;
        struct tail *next;
} tail;

/* One event being read. */
typedef struct reading {
        openai_stream *s;
        view data;
        arena *turn;
        edits *e;
        openai_event *out;
        note *notes; /* of the choice being read; room for NOTES */
        tail *tails, **tails_end;
        size_t tails_bytes; /* room their choices need */
        size_t count, tool_first;
        uint32_t choice, tool;
        bool finish;
        size_t choices_start, choices;
        size_t usage_key, usage_end; /* member `usage`: its key's first byte (inside the quotes), its end */
        bool usage_object;
        bool role, other, emptied; /* a role; more than plain text; text that was said before is gone */
        bool any_finish;
        size_t members; /* of the chunk's object */
        openai_envelope_places places;
        lane *fed; /* the text's, with its state before this event */
        void *before;
} reading;

void openai_stream_begin(openai_stream *s, arena *a, const restoring *r, bool hide_usage)
{
        *s = (openai_stream){.restoring = r, .arena = a, .hide_usage = hide_usage};
}

void openai_stream_keep(openai_stream *s) { s->keep = true; }

void openai_stream_resume(openai_stream *s, const openai_stream *cut, view said)
{
        s->keep = s->resumed = true;
        s->lanes = cut->lanes;
        s->repeat = (openai_repeat){.said = said};
        s->envelope = cut->envelope;
}

static bool takes_notes(const openai_stream *s) { return s->restoring != nullptr || s->keep; }

static err note_add(reading *r, lane_kind kind, const json_token *t)
{
        if (t->kind != JSON_STRING) {
                if (t->kind == JSON_ARRAY || t->kind == JSON_OBJECT)
                        r->s->odd = true;
                return OK;
        }
        if (t->end > t->start) {
                r->out->content = true;
                r->other = r->other || kind != LANE_CONTENT;
                if (kind != LANE_CONTENT && kind != LANE_REASONING && kind != LANE_THOUGHT)
                        r->s->odd = true;
        }
        if (!takes_notes(r->s))
                return OK;
        if (r->count == NOTES)
                return FAIL(UPSTREAM_BROKEN);
        r->notes[r->count++] = (note){kind, r->tool, t->start, t->end};
        return OK;
}

static const char *lane_shape(lane_kind kind)
{
        switch (kind) {
        case LANE_CONTENT:
                return "\"content\":\"";
        case LANE_REFUSAL:
                return "\"refusal\":\"";
        case LANE_REASONING:
                return "\"reasoning_content\":\"";
        case LANE_THOUGHT:
                return "\"reasoning\":\"";
        case LANE_CALL:
                return "\"function_call\":{\"arguments\":\"";
        case LANE_ARGUMENTS:
        case LANE_INPUT:
        case LANE_KINDS:
                break;
        }
        return nullptr;
}

static void emit_tail_delta(emit *out, const tail *t)
{
        if (t->kind == LANE_ARGUMENTS || t->kind == LANE_INPUT) {
                emit_text(out, "\"tool_calls\":[{\"index\":");
                emit_u64(out, t->tool);
                emit_text(out, t->kind == LANE_INPUT ? ",\"custom\":{\"input\":\"" : ",\"function\":{\"arguments\":\"");
                emit_view(out, t->text);
                emit_text(out, "\"}}]");
                return;
        }
        emit_text(out, lane_shape(t->kind));
        emit_view(out, t->text);
        emit_text(out, t->kind == LANE_CALL ? "\"}" : "\"");
}

/* Everything of a tail's choice but its text. */
enum : size_t { TAIL_BYTES = 256 };

static err tail_add(reading *r, const lane *l, view text)
{
        if (text.len == 0)
                return OK;
        tail *t = arena_alloc(r->turn, sizeof *t);
        if (t == nullptr)
                return FAIL(NO_ROOM);
        *t = (tail){.kind = l->kind, .choice = l->choice, .tool = l->tool, .text = text};
        *r->tails_end = t;
        r->tails_end = &t->next;
        r->tails_bytes += TAIL_BYTES + text.len;
        return OK;
}

/* The lane that the key names, with its state put aside should this event turn out to be none. */
static err lane_take(reading *r, const lane *key, lane **out)
{
        openai_stream *s = r->s;
        lane *l = lane_find(&s->lanes, s->restoring, s->arena, key);
        *out = l;
        if (l == nullptr)
                return FAIL(NO_ROOM);
        if (!s->keep || key->kind != LANE_CONTENT || r->fed != nullptr)
                return OK;
        r->before = arena_alloc(r->turn, s->restoring->lane_bytes);
        if (r->before == nullptr)
                return FAIL(NO_ROOM);
        memcpy(r->before, l->state, s->restoring->lane_bytes);
        r->fed = l;
        return OK;
}

/* What goes on of a piece of text. */
static err piece_pass(reading *r, const lane *key, view *text, bool last, bool *changed)
{
        if (r->s->restoring == nullptr)
                return OK;
        lane *l;
        TRY(lane_take(r, key, &l));
        lane_piece piece = {.raw = *text, .last = last};
        if (!lane_pass(l, &piece, r->turn))
                return FAIL(NO_ROOM);
        l->over = last;
        if (piece.changed) {
                *text = piece.text;
                *changed = true;
        }
        return OK;
}

/* Text of the kind that another stream goes on with. */
static err text_take(reading *r, view *text, bool *changed)
{
        openai_stream *s = r->s;
        size_t before = text->len;
        if (!s->keep)
                return OK;
        /* Two of them in one event, or two choices, are in no order that a prefill has. */
        if (r->choice != 0 || (r->out->text.len > 0 && text->len > 0))
                s->odd = true;
        if (r->choice != 0)
                return OK;
        TRY(openai_repeat_take(&s->repeat, text, r->finish, r->turn, changed));
        if (text->len > 0)
                r->out->text = *text;
        r->emptied = r->emptied || (before > 0 && text->len == 0);
        return OK;
}

/* The choice finishes: what its other lanes hold back must come out before. */
static err tails_take(reading *r)
{
        const lane text = {.kind = LANE_CONTENT, .choice = r->choice};
        view held = {};
        bool changed = false;
        /* A finish without text, while what came looked like the prefill: it was all of the rest. */
        TRY(text_take(r, &held, &changed));
        if (held.len > 0) {
                TRY(piece_pass(r, &text, &held, true, &changed));
                TRY(tail_add(r, &text, held));
        }
        for (lane *l = r->s->lanes.first; l != nullptr; l = l->next)
                if (l->choice == r->choice && !l->over) {
                        lane_piece piece = {.last = true};
                        l->over = true;
                        if (!lane_pass(l, &piece, r->turn))
                                return FAIL(NO_ROOM);
                        if (piece.changed)
                                TRY(tail_add(r, l, piece.text));
                }
        return OK;
}

static err choice_end(reading *r)
{
        for (size_t i = 0; i < r->count; i++) {
                const note *n = &r->notes[i];
                const lane key = {.kind = n->kind, .choice = r->choice, .tool = n->tool};
                view text = view_slice(r->data, n->start, n->end);
                bool changed = false;
                if (n->kind == LANE_CONTENT)
                        TRY(text_take(r, &text, &changed));
                TRY(piece_pass(r, &key, &text, r->finish, &changed));
                if (changed)
                        TRY(edits_insert(r->e, n->start, n->end, text));
        }
        if (r->finish)
                TRY(tails_take(r));
        r->any_finish = r->any_finish || r->finish;
        r->count = 0;
        return OK;
}

static uint32_t small_number(view data, const json_token *t)
{
        uint64_t n = 0;
        if (t->kind != JSON_NUMBER || !view_decimal(view_slice(data, t->start, t->end), UINT32_MAX, &n))
                return 0;
        return (uint32_t)n;
}

static err choice_token(reading *r, const json_token *t)
{
        if (t->kind == JSON_OBJECT) {
                r->choices++;
                r->count = 0;
                r->choice = t->index;
                r->tool = 0;
                r->finish = false;
                return OK;
        }
        return t->kind == JSON_OBJECT_END ? choice_end(r) : OK;
}

static void tool_token(reading *r, const json_token *t)
{
        if (t->kind == JSON_OBJECT) {
                r->tool = t->index;
                r->tool_first = r->count;
                r->out->content = r->other = r->s->odd = true;
        } else if (t->kind == JSON_OBJECT_END) {
                for (size_t i = r->tool_first; i < r->count; i++)
                        r->notes[i].tool = r->tool;
                /* What follows in the delta is of no tool. */
                r->tool = 0;
        }
}

static void usage_token(reading *r, const json_token *t)
{
        openai_usage_token(&r->s->usage, r->data, t);
        if (t->path != OPENAI_USAGE)
                return;
        if (t->kind == JSON_KEY)
                r->usage_key = t->start;
        else
                r->usage_end = t->end + (t->kind == JSON_STRING ? 1 : 0);
        if (t->kind == JSON_OBJECT)
                r->usage_object = true;
}

/* A member of a delta that nobody here has heard of: when it says anything, it is more than plain text. */
static void unknown_token(reading *r, const json_token *t)
{
        bool string = t->kind == JSON_STRING && t->end > t->start;
        if (string || t->kind == JSON_OBJECT || t->kind == JSON_NUMBER || t->kind == JSON_TRUE)
                r->s->odd = true;
}

static err take(reading *r, const json_token *t)
{
        if (t->path >= OPENAI_USAGE && t->path <= OPENAI_USAGE_LAST) {
                usage_token(r, t);
                return OK;
        }
        if (t->kind == JSON_KEY)
                return OK;
        if (t->path >= OPENAI_ENVELOPE && t->path <= OPENAI_ENVELOPE_LAST) {
                openai_envelope_token(&r->places, t);
                return OK;
        }
        switch (t->path) {
        case ID_CHOICES:
                if (t->kind == JSON_ARRAY)
                        r->choices_start = t->start;
                return OK;
        case ID_CHOICE:
                return choice_token(r, t);
        case ID_INDEX:
                r->choice = small_number(r->data, t);
                return OK;
        case ID_FINISH:
                if (t->kind == JSON_STRING)
                        r->finish = r->s->finished = r->out->content = true;
                return OK;
        case ID_CONTENT:
                return note_add(r, LANE_CONTENT, t);
        case ID_REFUSAL:
                return note_add(r, LANE_REFUSAL, t);
        case ID_REASONING:
                return note_add(r, LANE_REASONING, t);
        case ID_THOUGHT:
                return note_add(r, LANE_THOUGHT, t);
        case ID_TOOL:
                tool_token(r, t);
                return OK;
        case ID_TOOL_INDEX:
                r->tool = small_number(r->data, t);
                return OK;
        case ID_ARGUMENTS:
                return note_add(r, LANE_ARGUMENTS, t);
        case ID_INPUT:
                return note_add(r, LANE_INPUT, t);
        case ID_CALL:
                return note_add(r, LANE_CALL, t);
        case ID_ROLE:
                r->role = true;
                return OK;
        case ID_LOGPROBS:
                if (t->kind == JSON_OBJECT)
                        r->s->odd = true;
                return OK;
        case ID_UNKNOWN:
                unknown_token(r, t);
                return OK;
        case ID_ERROR:
                if (t->kind != JSON_NULL)
                        r->out->error = true;
                return OK;
        default:
                return OK;
        }
}

static bool is_space(uint8_t c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* The range of the whole member, with the comma that belongs to it. */
static void usage_range(const reading *r, size_t *start, size_t *end)
{
        *start = r->usage_key - 1;
        *end = r->usage_end;
        size_t before = *start;
        while (before > 0 && is_space(r->data.data[before - 1]))
                before--;
        assert(before > 0);
        if (r->data.data[before - 1] == ',') {
                *start = before - 1;
                return;
        }
        size_t after = *end;
        while (after < r->data.len && is_space(r->data.data[after]))
                after++;
        if (after < r->data.len && r->data.data[after] == ',')
                *end = after + 1;
}

/* ---- the event before ---- */

/* The chunk as far as its choices, without usage, which is stated once and not here. */
static void emit_front(const reading *r, emit *out)
{
        size_t from = 0;
        if (r->s->resumed) {
                emit_byte(out, '{');
                openai_envelope_write(&r->s->envelope, nullptr, out);
                emit_text(out, "\"object\":\"chat.completion.chunk\",\"choices\":[");
                return;
        }
        if (r->usage_key != 0 && r->usage_key < r->choices_start) {
                size_t start;
                usage_range(r, &start, &from);
                emit_view(out, view_slice(r->data, 0, start));
        }
        emit_view(out, view_slice(r->data, from, r->choices_start + 1));
}

/* One event of all tails: the chunk as far as its choices, then a choice for each. */
static err tails_write(reading *r)
{
        if (r->tails == nullptr)
                return OK;
        size_t room = r->choices_start + 64 + openai_envelope_room(&r->s->envelope) + r->tails_bytes;
        uint8_t *bytes = arena_alloc(r->turn, room);
        if (bytes == nullptr)
                return FAIL(NO_ROOM);
        emit extra = emit_into(bytes, room);
        emit_front(r, &extra);
        for (const tail *t = r->tails; t != nullptr; t = t->next) {
                emit_text(&extra, t == r->tails ? "{\"index\":" : ",{\"index\":");
                emit_u64(&extra, t->choice);
                emit_text(&extra, ",\"delta\":{");
                emit_tail_delta(&extra, t);
                emit_text(&extra, "},\"finish_reason\":null}");
        }
        emit_text(&extra, "]}");
        return emit_done(&extra, &r->out->extra);
}

static err read_all(reading *r)
{
        openai_stream *s = r->s;
        if (s->scan == nullptr)
                s->scan = json_scan_begin(r->data, event_paths(), s->arena);
        else
                json_scan_again(s->scan, r->data);
        if (s->scan == nullptr)
                return FAIL(NO_ROOM);
        bool object = false;
        for (;;) {
                json_token t;
                size_t budget = SIZE_MAX;
                if (failed(json_scan_next(s->scan, &budget, &t)))
                        return FAIL(UPSTREAM_BROKEN);
                if (t.kind == JSON_DONE)
                        break;
                if (t.depth == 0 && t.kind == JSON_OBJECT) {
                        object = true;
                        r->places.inside = t.start + 1;
                }
                if (t.depth == 1 && t.kind == JSON_KEY)
                        r->members++;
                TRY(take(r, &t));
        }
        return object ? OK : FAIL(UPSTREAM_BROKEN);
}

static err hide_usage(reading *r)
{
        if (!r->s->hide_usage || r->usage_key == 0)
                return OK;
        if (r->usage_object && r->choices == 0) {
                r->out->drop = true;
                return OK;
        }
        size_t start, end;
        usage_range(r, &start, &end);
        return edits_insert(r->e, start, end, (view){});
}

/* A second role, or text that the caller has: nothing is left of the event. */
static bool is_said(const reading *r)
{
        if (r->other || r->any_finish || (r->usage_object && !r->s->hide_usage))
                return false;
        return r->emptied ? r->out->text.len == 0 : r->role && !r->out->content;
}

static err event_read(reading *r)
{
        openai_stream *s = r->s;
        openai_event *out = r->out;
        if (takes_notes(s)) {
                r->notes = arena_alloc(r->turn, NOTES * sizeof(note));
                if (r->notes == nullptr)
                        return FAIL(NO_ROOM);
        }
        TRY(read_all(r));
        TRY(tails_write(r));
        if (s->resumed) {
                r->places.alone = r->members == (s->hide_usage && r->usage_key != 0 ? 1 : 0);
                TRY(openai_envelope_change(&s->envelope, &r->places, r->data, r->e));
                out->drop = is_said(r);
                out->content = out->content && !out->drop;
        } else if (s->keep) {
                TRY(openai_envelope_note(&s->envelope, &r->places, r->data, s->arena));
        }
        if (out->content)
                s->content_events++;
        return hide_usage(r);
}

/* An event that was refused half-way has not been: its text will come again, from another vendor. */
static void take_back(const reading *r, const openai_stream *before)
{
        openai_stream *s = r->s;
        json_scan *scan = s->scan;
        *s = *before;
        s->scan = scan;
        if (r->fed != nullptr) {
                memcpy(r->fed->state, r->before, s->restoring->lane_bytes);
                r->fed->over = false;
        }
}

err openai_stream_event(openai_stream *s, view data, arena *turn, edits *e, openai_event *out)
{
        *out = (openai_event){};
        if (view_equal(data, VIEW("[DONE]"))) {
                s->done = out->done = true;
                return OK;
        }
        const openai_stream before = *s;
        reading r = {.s = s, .data = data, .turn = turn, .e = e, .out = out};
        r.tails_end = &r.tails;
        err result = event_read(&r);
        if (failed(result))
                take_back(&r, &before);
        return result;
}
