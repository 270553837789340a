/* Where requests may go: "upstreams" and "models". */
#include "base/limit.h"
#include "route/catalog_read.h"
#include "route/catalog_url.h"

static err vendor_read(const catalog_reader *r, const config_node *node, catalog_upstream *u)
{
        catalog *c = r->out;
        TRY(catalog_read_name_of(r, node, "vendor", (catalog_text){u->vendor, sizeof u->vendor, ""}));
        size_t v = 0;
        while (v < c->vendor_count && strcmp(c->vendors[v], u->vendor) != 0)
                v++;
        if (v == c->vendor_count) {
                memcpy(c->vendors[v], u->vendor, sizeof u->vendor);
                c->vendor_count++;
        }
        u->vendor_index = (uint16_t)v;
        return OK;
}

static err name_read(const catalog_reader *r, const config_node *node, catalog_upstream *u)
{
        TRY(catalog_read_name_of(r, node, "name", (catalog_text){u->name, sizeof u->name, ""}));
        for (const catalog_upstream *other = r->out->upstreams; other < u; other++)
                if (strcmp(other->name, u->name) == 0)
                        return catalog_read_fail(r, config_get(node, "name"), "DUPLICATE_NAME",
                                                 "another upstream has this name");
        return OK;
}

static err local_read(const catalog_reader *r, const config_node *node, catalog_upstream *u)
{
        const config_node *n;
        TRY(catalog_read_optional_list(r, node, "local", sizeof u->local / sizeof u->local[0], &n));
        for (; n != nullptr; n = config_next(n)) {
                catalog_cidr *range = &u->local[u->local_count];
                view          v;
                TRY(config_text_of(n, &v, r->fault));
                if (!address_cidr_parse(v, range))
                        return catalog_read_fail(r, n, "BAD_CIDR",
                                                 "must be a range like 10.0.0.0/8, its bits behind the prefix zero");
                for (size_t i = 0; i < u->local_count; i++)
                        if (memcmp(&u->local[i], range, sizeof *range) == 0)
                                return catalog_read_fail(r, n, "DUPLICATE_NAME", "the range stands twice in this list");
                u->local_count++;
        }
        return OK;
}

static err address_read(const catalog_reader *r, const config_node *n, const catalog_url *url, catalog_upstream *u)
{
        catalog_address *a = &u->addresses[u->address_count];
        view             v;
        TRY(config_text_of(n, &v, r->fault));
        if (!address_parse(v, a))
                return catalog_read_fail(r, n, "BAD_ADDRESS", "must be an IPv4 or IPv6 address");
        for (size_t i = 0; i < u->address_count; i++)
                if (address_equal(&u->addresses[i], a))
                        return catalog_read_fail(r, n, "DUPLICATE_NAME", "the address stands twice in this list");
        if (url->host.literal && !address_equal(a, &url->host.address))
                return catalog_read_fail(r, n, "NOT_ALLOWED", "\"base_url\" names another address");
        if (!address_allowed(a, u->local, u->local_count))
                return catalog_read_fail(r, n, "NOT_PUBLIC", "not a public address; list its range under \"local\"");
        u->address_count++;
        return OK;
}

static err addresses_read(const catalog_reader *r, const config_node *node, const catalog_url *url, catalog_upstream *u)
{
        const config_node *n;
        TRY(catalog_read_optional_list(r, node, "addresses", LIMIT_ADDRESSES, &n));
        for (; n != nullptr; n = config_next(n))
                TRY(address_read(r, n, url, u));
        if (!url->host.literal || u->address_count > 0)
                return OK;
        if (!address_allowed(&url->host.address, u->local, u->local_count))
                return catalog_read_fail(r, config_get(node, "base_url"), "NOT_PUBLIC",
                                         "not a public address; list its range under \"local\"");
        u->addresses[u->address_count++] = url->host.address;
        return OK;
}

static err ca_read(const catalog_reader *r, const config_node *node, catalog_upstream *u)
{
        TRY(catalog_read_name_of(r, node, "ca", (catalog_text){u->ca, sizeof u->ca, ""}));
        if (u->ca[0] == '.' || strpbrk(u->ca, "/:") != nullptr)
                return catalog_read_fail(r, config_get(node, "ca"), "BAD_FILE_NAME",
                                         "must be the plain name of a file in the folder ca");
        return OK;
}

static err pins_read(const catalog_reader *r, const config_node *node, catalog_upstream *u)
{
        const config_node *n;
        TRY(catalog_read_optional_list(r, node, "pins", sizeof u->pins / sizeof u->pins[0], &n));
        for (; n != nullptr; n = config_next(n)) {
                TRY(catalog_read_hash(r, n, u->pins[u->pin_count]));
                for (size_t i = 0; i < u->pin_count; i++)
                        if (memcmp(u->pins[i], u->pins[u->pin_count], sizeof u->pins[0]) == 0)
                                return catalog_read_fail(r, n, "DUPLICATE_NAME", "the pin stands twice in this list");
                u->pin_count++;
        }
        return OK;
}

static bool all_local(const catalog_upstream *u)
{
        for (size_t a = 0; a < u->address_count; a++) {
                bool found = false;
                for (size_t i = 0; i < u->local_count && !found; i++)
                        found = address_inside(&u->addresses[a], &u->local[i]);
                if (!found)
                        return false;
        }
        return u->address_count > 0;
}

/* Without TLS only a declared neighbour can be meant, so all that proves one must stand there. */
static err plain_check(const catalog_reader *r, const config_node *node, const catalog_upstream *u)
{
        static const char *const tls_only[] = {"ca", "pins"};
        bool                     wanted = false;
        const config_node       *flag = config_get(node, "plain_http"), *url = config_get(node, "base_url");
        if (flag != nullptr)
                TRY(config_bool(node, "plain_http", &wanted, r->fault));
        if (u->tls)
                return wanted ? catalog_read_fail(r, flag, "NOT_ALLOWED", "\"base_url\" begins with https://") : OK;
        if (!wanted)
                return catalog_read_fail(r, url, "NOT_ALLOWED",
                                         "must begin with https:// unless \"plain_http\" is true");
        if (!all_local(u))
                return catalog_read_fail(r, url, "NOT_LOCAL",
                                         "without TLS, all \"addresses\" must be listed and lie inside \"local\"");
        for (size_t i = 0; i < sizeof tls_only / sizeof tls_only[0]; i++)
                if (config_get(node, tls_only[i]) != nullptr)
                        return catalog_read_fail(r, config_get(node, tls_only[i]), "NOT_ALLOWED",
                                                 "has no meaning without TLS");
        return OK;
}

static err base_url_read(const catalog_reader *r, const config_node *node, catalog_url *url, catalog_upstream *u)
{
        const config_node *n = nullptr;
        view               v;
        TRY(config_member(node, "base_url", CONFIG_TEXT, &n, r->fault));
        TRY(config_text_of(n, &v, r->fault));
        const char *wrong = catalog_url_parse(v, url);
        if (wrong != nullptr)
                return catalog_read_fail(r, n, "BAD_URL", wrong);
        memcpy(u->host, url->host.name, sizeof u->host);
        memcpy(u->path, url->path, sizeof u->path);
        u->port = url->port;
        u->tls = url->tls;
        return OK;
}

static err upstream_read(const catalog_reader *r, const config_node *node, catalog_upstream *u)
{
        static const char *const known[] = {"name",      "vendor", "base_url",   "ca",         "pins",
                                            "addresses", "local",  "credential", "plain_http", nullptr};
        catalog_url              url;
        TRY(config_keys(node, known, r->fault));
        TRY(name_read(r, node, u));
        TRY(vendor_read(r, node, u));
        TRY(base_url_read(r, node, &url, u));
        TRY(local_read(r, node, u));
        TRY(addresses_read(r, node, &url, u));
        TRY(plain_check(r, node, u));
        if (u->tls)
                TRY(ca_read(r, node, u));
        TRY(pins_read(r, node, u));
        const config_node  *credential = config_get(node, "credential");
        catalog_credential *one = &u->credentials[0];
        u->credential_count = 1;
        one->weight = 100;
        if (credential == nullptr)
                return OK;
        return catalog_read_name(r, credential, (catalog_text){one->name, sizeof one->name, ""});
}

err catalog_read_upstreams(const catalog_reader *r, const config_node *root)
{
        catalog           *c = r->out;
        const config_node *n;
        TRY(catalog_read_list(r, root, "upstreams", LIMIT_UPSTREAMS, &n));
        for (; n != nullptr; n = config_next(n), c->upstream_count++)
                TRY(upstream_read(r, n, &c->upstreams[c->upstream_count]));
        return OK;
}

static err target_read(const catalog_reader *r, const config_node *node, catalog_model *m)
{
        static const char *const known[] = {"upstream", "model", nullptr};
        const catalog           *c = r->out;
        catalog_target          *t = &m->targets[m->target_count];
        char                     name[LIMIT_NAME_BYTES];
        TRY(config_keys(node, known, r->fault));
        TRY(catalog_read_name_of(r, node, "upstream", (catalog_text){name, sizeof name, ""}));
        size_t u = 0;
        while (u < c->upstream_count && strcmp(c->upstreams[u].name, name) != 0)
                u++;
        if (u == c->upstream_count)
                return catalog_read_fail(r, config_get(node, "upstream"), "UNKNOWN_UPSTREAM",
                                         "no element of \"upstreams\" has this name");
        t->upstream = (uint16_t)u;
        TRY(catalog_read_name_of(r, node, "model", (catalog_text){t->model, sizeof t->model, "@"}));
        t->weight = 100;
        t->max_chars = UINT32_MAX;
        for (const catalog_target *other = m->targets; other < t; other++)
                if (other->upstream == t->upstream && strcmp(other->model, t->model) == 0)
                        return catalog_read_fail(r, node, "DUPLICATE_NAME", "the target stands twice in this list");
        m->target_count++;
        return OK;
}

static err model_read(const catalog_reader *r, const config_node *node, catalog_model *m)
{
        static const char *const known[] = {"name", "targets", nullptr};
        TRY(config_keys(node, known, r->fault));
        TRY(catalog_read_name_of(r, node, "name", (catalog_text){m->name, sizeof m->name, ""}));
        for (const catalog_model *other = r->out->models; other < m; other++)
                if (strcmp(other->name, m->name) == 0)
                        return catalog_read_fail(r, config_get(node, "name"), "DUPLICATE_NAME",
                                                 "another model has this name");
        const config_node *n;
        TRY(catalog_read_list(r, node, "targets", LIMIT_TARGETS, &n));
        if (n == nullptr)
                return catalog_read_fail(r, config_get(node, "targets"), "EMPTY_LIST", "must name a target");
        for (; n != nullptr; n = config_next(n))
                TRY(target_read(r, n, m));
        return OK;
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
