/* What callers may ask for: "models". */
#include "base/limit.h"
#include "route/catalog_read.h"
#include "route/catalog_residency.h"

static err upstream_find(const catalog_reader *r, const config_node *node, catalog_target *t)
{
        const catalog *c = r->out;
        char           name[LIMIT_NAME_BYTES];
        TRY(catalog_read_name_of(r, node, "upstream", (catalog_text){name, sizeof name, ""}));
        size_t u = 0;
        while (u < c->upstream_count && strcmp(c->upstreams[u].name, name) != 0)
                u++;
        if (u == c->upstream_count)
                return catalog_read_fail(r, config_get(node, "upstream"), "UNKNOWN_UPSTREAM",
                                         "no element of \"upstreams\" has this name");
        t->upstream = (uint16_t)u;
        return OK;
}

static err price_read(const catalog_reader *r, const config_node *node, catalog_target *t)
{
        static const char *const known[] = {"input", "output", nullptr};
        constexpr uint64_t       most = 1'000'000'000'000;
        const config_node       *price = config_get(node, "price");
        if (price == nullptr)
                return OK;
        TRY(config_keys(price, known, r->fault));
        TRY(config_u64(price, "input", (config_range){0, most}, &t->price_in, r->fault));
        return config_u64(price, "output", (config_range){0, most}, &t->price_out, r->fault);
}

static err sizes_read(const catalog_reader *r, const config_node *node, catalog_target *t)
{
        uint64_t context = 0, least = 0, most = UINT32_MAX;
        TRY(catalog_read_number(r, node, "context_tokens", (config_range){1, 1'000'000'000}, &context));
        TRY(catalog_read_number(r, node, "min_chars", (config_range){0, LIMIT_BODY_BYTES}, &least));
        TRY(catalog_read_number(r, node, "max_chars", (config_range){1, LIMIT_BODY_BYTES}, &most));
        if (least > most)
                return catalog_read_fail(r, config_get(node, "min_chars"), "OUT_OF_RANGE",
                                         "must not be more than \"max_chars\"");
        t->context_tokens = (uint32_t)context;
        t->min_chars = (uint32_t)least;
        t->max_chars = (uint32_t)most;
        return OK;
}

static err target_read(const catalog_reader *r, const config_node *node, catalog_model *m)
{
        static const char *const known[] = {"upstream",       "model",     "weight",    "price",     "prefill",
                                            "context_tokens", "min_chars", "max_chars", "downgrade", nullptr};
        static const char *const prefills[] = {"plain", "prefix", "partial", nullptr};
        static_assert(PREFILL_PLAIN == 1 && PREFILL_PREFIX == 2 && PREFILL_PARTIAL == 3);
        catalog_target *t = &m->targets[m->target_count];
        uint64_t        weight = 100;
        uint8_t         prefill = 0;
        TRY(config_keys(node, known, r->fault));
        TRY(upstream_find(r, node, t));
        TRY(catalog_read_name_of(r, node, "model", (catalog_text){t->model, sizeof t->model, "@"}));
        for (const catalog_target *other = m->targets; other < t; other++)
                if (other->upstream == t->upstream && strcmp(other->model, t->model) == 0)
                        return catalog_read_fail(r, node, "DUPLICATE_NAME", "the target stands twice in this list");
        TRY(catalog_read_number(r, node, "weight", (config_range){1, 1000}, &weight));
        t->weight = (uint16_t)weight;
        TRY(price_read(r, node, t));
        TRY(sizes_read(r, node, t));
        TRY(catalog_read_flag(r, node, "downgrade", &t->downgrade));
        TRY(catalog_read_word(r, node, "prefill", prefills, &prefill));
        if (config_get(node, "prefill") != nullptr)
                t->prefill = (catalog_prefill)(prefill + 1);
        m->target_count++;
        return OK;
}

static err targets_read(const catalog_reader *r, const config_node *node, catalog_model *m)
{
        const config_node *n;
        TRY(catalog_read_list(r, node, "targets", LIMIT_TARGETS, &n));
        if (n == nullptr)
                return catalog_read_fail(r, config_get(node, "targets"), "EMPTY_LIST", "must name a target");
        for (; n != nullptr; n = config_next(n))
                TRY(target_read(r, n, m));
        return OK;
}

static err choice_read(const catalog_reader *r, const config_node *node, catalog_model *m)
{
        static const char *const strategies[] = {[STRATEGY_ORDERED] = "ordered",
                                                 [STRATEGY_WEIGHTED] = "weighted",
                                                 [STRATEGY_FASTEST] = "fastest",
                                                 [STRATEGY_CHEAPEST] = "cheapest",
                                                 nullptr};
        static const char *const stickies[] = {[STICKY_NONE] = "none", [STICKY_PROMPT] = "prompt", nullptr};
        uint8_t                  strategy = STRATEGY_ORDERED, sticky = STICKY_NONE;
        TRY(catalog_read_word(r, node, "strategy", strategies, &strategy));
        TRY(catalog_read_word(r, node, "sticky", stickies, &sticky));
        m->strategy = (catalog_strategy)strategy;
        m->sticky = (catalog_sticky)sticky;
        return catalog_residency_demand(r, node, &m->residency);
}

static err times_read(const catalog_reader *r, const config_node *node, catalog_model *m)
{
        constexpr uint64_t first_least = 100;
        uint64_t           first = LIMIT_FIRST_TOKEN_MS, hedge = 0;
        const config_node *n = config_get(node, "first_token_ms");
        TRY(catalog_read_number(r, node, "first_token_ms", (config_range){0, LIMIT_FIRST_BYTE_MS}, &first));
        if (first > 0 && first < first_least)
                return catalog_read_fail(r, n, "OUT_OF_RANGE", "must be 0 for never, or at least 100");
        TRY(catalog_read_number(r, node, "hedge_ms", (config_range){0, 60000}, &hedge));
        TRY(catalog_read_flag(r, node, "hedge", &m->hedge));
        TRY(catalog_read_flag(r, node, "continuation", &m->continuation));
        m->first_token_ms = (uint32_t)first;
        m->hedge_ms = (uint32_t)hedge;
        return OK;
}

static size_t way_count(const catalog *c, const catalog_model *m)
{
        size_t ways = 0;
        for (size_t i = 0; i < m->target_count; i++)
                ways += c->upstreams[m->targets[i].upstream].credential_count;
        return ways;
}

/* What is written and cannot do anything is a slip that nobody would notice until the day it is needed. */
static err inert_check(const catalog_reader *r, const config_node *node, const catalog_model *m)
{
        bool alone = way_count(r->out, m) == 1;
        if (m->sticky == STICKY_PROMPT && alone)
                return catalog_read_fail(r, config_get(node, "sticky"), "INERT",
                                         "has no effect: there is one target with one vendor key");
        if (m->hedge && alone)
                return catalog_read_fail(r, config_get(node, "hedge"), "INERT",
                                         "has no effect: there is one target with one vendor key, and a second copy "
                                         "goes to another");
        if (!m->hedge && config_get(node, "hedge_ms") != nullptr)
                return catalog_read_fail(r, config_get(node, "hedge_ms"), "INERT",
                                         "has no effect unless \"hedge\" is true");
        bool prefill = false;
        for (size_t i = 0; i < m->target_count; i++)
                prefill = prefill || m->targets[i].prefill != PREFILL_NONE;
        if (m->continuation && !prefill)
                return catalog_read_fail(r, config_get(node, "continuation"), "INERT",
                                         "has no effect: no target says with \"prefill\" how it goes on with a text");
        return OK;
}

static err strategy_check(const catalog_reader *r, const config_node *node, const catalog_model *m)
{
        bool               weighs = m->strategy == STRATEGY_WEIGHTED || m->strategy == STRATEGY_FASTEST;
        const config_node *n = config_first(config_get(node, "targets"));
        for (; n != nullptr; n = config_next(n)) {
                const config_node *weight = config_get(n, "weight");
                if (weight != nullptr && !weighs)
                        return catalog_read_fail(r, weight, "INERT",
                                                 "has no effect unless \"strategy\" is \"weighted\" or \"fastest\"");
                if (weight != nullptr && m->target_count == 1)
                        return catalog_read_fail(r, weight, "INERT",
                                                 "has no effect: there is no other target to share with");
                if (m->strategy == STRATEGY_CHEAPEST && config_get(n, "price") == nullptr)
                        return catalog_read_fail(r, n, "MISSING_PRICE",
                                                 "needs a \"price\", because \"strategy\" is \"cheapest\"");
        }
        return OK;
}

/* Whoever may use the model at all is served, whatever the size of the text. */
static err service_check(const catalog_reader *r, const config_node *node, const catalog_model *m)
{
        const config_node *targets = config_get(node, "targets");
        if (!catalog_any_target(r->out, m, (catalog_claim){0, true}))
                return catalog_read_fail(r, config_get(node, "residency"), "IMPOSSIBLE_RESIDENCY",
                                         "no target of this model is there");
        if (!catalog_any_target(r->out, m, (catalog_claim){0, false}))
                return catalog_read_fail(r, targets, "ONLY_DOWNGRADE",
                                         "every target is a lesser model; one must serve without consent");
        uint64_t size = catalog_unserved(r->out, m, (catalog_claim){0, false});
        if (size <= LIMIT_BODY_BYTES)
                return catalog_read_fail_number(
                        r, targets, "SIZE_GAP",
                        (catalog_sentence){"no target takes a text of ", size, " bytes without consent"});
        return OK;
}

static err model_read(const catalog_reader *r, const config_node *node, catalog_model *m)
{
        static const char *const known[] = {"name",           "targets", "strategy", "sticky",       "residency",
                                            "first_token_ms", "hedge",   "hedge_ms", "continuation", nullptr};
        TRY(config_keys(node, known, r->fault));
        TRY(catalog_read_name_of(r, node, "name", (catalog_text){m->name, sizeof m->name, ""}));
        for (const catalog_model *other = r->out->models; other < m; other++)
                if (strcmp(other->name, m->name) == 0)
                        return catalog_read_fail(r, config_get(node, "name"), "DUPLICATE_NAME",
                                                 "another model has this name");
        TRY(targets_read(r, node, m));
        TRY(choice_read(r, node, m));
        TRY(times_read(r, node, m));
        TRY(inert_check(r, node, m));
        TRY(strategy_check(r, node, m));
        return service_check(r, node, m);
}

err catalog_read_models(const catalog_reader *r, const config_node *root)
{
        catalog           *c = r->out;
        const config_node *n;
        TRY(catalog_read_list(r, root, "models", LIMIT_MODELS, &n));
        for (; n != nullptr; n = config_next(n), c->model_count++)
                TRY(model_read(r, n, &c->models[c->model_count]));
        return OK;
}
