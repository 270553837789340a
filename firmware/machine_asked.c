/* What lethed's admin role asks of the box and tells it: base/box_wire. */
#include "firmware/machine.h"

typedef struct asked {
        machine *m;
        uint64_t now_ms;
} asked;

static void say_facts(machine *m, const box_message *q, uint64_t now_ms)
{
        uint8_t     bytes[BOX_MESSAGE_BYTES];
        emit        out = emit_into(bytes, sizeof bytes);
        const image *i = &m->facts.image;
        box_line_put(&out, "phase", view_of_text(phase_name(m->phase)));
        box_line_put(&out, "version", view_of_text(i->version));
        box_line_put(&out, "commit", view_of_text(i->commit));
        box_line_put(&out, "kernel", view_of_text(i->kernel));
        machine_say_dates(m, &out, now_ms);
        machine_update_say(m, &out);
        box_channel_answer(&m->channel, q->op, q->number, ERR_NONE, (view){out.bytes, out.len});
}

static void refuse(machine *m, const box_message *q, err_code code, const char *sentence)
{
        box_channel_answer(&m->channel, q->op, q->number, code, view_of_text(sentence));
}

static void end(const asked *a, const box_message *q, bool again)
{
        box_channel_answer(&a->m->channel, q->op, q->number, ERR_NONE, (view){});
        machine_end(a->m, again, a->now_ms);
}

static void reset(const asked *a, const box_message *q)
{
        if (!view_equal(box_bytes(q), VIEW(BOX_RESET_WORD))) {
                refuse(a->m, q, ERR_BAD_BODY, "Nothing was reset: the words '" BOX_RESET_WORD "' are needed.");
                return;
        }
        box_channel_answer(&a->m->channel, q->op, q->number, ERR_NONE, (view){});
        machine_factory_reset(a->m, a->now_ms);
}

static void take_identity(machine *m, const box_message *q)
{
        if (q->len == sizeof m->identity)
                memcpy(&m->identity, q->bytes, sizeof m->identity);
}

static void take_dates(const asked *a, const box_message *q)
{
        box_dates d;
        if (q->len != sizeof d)
                return;
        memcpy(&d, q->bytes, sizeof d);
        machine_hear_dates(a->m, &d, a->now_ms);
}

static void take(void *ctx, const box_message *q, int *fd)
{
        const asked *a = ctx;
        a->m->update.admin_spoke = true;
        switch ((box_op)q->op) {
        case BOX_STATUS:
                say_facts(a->m, q, a->now_ms);
                return;
        case BOX_RESTART:
        case BOX_POWER_OFF:
                end(a, q, q->op == BOX_RESTART);
                return;
        case BOX_TELL_IDENTITY:
                take_identity(a->m, q);
                return;
        case BOX_TELL_DATES:
                take_dates(a, q);
                return;
        case BOX_TELL_ALIVE:
                service_alive(&a->m->service);
                return;
        case BOX_UPDATE:
                machine_asked_update(a->m, q, fd, a->now_ms);
                return;
        case BOX_ROLL_BACK:
                machine_asked_roll_back(a->m, q, a->now_ms);
                return;
        case BOX_UPDATE_KEYS:
                machine_asked_update_keys(a->m, q);
                return;
        case BOX_FACTORY_RESET:
                reset(a, q);
                return;
        }
        refuse(a->m, q, ERR_NOT_IMPLEMENTED, "This version of the box does not know that.");
}

void machine_hear_box(machine *m, uint64_t now_ms)
{
        asked a = {m, now_ms};
        box_channel_hear(&m->channel, now_ms, take, &a);
}
