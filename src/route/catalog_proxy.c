/* The way to an upstream through an HTTP proxy: "proxy". */
#include "base/limit.h"
#include "route/catalog_read.h"
#include "route/catalog_url.h"

static err url_read(const catalog_reader *r, const config_node *node, catalog_url *url, catalog_proxy *p)
{
        const config_node *n = nullptr;
        view               v;
        TRY(config_member(node, "url", CONFIG_TEXT, &n, r->fault));
        TRY(config_text_of(n, &v, r->fault));
        if (!view_starts(v, VIEW("http://")))
                return catalog_read_fail(r, n, "BAD_URL", "must begin with http://; TLS goes through it to the vendor");
        const char *wrong = catalog_url_parse(v, url);
        if (wrong != nullptr)
                return catalog_read_fail(r, n, "BAD_URL", wrong);
        if (url->path[0] != 0)
                return catalog_read_fail(r, n, "BAD_URL", "must end behind the port: a proxy has no path");
        memcpy(p->host, url->host.name, sizeof p->host);
        p->port = url->port;
        return OK;
}

static err addresses_read(const catalog_reader *r, const config_node *node, const catalog_url *url, catalog_proxy *p)
{
        const config_node *n;
        TRY(catalog_read_optional_list(r, node, "addresses", LIMIT_ADDRESSES, &n));
        for (; n != nullptr; n = config_next(n)) {
                catalog_address *a = &p->addresses[p->address_count];
                view             v;
                TRY(config_text_of(n, &v, r->fault));
                if (!address_parse(v, a))
                        return catalog_read_fail(r, n, "BAD_ADDRESS", "must be an IPv4 or IPv6 address");
                for (size_t i = 0; i < p->address_count; i++)
                        if (address_equal(&p->addresses[i], a))
                                return catalog_read_fail(r, n, "DUPLICATE_NAME",
                                                         "the address stands twice in this list");
                if (url->host.literal && !address_equal(a, &url->host.address))
                        return catalog_read_fail(r, n, "NOT_ALLOWED", "\"url\" names another address");
                p->address_count++;
        }
        if (url->host.literal && p->address_count == 0)
                p->addresses[p->address_count++] = url->host.address;
        return OK;
}

err catalog_read_proxy(const catalog_reader *r, const config_node *node, catalog_upstream *u)
{
        static const char *const known[] = {"url", "addresses", "credential", nullptr};
        const config_node       *proxy = config_get(node, "proxy");
        catalog_url              url;
        if (proxy == nullptr)
                return OK;
        TRY(config_keys(proxy, known, r->fault));
        if (!u->tls)
                return catalog_read_fail(r, proxy, "NOT_ALLOWED", "needs a \"base_url\" that begins with https://");
        TRY(url_read(r, proxy, &url, &u->proxy));
        TRY(addresses_read(r, proxy, &url, &u->proxy));
        const config_node *credential = config_get(proxy, "credential");
        if (credential == nullptr)
                return OK;
        return catalog_read_name(r, credential, (catalog_text){u->proxy.credential, sizeof u->proxy.credential, ""});
}
