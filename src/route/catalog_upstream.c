/* Where requests may go: "upstreams". */
#include "base/limit.h"
#include "route/catalog_read.h"
#include "route/catalog_residency.h"
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
        catalog_ranges ranges = {u->local, sizeof u->local / sizeof u->local[0], 0};
        TRY(catalog_read_ranges(r, node, "local", &ranges));
        u->local_count = (uint8_t)ranges.count;
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
        if (strcmp(url->host.name, "aip.baidubce.com") == 0)
                return catalog_read_fail(r, n, "BAD_URL",
                                         "this host wants its token in the address of each call, where logs keep it; "
                                         "use https://qianfan.baidubce.com/v2");
        memcpy(u->host, url->host.name, sizeof u->host);
        memcpy(u->path, url->path, sizeof u->path);
        u->port = url->port;
        u->tls = url->tls;
        return OK;
}

static err health_read(const catalog_reader *r, const config_node *node, catalog_upstream *u)
{
        static const char *const known[] = {"path", "every_ms", nullptr};
        const config_node       *health = config_get(node, "health"), *path = nullptr;
        uint64_t                 every_ms = 5000;
        view                     v;
        if (health == nullptr)
                return OK;
        TRY(config_keys(health, known, r->fault));
        TRY(config_member(health, "path", CONFIG_TEXT, &path, r->fault));
        TRY(config_text_of(path, &v, r->fault));
        if (v.len < 2 || v.len >= sizeof u->health_path || !catalog_path_valid(v))
                return catalog_read_fail(r, path, "BAD_PATH",
                                         "must be a path like /models: letters, digits and -._~ between single "
                                         "slashes, not at its end, up to 63 characters");
        memcpy(u->health_path, v.data, v.len);
        TRY(catalog_read_number(r, health, "every_ms", (config_range){1000, 600000}, &every_ms));
        u->health_ms = (uint32_t)every_ms;
        return OK;
}

static err upstream_read(const catalog_reader *r, const config_node *node, catalog_upstream *u)
{
        static const char *const known[] = {"name",  "vendor",    "base_url",   "ca",          "pins",
                                            "local", "addresses", "credential", "credentials", "plain_http",
                                            "proxy", "residency", "health",     nullptr};
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
        TRY(catalog_read_pool(r, node, u));
        TRY(catalog_read_proxy(r, node, u));
        TRY(health_read(r, node, u));
        return catalog_residency_declare(r, node, &u->residency);
}

err catalog_read_upstreams(const catalog_reader *r, const config_node *root)
{
        catalog           *c = r->out;
        const config_node *n;
        TRY(catalog_read_list(r, root, "upstreams", LIMIT_UPSTREAMS, &n));
        for (; n != nullptr; n = config_next(n), c->upstream_count++)
                TRY(upstream_read(r, n, &c->upstreams[c->upstream_count]));
        return catalog_check_groups(r, root);
}
