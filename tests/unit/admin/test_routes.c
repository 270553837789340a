#include "admin/handle.h"
#include "admin/routes.h"
#include "support/tap.h"

int main(void)
{
        static const struct {
                const char *name;
                http1_method method;
                view target;
                err_code code;
                void (*handle)(admin_exchange *x);
                view rest;
        } rows[] = {
                {"health", HTTP1_GET, VIEW_INIT("/healthz"), ERR_NONE, handle_health, VIEW_INIT("")},
                {"a query is ignored", HTTP1_GET, VIEW_INIT("/readyz?verbose=1"), ERR_NONE, handle_ready,
                 VIEW_INIT("")},
                {"the page is at the root", HTTP1_GET, VIEW_INIT("/"), ERR_NONE, handle_page, VIEW_INIT("")},
                {"its files stand beside it", HTTP1_GET, VIEW_INIT("/page/page.js"), ERR_NONE, handle_page_file,
                 VIEW_INIT("page.js")},
                {"another method is 405", HTTP1_POST, VIEW_INIT("/healthz"), ERR_BAD_METHOD, nullptr, VIEW_INIT("")},
                {"an unknown path is 404", HTTP1_GET, VIEW_INIT("/healthz/"), ERR_NO_ROUTE, nullptr, VIEW_INIT("")},
                {"paths are exact", HTTP1_GET, VIEW_INIT("/admin/v1/statusx"), ERR_NO_ROUTE, nullptr, VIEW_INIT("")},
                {"a credential's name follows", HTTP1_DELETE, VIEW_INIT("/admin/v1/vault/credentials/a.b"), ERR_NONE,
                 handle_credential_remove, VIEW_INIT("a.b")},
                {"a prefix alone is no name", HTTP1_DELETE, VIEW_INIT("/admin/v1/vault/credentials/"), ERR_NO_ROUTE,
                 nullptr, VIEW_INIT("")},
                {"the list and the addition share a path", HTTP1_POST, VIEW_INIT("/admin/v1/vault/credentials"),
                 ERR_NONE, handle_credential_put, VIEW_INIT("")},
                {"the export key is no sequence", HTTP1_GET, VIEW_INIT("/admin/v1/exports/key"), ERR_NONE,
                 handle_export_key, VIEW_INIT("")},
                {"a signature belongs to its export", HTTP1_GET, VIEW_INIT("/admin/v1/exports/7/signature"), ERR_NONE,
                 handle_export_get, VIEW_INIT("7/signature")},
                {"the routes", HTTP1_GET, VIEW_INIT("/admin/v1/routes?model=a"), ERR_NONE, handle_routes,
                 VIEW_INIT("")},
                {"why a route", HTTP1_GET, VIEW_INIT("/admin/v1/routes/explain"), ERR_NONE, handle_routes_explain,
                 VIEW_INIT("")},
                {"an empty target is nothing", HTTP1_GET, VIEW_INIT(""), ERR_NO_ROUTE, nullptr, VIEW_INIT("")},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                const admin_route *r = nullptr;
                view rest = {};
                err e = route_find(rows[i].method, rows[i].target, &r, &rest);
                bool good = e.code == rows[i].code
                            && (failed(e) || (r->handle == rows[i].handle && view_equal(rest, rows[i].rest)));
                tap_ok(good, "routes", rows[i].name);
        }
        uint8_t room[64];
        emit out = emit_into(room, sizeof room);
        route_methods(VIEW("/admin/v1/vault/credentials?x"), &out);
        tap_ok(view_equal((view){out.bytes, out.len}, VIEW("GET, POST")), "routes", "a path knows its methods");
        tap_ok(route_needs_token(VIEW("/admin/v1/status")) && route_needs_token(VIEW("/admin/none")), "routes",
               "everything below /admin/ wants a token");
        tap_ok(!route_needs_token(VIEW("/metrics")) && !route_needs_token(VIEW("/")), "routes",
               "metrics and the page do not");
        tap_ok(view_equal(route_query(VIEW("/a?b=c?d")), VIEW("b=c?d")) && route_query(VIEW("/a")).len == 0
                       && route_query(VIEW("/a?")).len == 0 && route_query(VIEW("")).len == 0,
               "routes", "a query is what stands behind the first question mark");
        return tap_done();
}
