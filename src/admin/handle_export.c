#include "admin/handle.h"

#include "admin/body.h"
#include "admin/status.h"
#include "sign/minisign.h"

static void written(void *ctx, err_code code, view answer)
{
        admin_exchange *x = ctx;
        uint64_t sequence;
        if (!admin_taken(x, code, answer, &sequence, sizeof sequence))
                return;
        emit out = admin_document(x);
        emit_text(&out, "{\"sequence\":");
        emit_u64(&out, sequence);
        emit_text(&out, "}\n");
        admin_answer_document(x, 200, &out);
}

void handle_export_now(admin_exchange *x) { admin_ask(x, KEEPER_EXPORT_NOW, (view){}, written); }

static void key_known(void *ctx, err_code code, view answer)
{
        admin_exchange *x = ctx;
        keeper_status s;
        if (!admin_taken(x, code, answer, &s, sizeof s))
                return;
        if (!s.open) {
                admin_answer_error(x, ERR_SEALED);
                return;
        }
        uint8_t room[512];
        emit out = emit_into(room, sizeof room);
        minisign_write_public(s.export_key_number, s.export_key, &out);
        admin_answer(x, &(admin_reply){200, VIEW("text/plain; charset=utf-8"), {out.bytes, out.len}, {}});
}

void handle_export_key(admin_exchange *x) { admin_ask(x, KEEPER_STATUS, (view){}, key_known); }

static void part_known(void *ctx, err_code code, view answer);

static void ask_part(admin_exchange *x)
{
        keeper_export_get *get = arena_alloc(&x->memory, sizeof *get);
        if (get == nullptr) {
                admin_answer_error(x, ERR_NO_ROOM);
                return;
        }
        *get = (keeper_export_get){x->sequence, x->asked, (uint32_t)x->file.len};
        admin_ask(x, KEEPER_EXPORT_GET, (view){(const uint8_t *)get, sizeof *get}, part_known);
}

static void answer_file(admin_exchange *x)
{
        uint8_t room[64];
        emit extra = emit_into(room, sizeof room);
        emit_text(&extra, "Export-Sequence: ");
        emit_u64(&extra, x->sequence);
        emit_text(&extra, "\r\n");
        admin_answer(x, &(admin_reply){200,
                                       x->asked == EXPORT_SIGNATURE ? VIEW("text/plain; charset=utf-8")
                                                                    : VIEW("application/json"),
                                       region_view(&x->file),
                                       {extra.bytes, extra.len}});
}

/* A part must be of the same export as the one before it, and bring something. */
static bool part_fits(const admin_exchange *x, const keeper_export_part *p)
{
        return p->len <= sizeof p->bytes && p->total >= x->file.len && p->len <= p->total - x->file.len
               && (p->len > 0 || p->total == x->file.len) && (x->file.len == 0 || p->sequence == x->sequence);
}

static void part_known(void *ctx, err_code code, view answer)
{
        enum : size_t { HEAD = offsetof(keeper_export_part, bytes) };
        admin_exchange *x = ctx;
        keeper_export_part part;
        if (code == ERR_OUT_OF_RANGE)
                code = ERR_NO_TARGET;
        if (code != ERR_NONE || answer.len < HEAD || answer.len > sizeof part) {
                admin_answer_error(x, code == ERR_NONE ? ERR_SYSTEM : code);
                return;
        }
        memcpy(&part, answer.data, answer.len);
        if (answer.len - HEAD < part.len || !part_fits(x, &part)) {
                admin_answer_error(x, ERR_SYSTEM);
                return;
        }
        x->sequence = part.sequence;
        if (failed(region_append(&x->file, (view){part.bytes, part.len})))
                admin_answer_error(x, ERR_NO_ROOM);
        else if (x->file.len == part.total)
                answer_file(x);
        else
                ask_part(x);
}

/* Takes the ending off. */
static bool ends_with(view *name, view tail)
{
        if (name->len <= tail.len || !view_equal(view_slice(*name, name->len - tail.len, name->len), tail))
                return false;
        *name = view_slice(*name, 0, name->len - tail.len);
        return true;
}

void handle_export_get(admin_exchange *x)
{
        view name = x->rest;
        if (ends_with(&name, VIEW("/signature")))
                x->asked = EXPORT_SIGNATURE;
        else if (ends_with(&name, VIEW("/quote")))
                x->asked = EXPORT_QUOTE;
        uint64_t sequence = 0;
        bool latest = view_equal(name, VIEW("latest"));
        if (!latest && (!view_decimal(name, UINT64_MAX, &sequence) || sequence == 0)) {
                admin_answer_error(x, ERR_NO_TARGET);
                return;
        }
        x->sequence = sequence;
        ask_part(x);
}

static void list_known(void *ctx, err_code code, view answer)
{
        admin_exchange *x = ctx;
        size_t count = answer.len / sizeof(keeper_export_listed);
        if (code != ERR_NONE || answer.len != count * sizeof(keeper_export_listed)) {
                admin_answer_error(x, code == ERR_NONE ? ERR_SYSTEM : code);
                return;
        }
        keeper_export_listed *rows = arena_alloc(&x->memory, answer.len);
        if (rows == nullptr) {
                admin_answer_error(x, ERR_NO_ROOM);
                return;
        }
        if (answer.len > 0)
                memcpy(rows, answer.data, answer.len);
        emit out = admin_document(x);
        status_write_exports(rows, count, &out);
        admin_answer_document(x, 200, &out);
}

void handle_export_list(admin_exchange *x) { admin_ask(x, KEEPER_EXPORT_LIST, (view){}, list_known); }

static void acknowledged(void *ctx, err_code code, view answer)
{
        (void)answer;
        if (code == ERR_NONE)
                admin_answer_json(ctx, 200, VIEW("{\"ok\":true}\n"));
        else
                admin_answer_error(ctx, code);
}

void handle_export_ack(admin_exchange *x)
{
        enum : size_t { MOST = 64 };
        uint64_t *room = arena_alloc(&x->memory, MOST * sizeof *room);
        config_fault fault = {};
        size_t count = 0;
        if (room == nullptr)
                admin_answer_error(x, ERR_NO_ROOM);
        else if (failed(body_sequences(x->body, room, MOST, &count, &fault)))
                admin_answer_fault(x, 400, &fault, (view){});
        else
                admin_ask(x, KEEPER_EXPORT_ACK, (view){(const uint8_t *)room, count * sizeof *room}, acknowledged);
}
