#include "admin/ways.h"

#include <stdlib.h>

#include "codec/config_json.h"
#include "support/tap.h"

static const char SUBJECT[] = "ways";

enum : uint64_t { NOW_MS = 100000 };

static catalog *c;
static board *b;
static ways_facts facts;
static uint8_t room[WAYS_BYTES];

static health *cell(uint64_t id) { return (void *)b->cells[board_cell_of(b, id)].bytes; }

static void put(char *to, const char *text) { memcpy(to, text, strlen(text) + 1); }

static bool has(const emit *out, const char *part)
{
        bool good = !out->full && memmem(out->bytes, out->len, part, strlen(part)) != nullptr;
        if (!good)
                printf("# %s is not in %.*s\n", part, (int)out->len, (const char *)out->bytes);
        return good;
}

static bool lacks(const emit *out, const char *part)
{
        return memmem(out->bytes, out->len, part, strlen(part)) == nullptr;
}

static bool is_json(const emit *out)
{
        config_doc *doc;
        config_fault fault;
        if (out->full || failed(config_parse((view){out->bytes, out->len}, &doc, &fault)))
                return false;
        config_free(doc);
        return true;
}

/* "small": alpha with two keys, then beta; "lesser": beta's other model, with consent. */
static void lay_out(void)
{
        put(c->residencies[0], "eu");
        put(c->residencies[1], "us");
        c->residency_count = 2;
        c->upstream_count = 2;
        catalog_upstream *alpha = &c->upstreams[0], *beta = &c->upstreams[1];
        put(alpha->name, "alpha"), put(alpha->vendor, "openai"), put(beta->name, "beta"), put(beta->vendor, "mistral");
        alpha->residency = 1;
        alpha->credential_count = 2, beta->credential_count = 1;
        put(alpha->credentials[0].name, "k1"), put(alpha->credentials[1].name, "k2");
        put(beta->credentials[0].name, "k3"), put(beta->credentials[0].group, "team");
        alpha->credentials[0].weight = alpha->credentials[1].weight = beta->credentials[0].weight = 100;
        c->model_count = 2;
        catalog_model *m = c->models;
        put(m[0].name, "small"), put(m[1].name, "lesser");
        m[0].target_count = 2, m[1].target_count = 2;
        m[0].targets[0] = (catalog_target){.upstream = 0, .model = "m1", .weight = 100, .max_chars = 50};
        m[0].targets[1] = (catalog_target){.upstream = 1, .model = "m2", .weight = 100, .max_chars = UINT32_MAX};
        m[1].strategy = STRATEGY_FASTEST;
        m[1].sticky = STICKY_PROMPT;
        m[1].residency = 1;
        m[1].targets[0] = m[0].targets[0];
        m[1].targets[1] = (catalog_target){.upstream = 0, .model = "m3", .max_chars = UINT32_MAX, .downgrade = true};
        c->key_count = 1;
        put(c->keys[0].id, "Ab3dEf6h");
        c->keys[0].residency = 2;
        c->keys[0].downgrade = true;
        c->keys[0].any_model = true;
        c->settings.connect_ms = c->settings.first_byte_ms = 1000;
        c->settings.breaker_open_ms = 5000, c->settings.breaker_open_most_ms = 300000;
}

static emit whole(int model)
{
        emit out = emit_into(room, sizeof room);
        ways_write(&facts, model, &out);
        return out;
}

static emit explain(ways_question q)
{
        emit out = emit_into(room, sizeof room);
        ways_write_explain(&facts, &q, &out);
        return out;
}

static void test_new(void)
{
        emit out = whole(-1);
        tap_ok(has(&out, "{\"routes\":[{\"model\":\"small\",\"strategy\":\"ordered\",\"sticky\":false,\"residency\":[],"
                         "\"targets\":[{\"upstream\":\"alpha\",\"model\":\"m1\",\"weight\":100,\"context_tokens\":0,"
                         "\"downgrade\":false,\"breaker\":\"closed\",\"open_ms\":0,\"in_flight\":0,\"attempts\":0,"
                         "\"failed\":0,\"last_fault\":null},")
                       && has(&out, "{\"name\":\"alpha\",\"vendor\":\"openai\",\"residency\":[\"eu\"],\"breaker\":")
                       && has(&out, "{\"key\":\"k3\",\"group\":\"team\",\"weight\":100,\"breaker\":\"closed\"")
                       && is_json(&out),
               SUBJECT, "a new box is told whole, without a cell on the board");
        out = whole(1);
        tap_ok(lacks(&out, "small") && lacks(&out, "beta") && has(&out, "\"sticky\":true,\"residency\":[\"eu\"]"),
               SUBJECT, "one alias comes with its own upstreams alone");
}

static void test_lived(void)
{
        health *k = cell(health_key_id(&c->upstreams[0], 0)), *u = cell(health_upstream_id(&c->upstreams[1]));
        k->parked_until_ms = NOW_MS + 1500;
        k->parked = 3;
        k->attempts = 40;
        k->failed = 5;
        k->last_fault = FAULT_RATE;
        k->limiter.limit_milli = 7900;
        k->load.ewma_us = 412000;
        k->load.quantile_us = 900500;
        atomic_store(&b->columns[0].in_use, 1);
        atomic_store(&b->columns[0].in_flight[board_cell_find(b, health_key_id(&c->upstreams[0], 0))], 2);
        emit out = whole(0);
        tap_ok(has(&out, "{\"key\":\"k1\",\"group\":null,\"weight\":100,\"breaker\":\"closed\",\"open_ms\":0,"
                         "\"in_flight\":2,\"attempts\":40,\"failed\":5,\"last_fault\":\"rate\",\"parked_ms\":1500,"
                         "\"parked\":3,\"disabled\":false,\"limit\":7,\"first_byte_ms\":412,\"content_p95_ms\":900}"),
               SUBJECT, "a key's numbers are told");
        u->breaker = (breaker){.state = BREAKER_OPEN, .until_ms = NOW_MS + 250};
        cell(health_key_id(&c->upstreams[0], 1))->disabled_until_ms = NOW_MS + 1;
        out = whole(-1);
        tap_ok(has(&out,
                   "\"name\":\"beta\",\"vendor\":\"mistral\",\"residency\":[],\"breaker\":\"open\",\"open_ms\":250,")
                       && has(&out, "\"disabled\":true"),
               SUBJECT, "an open breaker says for how long, a refused key that it is set aside");
        health *group = cell(health_group_id(&c->upstreams[1], 0));
        group->tokens_left = 0, group->requests_left = 9, group->left_until_ms = NOW_MS + 70;
        out = whole(-1);
        tap_ok(has(&out, "\"parked_ms\":70,"), SUBJECT, "a group whose tokens are used up parks its key");
}

static void test_counts(void)
{
        ways_counts n;
        ways_count(&facts, &n);
        tap_ok(n.breakers[HEALTH_KEY][BREAKER_CLOSED] == 3 && n.breakers[HEALTH_UPSTREAM][BREAKER_OPEN] == 1
                       && n.breakers[HEALTH_UPSTREAM][BREAKER_CLOSED] == 1
                       && n.breakers[HEALTH_MODEL][BREAKER_CLOSED] == 3 && n.keys_parked == 2 && n.keys_disabled == 1,
               SUBJECT, "each key, upstream and model counts once, though aliases share it");
}

static void test_explain(void)
{
        emit out = explain((ways_question){.model = 0, .key = -1, .chars = 10});
        tap_ok(has(&out, "{\"model\":\"small\",\"strategy\":\"ordered\",\"sticky\":false,\"chars\":10,\"key\":null,"
                         "\"downgrade\":false,\"chosen\":null,\"why\":\"parked\"")
                       && has(&out, "\"wait_ms\":70,\"ways\":[{")
                       && has(&out, "\"model\":\"m1\",\"key\":\"k2\",\"why\":\"disabled\"") && is_json(&out),
               SUBJECT, "nobody is chosen while all wait, and the smallest wait is told");
        *cell(health_group_id(&c->upstreams[1], 0)) = (health){};
        out = explain((ways_question){.model = 0, .key = -1, .chars = 10});
        tap_ok(has(&out,
                   "\"chosen\":{\"upstream\":\"beta\",\"model\":\"m2\",\"key\":\"k3\",\"last\":true},\"why\":\"ok\"")
                       && has(&out, "\"wait_ms\":1500"),
               SUBJECT, "behind an open breaker stands the last that can be asked");
        *cell(health_key_id(&c->upstreams[0], 0)) = (health){};
        *cell(health_key_id(&c->upstreams[0], 1)) = (health){};
        out = explain((ways_question){.model = 0, .key = -1, .chars = 50});
        tap_ok(has(&out, "\"chosen\":{\"upstream\":\"alpha\",\"model\":\"m1\"")
                       && has(&out, "\"why\":\"later\",\"text\":\"another way is preferred\"")
                       && has(&out, "\"why\":\"open\",\"text\":\"a breaker is open\",\"percent\":0,\"parked_ms\":0,"
                                    "\"open_ms\":250"),
               SUBJECT, "in health the first target is chosen, each other way has its reason");
        out = explain((ways_question){.model = 0, .key = -1, .chars = 51});
        tap_ok(has(&out, "\"why\":\"size\"") && has(&out, "\"chosen\":{\"upstream\":\"beta\""), SUBJECT,
               "a longer prompt goes elsewhere");
        out = explain((ways_question){.model = 0, .key = 0, .chars = 1});
        tap_ok(has(&out, "\"key\":\"Ab3dEf6h\",\"downgrade\":true,\"chosen\":null,\"why\":\"residency\"")
                       && has(&out, "\"wait_ms\":null"),
               SUBJECT, "a key's residency and consent count");
        out = explain((ways_question){.model = 1, .key = -1, .chars = 60});
        bool refused = has(&out, "\"chosen\":null,\"why\":\"size\"") && has(&out, "\"why\":\"consent\"");
        out = explain((ways_question){.model = 1, .key = -1, .chars = 60, .downgrade = true});
        tap_ok(refused && has(&out, "\"downgrade\":true,\"chosen\":{\"upstream\":\"alpha\",\"model\":\"m3\""), SUBJECT,
               "a lesser model is chosen with consent alone");
}

/* Two equal keys are drawn about as often; what is told as chosen is what is told as most. */
static void test_shares(void)
{
        atomic_store(&b->columns[0].in_use, 0);
        emit out = explain((ways_question){.model = 1, .key = -1});
        config_doc *doc;
        config_fault fault;
        uint64_t sum = 0, most = 0, n, chosen = 0;
        if (failed(config_parse((view){out.bytes, out.len}, &doc, &fault))) {
                tap_ok(false, SUBJECT, "the explanation is JSON");
                return;
        }
        for (const config_node *w = config_first(config_get(config_root(doc), "ways")); w != nullptr;
             w = config_next(w)) {
                view why;
                if (failed(config_u64(w, "percent", (config_range){0, 100}, &n, &fault))
                    || failed(config_text(w, "why", &why, &fault)))
                        break;
                sum += n;
                most = n > most ? n : most;
                if (view_equal(why, VIEW("ok")))
                        chosen = n;
        }
        config_free(doc);
        tap_ok(sum >= 99 && most < 70 && chosen == most, SUBJECT,
               "of equals each is drawn its part, the chosen most often");
}

static void test_bounds(void)
{
        for (size_t i = 0; i < BOARD_CELLS; i++)
                memset(b->cells[i].bytes, 0xff, BOARD_CELL_BYTES);
        emit out = whole(-1);
        ways_counts n;
        ways_count(&facts, &n);
        tap_ok(is_json(&out), SUBJECT, "a board full of nonsense is told as JSON");
        *cell(health_key_id(&c->upstreams[0], 0)) = (health){.failed = 1, .last_fault = 200};
        cell(health_key_id(&c->upstreams[0], 0))->breaker.state = (breaker_state)77;
        out = whole(0);
        tap_ok(is_json(&out) && has(&out, "\"failed\":1,\"last_fault\":null"), SUBJECT,
               "so are a state and a fault that nobody knows");
        uint8_t small[100];
        emit cut = emit_into(small, sizeof small);
        ways_write(&facts, -1, &cut);
        tap_ok(cut.full, SUBJECT, "a document that does not fit says so");
}

int main(void)
{
        c = calloc(1, sizeof *c);
        b = calloc(1, sizeof *b);
        if (c == nullptr || b == nullptr)
                return 2;
        board_format(b);
        facts = (ways_facts){c, b, NOW_MS};
        lay_out();
        tap_ok(strcmp(ways_kind_name(HEALTH_GROUP), "group") == 0
                       && strcmp(ways_state_name(BREAKER_HALF_OPEN), "half_open") == 0,
               SUBJECT, "kinds and states have names");
        test_new();
        test_lived();
        test_counts();
        test_explain();
        test_shares();
        test_bounds();
        free(c);
        free(b);
        return tap_done();
}
