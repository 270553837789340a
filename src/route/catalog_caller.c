/* Who may call: "keys" and "admin". */
#include "route/catalog_read.h"

#include "base/limit.h"
#include "route/catalog_residency.h"

static bool id_byte(uint8_t c)
{
        uint8_t low = ascii_lower(c);
        return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static err id_read(const catalog_reader *r, const config_node *node, catalog_key *key)
{
        const config_node *n = nullptr;
        view               v;
        TRY(config_member(node, "id", CONFIG_TEXT, &n, r->fault));
        TRY(config_text_of(n, &v, r->fault));
        bool good = v.len == sizeof key->id - 1;
        for (size_t i = 0; good && i < v.len; i++)
                good = id_byte(v.data[i]);
        if (!good)
                return catalog_read_fail(r, n, "BAD_ID", "must be the 8 characters behind the prefix of the key");
        memcpy(key->id, v.data, v.len);
        for (const catalog_key *k = r->out->keys; k < key; k++)
                if (memcmp(k->id, key->id, sizeof key->id) == 0)
                        return catalog_read_fail(r, n, "DUPLICATE_ID", "another key has this id");
        return OK;
}

static err project_read(const catalog_reader *r, const config_node *node, catalog_key *key)
{
        catalog *c = r->out;
        char     name[LIMIT_NAME_BYTES];
        TRY(catalog_read_name_of(r, node, "project", (catalog_text){name, sizeof name, ""}));
        size_t p = 0;
        while (p < c->project_count && strcmp(c->projects[p], name) != 0)
                p++;
        if (p == LIMIT_PROJECTS)
                return catalog_read_fail(r, config_get(node, "project"), "TOO_MANY",
                                         "has more projects than this relay has room for");
        if (p == c->project_count) {
                memcpy(c->projects[p], name, sizeof name);
                c->project_count++;
        }
        key->project = (uint16_t)p;
        return OK;
}

static err model_read(const catalog_reader *r, const config_node *n, catalog_key *key)
{
        view name;
        TRY(config_text_of(n, &name, r->fault));
        if (view_equal(name, VIEW("*"))) {
                key->any_model = true;
                return OK;
        }
        size_t m = 0;
        while (m < r->out->model_count && !view_equal(view_of_text(r->out->models[m].name), name))
                m++;
        if (m == r->out->model_count)
                return catalog_read_fail(r, n, "UNKNOWN_MODEL", "no element of \"models\" has this name");
        uint32_t bit = (uint32_t)1 << (m % 32);
        if ((key->models[m / 32] & bit) != 0)
                return catalog_read_fail(r, n, "DUPLICATE_NAME", "the model stands twice in this list");
        key->models[m / 32] |= bit;
        return OK;
}

static err models_read(const catalog_reader *r, const config_node *node, catalog_key *key)
{
        const config_node *first;
        TRY(catalog_read_list(r, node, "models", LIMIT_MODELS, &first));
        const config_node *list = config_get(node, "models");
        if (first == nullptr)
                return catalog_read_fail(r, list, "EMPTY_LIST", "must name a model, or be [\"*\"] for all");
        for (const config_node *n = first; n != nullptr; n = config_next(n))
                TRY(model_read(r, n, key));
        if (key->any_model && config_count(list) > 1)
                return catalog_read_fail(r, list, "NOT_ALLOWED", "\"*\" must stand alone");
        return OK;
}

static err key_read(const catalog_reader *r, const config_node *node, catalog_key *key)
{
        static const char *const known[] = {"id",        "hash",     "project",   "models", "expires",
                                            "residency", "priority", "downgrade", "hedge",  nullptr};
        static const char *const priorities[] = {
                [PRIORITY_LOW] = "low", [PRIORITY_NORMAL] = "normal", [PRIORITY_HIGH] = "high", nullptr};
        TRY(config_keys(node, known, r->fault));
        TRY(id_read(r, node, key));
        TRY(catalog_read_hash_of(r, node, "hash", key->hash));
        TRY(project_read(r, node, key));
        TRY(models_read(r, node, key));
        uint8_t priority = PRIORITY_NORMAL;
        TRY(catalog_read_word(r, node, "priority", priorities, &priority));
        key->priority = (catalog_priority)priority;
        TRY(catalog_read_flag(r, node, "downgrade", &key->downgrade));
        TRY(catalog_read_flag(r, node, "hedge", &key->hedge));
        TRY(catalog_residency_demand(r, node, &key->residency));
        TRY(catalog_residency_check(r, node, key));
        const config_node *expires = config_get(node, "expires");
        key->expires_s = UINT64_MAX;
        return expires == nullptr ? OK : catalog_read_time(r, expires, &key->expires_s);
}

static err admin_read(const catalog_reader *r, const config_node *node, catalog_admin *admin)
{
        static const char *const known[] = {"name", "hash", nullptr};
        TRY(config_keys(node, known, r->fault));
        TRY(catalog_read_name_of(r, node, "name", (catalog_text){admin->name, sizeof admin->name, ""}));
        for (const catalog_admin *a = r->out->admins; a < admin; a++)
                if (strcmp(a->name, admin->name) == 0)
                        return catalog_read_fail(r, config_get(node, "name"), "DUPLICATE_NAME",
                                                 "another admin has this name");
        return catalog_read_hash_of(r, node, "hash", admin->hash);
}

err catalog_read_callers(const catalog_reader *r, const config_node *root)
{
        catalog           *c = r->out;
        const config_node *n;
        TRY(catalog_read_list(r, root, "keys", LIMIT_KEYS, &n));
        for (; n != nullptr; n = config_next(n), c->key_count++)
                TRY(key_read(r, n, &c->keys[c->key_count]));
        TRY(catalog_read_optional_list(r, root, "admin", sizeof c->admins / sizeof c->admins[0], &n));
        for (; n != nullptr; n = config_next(n), c->admin_count++)
                TRY(admin_read(r, n, &c->admins[c->admin_count]));
        return OK;
}
