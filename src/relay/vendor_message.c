#include "relay/exchange.h"

/* Only secrets, and nothing of them left standing: a vendor's message may quote a key, ours or another customer's. */
static const policy *secrets_only(void)
{
        static policy p;
        static bool   ready;
        if (!ready) {
                for (int i = 0; i < ENTITY_COUNT; i++)
                        if (entity_describe((entity_id)i)->group == GROUP_SECRET)
                                p.decide[i] = (policy_decision){.action = POLICY_MASK, .mask_char = '*'};
                ready = true;
        }
        return &p;
}

static view scanned(exchange *x, view message)
{
        size_t   room = message.len * 6 + 1;
        uint8_t *raw = arena_alloc(&x->arena, room);
        if (raw == nullptr)
                return (view){};
        emit e = emit_into(raw, room);
        emit_json_inner(&e, message);
        view  doc = {raw, e.len};
        edits changes;
        edits_init(&changes, &x->arena);
        redactor *r = redact_begin(secrets_only(), x->pseudonym_key, &x->arena, &changes);
        if (r == nullptr)
                return (view){};
        redact_string(r, doc, 0, doc.len, FROM_OTHER);
        size_t steps = SIZE_MAX;
        bool   done = false;
        if (failed(redact_step(r, &steps, &done)) || !done)
                return (view){};
        size_t   length = edits_length(&changes, doc.len);
        uint8_t *joined = arena_alloc(&x->arena, length + 1), *plain = arena_alloc(&x->arena, length + 1);
        if (joined == nullptr || plain == nullptr)
                return (view){};
        emit        all = emit_into(joined, length + 1), text = emit_into(plain, length + 1);
        edit_cursor c = {};
        view        piece;
        while (edit_next(&changes, doc, &c, SIZE_MAX, &piece))
                emit_view(&all, piece);
        json_unescape((view){joined, all.len}, &text);
        return (view){plain, text.len};
}

static view restored(exchange *x, view message)
{
        if (x->table.count == 0)
                return message;
        restore_lane state;
        restore_begin(&state, RESTORE_TEXT);
        size_t   room = restore_room(&x->table, &state, message.len) + 1;
        uint8_t *bytes = arena_alloc(&x->arena, room);
        if (bytes == nullptr)
                return message;
        emit out = emit_into(bytes, room);
        restore_feed(&x->table, &state, message, &out);
        restore_flush(&x->table, &state, &out);
        return (view){bytes, out.len};
}

void vendor_message_pass(exchange *x, openai_error *e)
{
        e->message = restored(x, scanned(x, e->message));
        e->type = scanned(x, e->type);
        e->code = scanned(x, e->code);
        e->param = restored(x, scanned(x, e->param));
}
