#include "admin/handle.h"

#include "admin/status.h"

void handle_health(admin_exchange *x)
{
        admin_answer(x, &(admin_reply){200, VIEW("text/plain; charset=utf-8"), VIEW("ok\n"), {}});
}

void handle_ready(admin_exchange *x)
{
        emit out = admin_document(x);
        const status_certificates c = admin_certificates(x->box);
        bool ready = status_write_ready(x->box->board, &c, &out);
        admin_answer_document(x, ready ? 200 : 503, &out);
}

void handle_metrics(admin_exchange *x)
{
        admin_answer(x, &(admin_reply){200,
                                       VIEW("application/openmetrics-text; version=1.0.0; charset=utf-8"),
                                       x->box->metrics,
                                       {}});
}

static void status_known(void *ctx, err_code code, view answer)
{
        admin_exchange *x = ctx;
        keeper_status vault;
        bool known = code == ERR_NONE && answer.len == sizeof vault;
        if (known)
                memcpy(&vault, answer.data, sizeof vault);
        emit out = admin_document(x);
        const status_certificates c = admin_certificates(x->box);
        status_write(&(status_facts){x->box->version, x->box->commit, x->box->board, known ? &vault : nullptr,
                                     x->box->facts, &c},
                     &out);
        admin_answer_document(x, 200, &out);
}

void handle_status(admin_exchange *x) { admin_ask(x, KEEPER_STATUS, (view){}, status_known); }

static void reload_late(void *ctx)
{
        admin_exchange *x = ctx;
        x->box->reload = nullptr;
        admin_answer_error(x, ERR_UPSTREAM_TIMEOUT);
}

void handle_reload(admin_exchange *x)
{
        if (x->box->reloading) {
                admin_answer_error(x, ERR_KEY_BUSY);
                return;
        }
        const wire_message m = {.type = WIRE_RELOAD};
        if (failed(wire_send(x->box->control, &m, -1))) {
                admin_answer_error(x, ERR_SYSTEM);
                return;
        }
        x->box->reloading = true;
        x->box->reload_what = RELOADED_STORED;
        x->box->reload = x;
        x->timer.fire = reload_late;
        x->timer.ctx = x;
        net_timer_set(x->box->loop, &x->timer, LIMIT_ADMIN_RELOAD_MS);
}

void handle_reloaded(admin_box *box, const wire_message *m)
{
        admin_exchange *x = box->reload;
        /* The end of something that nobody here has asked for: a signal's. */
        if (m->what != box->reload_what)
                return;
        box->reloading = false;
        box->reload = nullptr;
        if (x == nullptr)
                return;
        net_timer_clear(box->loop, &x->timer);
        if (m->what == RELOADED_TRIAL) {
                handle_config_tried(x, m);
                return;
        }
        if (m->number == 0) {
                size_t len = strnlen(m->name, sizeof m->name);
                admin_answer_fault(x, 422, &m->fault, (view){(const uint8_t *)m->name, len});
                return;
        }
        uint8_t room[64];
        emit out = emit_into(room, sizeof room);
        emit_text(&out, "{\"generation\":");
        emit_u64(&out, m->slot);
        emit_text(&out, "}\n");
        admin_answer_document(x, 200, &out);
}
