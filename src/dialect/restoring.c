#include "dialect/restoring.h"

#include "base/limit.h"
#include "codec/json_scan.h"
#include "codec/json_text.h"

lane *lane_find(lane_list *l, const restoring *r, arena *a, const lane *key)
{
        for (lane *at = l->first; at != nullptr; at = at->next)
                if (at->kind == key->kind && at->choice == key->choice && at->tool == key->tool)
                        return at;
        if (l->count >= LIMIT_LANES)
                return nullptr;
        lane *made = arena_alloc(a, sizeof *made);
        void *state = arena_alloc(a, r->lane_bytes);
        if (made == nullptr || state == nullptr)
                return nullptr;
        *made = *key;
        made->by = r;
        made->state = state;
        made->next = l->first;
        l->first = made;
        l->count++;
        r->begin(r->ctx, state, key->kind == LANE_ARGUMENTS || key->kind == LANE_CALL);
        return made;
}

/* Longest escape of one byte. */
enum : size_t { ESCAPE_BYTES = 6 };

/* An upper bound that is close for text: what JSON does not escape stays as it is. */
static size_t escaped_at_most(view text)
{
        size_t n = text.len;
        for (size_t at = 0; (at = json_plain_run(text.data, at, text.len)) < text.len;) {
                if (text.data[at] < 0x80)
                        n += ESCAPE_BYTES - 1;
                at++;
                while (at < text.len && text.data[at] >= 0x80)
                        at++;
        }
        return n;
}

bool lane_pass(lane *l, lane_piece *p, arena *a)
{
        const restoring *r = l->by;
        p->changed = false;
        uint8_t *plain = arena_alloc(a, p->raw.len + 1);
        if (plain == nullptr)
                return false;
        emit decoded = emit_into(plain, p->raw.len + 1);
        json_unescape(p->raw, &decoded);
        view   text = {plain, decoded.len};
        size_t room = r->room(r->ctx, l->state, text.len);
        uint8_t *bytes = arena_alloc(a, room + 1);
        if (bytes == nullptr)
                return false;
        emit restored = emit_into(bytes, room + 1);
        r->feed(r->ctx, l->state, text, &restored);
        if (p->last)
                r->flush(r->ctx, l->state, &restored);
        if (restored.full)
                return false;
        view now = {bytes, restored.len};
        if (view_equal(now, text))
                return true;
        p->changed = true;
        size_t   escaped = escaped_at_most(now) + 1;
        uint8_t *target = arena_alloc(a, escaped);
        if (target == nullptr)
                return false;
        emit json = emit_into(target, escaped);
        emit_json_inner(&json, now);
        p->text = (view){target, json.len};
        return true;
}
