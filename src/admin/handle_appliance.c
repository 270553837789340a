/* What the appliance around the relay is asked: base/box_wire, in JSON. */
#include "admin/handle.h"
#include "admin/json.h"

/* A sentence of PID 1's, or why there is none. */
static void refuse(admin_exchange *x, err_code code, view sentence)
{
        if (code == ERR_GONE && sentence.len == 0) {
                admin_answer_error(x, ERR_NO_BOX);
                return;
        }
        if (sentence.len == 0) {
                admin_answer_error(x, code == ERR_AGAIN ? ERR_BOX_LATE : code);
                return;
        }
        emit out = admin_document(x);
        emit_text(&out, "{\"error\":{\"code\":\"box_refused\",\"message\":");
        emit_json(&out, sentence);
        emit_text(&out, "}}\n");
        admin_answer_document(x, code == ERR_KEY_BUSY ? 409 : 422, &out);
}

static void ask(admin_exchange *x, box_op op, view payload, void (*done)(void *ctx, err_code code, view answer))
{
        x->box_call = (box_call){
                .op = op, .payload = payload, .fd = -1, .wait_ms = LIMIT_ADMIN_KEEPER_MS, .done = done, .ctx = x};
        box_link_ask(&x->box->link, &x->box_call);
}

static void facts_known(void *ctx, err_code code, view answer)
{
        admin_exchange *x = ctx;
        view key, value;
        if (code != ERR_NONE) {
                refuse(x, code, answer);
                return;
        }
        emit out = admin_document(x);
        emit_byte(&out, '{');
        while (box_line(&answer, &key, &value)) {
                json_next(&out);
                emit_json(&out, key);
                emit_byte(&out, ':');
                emit_json(&out, value);
        }
        emit_text(&out, "}\n");
        admin_answer_document(x, 200, &out);
}

void handle_appliance(admin_exchange *x) { ask(x, BOX_STATUS, (view){}, facts_known); }

static void on_its_way(void *ctx, err_code code, view answer)
{
        admin_exchange *x = ctx;
        if (code != ERR_NONE)
                refuse(x, code, answer);
        else
                admin_answer_json(x, 202, VIEW("{}\n"));
}

void handle_appliance_restart(admin_exchange *x) { ask(x, BOX_RESTART, (view){}, on_its_way); }

void handle_appliance_power_off(admin_exchange *x) { ask(x, BOX_POWER_OFF, (view){}, on_its_way); }
