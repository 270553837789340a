/* setup.json: every answer but the secrets. src/prog/README.md describes its keys. */
#include "prog/lethectl_setup.h"

const char *setup_opens_word(setup_opens o)
{
        static const char *const words[] = {"", "person", "key-file", "tpm"};
        return words[o];
}

/* A member into a field of that size; an absent one stays as it is. */
static err take_text(const config_node *n, const char *key, char *out, size_t size, config_fault *fault)
{
        const config_node *member = config_get(n, key);
        view               text;
        if (member == nullptr)
                return OK;
        TRY(config_text_of(member, &text, fault));
        if (text.len == 0 || text.len >= size)
                return config_fail(member, "OUT_OF_RANGE", "is empty or too long", nullptr, fault);
        memcpy(out, text.data, text.len);
        out[text.len] = '\0';
        return OK;
}

static err need_text(const config_node *n, const char *key, char *out, size_t size, config_fault *fault)
{
        view ignored;
        TRY(config_text(n, key, &ignored, fault));
        return take_text(n, key, out, size, fault);
}

static err take_bool(const config_node *n, const char *key, bool *out, config_fault *fault)
{
        return config_get(n, key) == nullptr ? OK : config_bool(n, key, out, fault);
}

static err take_list(const config_node *n, const char *key, setup_list *out, config_fault *fault)
{
        enum : size_t { MOST = sizeof out->text / sizeof out->text[0] };
        const config_node *list;
        if (config_get(n, key) == nullptr)
                return OK;
        TRY(config_member(n, key, CONFIG_ARRAY, &list, fault));
        for (const config_node *one = config_first(list); one != nullptr; one = config_next(one)) {
                view text;
                TRY(config_text_of(one, &text, fault));
                if (out->count == MOST || text.len == 0 || text.len >= sizeof out->text[0])
                        return config_fail(one, "OUT_OF_RANGE", "is empty, too long or one too many", nullptr, fault);
                memcpy(out->text[out->count], text.data, text.len);
                out->text[out->count++][text.len] = '\0';
        }
        return OK;
}

static err take_hosts(const config_node *n, tls_names *out, config_fault *fault)
{
        const config_node *list;
        TRY(config_member(n, "hosts", CONFIG_ARRAY, &list, fault));
        for (const config_node *one = config_first(list); one != nullptr; one = config_next(one)) {
                view      text;
                tls_names name;
                TRY(config_text_of(one, &text, fault));
                if (out->count == TLS_NAMES || failed(tls_names_read(text, &name, nullptr)) || name.count != 1)
                        return config_fail(one, "BAD_VALUE", "must be a host name or an address, at most 16 of them",
                                           nullptr, fault);
                memcpy(out->text[out->count++], name.text[0], sizeof name.text[0]);
        }
        return out->count > 0 ? OK : config_fail(list, "OUT_OF_RANGE", "must name a host", nullptr, fault);
}

static err take_opens(const config_node *n, setup_opens *out, config_fault *fault)
{
        static const char *const known[] = {"person", "key-file", "tpm", nullptr};
        view                     word;
        TRY(config_text(n, "opens", &word, fault));
        for (unsigned i = 0; known[i] != nullptr; i++)
                if (view_equal(word, view_of_text(known[i])))
                        *out = (setup_opens)(i + 1);
        return *out != OPENS_UNCHOSEN ? OK
                                      : config_fail(config_get(n, "opens"), "BAD_VALUE",
                                                    "must be \"person\", \"key-file\" or \"tpm\"",
                                                    config_nearest(word, known), fault);
}

static err take_fingerprint(const config_node *n, setup_wish *out, config_fault *fault)
{
        char text[128] = {};
        TRY(take_text(n, "fingerprint", text, sizeof text, fault));
        out->has_fingerprint = text[0] != '\0';
        if (out->has_fingerprint && !fingerprint_read(view_of_text(text), out->fingerprint))
                return config_fail(config_get(n, "fingerprint"), "BAD_VALUE",
                                   "must be 64 hexadecimal digits, as the console shows them", nullptr, fault);
        return OK;
}

static err take_vendor(const config_node *root, setup_wish *out, config_fault *fault)
{
        static const char *const known[] = {"name",  "base_url",  "roots", "addresses",
                                            "local", "residency", "key",   nullptr};
        const config_node       *n;
        char                     host[LIMIT_HOST_BYTES];
        TRY(config_member(root, "vendor", CONFIG_OBJECT, &n, fault));
        TRY(config_keys(n, known, fault));
        TRY(need_text(n, "name", out->vendor, sizeof out->vendor, fault));
        TRY(need_text(n, "base_url", out->base_url, sizeof out->base_url, fault));
        if (failed(setup_vendor_host(out->base_url, host)))
                return config_fail(config_get(n, "base_url"), "BAD_VALUE", "must be https://host[:port][/path]",
                                   nullptr, fault);
        TRY(take_text(n, "roots", out->roots, sizeof out->roots, fault));
        TRY(take_list(n, "addresses", &out->addresses, fault));
        TRY(take_list(n, "local", &out->local, fault));
        TRY(take_list(n, "residency", &out->residency, fault));
        return take_bool(n, "key", &out->vendor_key_wanted, fault);
}

static err take_model(const config_node *root, setup_wish *out, config_fault *fault)
{
        static const char *const known[] = {"name", "target", nullptr};
        const config_node       *n;
        TRY(config_member(root, "model", CONFIG_OBJECT, &n, fault));
        TRY(config_keys(n, known, fault));
        TRY(need_text(n, "name", out->model, sizeof out->model, fault));
        return need_text(n, "target", out->target, sizeof out->target, fault);
}

static err take_certificates(const config_node *root, setup_wish *out, config_fault *fault)
{
        static const char *const known[] = {"server", "server_key", "admin", "admin_key", nullptr};
        const config_node       *n;
        if (config_get(root, "certificates") == nullptr)
                return OK;
        TRY(config_member(root, "certificates", CONFIG_OBJECT, &n, fault));
        TRY(config_keys(n, known, fault));
        TRY(need_text(n, "server", out->server_crt, SETUP_PATH, fault));
        TRY(need_text(n, "server_key", out->server_key, SETUP_PATH, fault));
        TRY(need_text(n, "admin", out->admin_crt, SETUP_PATH, fault));
        return need_text(n, "admin_key", out->admin_key, SETUP_PATH, fault);
}

static err wish_of(const config_node *root, setup_wish *out, config_fault *fault)
{
        static const char *const known[] = {"setup",  "claim", "fingerprint", "opens",  "light",        "hosts", "port",
                                            "project", "model", "vendor",      "policy", "certificates", nullptr};
        view     language;
        uint64_t port = out->port;
        TRY(config_keys(root, known, fault));
        TRY(config_text(root, "setup", &language, fault));
        if (!view_equal(language, VIEW("setup/1")))
                return config_fail(config_get(root, "setup"), "BAD_VALUE", "must be \"setup/1\"", nullptr, fault);
        TRY(take_text(root, "claim", out->claim, sizeof out->claim, fault));
        TRY(take_fingerprint(root, out, fault));
        TRY(take_opens(root, &out->opens, fault));
        TRY(take_bool(root, "light", &out->light, fault));
        TRY(take_hosts(root, &out->hosts, fault));
        if (config_get(root, "port") != nullptr)
                TRY(config_u64(root, "port", (config_range){1, UINT16_MAX}, &port, fault));
        out->port = (uint16_t)port;
        TRY(need_text(root, "project", out->project, sizeof out->project, fault));
        TRY(take_model(root, out, fault));
        TRY(take_vendor(root, out, fault));
        TRY(take_text(root, "policy", out->policy, sizeof out->policy, fault));
        return take_certificates(root, out, fault);
}

err setup_read(view json, setup_wish *out, config_fault *fault)
{
        config_doc *doc;
        *out = (setup_wish){.port = 8443, .vendor_key_wanted = true};
        TRY(config_parse(json, &doc, fault));
        err e = wish_of(config_root(doc), out, fault);
        config_free(doc);
        return e;
}
