#include "dialect/openai_error.h"

#include "base/limit.h"
#include "codec/json_text.h"

/* A place's id is the field it fills and its rank there: what stands at the better place counts, wherever the vendor
 * wrote it down first. */
enum : uint16_t {
        RANKS = 16,
        MESSAGE = 1 * RANKS,
        TYPE = 2 * RANKS,
        CODE = 3 * RANKS,
        PARAM = 4 * RANKS,
        RETRY = 5 * RANKS
};

enum : size_t { FIELDS = 5 };

/* clang-format off */
static const json_path_row places[] = {
        {"error.message", MESSAGE},          {"[].error.message", MESSAGE},
        {"error", MESSAGE + 1},              {"message", MESSAGE + 2},
        {"message.detail", MESSAGE + 3},     {"message.detail[].msg", MESSAGE + 3},
        {"msg", MESSAGE + 4},                {"error_msg", MESSAGE + 5},
        {"detail", MESSAGE + 6},             {"detail[].msg", MESSAGE + 6},
        {"choices[].error.message", MESSAGE + 7},
        {"", MESSAGE + 8},

        {"error.type", TYPE},                {"[].error.type", TYPE},
        {"error.details[].reason", TYPE + 1}, {"[].error.details[].reason", TYPE + 1},
        {"error.status", TYPE + 2},          {"[].error.status", TYPE + 2},
        {"type", TYPE + 3},

        {"error.code", CODE},                {"[].error.code", CODE},
        {"code", CODE + 1},                  {"error_code", CODE + 2},
        {"statusCode", CODE + 3},            {"choices[].error.code", CODE + 4},

        {"error.param", PARAM},              {"param", PARAM + 1},

        {"error.details[].retryDelay", RETRY}, {"[].error.details[].retryDelay", RETRY},
};
/* clang-format on */

typedef struct reading {
        view fields[FIELDS];
        uint16_t ranks[FIELDS]; /* of what stands there; RANKS: nothing yet */
} reading;

static const json_paths *error_paths(void)
{
        static const json_paths *compiled;
        if (compiled == nullptr)
                compiled = json_paths_compile(places, sizeof places / sizeof *places);
        return compiled;
}

/* As much of a raw string as can matter: a body that called itself a success may hold megabytes of it. */
static view beginning(view raw)
{
        size_t at = 0;
        for (size_t out = 0; at < raw.len && out <= LIMIT_ERROR_MESSAGE_BYTES; out++)
                at += raw.data[at] == '\\' ? json_escape_length(view_slice(raw, at, raw.len)) : 1;
        return view_slice(raw, 0, at);
}

static view decoded(view raw, arena *a)
{
        raw = beginning(raw);
        uint8_t *room = arena_alloc(a, raw.len + 1);
        if (room == nullptr)
                return (view){};
        emit out = emit_into(room, raw.len + 1);
        json_unescape(raw, &out);
        view v = {room, out.len};
        if (v.len <= LIMIT_ERROR_MESSAGE_BYTES)
                return v;
        size_t cut = LIMIT_ERROR_MESSAGE_BYTES;
        while (cut > 0 && (v.data[cut] & 0xc0) == 0x80)
                cut--;
        return view_slice(v, 0, cut);
}

static void take(reading *r, view body, const json_token *t, arena *a)
{
        size_t field = t->path / RANKS - 1u;
        bool text = t->kind == JSON_STRING, number = t->kind == JSON_NUMBER && t->path / RANKS == CODE / RANKS;
        if (t->path < RANKS || t->start == t->end || !(text || number) || t->path % RANKS >= r->ranks[field])
                return;
        view raw = view_slice(body, t->start, t->end);
        r->fields[field] = text ? decoded(raw, a) : arena_copy(a, raw);
        r->ranks[field] = t->path % RANKS;
}

void openai_error_read(view body, arena *a, openai_error *out)
{
        reading r = {.ranks = {RANKS, RANKS, RANKS, RANKS, RANKS}};
        *out = (openai_error){};
        json_scan *s = json_scan_begin(body, error_paths(), a);
        json_token t = {};
        while (s != nullptr && t.kind != JSON_DONE) {
                size_t budget = SIZE_MAX;
                if (failed(json_scan_next(s, &budget, &t)))
                        return;
                take(&r, body, &t, a);
        }
        *out = (openai_error){r.fields[0], r.fields[1], r.fields[2], r.fields[3], r.fields[4]};
}

static void write_or_null(view v, emit *out)
{
        if (v.len == 0)
                emit_text(out, "null");
        else
                emit_json(out, v);
}

void openai_error_write(const openai_error *e, emit *out)
{
        emit_text(out, "{\"error\":{\"message\":");
        emit_json(out, e->message);
        emit_text(out, ",\"type\":");
        emit_json(out, e->type);
        emit_text(out, ",\"param\":");
        write_or_null(e->param, out);
        emit_text(out, ",\"code\":");
        write_or_null(e->code, out);
        emit_text(out, "}}");
}

void openai_error_write_own(err_code code, view detail, emit *out)
{
        const err_row *row = err_describe(code);
        emit_text(out, "{\"error\":{\"message\":\"");
        emit_text(out, row->text);
        if (detail.len > 0) {
                emit_text(out, " (");
                emit_json_inner(out, detail);
                emit_text(out, ")");
        }
        emit_text(out, "\",\"type\":\"");
        emit_text(out, row->type);
        emit_text(out, "\",\"param\":null,\"code\":\"");
        emit_text(out, row->code);
        emit_text(out, "\"}}");
}
