#include "admin/exchange.h"

#include "admin/status.h"

static const view json = VIEW_INIT("application/json");

void admin_answer_json(admin_exchange *x, uint16_t status, view body)
{
        admin_answer(x, &(admin_reply){status, json, body, {}});
}

void admin_answer_error(admin_exchange *x, err_code code)
{
        const admin_fault *row = admin_fault_of(code);
        uint8_t room[512];
        emit out = emit_into(room, sizeof room);
        admin_fault_write(row, &out);
        view extra = code == ERR_NO_KEY ? VIEW("WWW-Authenticate: Bearer realm=\"lethe-admin\"\r\n") : (view){};
        admin_answer(x, &(admin_reply){row->http, json, {out.bytes, out.len}, extra});
}

void admin_answer_fault(admin_exchange *x, uint16_t status, const config_fault *f, view file)
{
        emit out = admin_document(x);
        admin_fault_write_place(f, file, &out);
        admin_answer_document(x, status, &out);
}

emit admin_document(admin_exchange *x)
{
        uint8_t *bytes = arena_alloc(&x->memory, STATUS_BYTES);
        return emit_into(bytes, bytes == nullptr ? 0 : STATUS_BYTES);
}

void admin_answer_document(admin_exchange *x, uint16_t status, const emit *document)
{
        view body;
        if (failed(emit_done(document, &body)))
                admin_answer_error(x, ERR_NO_ROOM);
        else
                admin_answer_json(x, status, body);
}

void admin_ask(admin_exchange *x, keeper_op op, view payload, void (*done)(void *ctx, err_code code, view answer))
{
        x->call = (keeper_call){.op = op, .payload = payload, .done = done, .ctx = x};
        keeper_link_ask(&x->box->keeper, &x->call);
}

status_certificates admin_certificates(const admin_box *box)
{
        status_certificates c = box->certificates;
        c.now_s = box->wall_s();
        return c;
}
