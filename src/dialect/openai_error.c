#include "dialect/openai_error.h"

#include "base/limit.h"

enum : uint16_t { ID_ERROR = 1, ID_MESSAGE, ID_TYPE, ID_CODE, ID_PARAM };

static const json_paths *error_paths(void)
{
        static const json_path_row rows[] = {{"error", ID_ERROR},        {"error.message", ID_MESSAGE},
                                             {"error.type", ID_TYPE},    {"error.code", ID_CODE},
                                             {"error.param", ID_PARAM},  {"message", ID_MESSAGE},
                                             {"code", ID_CODE},          {"type", ID_TYPE}};
        static const json_paths *compiled;
        if (compiled == nullptr)
                compiled = json_paths_compile(rows, sizeof rows / sizeof *rows);
        return compiled;
}

static view decoded(view raw, arena *a)
{
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

static void take(openai_error *e, view body, const json_token *t, arena *a)
{
        view raw = view_slice(body, t->start, t->end);
        if (t->kind == JSON_NUMBER && t->path == ID_CODE)
                e->code = arena_copy(a, raw);
        if (t->kind != JSON_STRING)
                return;
        view *field = t->path == ID_MESSAGE || t->path == ID_ERROR ? &e->message
                    : t->path == ID_TYPE                           ? &e->type
                    : t->path == ID_CODE                           ? &e->code
                    : t->path == ID_PARAM                          ? &e->param
                                                                   : nullptr;
        if (field != nullptr && field->len == 0)
                *field = decoded(raw, a);
}

void openai_error_read(view body, arena *a, openai_error *out)
{
        *out = (openai_error){};
        json_scan *s = json_scan_begin(body, error_paths(), a);
        if (s == nullptr)
                return;
        for (;;) {
                json_token t;
                size_t     budget = SIZE_MAX;
                if (failed(json_scan_next(s, &budget, &t))) {
                        *out = (openai_error){};
                        return;
                }
                if (t.kind == JSON_DONE)
                        return;
                take(out, body, &t, a);
        }
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
