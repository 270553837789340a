#include "admin/handle.h"
#include "harness.h"

static catalog *c;

static void ask(void (*handle)(admin_exchange *x), const char *query)
{
        admin_exchange *x = harness_exchange("", "");
        x->query = view_of_text(query);
        handle(x);
}

static void lay_out(void)
{
        static const char text[] =
                "{\"lethe\":\"config/1\",\"hosts\":[\"a.example\"],\"upstreams\":[{\"name\":\"up\",\"vendor\":\"v\","
                "\"base_url\":\"https://up.example\",\"ca\":\"a.pem\",\"credential\":\"k\"}],\"models\":["
                "{\"name\":\"chat\",\"targets\":[{\"upstream\":\"up\",\"model\":\"m\"}]},"
                "{\"name\":\"a/b\",\"targets\":[{\"upstream\":\"up\",\"model\":\"n\"}]}],\"keys\":["
                "{\"id\":\"Ab3dEf6h\",\"hash\":"
                "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\","
                "\"project\":\"p\",\"models\":[\"chat\"]}]}";
        config_fault fault = {};
        c = calloc(1, sizeof *c);
        if (c == nullptr || failed(catalog_compile(view_of_text(text), c, &fault))) {
                printf("# %s %s\n", fault.pointer, fault.text);
                abort();
        }
        h.box.catalog = c;
}

static void routes(void)
{
        ask(handle_routes, "");
        bool all = answer_has(200, "\"model\":\"chat\"") && answer_has(200, "\"model\":\"a/b\"");
        tap_ok(all && strcmp(h.type, "application/json") == 0, "routes", "all aliases are told");
        ask(handle_routes, "model=a%2Fb");
        tap_ok(answer_has(200, "{\"routes\":[{\"model\":\"a/b\",") && memmem(h.body, h.body_len, "chat", 4) == nullptr,
               "routes", "or one, by its name");
        ask(handle_routes, "model=nobody");
        tap_ok(answer_has(404, "not_found"), "routes", "an unknown alias is 404");
        ask(handle_routes, "modle=chat");
        tap_ok(answer_has(422, "out_of_range"), "routes", "an unknown parameter is 422");
        admin_exchange *x = harness_exchange("", "");
        region_init(&x->file, 64);
        handle_routes(x);
        tap_ok(answer_has(507, "no_room"), "routes", "no room for the document is 507");
}

static void explain(void)
{
        ask(handle_routes_explain, "model=chat&chars=5000&key=Ab3dEf6h&downgrade=1");
        tap_ok(answer_has(200, "\"chars\":5000,\"key\":\"Ab3dEf6h\",\"downgrade\":true,"
                               "\"chosen\":{\"upstream\":\"up\",\"model\":\"m\",\"key\":\"k\",\"last\":false}"),
               "explain", "what is asked for is answered");
        ask(handle_routes_explain, "model=chat&downgrade=0");
        tap_ok(answer_has(200, "\"chars\":0,\"key\":null,\"downgrade\":false,"), "explain", "only the alias is needed");
        static const struct {
                const char *name, *query;
                uint16_t status;
        } rows[] = {
                {"no alias is 422", "chars=1", 422},
                {"an unknown alias is 404", "model=x", 404},
                {"an unknown key is 404", "model=chat&key=Zb3dEf6h", 404},
                {"a key that may not ask for the alias is 404", "model=a%2Fb&key=Ab3dEf6h", 404},
                {"a size that is no number is 422", "model=chat&chars=1k", 422},
                {"a size beyond 32 bits is 422", "model=chat&chars=4294967296", 422},
                {"a consent that is neither 0 nor 1 is 422", "model=chat&downgrade=yes", 422},
                {"a broken query is 422", "model=chat&chars=%", 422},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                ask(handle_routes_explain, rows[i].query);
                tap_ok(answer_has(rows[i].status, "\"error\""), "explain", rows[i].name);
        }
}

int main(void)
{
        harness_start();
        lay_out();
        routes();
        explain();
        free(c);
        return harness_done();
}
