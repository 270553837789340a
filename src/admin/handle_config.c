/* The configuration in the state: a whole set goes to the keeper in parts, is tried as a generation of relays, and
 * stored when it serves. This role sees no private key: they come sealed to the keeper. */
#include "admin/body.h"
#include "admin/handle.h"
#include "admin/status.h"
#include "vault/config_set.h"

/* ---- a new set ---- */

/* What of x->file is on its way. */
typedef struct config_put {
        keeper_stage      stage;
        size_t            at;      /* where the next file stands */
        size_t            sent;    /* of `file` */
        bool              begun;   /* `file` is one */
        body_file         file;
        keeper_stage_part part;
} config_put;

static void part_taken(void *ctx, err_code code, view answer);

static void tried(void *ctx, err_code code, view answer)
{
        admin_exchange *x = ctx;
        (void)answer;
        if (code == ERR_NONE)
                return; /* the supervisor says how it ended */
        x->box->reloading = false;
        x->box->reload = nullptr;
        net_timer_clear(x->box->loop, &x->timer);
        admin_answer_error(x, code);
}

static void tried_late(void *ctx)
{
        admin_exchange *x = ctx;
        x->box->reload = nullptr;
        admin_answer_error(x, ERR_UPSTREAM_TIMEOUT);
}

static void ask_try(admin_exchange *x)
{
        if (x->box->reloading) {
                admin_answer_error(x, ERR_KEY_BUSY);
                return;
        }
        x->box->reloading = true;
        x->box->reload = x;
        x->box->reload_what = RELOADED_TRIAL;
        x->timer.fire = tried_late;
        x->timer.ctx = x;
        net_timer_set(x->box->loop, &x->timer, LIMIT_ADMIN_RELOAD_MS);
        admin_ask(x, KEEPER_STAGE_TRY, (view){}, tried);
}

static void send_part(admin_exchange *x)
{
        config_put *p = x->work;
        keeper_stage_part *part = &p->part;
        if (!p->begun && !body_file_next(region_view(&x->file), &p->at, &p->file)) {
                ask_try(x);
                return;
        }
        if (!p->begun)
                p->sent = 0;
        p->begun = true;
        view piece = view_slice(p->file.bytes, p->sent, p->sent + sizeof part->bytes);
        *part = (keeper_stage_part){.sealed = p->file.sealed,
                                    .total = (uint32_t)p->file.bytes.len,
                                    .offset = (uint32_t)p->sent,
                                    .len = (uint32_t)piece.len};
        memcpy(part->name, p->file.name, sizeof part->name);
        if (piece.len > 0)
                memcpy(part->bytes, piece.data, piece.len);
        p->sent += piece.len;
        p->begun = p->sent < p->file.bytes.len;
        admin_ask(x, KEEPER_STAGE_PART, (view){(const uint8_t *)part, offsetof(keeper_stage_part, bytes) + piece.len},
                  part_taken);
}

static void part_refused(admin_exchange *x, err_code code)
{
        const config_put *p = x->work;
        config_fault fault = {};
        emit word = emit_into((uint8_t *)fault.code, sizeof fault.code - 1);
        emit text = emit_into((uint8_t *)fault.text, sizeof fault.text - 1);
        if (code == ERR_BAD_CREDENTIAL) {
                emit_text(&word, "NOT_SEALED");
                emit_text(&text, "is not sealed to the seal key that this box has now; ask GET /admin/v1/setup for it");
        } else if (code == ERR_NO_ROOM) {
                emit_text(&word, "TOO_LARGE");
                emit_text(&text, "is larger than 256 KiB, or the files together are larger than 1 MiB");
        } else {
                admin_answer_error(x, code);
                return;
        }
        admin_answer_fault(x, 422, &fault, view_of_text(p->file.name));
}

static void part_taken(void *ctx, err_code code, view answer)
{
        (void)answer;
        if (code == ERR_NONE)
                send_part(ctx);
        else
                part_refused(ctx, code);
}

static void begun(void *ctx, err_code code, view answer)
{
        (void)answer;
        if (code == ERR_NONE)
                send_part(ctx);
        else
                admin_answer_error(ctx, code);
}

void handle_config_put(admin_exchange *x)
{
        config_fault fault = {};
        config_put *p = arena_alloc(&x->memory, sizeof *p);
        if (!x->box->access.in_state || p == nullptr) {
                admin_answer_error(x, p == nullptr ? ERR_NO_ROOM : ERR_NO_ROUTE);
                return;
        }
        if (x->box->reloading) {
                admin_answer_error(x, ERR_KEY_BUSY);
                return;
        }
        x->work = p;
        err e = body_config(x->body, &p->stage, &x->file, &fault);
        if (e.code == ERR_BAD_CONFIG)
                admin_answer_fault(x, 400, &fault, (view){});
        else if (failed(e))
                admin_answer_error(x, ERR_NO_ROOM);
        else
                admin_ask(x, KEEPER_STAGE_BEGIN, (view){(const uint8_t *)&p->stage, sizeof p->stage}, begun);
}

/* A relay names the file before its sentence. */
static view file_of(const config_fault *f)
{
        const char *colon = strstr(f->text, ": ");
        view name = {(const uint8_t *)f->text, colon == nullptr ? 0 : (size_t)(colon - f->text)};
        return colon != nullptr && config_name_valid(name) ? name : (view){};
}

void handle_config_tried(admin_exchange *x, const wire_message *m)
{
        if (m->number == 0) {
                admin_answer_fault(x, 422, &m->fault, file_of(&m->fault));
                return;
        }
        emit out = admin_document(x);
        emit_text(&out, "{\"generation\":");
        emit_u64(&out, m->slot);
        emit_text(&out, "}\n");
        admin_answer_document(x, 200, &out);
}

/* ---- what is stored ---- */

static void listed(void *ctx, err_code code, view answer)
{
        admin_exchange *x = ctx;
        size_t count = answer.len / sizeof(keeper_config_row);
        if (code != ERR_NONE || answer.len != count * sizeof(keeper_config_row)) {
                admin_answer_error(x, code == ERR_NONE ? ERR_SYSTEM : code);
                return;
        }
        keeper_config_row *rows = arena_alloc(&x->memory, answer.len);
        if (rows == nullptr) {
                admin_answer_error(x, ERR_NO_ROOM);
                return;
        }
        if (answer.len > 0)
                memcpy(rows, answer.data, answer.len);
        for (size_t i = 0; i < count; i++)
                rows[i].name[sizeof rows[i].name - 1] = '\0';
        emit out = admin_document(x);
        status_write_config(rows, count, &out);
        admin_answer_document(x, 200, &out);
}

void handle_config(admin_exchange *x)
{
        if (x->box->access.in_state)
                admin_ask(x, KEEPER_CONFIG_LIST, (view){}, listed);
        else
                admin_answer_error(x, ERR_NO_ROUTE);
}

static void piece_known(void *ctx, err_code code, view answer);

static void ask_piece(admin_exchange *x)
{
        keeper_config_get *get = x->work;
        get->offset = (uint32_t)x->file.len;
        admin_ask(x, KEEPER_CONFIG_GET, (view){(const uint8_t *)get, sizeof *get}, piece_known);
}

static void piece_known(void *ctx, err_code code, view answer)
{
        static const size_t head = offsetof(keeper_config_part, bytes);
        admin_exchange *x = ctx;
        keeper_config_part part = {};
        if (code != ERR_NONE || answer.len < head || answer.len > sizeof part) {
                admin_answer_error(x, code == ERR_NONE ? ERR_SYSTEM : code);
                return;
        }
        memcpy(&part, answer.data, answer.len);
        bool fits = answer.len - head == part.len && part.total >= x->file.len && part.len <= part.total - x->file.len
                    && (part.len > 0 || part.total == x->file.len);
        if (!fits || failed(region_append(&x->file, (view){part.bytes, part.len})))
                admin_answer_error(x, fits ? ERR_NO_ROOM : ERR_SYSTEM);
        else if (x->file.len < part.total)
                ask_piece(x);
        else
                admin_answer(x, &(admin_reply){200, VIEW("text/plain; charset=utf-8"), region_view(&x->file), {}});
}

void handle_config_file(admin_exchange *x)
{
        keeper_config_get *get = arena_alloc(&x->memory, sizeof *get);
        if (!x->box->access.in_state || !config_name_valid(x->rest)) {
                admin_answer_error(x, x->box->access.in_state ? ERR_NO_TARGET : ERR_NO_ROUTE);
                return;
        }
        if (get == nullptr) {
                admin_answer_error(x, ERR_NO_ROOM);
                return;
        }
        memcpy(get->name, x->rest.data, x->rest.len);
        x->work = get;
        ask_piece(x);
}
