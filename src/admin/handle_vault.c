#include "admin/handle.h"

#include "admin/body.h"
#include "admin/status.h"
#include "vault/client_key.h"
#include "vault/seal.h"

static void status_known(void *ctx, err_code code, view answer)
{
        admin_exchange *x = ctx;
        keeper_status s;
        if (!admin_taken(x, code, answer, &s, sizeof s))
                return;
        emit out = admin_document(x);
        status_write_vault(&s, &out);
        admin_answer_document(x, 200, &out);
}

void handle_vault(admin_exchange *x) { admin_ask(x, KEEPER_STATUS, (view){}, status_known); }

/* Operations that answer nothing but whether they happened. */
static void change_done(void *ctx, err_code code, view answer)
{
        (void)answer;
        if (code == ERR_NONE)
                admin_answer_json(ctx, 200, VIEW("{\"ok\":true}\n"));
        else
                admin_answer_error(ctx, code);
}

void handle_unlock(admin_exchange *x)
{
        keeper_unlock *unlock = arena_alloc(&x->memory, sizeof *unlock);
        config_fault fault = {};
        if (unlock == nullptr)
                admin_answer_error(x, ERR_NO_ROOM);
        else if (failed(body_unlock(x->body, unlock, &fault)))
                admin_answer_fault(x, 400, &fault, (view){});
        else
                admin_ask(x, KEEPER_UNLOCK, (view){(const uint8_t *)unlock, sizeof *unlock}, change_done);
}

void handle_rotate(admin_exchange *x)
{
        keeper_rotate *rotate = arena_alloc(&x->memory, sizeof *rotate);
        config_fault fault = {};
        if (rotate == nullptr)
                admin_answer_error(x, ERR_NO_ROOM);
        else if (failed(body_rotate(x->body, rotate, &fault)))
                admin_answer_fault(x, 400, &fault, (view){});
        else
                admin_ask(x, KEEPER_ROTATE, (view){(const uint8_t *)rotate, sizeof *rotate}, change_done);
}

static void listed(void *ctx, err_code code, view answer)
{
        admin_exchange *x = ctx;
        size_t count = answer.len / sizeof(keeper_listed);
        if (code != ERR_NONE || answer.len != count * sizeof(keeper_listed)) {
                admin_answer_error(x, code == ERR_NONE ? ERR_SYSTEM : code);
                return;
        }
        keeper_listed *rows = arena_alloc(&x->memory, answer.len);
        if (rows == nullptr) {
                admin_answer_error(x, ERR_NO_ROOM);
                return;
        }
        if (answer.len > 0)
                memcpy(rows, answer.data, answer.len);
        for (size_t i = 0; i < count; i++) {
                rows[i].name[sizeof rows[i].name - 1] = '\0';
                rows[i].host[sizeof rows[i].host - 1] = '\0';
        }
        emit out = admin_document(x);
        status_write_credentials(rows, count, &out);
        admin_answer_document(x, 200, &out);
}

void handle_credentials(admin_exchange *x) { admin_ask(x, KEEPER_LIST, (view){}, listed); }

/* A body with one sealed value of `want` bytes in the clear, passed on as it is: this role cannot open it. */
static void pass_sealed(admin_exchange *x, keeper_op op, size_t want,
                        void (*done)(void *ctx, err_code code, view answer))
{
        uint8_t *room = arena_alloc(&x->memory, want + SEAL_OVERHEAD);
        if (room == nullptr) {
                admin_answer_error(x, ERR_NO_ROOM);
                return;
        }
        emit out = emit_into(room, want + SEAL_OVERHEAD);
        config_fault fault = {};
        if (failed(body_sealed(x->body, want + SEAL_OVERHEAD, &out, &fault)))
                admin_answer_fault(x, 400, &fault, (view){});
        else
                admin_ask(x, op, (view){out.bytes, out.len}, done);
}

void handle_credential_put(admin_exchange *x) { pass_sealed(x, KEEPER_PUT, sizeof(keeper_credential), change_done); }

void handle_inherit(admin_exchange *x) { pass_sealed(x, KEEPER_INHERIT, sizeof(keeper_inherit), change_done); }

void handle_credential_remove(admin_exchange *x)
{
        view name = body_name(x->rest) ? arena_copy(&x->memory, x->rest) : (view){};
        if (name.len == 0)
                admin_answer_error(x, ERR_NO_TARGET);
        else
                admin_ask(x, KEEPER_REMOVE, name, change_done);
}

static void hashed(void *ctx, err_code code, view answer)
{
        admin_exchange *x = ctx;
        uint8_t hash[32];
        if (!admin_taken(x, code, answer, hash, sizeof hash))
                return;
        emit out = admin_document(x);
        emit_text(&out, "{\"hash\":\"");
        emit_hex(&out, (view){hash, sizeof hash});
        emit_text(&out, "\"}\n");
        admin_answer_document(x, 200, &out);
}

void handle_key_hash(admin_exchange *x)
{
        pass_sealed(x, KEEPER_KEY_HASH, CLIENT_KEY_ID_BYTES + CLIENT_KEY_SECRET_BYTES, hashed);
}
