/* The house: one relay as lethe-relay sets it up, over the seed's randomness. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "base/secret.h"
#include "sim/house.h"
#include "vault/client_key.h"

struct house house;

/* ---- randomness of the relay itself ---- */

static uint64_t own_state;

static uint32_t own_random(void)
{
        own_state = own_state * 6364136223846793005 + 1442695040888963407;
        return (uint32_t)(own_state >> 32);
}

static void own_bytes(void *const out, const size_t len)
{
        for (size_t i = 0; i < len; i++)
                ((uint8_t *)out)[i] = (uint8_t)own_random();
}

static const char *own_name(void) { return "seed"; }

static randombytes_implementation own = {.implementation_name = own_name, .random = own_random, .buf = own_bytes};

/* ---- what the linker turns here ---- */

attempt *__real_upstream_open(upstreams *u, const attempt_order *o, const attempt_user *user, void *ctx);
attempt *__wrap_upstream_open(upstreams *u, const attempt_order *o, const attempt_user *user, void *ctx);
attempt *__wrap_upstream_open(upstreams *u, const attempt_order *o, const attempt_user *user, void *ctx)
{
        attempt *a = __real_upstream_open(u, o, user, ctx);
        /* A question about a vendor's health has no body, and costs nothing. */
        if (a != nullptr && o->body_bytes > 0)
                house.opened++;
        return a;
}

void __wrap_event(event_id id, int64_t first, int64_t second);
void __wrap_event(event_id id, int64_t first, int64_t second)
{
        static const char *const names[EVENT_COUNT] = {
#define EVENT(name, level, one, two, text) [EVENT_##name] = #name,
#include "base/event.def"
#undef EVENT
        };
        sim_say("event %s %lld %lld", names[id], (long long)first, (long long)second);
}

/* ---- setting up ---- */

static void lease_fill(void)
{
        lease *l = &house.lease;
        lease_write_begin(l);
        memset(l->pepper, 3, 32);
        memset(l->pseudonym_key, 4, 32);
        l->credential_count = VENDORS + 1;
        for (size_t i = 0; i <= VENDORS; i++) {
                size_t v = i % VENDORS; /* the first has two */
                lease_credential *c = &l->credentials[i];
                snprintf(c->name, sizeof c->name, "%s%zu", i < VENDORS ? "key" : "spare", v);
                snprintf(c->host, sizeof c->host, v == 2 ? "v2.inside.net" : "v%zu.vendor.net", v);
                c->len = (uint16_t)snprintf((char *)c->secret, sizeof c->secret, "%s%s", vendor_secret(v),
                                            i < VENDORS ? "" : "-2");
        }
        lease_write_end(l, true);
}

static void keys_write(text *t)
{
        text_put(t, "\"keys\":[");
        for (unsigned i = 0; i < CALLERS_KEYS; i++) {
                uint8_t hash[32], hex[65] = {};
                char id[9];
                emit key = emit_into((uint8_t *)play.keys[i], sizeof play.keys[i] - 1), h = emit_into(hex, 64);
                client_key_make(house.lease.pepper, &key, id, hash);
                emit_hex(&h, (view){hash, 32});
                house.slots[i] = board_key_slot(&house.board, secret_key_number(view_of_text(id)));
                text_put(t,
                         "%s{\"id\":\"%s\",\"hash\":\"%s\",\"project\":\"p%u\",\"models\":[\"*\"],"
                         "\"hedge\":%s,\"priority\":\"%s\"}",
                         i > 0 ? "," : "", id, (const char *)hex, i, i % 2 == 0 ? "true" : "false",
                         i == 3   ? "low"
                         : i == 2 ? "high"
                                  : "normal");
        }
        text_put(t, "]");
        play.key_count = CALLERS_KEYS;
}

static void settings_write(text *t)
{
        uint64_t stream_ms = sim_between(20000, 200000);
        text_put(t, "\"settings\":{\"stream_ms\":%llu,", (unsigned long long)stream_ms);
        uint64_t first_ms = sim_between(5000, 60000), gap_ms = sim_between(5000, 60000);
        uint64_t stall_ms = sim_between(5000, 60000), body_ms = sim_between(3000, 10000);
        text_put(t, "\"first_byte_ms\":%llu,\"gap_ms\":%llu,", (unsigned long long)first_ms,
                 (unsigned long long)gap_ms);
        text_put(t, "\"head_ms\":3000,\"body_ms\":%llu,", (unsigned long long)body_ms);
        uint64_t idle_ms = sim_between(500, 60000);
        text_put(t, "\"idle_ms\":%llu,", (unsigned long long)idle_ms);
        play.attempts = (uint32_t)(sim_chance(70) ? LIMIT_ATTEMPTS : sim_between(1, LIMIT_ATTEMPTS));
        text_put(t, "\"attempts\":%u,\"breaker_open_ms\":%llu,\"warm_connections\":%llu,", play.attempts,
                 (unsigned long long)sim_between(100, 5000), (unsigned long long)sim_below(3));
        text_put(t, "\"breaker_calls\":%llu,\"queue_ms\":%llu,", (unsigned long long)sim_between(3, 20),
                 (unsigned long long)(sim_chance(70) ? 5000 : sim_below(3000)));
        text_put(t, "\"exchanges\":%llu,", (unsigned long long)(sim_chance(80) ? 100 : sim_between(1, 4)));
        text_put(t, "\"key_exchanges\":%llu,", (unsigned long long)(sim_chance(80) ? 64 : sim_between(1, 2)));
        text_put(t, "\"connections\":%llu,", (unsigned long long)(sim_chance(80) ? 100 : sim_between(8, 12)));
        text_put(t, "\"bodies_bytes\":%llu,",
                 (unsigned long long)(sim_chance(80) ? 64000000 : sim_between(800000, 1200000)));
        text_put(t, "\"write_stall_ms\":%llu}", (unsigned long long)stall_ms);
        play.stream_us = stream_ms * 1000;
        play.longest_us = (stream_ms + 120000) * 1000;
        /* Where places are few a connection waits to be accepted until another has idled away. */
        play.asking_us = (body_ms + 75000) * 1000;
        /* A stall is looked for once in its time, and what is left of a whole answer may idle away; a warm connection
         * may be silent for as long as it is kept. */
        house.patience.caller_us = ((2 * stall_ms > idle_ms ? 2 * stall_ms : idle_ms) + 2000) * 1000;
        house.patience.vendor_us = ((first_ms > gap_ms ? first_ms : gap_ms) + 2000) * 1000;
        if (house.patience.vendor_us < (LIMIT_POOL_IDLE_MS + 2000) * 1000)
                house.patience.vendor_us = (LIMIT_POOL_IDLE_MS + 2000) * 1000;
}

static void upstreams_write(text *t)
{
        text_put(t, "\"upstreams\":[{\"name\":\"u0\",\"vendor\":\"vendor0\",\"base_url\":\"https://v0.vendor.net/v1\","
                    "\"ca\":\"public.pem\",\"credentials\":[\"key0\",{\"name\":\"spare0\",\"weight\":50}]},");
        text_put(t, "{\"name\":\"u1\",\"vendor\":\"vendor1\",\"base_url\":\"https://v1.vendor.net/"
                    "v1\",\"ca\":\"public.pem\","
                    "\"credential\":\"key1\",\"health\":{\"path\":\"/models\",\"every_ms\":1000}},");
        text_put(t,
                 "{\"name\":\"u2\",\"vendor\":\"vendor2\",\"base_url\":\"http://v2.inside.net/v1\",\"plain_http\":true,"
                 "\"addresses\":[\"9.9.2.1\",\"9.9.2.2\"],\"local\":[\"9.9.2.0/24\"],\"credential\":\"key2\"}],");
}

const char *const model_names[MODELS] = {"three",  "pair",  "turned",  "four",   "solo",
                                         "hedged", "drawn", "goes-on", "vectors"};

static void models_write(text *t)
{
        static const struct {
                const char *traits, *targets; /* of a target: upstream and the letter of its model */
        } rows[MODELS] = {
                {"", "0a1b2c"},
                {"\"first_token_ms\":3000,", "1b2c"},
                {"\"sticky\":\"prompt\",", "2c0a"},
                {"\"first_token_ms\":0,", "1a0b2c0d"},
                {"", "1a"},
                {"\"strategy\":\"fastest\",\"hedge\":true,\"hedge_ms\":150,", "0a1b2c"},
                {"\"strategy\":\"weighted\",", "0a1b2c"},
                {"\"continuation\":true,\"first_token_ms\":2000,", "0a1b2c"},
                {"\"hedge\":true,", "0e2e"},
        };
        for (size_t m = 0; m < MODELS; m++) {
                text_put(t, "%s{\"name\":\"%s\",%s\"targets\":[", m == 0 ? "\"models\":[" : ",", model_names[m],
                         rows[m].traits);
                for (const char *at = rows[m].targets; *at != '\0'; at += 2)
                        text_put(t, "%s{\"upstream\":\"u%c\",\"model\":\"%c\"%s}", at == rows[m].targets ? "" : ",",
                                 at[0], at[1],
                                 m != MODEL_GOES_ON ? ""
                                 : at[0] == '1'     ? ",\"prefill\":\"plain\""
                                                    : ",\"prefill\":\"prefix\"");
                text_put(t, "]}");
        }
        text_put(t, "],");
}

static void catalog_make(void)
{
        text t = {};
        config_fault fault = {};
        text_put(&t, "{\"lethe\":\"config/1\",\"hosts\":[\"relay.test\"],");
        upstreams_write(&t);
        models_write(&t);
        keys_write(&t);
        text_put(&t, ",");
        settings_write(&t);
        text_put(&t, "}");
        house.catalog = sim_alloc(sizeof *house.catalog);
        if (failed(catalog_compile(text_view(&t), house.catalog, &fault)))
                sim_fail("the simulation's configuration is refused: %s %s", fault.pointer, fault.text);
        text_free(&t);
}

static void policy_make(void)
{
        static uint8_t bytes[16 * 1024];
        config_fault fault = {};
        FILE *f = fopen("policy/default.json", "rb");
        if (f == nullptr)
                sim_fail("policy/default.json is not in this folder");
        view v = {bytes, fread(bytes, 1, sizeof bytes, f)};
        fclose(f);
        if (failed(policy_compile(v, &house.policy, &fault)))
                sim_fail("the default policy is refused: %s", fault.text);
}

static void on_drained(void *ctx)
{
        (void)ctx;
        house.drained++;
        sim_say("the relay has drained");
}

void house_begin(void)
{
        static uint8_t server;
        own_state = sim_random();
        randombytes_set_implementation(&own);
        if (failed(secret_setup()))
                sim_fail("libsodium does not start");
        event_setup("relay", -1);
        net_loop *loop = net_loop_new();
        void *ring = sim_alloc(usage_ring_bytes());
        board_format(&house.board);
        house.board.keeper = KEEPER_OPEN;
        lease_fill();
        catalog_make();
        policy_make();
        vendors_begin(loop);
        if (failed(usage_ring_format(ring, usage_ring_bytes(), &house.ring)))
                sim_fail("no usage ring");
        house.clients[0] = house.clients[1] = (tls_client *)&server;
        const relay_setup setup = {.loop = loop,
                                   .resolver = net_resolver_new(loop),
                                   .catalog = house.catalog,
                                   .policy = &house.policy,
                                   .lease = &house.lease,
                                   .board = &house.board,
                                   .column = &house.board.columns[0],
                                   .ring = house.ring,
                                   .ring_wake = -1,
                                   .generation = 7,
                                   .server = (tls_server *)&server,
                                   .clients = house.clients,
                                   .listen_fd = -1,
                                   .drained = on_drained};
        house.relay = relay_new(&setup);
        if (house.relay == nullptr)
                sim_fail("no relay");
        play.relay = sim_newest_listener();
        sim_of_relay(play.relay);
        relay_start(house.relay);
        house.timers_at_begin = sim_timers() - 1; /* housekeeping ends with the drain */
        house.keeper = (net_timer){.fire = house_keeper};
        net_timer_set(loop, &house.keeper, 5);
        house.held_at_begin = sim_memory_now();
        house.serial_at_begin = sim_memory_serial();
}
