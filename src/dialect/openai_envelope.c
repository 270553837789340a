#include "dialect/openai_envelope.h"

static const char *const names[OPENAI_ENVELOPE_MEMBERS] = {"id", "created", "model", "system_fingerprint"};

static_assert(OPENAI_ENVELOPE_LAST - OPENAI_ENVELOPE + 1 == OPENAI_ENVELOPE_MEMBERS);

void openai_envelope_token(openai_envelope_places *p, const json_token *t)
{
        size_t quote = t->kind == JSON_STRING ? 1 : 0, i = (size_t)(t->path - OPENAI_ENVELOPE);
        /* The end of an object or array is told where it ends. */
        if (t->kind != JSON_OBJECT_END && t->kind != JSON_ARRAY_END)
                p->at[i].start = t->start - quote;
        p->at[i].end = t->end + quote;
}

err openai_envelope_note(openai_envelope *v, const openai_envelope_places *p, view chunk, arena *a)
{
        for (size_t i = 0; i < OPENAI_ENVELOPE_MEMBERS; i++) {
                view now = view_slice(chunk, p->at[i].start, p->at[i].end);
                if (v->value[i].len > 0 || now.len == 0)
                        continue;
                v->value[i] = arena_copy(a, now);
                if (v->value[i].len == 0)
                        return FAIL(NO_ROOM);
        }
        return OK;
}

err openai_envelope_change(const openai_envelope *v, const openai_envelope_places *p, view chunk, edits *e)
{
        for (size_t i = 0; i < OPENAI_ENVELOPE_MEMBERS; i++) {
                size_t start = p->at[i].start, end = p->at[i].end;
                view want = v->value[i].len > 0 ? v->value[i] : VIEW("null");
                if (end != 0 && !view_equal(view_slice(chunk, start, end), want))
                        TRY(edits_insert(e, start, end, want));
        }
        /* Without another member behind them there would be a comma too many; and nothing to be part of. */
        if (p->alone)
                return OK;
        size_t room = openai_envelope_room(v);
        uint8_t *bytes = arena_alloc(e->arena, room);
        if (bytes == nullptr)
                return FAIL(NO_ROOM);
        emit missing = emit_into(bytes, room);
        openai_envelope_write(v, p, &missing);
        view text;
        TRY(emit_done(&missing, &text));
        return text.len == 0 ? OK : edits_insert(e, p->inside, p->inside, text);
}

void openai_envelope_write(const openai_envelope *v, const openai_envelope_places *but, emit *out)
{
        for (size_t i = 0; i < OPENAI_ENVELOPE_MEMBERS; i++) {
                if (v->value[i].len == 0 || (but != nullptr && but->at[i].end != 0))
                        continue;
                emit_byte(out, '"');
                emit_text(out, names[i]);
                emit_text(out, "\":");
                emit_view(out, v->value[i]);
                emit_byte(out, ',');
        }
}

size_t openai_envelope_room(const openai_envelope *v)
{
        enum : size_t { AROUND = 64 };
        size_t room = AROUND;
        for (size_t i = 0; i < OPENAI_ENVELOPE_MEMBERS; i++)
                room += v->value[i].len;
        return room;
}
