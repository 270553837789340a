#include "relay/relay.h"

#include <sys/wait.h>

#include "unit/relay/fixture.h"

static const char SUBJECT[] = "relay";

#define STREAM "{\"model\":\"m\",\"stream\":true,\"messages\":[]}"
#define TEXT   "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n"

static bool is_drained(void *ctx)
{
        (void)ctx;
        return fx.drained > 0;
}

static bool is_gone(void *ctx) { return ((const caller *)ctx)->closed > 0; }

/* A caller whose stream has begun and does not end. */
static void begin_stream(void)
{
        static const vendor_step endless[] = {{STREAM_HEAD TEXT, VENDOR_SILENT}};
        char fields[200];
        vendor_does(endless, 1);
        snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\n", fx.key[0]);
        caller_dial();
        say_request("POST /v1/chat/completions", fields, STREAM);
        run_for(30);
}

static void end_stream(void)
{
        vendor_conn *c = vendor.conns[vendor.connections - 1];
        net_write(c->conn, VIEW("data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: "
                                "[DONE]\n\n"));
        net_close(c->conn);
        c->conn = nullptr;
}

static void test_numbers(void)
{
        uint64_t kept = 0, number = secret_key_number(VIEW("Ab3dEf6h"));
        tap_ok(relay_number(&kept, "Ab3dEf6h") == number && kept == number, SUBJECT, "a name's number is kept");
        tap_ok(relay_number(&kept, "not asked for") == number, SUBJECT, "and not made again");
}

static void test_drain(void)
{
        static caller idle, late;
        net_target to = {.family = 4, .address = {127, 0, 0, 1}, .port = fx.port};
        begin_stream();
        end_stream();
        tap_ok(answered() && fx.relay->exchanges == 0 && fx.relay->chunks.count == 1, SUBJECT,
               "keeps the memory an exchange began in for the next one");
        begin_stream();
        idle.conn = net_dial(fx.loop, &to, &caller_user, &idle);
        run_for(5);
        tap_ok(fx.relay->exchanges == 1 && fx.relay->clients != nullptr, SUBJECT, "knows who is there");
        uint64_t began = net_now_ms(fx.loop);
        relay_drain(fx.relay, 20000);
        relay_drain(fx.relay, 1);
        late.conn = net_dial(fx.loop, &to, &caller_user, &late);
        tap_ok(run_until(is_gone, &late, 1000) && late.why == NET_UNREACHABLE, SUBJECT,
               "a draining one takes nobody new");
        tap_ok(run_until(is_gone, &idle, 4000) && net_now_ms(fx.loop) - began < 3500 && me.closed == 0, SUBJECT,
               "lets idle callers go soon, running ones on");
        tap_ok(fx.drained == 0, SUBJECT, "is not done before they are");
        end_stream();
        tap_ok(answered() && body_has("[DONE]"), SUBJECT, "ends their streams whole");
        tap_ok(run_until(is_gone, &me, 3000) && me.why == NET_CLEAN, SUBJECT, "and their connections");
        tap_ok(run_until(is_drained, nullptr, 1000), SUBJECT, "then says so");
        run_for(20);
        tap_ok(fx.drained == 1, SUBJECT, "once");
        tap_ok(fx.relay->chunks.count == 0, SUBJECT, "and has given back what nobody took");
}

static void test_forced(void)
{
        forget_records();
        begin_stream();
        relay_drain(fx.relay, 60);
        tap_ok(run_until(is_drained, nullptr, 2000) && run_until(is_gone, &me, 1000) && fx.relay->exchanges == 0,
               "forced drain", "cuts what still runs when its time is over");
        usage_record a = {}, x = {};
        tap_ok(next_record(&a) && next_record(&x) && a.basis == USAGE_ESTIMATED && x.ending == ENDING_SHED,
               "forced drain", "and accounts for it");
}

/* A relay drains once in its life: the forced drain has a process of its own, whose rows are one here. */
int main(void)
{
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
                if (freopen("/dev/null", "w", stdout) == nullptr)
                        return 1;
                fx_begin();
                test_forced();
                return fx_end();
        }
        int status = 1;
        waitpid(child, &status, 0);
        tap_ok(status == 0, "forced drain", "cuts what still runs when its time is over, and accounts for it");
        fx_begin();
        test_numbers();
        test_drain();
        return fx_end();
}
