#include "dialect/openai_prefill.h"

#include <assert.h>

#include "codec/json_scan.h"
#include "codec/json_text.h"

/* ---- the message ---- */

void openai_prefill_write(view said, view flag, bool alone, emit *out)
{
        emit_text(out, alone ? "{\"role\":\"assistant\",\"content\":\"" : ",{\"role\":\"assistant\",\"content\":\"");
        emit_view(out, said);
        emit_byte(out, '"');
        if (flag.len > 0) {
                emit_text(out, ",\"");
                emit_view(out, flag);
                emit_text(out, "\":true");
        }
        emit_byte(out, '}');
}

size_t openai_prefill_room(view said, view flag)
{
        enum : size_t { AROUND = 64 };
        return said.len + flag.len + AROUND;
}

/* ---- what comes again ---- */

/* A raw text, read as the bytes it stands for: the same character may be escaped here and plain there. */
typedef struct reader {
        view raw;
        size_t at;
        uint8_t *pending, *len, *given;
} reader;

static uint8_t next_byte(reader *r)
{
        if (*r->given < *r->len)
                return r->pending[(*r->given)++];
        assert(r->at < r->raw.len);
        if (r->raw.data[r->at] != '\\')
                return r->raw.data[r->at++];
        view rest = view_slice(r->raw, r->at, r->raw.len);
        size_t taken = json_escape_length(rest);
        assert(taken > 0);
        emit decoded = emit_into(r->pending, 4);
        json_unescape(view_slice(rest, 0, taken), &decoded);
        r->at += taken;
        *r->len = (uint8_t)decoded.len;
        *r->given = 1;
        return r->pending[0];
}

static bool at_end(const reader *r) { return r->at == r->raw.len && *r->given == *r->len; }

/* Text of which one half is like the other goes on with itself. */
static bool goes_round(view said)
{
        enum : size_t { PERIOD_MOST = 256 };
        for (size_t p = 1; p <= said.len / 2 && p <= PERIOD_MOST; p++)
                if (memcmp(said.data, said.data + p, said.len - p) == 0)
                        return true;
        return false;
}

static bool is_doubtful(view said)
{
        enum : size_t { LEAST = 4 };
        return said.len < LEAST || goes_round(said);
}

/* What was held back was the rest, and the piece follows it. */
static err give_back(openai_repeat *r, view *piece, arena *a, bool *changed)
{
        view held = view_slice(r->said, 0, r->at);
        r->said = (view){};
        if (held.len == 0)
                return OK;
        uint8_t *bytes = arena_alloc(a, held.len + piece->len);
        if (bytes == nullptr)
                return FAIL(NO_ROOM);
        emit both = emit_into(bytes, held.len + piece->len);
        emit_view(&both, held);
        emit_view(&both, *piece);
        *changed = true;
        return emit_done(&both, piece);
}

err openai_repeat_take(openai_repeat *r, view *piece, bool last, arena *a, bool *changed)
{
        if (r->said.len == 0)
                return OK;
        uint8_t bytes[4], len = 0, given = 0;
        reader now = {*piece, 0, bytes, &len, &given};
        reader before = {r->said, r->at, r->pending, &r->pending_len, &r->pending_at};
        while (!at_end(&now) && !at_end(&before))
                if (next_byte(&now) != next_byte(&before))
                        return give_back(r, piece, a, changed);
        if (at_end(&before)) {
                if (is_doubtful(r->said))
                        return FAIL(UPSTREAM_BROKEN);
                *changed = true;
                *piece = view_slice(*piece, now.at, piece->len);
                r->said = (view){};
                return OK;
        }
        if (last)
                return give_back(r, piece, a, changed);
        if (piece->len > 0)
                *changed = true;
        r->at = before.at;
        *piece = (view){};
        return OK;
}
