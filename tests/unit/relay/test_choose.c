/* covers: choose.c */
#include "route/survey.h"
#include "unit/relay/fixture.h"

static const char SUBJECT[] = "choose";

#define CHAT(model) "{\"model\":\"" model "\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"

static const char good[] = JSON_HEAD "{\"id\":\"x\",\"choices\":[]}";

static const catalog_upstream *one(void) { return &fx.catalog->upstreams[0]; }

static health of(uint64_t id)
{
        health h;
        health_read(fx.board, board_cell_find(fx.board, id), &h);
        return h;
}

static uint64_t flying(void)
{
        uint64_t sum = 0;
        for (int i = 0; i < (int)BOARD_CELLS; i++)
                sum += board_in_flight(fx.board, i);
        return sum;
}

static void test_good(void)
{
        const vendor_step script[] = {{good, VENDOR_KEEP}};
        vendor_does(script, 1);
        bool answered_well = ask_chat(CHAT("m")) == 200;
        health model = of(health_model_id(one(), &fx.catalog->models[0].targets[0]));
        tap_ok(answered_well && of(health_key_id(one(), 0)).attempts == 1
                       && of(health_upstream_id(one())).attempts == 1 && model.attempts == 1 && model.failed == 0,
               SUBJECT, "an attempt is known to its key, its upstream and its model");
        tap_ok(flying() == 0, SUBJECT, "and in flight no longer");
        const vendor_step silent[] = {{nullptr, VENDOR_SILENT}};
        vendor_does(silent, 1);
        char fields[200];
        snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\n", fx.key[0]);
        caller_dial();
        say_request("POST /v1/chat/completions", fields, CHAT("m"));
        run_for(30);
        bool three = flying() == 4; /* key, group, upstream, model */
        caller_leave();
        tap_ok(three && run_until(all_over, nullptr, 1000) && flying() == 0, SUBJECT,
               "while it runs it is in flight; a caller that leaves takes it along");
}

static void test_speed(void)
{
        static const char     streamed[] = "{\"model\":\"m\",\"messages\":[],\"stream\":true}";
        const vendor_step     fails[] = {{FAULT("503", "{}"), VENDOR_KEEP}};
        const catalog_target *target = &fx.catalog->models[0].targets[0];
        uint32_t              samples = of(health_model_id(one(), target)).load.samples;
        fx.catalog->settings.attempts = 1;
        vendor_does(fails, 1);
        bool refused = ask_chat(streamed) == 503;
        tap_ok(refused && of(health_model_id(one(), target)).load.samples == samples, SUBJECT,
               "a way that refuses at once does not become faster by it");
        const vendor_step well[] = {
                {STREAM_HEAD "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n"
                             "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
                             "data: [DONE]\n\n",
                 VENDOR_CLOSE}};
        vendor_does(well, 1);
        bool said = ask_chat(streamed) == 200;
        tap_ok(said && of(health_model_id(one(), target)).load.samples == samples + 1, SUBJECT,
               "one that speaks is known");
        fx.catalog->settings.attempts = LIMIT_ATTEMPTS;
}

static void test_rate(void)
{
        const vendor_step limited[] = {
                {"HTTP/1.1 429 X\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n", VENDOR_KEEP}};
        vendor_does(limited, 1);
        uint64_t parked = counted(COUNTER_keys_parked);
        bool     told = ask_chat(CHAT("m")) == 429;
        uint64_t until = of(health_key_id(one(), 0)).parked_until_ms, now = net_now_ms(fx.loop);
        tap_ok(told && until > now + 29000 && until < now + 33100 && counted(COUNTER_keys_parked) == parked + 1,
               SUBJECT, "a rate limit parks the key for as long as the vendor says, and a little more");
        tap_ok(ask_chat(CHAT("m")) == 429 && vendor.requests == 1, SUBJECT, "until then it is not asked");
        const vendor_step soon[] = {{"HTTP/1.1 429 X\r\nRetry-After-Ms: 200\r\nContent-Length: 0\r\n\r\n", VENDOR_KEEP},
                                    {good, VENDOR_KEEP}};
        vendor_does(soon, 2);
        uint64_t waited = counted(COUNTER_waited);
        tap_ok(ask_chat(CHAT("m")) == 200 && vendor.requests == 2 && counted(COUNTER_waited) == waited + 1, SUBJECT,
               "a short one is waited for");
        vendor_does(soon, 2);
        fx.catalog->settings.queue_ms = 50;
        tap_ok(ask_chat(CHAT("m")) == 429 && vendor.requests == 1, SUBJECT, "but not longer than queue_ms");
        fx.catalog->settings.queue_ms = LIMIT_QUEUE_MS;
        vendor_does(soon, 2);
        char fields[200];
        snprintf(fields, sizeof fields, "Authorization: Bearer %s\r\nX-Lethe-Deadline-Ms: 100\r\n", fx.key[0]);
        caller_dial();
        say_request("POST /v1/chat/completions", fields, CHAT("m"));
        tap_ok(answered() && me.status == 429 && vendor.requests == 1, SUBJECT, "nor than the caller waits");
}

static void test_refused(void)
{
        const vendor_step refuses[] = {{FAULT("401", "{}"), VENDOR_KEEP}};
        vendor_does(refuses, 1);
        uint64_t disabled = counted(COUNTER_keys_disabled);
        for (int i = 0; i < 5; i++)
                (void)ask_chat(CHAT("m"));
        tap_ok(vendor.requests == 3 && counted(COUNTER_keys_disabled) == disabled + 1 && me.status == 502
                       && body_has("upstream_auth"),
               SUBJECT, "a key refused three times in a row is set aside");
        lease_write_begin(fx.lease);
        lease_write_end(fx.lease, true);
        const vendor_step well[] = {{good, VENDOR_KEEP}};
        memcpy(vendor.script, well, sizeof well);
        tap_ok(ask_chat(CHAT("m")) == 200, SUBJECT, "until the vault gives it out anew");
}

static void test_breaker(void)
{
        const vendor_step fails[] = {{FAULT("503", "{}"), VENDOR_KEEP}};
        vendor_does(fails, 1);
        fx.catalog->settings.attempts = 1;
        fx.catalog->settings.breaker_calls = 4;
        uint64_t opened = counted(COUNTER_breakers_opened);
        for (int i = 0; i < 4; i++)
                (void)ask_chat(CHAT("three"));
        health model = of(health_model_id(one(), &fx.catalog->models[2].targets[0]));
        tap_ok(model.breaker.state == BREAKER_OPEN && counted(COUNTER_breakers_opened) > opened, SUBJECT,
               "a model that keeps failing opens its breaker");
        tap_ok(ask_chat(CHAT("three")) == 503 && strstr(vendor.last, "POST /v2/") != nullptr, SUBJECT,
               "the next goes elsewhere");
        for (int i = 0; i < 12; i++)
                (void)ask_chat(CHAT("three"));
        size_t before = vendor.requests;
        for (int i = 0; i < 20; i++)
                (void)ask_chat(CHAT("three"));
        tap_ok(vendor.requests - before <= 3 && me.status == 503 && head_has("\r\nretry-after: "), SUBJECT,
               "with all of them open a request now and then tries, the others are told to come back");
        fx.catalog->settings.attempts = LIMIT_ATTEMPTS;
        fx.catalog->settings.breaker_calls = 20;
        tap_ok(flying() == 0, SUBJECT, "and nothing is left in flight");
}

/* The fixture's vendor speaks in the clear; whether a row is one of TLS is asked when it is reported. */
static health dated_by(const char *date, bool tls)
{
        char                    head[300];
        const vendor_step script[] = {{head, VENDOR_KEEP}};
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n%sContent-Type: application/json\r\nContent-Length: @\r\n\r\n"
                                    "{\"id\":\"x\",\"choices\":[]}", date);
        vendor_does(script, 1);
        fx.catalog->upstreams[0].tls = tls;
        (void)ask_chat(CHAT("m"));
        fx.catalog->upstreams[0].tls = false;
        return of(health_upstream_id(one()));
}

static void test_dates(void)
{
        uint64_t before = net_now_ms(fx.loop);
        health   h = dated_by("Date: Fri, 20 Nov 2026 12:00:00 GMT\r\n", false);
        tap_ok(me.status == 200 && h.dated_ms == 0, SUBJECT, "a date in the clear is nobody's");
        (void)dated_by("", true);
        h = dated_by("Date: tomorrow\r\n", true);
        tap_ok(me.status == 200 && h.dated_ms == 0, SUBJECT, "nor is what is no date");
        h = dated_by("Date: Fri, 20 Nov 2026 12:00:00 GMT\r\n", true);
        tap_ok(h.dated_ms >= before && h.dated_ms <= net_now_ms(fx.loop)
                       && h.origin_s + (int64_t)(h.dated_ms / 1000) == 1795176000,
               SUBJECT, "one that came over TLS is known to its upstream, by the clock that nobody sets");
}

int main(void)
{
        fx_begin();
        test_good();
        test_dates();
        test_speed();
        test_rate();
        test_refused();
        test_breaker();
        return fx_end();
}
