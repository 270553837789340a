#include "unit/route/catalog_rows.h"

static const char SUBJECT[] = "catalog_proxy";

#define ONE   "\"base_url\":\"https://api.example.org/v1\",\"ca\":\"ca.pem\""
#define PLAIN "\"plain_http\":true"
#define PROXY ONE ",\"proxy\":"
#define URL   PROXY "{\"url\":\"http://proxy.example.org:3128\""
#define AT    "/upstreams/0/proxy"

static const catalog_row rows[] = {
        {"a proxy is an object", ONE, PROXY "\"http://proxy.example.org:3128\"", "WRONG_TYPE", AT},
        {"a proxy's unknown key", ONE, URL ",\"user\":\"x\"}", "UNKNOWN_KEY", AT "/user"},
        {"a proxy needs a URL", ONE, PROXY "{}", "MISSING_KEY", AT},
        {"a URL is a text", ONE, PROXY "{\"url\":3128}", "WRONG_TYPE", AT "/url"},
        {"a URL is http", ONE, PROXY "{\"url\":\"https://proxy.example.org:3128\"}", "BAD_URL", AT "/url"},
        {"a URL is no other scheme", ONE, PROXY "{\"url\":\"socks5://proxy.example.org:1080\"}", "BAD_URL", AT "/url"},
        {"a URL has no user", ONE, PROXY "{\"url\":\"http://u:p@proxy.example.org:3128\"}", "BAD_URL", AT "/url"},
        {"a URL has no path", ONE, PROXY "{\"url\":\"http://proxy.example.org:3128/p\"}", "BAD_URL", AT "/url"},
        {"a URL has no query", ONE, PROXY "{\"url\":\"http://proxy.example.org:3128?q\"}", "BAD_URL", AT "/url"},
        {"a URL's host is one", ONE, PROXY "{\"url\":\"http://pro_xy:3128\"}", "BAD_URL", AT "/url"},
        {"a host may be private", ONE, PROXY "{\"url\":\"http://10.0.0.7:3128\"}", "", ""},
        {"addresses may be private", ONE, URL ",\"addresses\":[\"127.0.0.1\",\"10.0.0.1\"]}", "", ""},
        {"addresses are addresses", ONE, URL ",\"addresses\":[\"proxy\"]}", "BAD_ADDRESS", AT "/addresses/0"},
        {"addresses are texts", ONE, URL ",\"addresses\":[1]}", "WRONG_TYPE", AT "/addresses/0"},
        {"an address stands once", ONE, URL ",\"addresses\":[\"10.0.0.1\",\"10.0.0.1\"]}", "DUPLICATE_NAME",
         AT "/addresses/1"},
        {"an address is the host's", ONE, PROXY "{\"url\":\"http://10.0.0.7:3128\",\"addresses\":[\"10.0.0.8\"]}",
         "NOT_ALLOWED", AT "/addresses/0"},
        {"at most 8 addresses", ONE, URL ",\"addresses\":[1,2,3,4,5,6,7,8,9]}", "TOO_MANY", AT "/addresses"},
        {"a credential is a name", ONE, URL ",\"credential\":\"a b\"}", "BAD_NAME", AT "/credential"},
        {"a proxy wants TLS behind it", PLAIN, PLAIN ",\"proxy\":{\"url\":\"http://proxy.example.org:3128\"}",
         "NOT_ALLOWED", "/upstreams/1/proxy"},
};

static void seen(void)
{
        const catalog *c = catalog_with("", "");
        tap_ok(c != nullptr && c->upstreams[0].proxy.host[0] == 0, SUBJECT, "without the key there is none");
        c = catalog_with(ONE, URL ",\"addresses\":[\"10.0.0.1\",\"fd00::1\"],\"credential\":\"door\"}");
        const catalog_proxy *p = c == nullptr ? nullptr : &c->upstreams[0].proxy;
        tap_ok(p != nullptr && strcmp(p->host, "proxy.example.org") == 0 && p->port == 3128, SUBJECT,
               "host and port are kept");
        tap_ok(p != nullptr && p->address_count == 2 && p->addresses[0].bytes[0] == 10 && p->addresses[1].family == 6,
               SUBJECT, "addresses are kept");
        tap_ok(p != nullptr && strcmp(p->credential, "door") == 0 && c->upstreams[1].proxy.host[0] == 0, SUBJECT,
               "the credential is kept, and the next upstream has no proxy");
        c = catalog_with(ONE, PROXY "{\"url\":\"http://10.0.0.7\"}");
        p = c == nullptr ? nullptr : &c->upstreams[0].proxy;
        tap_ok(p != nullptr && p->port == 80 && p->address_count == 1 && p->addresses[0].bytes[3] == 7
                       && p->credential[0] == 0,
               SUBJECT, "an address as host is the address; the port is 80 when none is said");
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        catalog_check(SUBJECT, rows, sizeof rows / sizeof rows[0]);
        seen();
        return tap_done();
}
