#include "harness.h"

int main(void)
{
        harness_start();
        admin_answer_error(harness_exchange("", ""), ERR_NO_KEY);
        tap_ok(answer_has(401, "unauthorized") && strncmp(h.extra, "WWW-Authenticate: Bearer", 24) == 0, "exchange",
               "a 401 says how to come in");
        admin_answer_error(harness_exchange("", ""), ERR_NO_ROUTE);
        tap_ok(answer_has(404, "unknown_url") && h.extra[0] == '\0', "exchange", "other errors do not");
        admin_exchange *x = harness_exchange("", "");
        emit out = admin_document(x);
        emit_text(&out, "{}");
        admin_answer_document(x, 200, &out);
        tap_ok(answer_is(200, "{}") && strcmp(h.type, "application/json") == 0, "exchange", "a document is JSON");
        x = harness_exchange("", "");
        arena_init(&x->memory, 64);
        out = admin_document(x);
        emit_text(&out, "{}");
        admin_answer_document(x, 200, &out);
        tap_ok(answer_has(507, "no_room"), "exchange", "a document without room is an error, not half a document");
        config_fault f = {.code = "BAD_JSON", .line = 1, .column = 2};
        admin_answer_fault(harness_exchange("", ""), 400, &f, (view){});
        tap_ok(answer_has(400, "\"column\":2"), "exchange", "a fault has its place");
        return harness_done();
}
