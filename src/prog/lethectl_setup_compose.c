/* The configuration that setup sends. */
#include <stdio.h>
#include <stdlib.h>

#include "admin/json.h"
#include "prog/lethectl_setup.h"
#include "route/catalog.h"

enum : size_t { TEXT_BYTES = 32 * 1024 };

/* The policy that stands in the repository, as bytes. */
__asm__(".pushsection .rodata\n"
        "lethectl_policy_begin:\n"
        ".incbin \"policy/default.json\"\n"
        "lethectl_policy_end:\n"
        ".popsection\n");
extern const uint8_t lethectl_policy_begin[], lethectl_policy_end[];

view setup_default_policy(void)
{
        return (view){lethectl_policy_begin, (size_t)(lethectl_policy_end - lethectl_policy_begin)};
}

err setup_vendor_host(const char *base_url, char out[static LIMIT_HOST_BYTES])
{
        view rest = view_of_text(base_url);
        if (view_starts(rest, VIEW("https://")))
                rest = view_slice(rest, 8, rest.len);
        else if (view_starts(rest, VIEW("http://")))
                rest = view_slice(rest, 7, rest.len);
        else
                return FAIL(OUT_OF_RANGE);
        bool   bracket = rest.len > 0 && rest.data[0] == '[';
        size_t end = bracket ? 1 : 0, from = end;
        while (end < rest.len && strchr(bracket ? "]" : ":/", rest.data[end]) == nullptr)
                end++;
        if (end == from || end - from >= LIMIT_HOST_BYTES || (bracket && end == rest.len))
                return FAIL(OUT_OF_RANGE);
        for (size_t i = from; i < end; i++)
                out[i - from] = (char)ascii_lower(rest.data[i]);
        out[end - from] = '\0';
        return strspn(out, "abcdefghijklmnopqrstuvwxyz0123456789.-:") == end - from ? OK : FAIL(OUT_OF_RANGE);
}

static void write_list(emit *out, const char *key, const setup_list *list)
{
        if (list->count == 0)
                return;
        json_begin(out, key, '[');
        for (size_t i = 0; i < list->count; i++)
                json_text(out, nullptr, list->text[i]);
        json_end(out, ']');
}

static void write_hosts(emit *out, const setup_wish *w, const char *admin_host)
{
        bool listed = false;
        json_begin(out, "hosts", '[');
        for (size_t i = 0; i < w->hosts.count; i++) {
                listed = listed || view_equal_nocase(view_of_text(w->hosts.text[i]), view_of_text(admin_host));
                json_text(out, nullptr, w->hosts.text[i]);
        }
        if (!listed)
                json_text(out, nullptr, admin_host);
        json_end(out, ']');
}

static void write_upstream(emit *out, const setup_wish *w)
{
        json_begin(out, "upstreams", '[');
        json_begin(out, nullptr, '{');
        json_text(out, "name", w->vendor);
        json_text(out, "vendor", w->vendor);
        json_text(out, "base_url", w->base_url);
        if (setup_wants_roots(w))
                json_text(out, "ca", "public.pem");
        else
                json_bool(out, "plain_http", true);
        if (w->vendor_key_wanted)
                json_text(out, "credential", w->vendor);
        write_list(out, "addresses", &w->addresses);
        write_list(out, "local", &w->local);
        write_list(out, "residency", &w->residency);
        json_end(out, '}');
        json_end(out, ']');
}

static void write_model(emit *out, const setup_wish *w)
{
        json_begin(out, "models", '[');
        json_begin(out, nullptr, '{');
        json_text(out, "name", w->model);
        json_begin(out, "targets", '[');
        json_begin(out, nullptr, '{');
        json_text(out, "upstream", w->vendor);
        json_text(out, "model", w->target);
        json_end(out, '}');
        json_end(out, ']');
        json_end(out, '}');
        json_end(out, ']');
}

static void write_hash(emit *out, const uint8_t hash[static 32])
{
        json_key(out, "hash");
        emit_byte(out, '"');
        emit_hex(out, (view){hash, 32});
        emit_byte(out, '"');
}

static void write_keys(emit *out, const setup_wish *w, const setup_made *m)
{
        json_begin(out, "keys", '[');
        json_begin(out, nullptr, '{');
        json_text(out, "id", m->client_key_id);
        write_hash(out, m->client_key_hash);
        json_text(out, "project", w->project);
        emit_text(out, ",\"models\":[\"*\"]");
        json_end(out, '}');
        json_end(out, ']');
        json_begin(out, "admin", '[');
        json_begin(out, nullptr, '{');
        json_text(out, "name", "admin");
        write_hash(out, m->token_hash);
        json_end(out, '}');
        json_end(out, ']');
}

static err check(view text, config_fault *fault)
{
        catalog *c = calloc(1, sizeof *c);
        if (c == nullptr)
                return FAIL(NO_ROOM);
        err e = catalog_compile(text, c, fault);
        free(c);
        return e;
}

verdict setup_compose(const setup_wish *w, const setup_made *m, const char *admin_host, region *text)
{
        config_fault fault = {};
        region_init(text, TEXT_BYTES);
        if (failed(region_reserve(text, TEXT_BYTES)))
                return refuse("no memory", nullptr);
        emit out = emit_into(text->bytes, TEXT_BYTES);
        json_begin(&out, nullptr, '{');
        json_text(&out, "lethe", "config/1");
        write_hosts(&out, w, admin_host);
        write_upstream(&out, w);
        write_model(&out, w);
        write_keys(&out, w, m);
        json_end(&out, '}');
        emit_byte(&out, '\n');
        text->len = out.len;
        if (out.full)
                return refuse("these answers make a configuration that is too long", nullptr);
        if (!failed(check(region_view(text), &fault)))
                return DONE;
        fprintf(stderr, "lethectl: the box would not take this: %s at %s: %s\n", fault.code, fault.pointer, fault.text);
        return REFUSED;
}
