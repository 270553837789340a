#include "unit/route/catalog_rows.h"

static const char SUBJECT[] = "catalog_model";

/* The second target of "small", the only one of "big", and where options of "small" stand. */
#define LLAMA "{\"upstream\":\"two\",\"model\":\"llama\""
#define GPT   "{\"upstream\":\"one\",\"model\":\"gpt-4o\""
#define MINI  "{\"upstream\":\"one\",\"model\":\"gpt-4o-mini\""
#define SMALL "\"name\":\"small\","
#define BIG   "\"name\":\"big\","

static const catalog_row rows[] = {
        {"models are required", "\"models\"", "\"note\"", "MISSING_KEY", ""},
        {"a model's unknown key", "\"targets\"", "\"target\"", "UNKNOWN_KEY", "/models/0/target"},
        {"a model needs a name", "\"name\":\"small\",", "", "MISSING_KEY", "/models/0"},
        {"model names are unique", "\"name\":\"big\"", "\"name\":\"small\"", "DUPLICATE_NAME", "/models/1/name"},
        {"a model name has at most 63 characters", "\"name\":\"big\"",
         "\"name\":\"1234567890123456789012345678901234567890123456789012345678901234\"", "BAD_NAME", "/models/1/name"},
        {"a model needs targets", "\"targets\":[{\"upstream\":\"one\",\"model\":\"gpt-4o\"}]", "\"note\":0",
         "MISSING_KEY", "/models/1"},
        {"at least one", "[{\"upstream\":\"one\",\"model\":\"gpt-4o\"}]", "[]", "EMPTY_LIST", "/models/1/targets"},
        {"a target's unknown key", "\"upstream\":\"two\"", "\"upsteam\":\"two\"", "UNKNOWN_KEY",
         "/models/0/targets/1/upsteam"},
        {"a target needs an upstream", "\"upstream\":\"two\",", "", "MISSING_KEY", "/models/0/targets/1"},
        {"a target's upstream must exist", "\"upstream\":\"two\"", "\"upstream\":\"twoo\"", "UNKNOWN_UPSTREAM",
         "/models/0/targets/1/upstream"},
        {"a target needs a model", ",\"model\":\"llama\"", "", "MISSING_KEY", "/models/0/targets/1"},
        {"a target's model is a name", "\"llama\"", "\"lla\\\"ma\"", "BAD_NAME", "/models/0/targets/1/model"},
        {"a target's model may have an at sign", "\"llama\"", "\"@cf/meta/llama\"", "", ""},
        {"a target stands once", "{\"upstream\":\"two\",\"model\":\"llama\"}",
         "{\"upstream\":\"one\",\"model\":\"gpt-4o-mini\"}", "DUPLICATE_NAME", "/models/0/targets/1"},
        {"the same upstream with another model", "{\"upstream\":\"two\",\"model\":\"llama\"}",
         "{\"upstream\":\"one\",\"model\":\"gpt-4o\"}", "", ""},

        {"a strategy is a known word", SMALL, SMALL "\"strategy\":\"fastets\",", "UNKNOWN_WORD", "/models/0/strategy"},
        {"a strategy is a text", SMALL, SMALL "\"strategy\":1,", "WRONG_TYPE", "/models/0/strategy"},
        {"sticky is a known word", SMALL, SMALL "\"sticky\":\"session\",", "UNKNOWN_WORD", "/models/0/sticky"},
        {"sticky chooses among several", BIG, BIG "\"sticky\":\"prompt\",", "INERT", "/models/1/sticky"},
        {"not sticky is well with one", BIG, BIG "\"sticky\":\"none\",", "", ""},
        {"a first token's time is 0", SMALL, SMALL "\"first_token_ms\":0,", "", ""},
        {"or at least 100", SMALL, SMALL "\"first_token_ms\":99,", "OUT_OF_RANGE", "/models/0/first_token_ms"},
        {"at most 290000", SMALL, SMALL "\"first_token_ms\":290001,", "OUT_OF_RANGE", "/models/0/first_token_ms"},
        {"it is whole", SMALL, SMALL "\"first_token_ms\":100.5,", "OUT_OF_RANGE", "/models/0/first_token_ms"},
        {"a hedge is true or false", SMALL, SMALL "\"hedge\":1,", "WRONG_TYPE", "/models/0/hedge"},
        {"a hedge needs another way", BIG, BIG "\"hedge\":true,", "INERT", "/models/1/hedge"},
        {"no hedge needs none", BIG, BIG "\"hedge\":false,", "", ""},
        {"a hedge's time is at most 60000", SMALL, SMALL "\"hedge\":true,\"hedge_ms\":60001,", "OUT_OF_RANGE",
         "/models/0/hedge_ms"},
        {"it needs a hedge", SMALL, SMALL "\"hedge_ms\":100,", "INERT", "/models/0/hedge_ms"},
        {"that is wanted", SMALL, SMALL "\"hedge\":false,\"hedge_ms\":0,", "INERT", "/models/0/hedge_ms"},
        {"continuation is true or false", SMALL, SMALL "\"continuation\":\"yes\",", "WRONG_TYPE",
         "/models/0/continuation"},
        {"continuation needs a target that can", SMALL, SMALL "\"continuation\":true,", "INERT",
         "/models/0/continuation"},
        {"no continuation needs none", SMALL, SMALL "\"continuation\":false,", "", ""},

        {"prefill is a known word", LLAMA, LLAMA ",\"prefill\":\"prefx\"", "UNKNOWN_WORD",
         "/models/0/targets/1/prefill"},
        {"a weight shares between targets", LLAMA, LLAMA ",\"weight\":5", "INERT", "/models/0/targets/1/weight"},
        {"a price is an object", LLAMA, LLAMA ",\"price\":5", "WRONG_TYPE", "/models/0/targets/1/price"},
        {"a price's unknown key", LLAMA, LLAMA ",\"price\":{\"input\":1,\"outptu\":1}", "UNKNOWN_KEY",
         "/models/0/targets/1/price/outptu"},
        {"a price needs both", LLAMA, LLAMA ",\"price\":{\"output\":1}", "MISSING_KEY", "/models/0/targets/1/price"},
        {"both", LLAMA, LLAMA ",\"price\":{\"input\":1}", "MISSING_KEY", "/models/0/targets/1/price"},
        {"a price is whole", LLAMA, LLAMA ",\"price\":{\"input\":0.5,\"output\":1}", "OUT_OF_RANGE",
         "/models/0/targets/1/price/input"},
        {"a price is at most a million a million", LLAMA, LLAMA ",\"price\":{\"input\":1,\"output\":1000000000001}",
         "OUT_OF_RANGE", "/models/0/targets/1/price/output"},
        {"a context is at least 1", LLAMA, LLAMA ",\"context_tokens\":0", "OUT_OF_RANGE",
         "/models/0/targets/1/context_tokens"},
        {"a size is whole", LLAMA, LLAMA ",\"min_chars\":-1", "OUT_OF_RANGE", "/models/0/targets/1/min_chars"},
        {"at least one fits", LLAMA, LLAMA ",\"max_chars\":0", "OUT_OF_RANGE", "/models/0/targets/1/max_chars"},
        {"the largest body bounds it", LLAMA, LLAMA ",\"max_chars\":33554433", "OUT_OF_RANGE",
         "/models/0/targets/1/max_chars"},
        {"least and most are in order", LLAMA, LLAMA ",\"min_chars\":10,\"max_chars\":9", "OUT_OF_RANGE",
         "/models/0/targets/1/min_chars"},
        {"they may be equal", LLAMA, LLAMA ",\"min_chars\":9,\"max_chars\":9", "", ""},
        {"a downgrade is true or false", LLAMA, LLAMA ",\"downgrade\":1", "WRONG_TYPE",
         "/models/0/targets/1/downgrade"},
        {"a weight of one alone shares nothing", BIG "\"targets\":[" GPT,
         BIG "\"strategy\":\"weighted\",\"targets\":[" GPT ",\"weight\":5", "INERT", "/models/1/targets/0/weight"},
        {"one target must serve without consent", GPT, GPT ",\"downgrade\":true", "ONLY_DOWNGRADE",
         "/models/1/targets"},
        {"one must serve the largest text", GPT, GPT ",\"max_chars\":50000", "SIZE_GAP", "/models/1/targets"},
        {"and the smallest", GPT, GPT ",\"min_chars\":1", "SIZE_GAP", "/models/1/targets"},
        {"the largest body is the largest text", GPT, GPT ",\"max_chars\":33554432", "", ""},
};

/* "small" with other options and other ends of its two targets; null when it is refused. */
static const catalog *small_with(const char *options, const char *first, const char *second, config_fault *f)
{
        static char text[LIMIT_CONFIG_BYTES];
        emit e = emit_into((uint8_t *)text, sizeof text - 1);
        emit_text(&e, SMALL);
        emit_text(&e, options);
        emit_text(&e, "\"targets\":[" MINI);
        emit_text(&e, first);
        emit_text(&e, "}," LLAMA);
        emit_text(&e, second);
        emit_text(&e, "}]");
        text[e.len] = 0;
        view v = catalog_changed(SMALL "\"targets\":[" MINI "}," LLAMA "}]", text);
        return failed(catalog_compile(v, catalog_room(), f)) ? nullptr : catalog_room();
}

typedef struct pair {
        const char *name, *options, *first, *second, *code, *pointer, *text; /* text: part of the sentence */
} pair;

static const pair pairs[] = {
        {"weights share under weighted", "\"strategy\":\"weighted\",", ",\"weight\":1", ",\"weight\":1000", "", "", ""},
        {"and under fastest", "\"strategy\":\"fastest\",", "", ",\"weight\":7", "", "", ""},
        {"not under ordered", "\"strategy\":\"ordered\",", "", ",\"weight\":7", "INERT", "/models/0/targets/1/weight",
         "weighted"},
        {"not under cheapest", "\"strategy\":\"cheapest\",", ",\"price\":{\"input\":1,\"output\":2},\"weight\":3",
         ",\"price\":{\"input\":1,\"output\":2}", "INERT", "/models/0/targets/0/weight", "weighted"},
        {"a weight is at least 1", "\"strategy\":\"weighted\",", ",\"weight\":0", "", "OUT_OF_RANGE",
         "/models/0/targets/0/weight", "1 to 1000"},
        {"a weight is at most 1000", "\"strategy\":\"weighted\",", "", ",\"weight\":1001", "OUT_OF_RANGE",
         "/models/0/targets/1/weight", "1 to 1000"},
        {"cheapest needs prices", "\"strategy\":\"cheapest\",", ",\"price\":{\"input\":1,\"output\":2}", "",
         "MISSING_PRICE", "/models/0/targets/1", "price"},
        {"which may be 0", "\"strategy\":\"cheapest\",", ",\"price\":{\"input\":1,\"output\":2}",
         ",\"price\":{\"input\":0,\"output\":0}", "", "", ""},
        {"a price may stand under another strategy", "", ",\"price\":{\"input\":1,\"output\":2}", "", "", "", ""},
        {"one target that can continue is enough", "\"continuation\":true,", "", ",\"prefill\":\"plain\"", "", "", ""},
        {"sizes may meet", "", ",\"max_chars\":50000", ",\"min_chars\":50001", "", "", ""},
        {"sizes may overlap", "", ",\"min_chars\":40000", ",\"max_chars\":50000", "", "", ""},
        {"sizes may not miss one", "", ",\"max_chars\":50000", ",\"min_chars\":50002", "SIZE_GAP", "/models/0/targets",
         "50001 bytes"},
        {"nor all above", "", ",\"max_chars\":50000", ",\"max_chars\":700", "SIZE_GAP", "/models/0/targets",
         "50001 bytes"},
        {"a lesser model closes no gap", "", ",\"max_chars\":50000", ",\"downgrade\":true", "SIZE_GAP",
         "/models/0/targets", "50001 bytes"},
        {"all lesser", "", ",\"downgrade\":true", ",\"downgrade\":true", "ONLY_DOWNGRADE", "/models/0/targets",
         "consent"},
        {"one lesser", "", ",\"downgrade\":true", ",\"downgrade\":false", "", "", ""},
        {"the nearest strategy is named", "\"strategy\":\"cheepest\",", "", "", "UNKNOWN_WORD", "/models/0/strategy",
         "did you mean \"cheapest\"?"},
        {"the nearest form is named", "", ",\"prefill\":\"partail\"", "", "UNKNOWN_WORD", "/models/0/targets/0/prefill",
         "did you mean \"partial\"?"},
};

static void check_pairs(void)
{
        for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
                const pair *p = &pairs[i];
                config_fault f = {};
                bool taken = small_with(p->options, p->first, p->second, &f) != nullptr;
                bool good = taken == (p->code[0] == 0);
                if (good && !taken)
                        good = strcmp(f.code, p->code) == 0 && strcmp(f.pointer, p->pointer) == 0
                               && strstr(f.text, p->text) != nullptr;
                if (!tap_ok(good, SUBJECT, p->name))
                        printf("# got %s at %s: %s\n", f.code, f.pointer, f.text);
        }
}

/* One target is one way only with one vendor key. */
static void pools(void)
{
        static const char one[] = "\"base_url\":\"https://api.example.org/v1\",";
        static const char with_pool[] = "\"base_url\":\"https://api.example.org/v1\",\"credentials\":[\"a\",\"b\"],";
        static char text[LIMIT_CONFIG_BYTES];
        for (size_t pooled = 0; pooled < 2; pooled++) {
                const char *big = strstr(GOOD, BIG), *at = strstr(GOOD, one);
                emit e = emit_into((uint8_t *)text, sizeof text);
                emit_view(&e, (view){(const uint8_t *)GOOD, (size_t)(at - GOOD)});
                emit_text(&e, pooled ? with_pool : one);
                emit_view(&e, (view){(const uint8_t *)at + strlen(one), (size_t)(big - at) - strlen(one)});
                emit_text(&e, "\"hedge\":true,\"sticky\":\"prompt\",");
                emit_text(&e, big);
                config_fault f;
                view v = {(const uint8_t *)text, e.len};
                tap_ok(failed(catalog_compile(v, catalog_room(), &f)) == (pooled == 0), SUBJECT,
                       pooled ? "two vendor keys are two ways" : "one target with one vendor key is one way");
        }
}

static void seen(void)
{
        config_fault f;
        const catalog *c = catalog_with("", "");
        tap_ok(c != nullptr && c->model_count == 2 && strcmp(c->models[0].name, "small") == 0
                       && c->models[0].target_count == 2 && c->models[0].targets[1].upstream == 1
                       && strcmp(c->models[0].targets[1].model, "llama") == 0 && c->models[0].targets[0].upstream == 0
                       && strcmp(c->models[0].targets[0].model, "gpt-4o-mini") == 0,
               SUBJECT, "models and their targets are kept in order");
        const catalog_model *m = c == nullptr ? nullptr : &c->models[0];
        tap_ok(m != nullptr && m->strategy == STRATEGY_ORDERED && m->sticky == STICKY_NONE && m->residency == 0
                       && m->first_token_ms == 15000 && m->hedge_ms == 0 && !m->hedge && !m->continuation,
               SUBJECT, "a model's options have defaults");
        const catalog_target *t = m == nullptr ? nullptr : &m->targets[0];
        tap_ok(t != nullptr && t->weight == 100 && t->price_in == 0 && t->price_out == 0 && t->context_tokens == 0
                       && t->min_chars == 0 && t->max_chars == UINT32_MAX && !t->downgrade
                       && t->prefill == PREFILL_NONE,
               SUBJECT, "a target's too");
        static const struct {
                const char *word;
                catalog_strategy want;
        } words[] = {{"ordered", STRATEGY_ORDERED},
                     {"weighted", STRATEGY_WEIGHTED},
                     {"fastest", STRATEGY_FASTEST},
                     {"cheapest", STRATEGY_CHEAPEST}};
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
                static const char price[] = ",\"price\":{\"input\":3,\"output\":4}";
                char options[64];
                snprintf(options, sizeof options, "\"strategy\":\"%s\",", words[i].word);
                c = small_with(options, price, price, &f);
                tap_ok(c != nullptr && c->models[0].strategy == words[i].want, SUBJECT, words[i].word);
        }
        c = small_with("\"strategy\":\"fastest\",\"sticky\":\"prompt\",\"first_token_ms\":100,\"hedge\":true,"
                       "\"hedge_ms\":60000,\"continuation\":true,",
                       ",\"weight\":1,\"price\":{\"input\":150000,\"output\":1000000000000},\"prefill\":\"prefix\"",
                       ",\"weight\":1000,\"context_tokens\":128000,\"min_chars\":7,\"max_chars\":9,\"downgrade\":true,"
                       "\"prefill\":\"partial\"",
                       &f);
        m = c == nullptr ? nullptr : &c->models[0];
        tap_ok(m != nullptr && m->sticky == STICKY_PROMPT && m->first_token_ms == 100 && m->hedge
                       && m->hedge_ms == 60000 && m->continuation,
               SUBJECT, "a model's options are kept");
        tap_ok(m != nullptr && m->targets[0].weight == 1 && m->targets[0].price_in == 150000
                       && m->targets[0].price_out == 1000000000000 && m->targets[0].prefill == PREFILL_PREFIX,
               SUBJECT, "weight, price and prefill are kept");
        tap_ok(m != nullptr && m->targets[1].weight == 1000 && m->targets[1].context_tokens == 128000
                       && m->targets[1].min_chars == 7 && m->targets[1].max_chars == 9 && m->targets[1].downgrade
                       && m->targets[1].prefill == PREFILL_PARTIAL,
               SUBJECT, "context, sizes and consent are kept");
        c = small_with("", ",\"prefill\":\"plain\"", "", &f);
        tap_ok(c != nullptr && c->models[0].targets[0].prefill == PREFILL_PLAIN, SUBJECT, "a plain prefill is kept");
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        catalog_check(SUBJECT, rows, sizeof rows / sizeof rows[0]);
        check_pairs();
        pools();
        seen();
        return tap_done();
}
