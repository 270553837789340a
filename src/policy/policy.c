#include "policy/policy.h"

#include <assert.h>

#include "base/secret.h"
#include "policy/policy_rules.h"

static err read_header(policy_source *src, const config_node *root, policy *out)
{
        static const char *const keys[] = {"policy", "name", "regions", "defaults", "rules", "floor", nullptr};
        view version, name;
        if (config_kind_of(root) != CONFIG_OBJECT)
                return config_fail(root, "WRONG_TYPE", "A policy is one JSON object.", nullptr, src->fault);
        TRY(config_keys(root, keys, src->fault));
        TRY(config_text(root, "policy", &version, src->fault));
        if (!view_equal(version, VIEW("pii/1")))
                return config_fail(config_get(root, "policy"), "BAD_VERSION",
                                   "The only policy language is \"pii/1\".", "pii/1", src->fault);
        TRY(config_text(root, "name", &name, src->fault));
        if (!policy_is_id(name))
                return config_fail(config_get(root, "name"), "BAD_ID",
                                   "A name has 1 to 32 characters of a-z, 0-9 and -.", nullptr, src->fault);
        memcpy(out->name, name.data, name.len);
        return OK;
}

static err read_region(policy_source *src, const config_node *node, uint64_t *regions)
{
        static const char *const names[] = {"US", "CN", "DE", "FR", "GB", "*", nullptr};
        view name;
        TRY(config_text_of(node, &name, src->fault));
        if (view_equal(name, VIEW("*"))) {
                *regions = (UINT64_C(1) << REGION_COUNT) - 1;
                return OK;
        }
        for (region_id r = 0; r < REGION_COUNT; r++) {
                if (view_equal(name, view_of_text(region_name(r)))) {
                        *regions |= UINT64_C(1) << r;
                        return OK;
                }
        }
        return config_fail(node, "UNKNOWN_REGION", "Regions are US, CN, DE, FR, GB, or * for all.",
                           config_nearest(name, names), src->fault);
}

static err read_regions(policy_source *src, const config_node *root, policy *out)
{
        const config_node *list;
        TRY(policy_list(src, root, "regions", &list));
        for (const config_node *n = config_first(list); n != nullptr; n = config_next(n))
                TRY(read_region(src, n, &out->regions));
        return OK;
}

static err compile(policy_source *src, const config_node *root, policy *out)
{
        TRY(read_header(src, root, out));
        TRY(read_regions(src, root, out));
        policy_layers layers = {};
        TRY(policy_read_defaults(src, root, &layers));
        TRY(policy_read_rules(src, root, &layers));
        TRY(policy_read_floor(src, root, &layers));
        return policy_settle(src, root, &layers, out);
}

err policy_compile(view text, policy *out, config_fault *fault)
{
        *out = (policy){};
        *fault = (config_fault){};
        config_doc *doc = nullptr;
        err e = config_parse(text, &doc, fault);
        if (!failed(e)) {
                policy_source src = {fault};
                e = compile(&src, config_root(doc), out);
                config_free(doc);
                secret_sha256(out->digest, text);
        }
        if (failed(e))
                *out = (policy){};
        return e.code == ERR_BAD_CONFIG ? FAIL(BAD_POLICY) : e;
}
