#include "admin/routes.h"

#include "admin/handle.h"

/* The first row that fits wins. */
/* clang-format off */
static const admin_route rows[] = {
        /* method       path                                        prefix  body    handler */
        {HTTP1_GET,     VIEW_INIT("/healthz"),                      false,  false,  handle_health},
        {HTTP1_GET,     VIEW_INIT("/readyz"),                       false,  false,  handle_ready},
        {HTTP1_GET,     VIEW_INIT("/metrics"),                      false,  false,  handle_metrics},
        {HTTP1_GET,     VIEW_INIT("/"),                             false,  false,  handle_page},
        {HTTP1_GET,     VIEW_INIT("/page/"),                        true,   false,  handle_page_file},
        {HTTP1_GET,     VIEW_INIT("/admin/v1/status"),              false,  false,  handle_status},
        {HTTP1_POST,    VIEW_INIT("/admin/v1/reload"),              false,  false,  handle_reload},
        {HTTP1_GET,     VIEW_INIT("/admin/v1/routes"),              false,  false,  handle_routes},
        {HTTP1_GET,     VIEW_INIT("/admin/v1/routes/explain"),      false,  false,  handle_routes_explain},
        {HTTP1_GET,     VIEW_INIT("/admin/v1/setup"),               false,  false,  handle_setup},
        {HTTP1_POST,    VIEW_INIT("/admin/v1/setup/vault"),         false,  true,   handle_setup_vault},
        {HTTP1_GET,     VIEW_INIT("/admin/v1/config"),              false,  false,  handle_config},
        {HTTP1_PUT,     VIEW_INIT("/admin/v1/config"),              false,  true,   handle_config_put},
        {HTTP1_GET,     VIEW_INIT("/admin/v1/config/files/"),       true,   false,  handle_config_file},
        {HTTP1_GET,     VIEW_INIT("/admin/v1/vault"),               false,  false,  handle_vault},
        {HTTP1_POST,    VIEW_INIT("/admin/v1/vault/unlock"),        false,  true,   handle_unlock},
        {HTTP1_POST,    VIEW_INIT("/admin/v1/vault/backup"),        false,  true,   handle_backup},
        {HTTP1_POST,    VIEW_INIT("/admin/v1/vault/inherit"),       false,  true,   handle_inherit},
        {HTTP1_POST,    VIEW_INIT("/admin/v1/vault/rotate"),        false,  true,   handle_rotate},
        {HTTP1_GET,     VIEW_INIT("/admin/v1/vault/credentials"),   false,  false,  handle_credentials},
        {HTTP1_POST,    VIEW_INIT("/admin/v1/vault/credentials"),   false,  true,   handle_credential_put},
        {HTTP1_DELETE,  VIEW_INIT("/admin/v1/vault/credentials/"),  true,   false,  handle_credential_remove},
        {HTTP1_GET,     VIEW_INIT("/admin/v1/box"),                 false,  false,  handle_appliance},
        {HTTP1_POST,    VIEW_INIT("/admin/v1/box/update"),          false,  false,  handle_appliance_update},
        {HTTP1_POST,    VIEW_INIT("/admin/v1/box/update-keys"),     false,  true,   handle_appliance_update_keys},
        {HTTP1_POST,    VIEW_INIT("/admin/v1/box/roll-back"),       false,  false,  handle_appliance_roll_back},
        {HTTP1_POST,    VIEW_INIT("/admin/v1/box/factory-reset"),   false,  true,   handle_appliance_factory_reset},
        {HTTP1_POST,    VIEW_INIT("/admin/v1/box/restart"),         false,  false,  handle_appliance_restart},
        {HTTP1_POST,    VIEW_INIT("/admin/v1/box/power-off"),       false,  false,  handle_appliance_power_off},
        {HTTP1_POST,    VIEW_INIT("/admin/v1/keys/hash"),           false,  true,   handle_key_hash},
        {HTTP1_POST,    VIEW_INIT("/admin/v1/exports"),             false,  false,  handle_export_now},
        {HTTP1_GET,     VIEW_INIT("/admin/v1/exports"),             false,  false,  handle_export_list},
        {HTTP1_POST,    VIEW_INIT("/admin/v1/exports/acknowledge"), false,  true,   handle_export_ack},
        {HTTP1_GET,     VIEW_INIT("/admin/v1/exports/key"),         false,  false,  handle_export_key},
        {HTTP1_GET,     VIEW_INIT("/admin/v1/exports/"),            true,   false,  handle_export_get},
        {HTTP1_POST,    VIEW_INIT("/admin/v1/vault/slots"),         false,  true,   handle_slot_add},
        {HTTP1_DELETE,  VIEW_INIT("/admin/v1/vault/slots/"),        true,   false,  handle_slot_remove},
};
/* clang-format on */

static view path_of(view target)
{
        const uint8_t *query = target.len > 0 ? memchr(target.data, '?', target.len) : nullptr;
        return query == nullptr ? target : view_slice(target, 0, (size_t)(query - target.data));
}

view route_query(view target)
{
        size_t path = path_of(target).len;
        return path < target.len ? view_slice(target, path + 1, target.len) : (view){};
}

bool route_uploads(const admin_route *r) { return r->handle == handle_appliance_update; }

size_t route_body_most(const admin_route *r)
{
        if (route_uploads(r))
                return BOX_BUNDLE_BYTES;
        return r->handle == handle_config_put ? LIMIT_ADMIN_CONFIG_BYTES : LIMIT_ADMIN_BODY_BYTES;
}

static bool fits(const admin_route *r, view path)
{
        return r->prefix ? path.len > r->path.len && view_starts(path, r->path) : view_equal(path, r->path);
}

err route_find(http1_method method, view target, const admin_route **out, view *rest)
{
        view path = path_of(target);
        bool known = false;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                if (!fits(&rows[i], path))
                        continue;
                known = true;
                if (rows[i].method != method)
                        continue;
                *out = &rows[i];
                *rest = view_slice(path, rows[i].path.len, path.len);
                return OK;
        }
        return known ? FAIL(BAD_METHOD) : FAIL(NO_ROUTE);
}

static const char *method_text(http1_method method)
{
        switch (method) {
        case HTTP1_GET:
                return "GET";
        case HTTP1_POST:
                return "POST";
        case HTTP1_DELETE:
                return "DELETE";
        case HTTP1_PUT:
                return "PUT";
        case HTTP1_OTHER:
                break;
        }
        return "";
}

void route_methods(view target, emit *out)
{
        view path = path_of(target);
        bool first = true;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                if (!fits(&rows[i], path))
                        continue;
                emit_text(out, first ? "" : ", ");
                emit_text(out, method_text(rows[i].method));
                first = false;
        }
}

bool route_needs_token(view target) { return view_starts(target, VIEW("/admin/")); }
