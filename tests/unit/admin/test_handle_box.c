#include "admin/handle.h"
#include "harness.h"

static void plain(void)
{
        handle_health(harness_exchange("", ""));
        tap_ok(answer_is(200, "ok\n"), "box", "the process is healthy when it answers");
        handle_ready(harness_exchange("", ""));
        tap_ok(answer_is(503, "{\"ready\":false,\"reasons\":[\"no_keeper\",\"no_relay\"],\"warnings\":[]}\n"), "box",
               "an empty box is not ready");
        atomic_store(&h.board->keeper, KEEPER_OPEN);
        atomic_store(&h.board->columns[0].in_use, 1);
        handle_ready(harness_exchange("", ""));
        tap_ok(answer_is(200, "{\"ready\":true,\"reasons\":[],\"warnings\":[]}\n"), "box", "a whole one is");
        h.box.metrics = VIEW("# EOF\n");
        handle_metrics(harness_exchange("", ""));
        tap_ok(answer_is(200, "# EOF\n") && strncmp(h.type, "application/openmetrics-text", 28) == 0, "box",
               "metrics are what was published");
}

static void status(void)
{
        handle_status(harness_exchange("", ""));
        tap_ok(answer_has(200, "\"vault\":null"), "box", "the status stands without a keeper");
        harness_keeper();
        keeper_status s = {.open = 1, .next_export = 12};
        handle_status(harness_exchange("", ""));
        tap_ok(keeper_round(KEEPER_STATUS, ERR_NONE, &s, sizeof s) && answer_has(200, "\"next_export\":12"), "box",
               "and has more with one");
}

static bool supervisor_hears(void)
{
        wire_message m;
        int fd;
        return !failed(wire_receive(h.control, &m, &fd)) && m.type == WIRE_RELOAD && fd == -1;
}

static void reload(void)
{
        wire_message done = {.type = WIRE_RELOADED, .number = 1, .slot = 4};
        handle_reload(harness_exchange("", ""));
        bool asked = h.answers == 0 && supervisor_hears() && net_timer_pending(&h.x.timer);
        handle_reloaded(&h.box, &done);
        tap_ok(asked && answer_is(200, "{\"generation\":4}\n") && !net_timer_pending(&h.x.timer), "reload",
               "a new generation is told by its number");
        wire_message refused = {
                .type = WIRE_RELOADED,
                .number = 0,
                .name = "policy.json",
                .fault = {.code = "UNKNOWN_KEY", .pointer = "/x", .text = "unknown", .line = 2, .column = 5}};
        handle_reload(harness_exchange("", ""));
        asked = supervisor_hears();
        handle_reloaded(&h.box, &refused);
        tap_ok(asked
                       && answer_is(
                               422,
                               "{\"error\":{\"code\":\"UNKNOWN_KEY\",\"message\":\"unknown\",\"file\":\"policy.json\","
                               "\"line\":2,\"column\":5,\"pointer\":\"/x\"}}\n"),
               "reload", "a refused one is told why and where");
        handle_reload(harness_exchange("", ""));
        admin_exchange second = {.box = &h.box};
        arena_init(&second.memory, LIMIT_ADMIN_MEMORY_BYTES);
        handle_reload(&second);
        tap_ok(supervisor_hears() && answer_has(409, "busy"), "reload", "a second one at the same time is 409");
        h.box.reload = nullptr;
        h.answers = 0;
        handle_reloaded(&h.box, &done);
        tap_ok(h.answers == 0 && !h.box.reloading, "reload", "who has left is not answered");
        net_timer_clear(h.box.loop, &h.x.timer);
        close(h.control);
        handle_reload(harness_exchange("", ""));
        tap_ok(answer_has(500, "internal_error") && !h.box.reloading, "reload",
               "without a supervisor it fails at once");
}

static void late(void)
{
        h.box.reloading = false;
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
                abort();
        h.box.control = pair[0];
        h.control = pair[1];
        admin_exchange *x = harness_exchange("", "");
        handle_reload(x);
        net_timer_clear(h.box.loop, &x->timer);
        x->timer.fire(x->timer.ctx);
        tap_ok(answer_has(504, "reload_timeout") && h.box.reload == nullptr && h.box.reloading, "reload",
               "one that takes too long is 504 and goes on");
}

int main(void)
{
        harness_start();
        plain();
        status();
        reload();
        late();
        return harness_done();
}
