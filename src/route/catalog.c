#include "route/catalog.h"

#include <assert.h>
#include <stdlib.h>

#include "base/secret.h"
#include "route/catalog_read.h"
#include "route/catalog_url.h"

static_assert(LIMIT_MODELS % 32 == 0, "a bit per alias");
static_assert(LIMIT_KEYS <= INT16_MAX && LIMIT_MODELS <= INT16_MAX, "indices are 16 bits wide");

static err version_read(const catalog_reader *r, const config_node *root)
{
        view version;
        TRY(config_text(root, "lethe", &version, r->fault));
        if (!view_equal(version, VIEW("config/1")))
                return catalog_read_fail(r, config_get(root, "lethe"), "BAD_VERSION", "must be \"config/1\"");
        return OK;
}

static err hosts_read(const catalog_reader *r, const config_node *root)
{
        catalog           *c = r->out;
        const config_node *n;
        TRY(catalog_read_list(r, root, "hosts", LIMIT_HOSTS, &n));
        if (n == nullptr)
                return catalog_read_fail(r, config_get(root, "hosts"), "EMPTY_LIST", "must name a host");
        for (; n != nullptr; n = config_next(n)) {
                catalog_host host;
                view         v;
                TRY(config_text_of(n, &v, r->fault));
                if (!catalog_host_parse(v, &host))
                        return catalog_read_fail(r, n, "BAD_HOST", "must be a DNS name or an address, without port");
                for (size_t i = 0; i < c->host_count; i++)
                        if (strcmp(c->hosts[i], host.name) == 0)
                                return catalog_read_fail(r, n, "DUPLICATE_NAME", "the host stands twice in this list");
                memcpy(c->hosts[c->host_count++], host.name, sizeof host.name);
        }
        return OK;
}

static bool dns_valid(view text)
{
        catalog_address address;
        view            host, port;
        if (address_parse(text, &address))
                return true;
        return catalog_host_split(text, &host, &port) && port.len > 0 && address_parse(host, &address);
}

static err dns_read(const catalog_reader *r, const config_node *root)
{
        catalog           *c = r->out;
        const config_node *n;
        TRY(catalog_read_optional_list(r, root, "dns", sizeof c->dns / sizeof c->dns[0], &n));
        if (n == nullptr && config_get(root, "dns") != nullptr)
                return catalog_read_fail(r, config_get(root, "dns"), "EMPTY_LIST",
                                         "must name a server, or be left out");
        for (; n != nullptr; n = config_next(n)) {
                view v;
                TRY(config_text_of(n, &v, r->fault));
                if (v.len >= sizeof c->dns[0] || !dns_valid(v))
                        return catalog_read_fail(r, n, "BAD_ADDRESS", "must be an address, or address:port");
                for (size_t i = 0; i < c->dns_count; i++)
                        if (view_equal(view_of_text(c->dns[i]), v))
                                return catalog_read_fail(r, n, "DUPLICATE_NAME",
                                                         "the server stands twice in this list");
                memcpy(c->dns[c->dns_count++], v.data, v.len);
        }
        return OK;
}

static err balancers_read(const catalog_reader *r, const config_node *root)
{
        catalog           *c = r->out;
        const config_node *list = config_get(root, "balancers");
        catalog_ranges     ranges = {c->balancers, LIMIT_BALANCERS, 0};
        TRY(catalog_read_ranges(r, root, "balancers", &ranges));
        if (list != nullptr && ranges.count == 0)
                return catalog_read_fail(r, list, "EMPTY_LIST", "must name a range, or be left out");
        c->balancer_count = ranges.count;
        return OK;
}

static err settings_read(const catalog_reader *r, const config_node *root)
{
        static const char *const known[] = {
#define SETTING(name, fallback, min, max, unit, why) #name,
#include "route/setting.def"
#undef SETTING
                nullptr};
        catalog_settings  *s = &r->out->settings;
        const config_node *node = config_get(root, "settings");
        if (node != nullptr)
                TRY(config_keys(node, known, r->fault));
#define SETTING(name, fallback, min, max, unit, why) \
        s->name = (fallback);                        \
        if (config_get(node, #name) != nullptr)      \
                TRY(config_u64(node, #name, (config_range){(min), (max)}, &s->name, r->fault));
#include "route/setting.def"
#undef SETTING
        /* The built-in first time gives way to a smaller largest one; two written ones that disagree are a slip. */
        const config_node *most = config_get(node, "breaker_open_most_ms");
        if (s->breaker_open_ms > s->breaker_open_most_ms && most != nullptr
            && config_get(node, "breaker_open_ms") != nullptr)
                return catalog_read_fail(r, most, "NOT_ALLOWED", "is less than \"breaker_open_ms\"");
        if (s->breaker_open_ms > s->breaker_open_most_ms)
                s->breaker_open_ms = s->breaker_open_most_ms;
        return OK;
}

static int key_order(const void *a, const void *b, void *c)
{
        const catalog_key *keys = ((const catalog *)c)->keys;
        return memcmp(keys[*(const uint16_t *)a].id, keys[*(const uint16_t *)b].id, sizeof keys->id);
}

static int model_order(const void *a, const void *b, void *c)
{
        const catalog_model *models = ((const catalog *)c)->models;
        return strcmp(models[*(const uint16_t *)a].name, models[*(const uint16_t *)b].name);
}

static void sort(catalog *c)
{
        for (size_t i = 0; i < c->key_count; i++)
                c->keys_by_id[i] = (uint16_t)i;
        for (size_t i = 0; i < c->model_count; i++)
                c->models_by_name[i] = (uint16_t)i;
        qsort_r(c->keys_by_id, c->key_count, sizeof c->keys_by_id[0], key_order, c);
        qsort_r(c->models_by_name, c->model_count, sizeof c->models_by_name[0], model_order, c);
}

static err compile(const catalog_reader *r)
{
        static const char *const known[] = {"lethe",     "hosts",  "dns",   "balancers", "keys",
                                            "upstreams", "models", "admin", "settings",  nullptr};
        const config_node       *root = config_root(r->doc);
        TRY(config_keys(root, known, r->fault));
        TRY(version_read(r, root));
        TRY(hosts_read(r, root));
        TRY(dns_read(r, root));
        TRY(balancers_read(r, root));
        TRY(catalog_read_upstreams(r, root));
        TRY(catalog_read_models(r, root));
        TRY(catalog_read_callers(r, root));
        TRY(settings_read(r, root));
        sort(r->out);
        return OK;
}

err catalog_compile(view text, catalog *out, config_fault *fault)
{
        config_doc *doc;
        memset(out, 0, sizeof *out);
        TRY(config_parse(text, &doc, fault));
        catalog_reader r = {doc, out, fault};
        err            e = compile(&r);
        config_free(doc);
        secret_sha256(out->digest, text);
        return e;
}

bool catalog_key_allows(const catalog_key *k, size_t model)
{
        assert(model < LIMIT_MODELS);
        return k->any_model || (k->models[model / 32] >> (model % 32) & 1) != 0;
}

/* The order of a terminated name and a view. */
static int order(const char *name, view v)
{
        size_t len = strlen(name);
        int    common = memcmp(name, v.data, len < v.len ? len : v.len);
        return common != 0 ? common : (len > v.len) - (len < v.len);
}

int catalog_find_key(const catalog *c, view id)
{
        size_t low = 0, high = c->key_count;
        while (low < high && id.len > 0) {
                size_t middle = low + (high - low) / 2, found = c->keys_by_id[middle];
                int    way = order(c->keys[found].id, id);
                if (way == 0)
                        return (int)found;
                low = way < 0 ? middle + 1 : low;
                high = way < 0 ? high : middle;
        }
        return -1;
}

int catalog_find_model(const catalog *c, view name)
{
        size_t low = 0, high = c->model_count;
        while (low < high && name.len > 0) {
                size_t middle = low + (high - low) / 2, found = c->models_by_name[middle];
                int    way = order(c->models[found].name, name);
                if (way == 0)
                        return (int)found;
                low = way < 0 ? middle + 1 : low;
                high = way < 0 ? high : middle;
        }
        return -1;
}

bool catalog_host_allowed(const catalog *c, view host)
{
        catalog_host asked;
        view         name, port;
        if (!catalog_host_split(host, &name, &port) || !catalog_host_parse(name, &asked))
                return false;
        for (size_t i = 0; i < c->host_count; i++)
                if (strcmp(c->hosts[i], asked.name) == 0)
                        return true;
        return false;
}
