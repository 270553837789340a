/* The vendor keys of an upstream: "credential", "credentials". */
#include "base/limit.h"
#include "route/catalog_read.h"

constexpr uint16_t WEIGHT_USUAL = 100;

static err row_read(const catalog_reader *r, const config_node *n, catalog_credential *out)
{
        static const char *const known[] = {"name", "limit_group", "weight", nullptr};
        out->weight = WEIGHT_USUAL;
        if (config_kind_of(n) == CONFIG_TEXT)
                return catalog_read_name(r, n, (catalog_text){out->name, sizeof out->name, ""});
        TRY(config_keys(n, known, r->fault));
        TRY(catalog_read_name_of(r, n, "name", (catalog_text){out->name, sizeof out->name, ""}));
        uint64_t weight = WEIGHT_USUAL;
        TRY(catalog_read_number(r, n, "weight", (config_range){1, 1000}, &weight));
        out->weight = (uint16_t)weight;
        const config_node *group = config_get(n, "limit_group");
        return group == nullptr ? OK : catalog_read_name(r, group, (catalog_text){out->group, sizeof out->group, ""});
}

static err rows_read(const catalog_reader *r, const config_node *node, catalog_upstream *u)
{
        const config_node *n;
        TRY(catalog_read_list(r, node, "credentials", LIMIT_POOL_KEYS, &n));
        if (n == nullptr)
                return catalog_read_fail(r, config_get(node, "credentials"), "EMPTY_LIST",
                                         "must name a vendor key, or be left out");
        for (; n != nullptr; n = config_next(n)) {
                catalog_credential *row = &u->credentials[u->credential_count];
                TRY(row_read(r, n, row));
                for (const catalog_credential *other = u->credentials; other < row; other++)
                        if (strcmp(other->name, row->name) == 0)
                                return catalog_read_fail(r, n, "DUPLICATE_NAME",
                                                         "the vendor key stands twice in this list");
                u->credential_count++;
        }
        const config_node *weight = config_get(config_first(config_get(node, "credentials")), "weight");
        if (u->credential_count == 1 && weight != nullptr)
                return catalog_read_fail(r, weight, "INERT",
                                         "has no effect: there is no other vendor key to share with");
        return OK;
}

err catalog_read_pool(const catalog_reader *r, const config_node *node, catalog_upstream *u)
{
        const config_node *one = config_get(node, "credential"), *many = config_get(node, "credentials");
        if (one != nullptr && many != nullptr)
                return catalog_read_fail(r, one, "NOT_ALLOWED", "\"credentials\" stands here too; keep one of the two");
        if (many != nullptr)
                return rows_read(r, node, u);
        catalog_credential *row = &u->credentials[0];
        u->credential_count = 1;
        row->weight = WEIGHT_USUAL;
        return one == nullptr ? OK : catalog_read_name(r, one, (catalog_text){row->name, sizeof row->name, ""});
}

/* How many vendor keys of this vendor are in the group. */
static size_t members(const catalog *c, uint16_t vendor, const char *group)
{
        size_t found = 0;
        for (size_t u = 0; u < c->upstream_count; u++)
                for (size_t i = 0; i < c->upstreams[u].credential_count && c->upstreams[u].vendor_index == vendor; i++)
                        found += strcmp(c->upstreams[u].credentials[i].group, group) == 0;
        return found;
}

err catalog_check_groups(const catalog_reader *r, const config_node *root)
{
        const catalog     *c = r->out;
        const config_node *upstream = config_first(config_get(root, "upstreams"));
        for (size_t u = 0; u < c->upstream_count; u++, upstream = config_next(upstream)) {
                const catalog_upstream *row = &c->upstreams[u];
                const config_node      *n = config_get(upstream, "credentials");
                n = n == nullptr ? nullptr : config_first(n);
                for (size_t i = 0; n != nullptr; i++, n = config_next(n))
                        if (row->credentials[i].group[0] != 0
                            && members(c, row->vendor_index, row->credentials[i].group) == 1)
                                return catalog_read_fail(r, config_get(n, "limit_group"), "INERT",
                                                         "has no effect: no other key of this vendor is in this group");
        }
        return OK;
}
