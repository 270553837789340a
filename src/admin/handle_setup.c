/* First boot: what a box without a vault says of itself, its vault, and the ways to open it. */
#include "admin/body.h"
#include "admin/handle.h"
#include "admin/status.h"

static void setup_known(void *ctx, err_code code, view answer)
{
        admin_exchange *x = ctx;
        keeper_status s;
        if (!admin_taken(x, code, answer, &s, sizeof s))
                return;
        emit out = admin_document(x);
        status_write_setup(&s, x->box->version, s.config_files > 0, &out);
        admin_answer_document(x, 200, &out);
}

void handle_setup(admin_exchange *x)
{
        if (x->box->access.in_state)
                admin_ask(x, KEEPER_STATUS, (view){}, setup_known);
        else
                admin_answer_error(x, ERR_NO_ROUTE);
}

static void done(void *ctx, err_code code, view answer)
{
        (void)answer;
        if (code == ERR_NONE)
                admin_answer_json(ctx, 200, VIEW("{\"ok\":true}\n"));
        else
                admin_answer_error(ctx, code);
}

void handle_setup_vault(admin_exchange *x)
{
        keeper_slot_add *slot = arena_alloc(&x->memory, sizeof *slot);
        config_fault fault = {};
        if (slot == nullptr || !x->box->access.in_state)
                admin_answer_error(x, slot == nullptr ? ERR_NO_ROOM : ERR_NO_ROUTE);
        else if (failed(body_create(x->body, slot, &fault)))
                admin_answer_fault(x, 400, &fault, (view){});
        else
                admin_ask(x, KEEPER_CREATE, (view){(const uint8_t *)slot, sizeof *slot}, done);
}
