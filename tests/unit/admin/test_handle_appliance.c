#include "admin/handle.h"

#include "harness.h"

static const char SUBJECT[] = "handle_appliance";

static bool pid1_round(box_op op, err_code code, const char *text)
{
        static box_message m;
        int                fd;
        if (h.answers != 0 || failed(box_receive(h.pid1, &m, &fd)) || m.op != op)
                return false;
        m.code = code;
        m.len = (uint32_t)strlen(text);
        memcpy(m.bytes, text, m.len);
        if (failed(box_send(h.pid1, &m, -1)))
                return false;
        harness_run();
        return h.answers == 1;
}

int main(void)
{
        harness_start();
        handle_appliance(harness_exchange("", ""));
        tap_ok(answer_has(404, "\"no_box\""), SUBJECT, "elsewhere there is no box to ask");
        harness_box();
        handle_appliance(harness_exchange("", ""));
        tap_ok(pid1_round(BOX_STATUS, ERR_NONE, "phase RUNNING\nversion 1.2\nsaid a \"b\n")
                       && answer_is(200, "{\"phase\":\"RUNNING\",\"version\":\"1.2\",\"said\":\"a \\\"b\"}\n"),
               SUBJECT, "what the box says of itself");
        handle_appliance_restart(harness_exchange("", ""));
        tap_ok(pid1_round(BOX_RESTART, ERR_NONE, "") && answer_is(202, "{}\n"), SUBJECT, "a restart is on its way");
        handle_appliance_power_off(harness_exchange("", ""));
        tap_ok(pid1_round(BOX_POWER_OFF, ERR_NOT_IMPLEMENTED, "It cannot.") && answer_has(422, "It cannot."), SUBJECT,
               "a refusal comes with its sentence");
        handle_appliance_power_off(harness_exchange("", ""));
        tap_ok(pid1_round(BOX_POWER_OFF, ERR_KEY_BUSY, "Later.") && answer_has(409, "Later."), SUBJECT, "busy");
        handle_appliance(harness_exchange("", ""));
        tap_ok(pid1_round(BOX_STATUS, ERR_SYSTEM, "") && answer_has(500, "internal_error"), SUBJECT,
               "a failure without a word");
        return harness_done();
}
