#include "route/survey.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "support/tap.h"

static const char SUBJECT[] = "survey";
static const uint64_t T0 = 500'000'000;

static catalog *conf;
static board *shared;
static catalog_model *alias;
static pick_way ways[PICK_WAYS];

static void add_upstream(const char *name, size_t keys)
{
        catalog_upstream *u = &conf->upstreams[conf->upstream_count++];
        strcpy(u->name, name);
        strcpy(u->host, name);
        strcpy(u->vendor, "acme");
        u->credential_count = (uint8_t)keys;
        for (size_t k = 0; k < keys; k++) {
                snprintf(u->credentials[k].name, sizeof u->credentials[k].name, "%s-%zu", name, k);
                u->credentials[k].weight = 100;
        }
}

static void add_target(uint16_t upstream, const char *model)
{
        catalog_target *t = &alias->targets[alias->target_count++];
        t->upstream = upstream;
        t->weight = 100;
        strcpy(t->model, model);
}

/* Two targets at `a`, which has two keys, and one at `b`, which has one: five ways. */
static void begin(void)
{
        memset(conf, 0, sizeof *conf);
        memset(shared, 0, sizeof *shared);
        board_format(shared);
        conf->settings = (catalog_settings){
                .connect_ms = 5000,
                .first_byte_ms = 60'000,
                .breaker_calls = 20,
                .breaker_percent = 50,
                .breaker_slow_percent = 80,
                .breaker_open_ms = 5000,
                .breaker_open_most_ms = 300'000,
        };
        alias = &conf->models[conf->model_count++];
        add_upstream("a", 2);
        add_upstream("b", 1);
        add_target(0, "small");
        add_target(0, "large");
        add_target(1, "small");
}

static health *cell(uint64_t id) { return (void *)shared->cells[board_cell_of(shared, id)].bytes; }
static health *key(size_t u, size_t k) { return cell(health_key_id(&conf->upstreams[u], k)); }
static health *group(size_t u, size_t k) { return cell(health_group_id(&conf->upstreams[u], k)); }
static health *model(size_t t)
{
        return cell(health_model_id(&conf->upstreams[alias->targets[t].upstream], &alias->targets[t]));
}

static size_t survey(void) { return survey_ways(conf, shared, alias, T0, ways); }
static bool near(double is, double should) { return fabs(is - should) <= should * 0.01; }

static void learn(health *h, uint64_t us)
{
        for (int i = 0; i < 50; i++)
                load_sample(&h->load, us, T0);
}

static void open_breaker(breaker *b)
{
        breaker_setup setup = health_breaker_setup(&conf->settings);
        breaker_now now = {.ms = T0 - 1000, .random = 77};
        for (int i = 0; i < 5; i++)
                breaker_report(b, &setup, breaker_ask(b, &setup, &now), OUTCOME_UNREACHABLE, &now);
}

static uint32_t cells_used(void)
{
        uint32_t n = 0;
        for (uint32_t i = 0; i < BOARD_CELLS; i++)
                n += atomic_load(&shared->cells[i].id) != 0;
        return n;
}

static void test_unknown(void)
{
        begin();
        size_t n = survey();
        bool order = ways[0].target == 0 && ways[0].credential == 0 && ways[1].credential == 1 && ways[2].target == 1
                     && ways[3].credential == 1 && ways[4].target == 2 && ways[4].credential == 0;
        tap_ok(n == 5 && order, SUBJECT, "each target with each key of its upstream, in the file's order");
        bool healthy = true;
        for (size_t i = 0; i < n; i++)
                healthy = healthy && ways[i].parked_ms == 0 && !ways[i].disabled && !ways[i].busy && !ways[i].open
                          && ways[i].cost > 0 && ways[i].cost == ways[0].cost && ways[i].tries == 0;
        tap_ok(healthy, SUBJECT, "what nothing is known of is healthy, and all alike");
        tap_ok(cells_used() == 0, SUBJECT, "looking claims no cell");
}

static void test_keys(void)
{
        begin();
        key(0, 1)->parked_until_ms = T0 + 7000;
        (void)survey();
        tap_ok(ways[1].parked_ms == 7000 && ways[3].parked_ms == 7000 && ways[0].parked_ms == 0, SUBJECT,
               "a parked key is parked for all its targets");
        key(0, 1)->parked_until_ms = T0;
        group(0, 1)->parked_until_ms = T0 + 3000;
        (void)survey();
        tap_ok(ways[1].parked_ms == 3000, SUBJECT, "so is one whose group is");
        group(0, 1)->parked_until_ms = UINT64_MAX / 2;
        (void)survey();
        tap_ok(ways[1].parked_ms == 0, SUBJECT, "nobody parks for years: such bytes are not believed");

        health *h = key(1, 0);
        h->requests_left = 5;
        h->tokens_left = UINT64_MAX;
        h->left_until_ms = T0 + 9000;
        (void)survey();
        bool some = ways[4].parked_ms == 0;
        h->requests_left = 0;
        (void)survey();
        bool no_requests = ways[4].parked_ms == 9000;
        h->requests_left = 5;
        h->tokens_left = 0;
        (void)survey();
        tap_ok(some && no_requests && ways[4].parked_ms == 9000, SUBJECT,
               "a vendor's word that no requests or no tokens are left parks too");
        h->left_until_ms = T0 - 1;
        (void)survey();
        tap_ok(ways[4].parked_ms == 0, SUBJECT, "until its reset");

        key(0, 0)->disabled_until_ms = T0 + 1;
        key(0, 1)->disabled_until_ms = UINT64_MAX;
        key(1, 0)->disabled_until_ms = T0;
        (void)survey();
        tap_ok(ways[0].disabled && ways[1].disabled && !ways[4].disabled, SUBJECT,
               "a refused key is set aside for its time");
}

static void test_breakers(void)
{
        static const bool key_a0[] = {true, false, true, false, false}, upstream_a[] = {true, true, true, true, false},
                          model_a_large[] = {false, false, true, true, false};
        const struct {
                const char *name;
                const bool *open;
        } kinds[] = {{"of a key closes its ways", key_a0},
                     {"of an upstream all ways there", upstream_a},
                     {"of a model that target", model_a_large}};
        for (size_t i = 0; i < 3; i++) {
                begin();
                health *h = i == 0 ? key(0, 0) : i == 1 ? cell(health_upstream_id(&conf->upstreams[0])) : model(1);
                open_breaker(&h->breaker);
                (void)survey();
                bool good = true;
                for (size_t w = 0; w < 5; w++)
                        good = good && ways[w].open == kinds[i].open[w]
                               && ways[w].open_ms == (ways[w].open ? h->breaker.until_ms - T0 : 0);
                char name[80];
                snprintf(name, sizeof name, "an open breaker %s, with its time", kinds[i].name);
                tap_ok(good, SUBJECT, name);
                h->breaker.until_ms = T0;
                (void)survey();
                tap_ok(!ways[0].open && !ways[2].open, SUBJECT, "and none when its time is over");
        }
}

static void test_longest(void)
{
        begin();
        breaker *wide = &cell(health_upstream_id(&conf->upstreams[0]))->breaker, *narrow = &key(0, 0)->breaker;
        open_breaker(wide);
        open_breaker(narrow);
        wide->until_ms = T0 + 3000;
        narrow->until_ms = T0 + 2000;
        (void)survey();
        tap_ok(ways[0].open_ms == 3000 && ways[1].open_ms == 3000, SUBJECT, "of several open ones the longest counts");
}

static void fly(size_t u, size_t k, uint16_t n)
{
        int at = board_cell_of(shared, health_key_id(&conf->upstreams[u], k));
        shared->columns[1].in_use = 5;
        shared->columns[1].in_flight[at] = n;
}

static void test_busy(void)
{
        begin();
        limiter_rejected(&key(0, 0)->limiter, 10, 0, T0);
        fly(0, 0, 6);
        (void)survey();
        bool room = !ways[0].busy;
        fly(0, 0, 7);
        (void)survey();
        tap_ok(room && ways[0].busy && ways[2].busy && !ways[1].busy, SUBJECT,
               "a key is busy with as many attempts as it was found to take");
}

static void test_cost(void)
{
        begin();
        learn(key(0, 0), 300'000);
        learn(key(1, 0), 300'000);
        (void)survey();
        tap_ok(near(ways[0].cost, ways[4].cost) && near(ways[1].cost, ways[4].cost), SUBJECT,
               "a key nothing is known of costs what the others do");
        double before = ways[0].cost;
        fly(0, 0, 3);
        (void)survey();
        tap_ok(near(ways[0].cost, before * 4) && near(ways[4].cost, before), SUBJECT,
               "with attempts in flight it costs more");
        fly(0, 0, 0);
        conf->upstreams[0].credentials[0].weight = 50;
        alias->targets[0].weight = 400;
        (void)survey();
        tap_ok(near(ways[0].cost, before / 2) && near(ways[2].cost, before * 2), SUBJECT,
               "the weights are a target's and a key's");
        conf->upstreams[0].credentials[0].weight = 1000;
        alias->targets[0].weight = 1000;
        alias->targets[1].weight = 1;
        conf->upstreams[0].credentials[1].weight = 1;
        (void)survey();
        tap_ok(near(ways[0].cost, before / 10) && near(ways[3].cost, before * 100), SUBJECT, "within 1 and 1,000");

        begin();
        learn(key(0, 0), 100'000);
        learn(key(0, 1), 400'000);
        (void)survey();
        tap_ok(near(ways[4].cost, 2000), SUBJECT, "the mean is one of orders of magnitude: 0.2 s of 0.1 and 0.4");
}

static void test_models(void)
{
        begin();
        learn(key(0, 0), 300'000);
        (void)survey();
        double alone = ways[0].cost;
        learn(model(0), 100'000);
        (void)survey();
        tap_ok(near(ways[0].cost, alone) && near(ways[2].cost, alone), SUBJECT, "one model alone tells nothing apart");
        learn(model(1), 900'000);
        (void)survey();
        tap_ok(near(ways[0].cost, alone / 3) && near(ways[2].cost, alone * 3), SUBJECT,
               "two models that share keys cost as they differ");
        load_recovered(&cell(health_upstream_id(&conf->upstreams[1]))->load, T0 - 15'000);
        double was = ways[4].cost;
        (void)survey();
        tap_ok(near(ways[4].cost, was * 2), SUBJECT, "an upstream that comes back starts slowly");
        load_recovered(&model(2)->load, T0 - 15'000);
        (void)survey();
        tap_ok(near(ways[4].cost, was * 4), SUBJECT, "and so does a model");
}

static void test_full_and_strange(void)
{
        begin();
        alias->target_count = 0;
        for (size_t t = 0; t < LIMIT_TARGETS; t++)
                add_target(0, "small");
        conf->upstreams[0].credential_count = LIMIT_POOL_KEYS;
        tap_ok(survey() == PICK_WAYS, SUBJECT, "there is room for the largest alias");
        begin();
        memset(key(0, 0), 0xff, BOARD_CELL_BYTES);
        memset(group(0, 0), 0xff, BOARD_CELL_BYTES);
        memset(model(0), 0xff, BOARD_CELL_BYTES);
        (void)survey();
        bool good = true;
        for (size_t i = 0; i < 5; i++)
                good = good && isfinite(ways[i].cost) && ways[i].cost > 0;
        tap_ok(good && ways[0].parked_ms == 0 && !ways[4].open, SUBJECT, "any bytes are survived");
}

int main(void)
{
        conf = calloc(1, sizeof *conf);
        shared = mmap(nullptr, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (conf == nullptr || shared == MAP_FAILED)
                return 1;
        test_unknown();
        test_keys();
        test_breakers();
        test_longest();
        test_busy();
        test_cost();
        test_models();
        test_full_and_strange();
        free(conf);
        return tap_done();
}
