/* lethectl routes ...: where a running lethed's requests go, and why. */
#include <stdio.h>

#include "base/emit.h"
#include "prog/lethectl_admin.h"

enum : uint64_t { CALL_MS = 20000, NUMBER_MOST = UINT64_C(1) << 53 };

/* ---- asking ---- */

static void add_value(emit *path, char *mark, const char *name, const char *value)
{
        static const char digits[] = "0123456789ABCDEF";
        if (value == nullptr)
                return;
        emit_byte(path, (uint8_t)*mark);
        *mark = '&';
        emit_text(path, name);
        emit_byte(path, '=');
        for (const char *at = value; *at != '\0'; at++) {
                uint8_t b = (uint8_t)*at, low = ascii_lower(b);
                if ((low >= 'a' && low <= 'z') || (b >= '0' && b <= '9') || b == '-' || b == '.' || b == '_') {
                        emit_byte(path, b);
                        continue;
                }
                emit_byte(path, '%');
                emit_byte(path, (uint8_t)digits[b >> 4]);
                emit_byte(path, (uint8_t)digits[b & 15]);
        }
}

static verdict ask(const lethectl *c, const emit *path, https_answer *a)
{
        https_client *h;
        https_why why = {};
        if (c->admin == nullptr)
                return misused("say which lethed: --admin URL, or LETHE_ADMIN_URL");
        if (path->full)
                return misused("a name is longer than any lethed knows");
        if (failed(admin_client(c, &h, &why)))
                return refuse(why.text, nullptr);
        const https_request q = {"GET", {path->bytes, path->len}, {}, CALL_MS};
        err e = remote_ask(h, &q, a, &why);
        https_close(h);
        if (e.code == ERR_NO_TARGET)
                return refuse("there is no such model or key, or the key may not ask for that model",
                              "lethectl routes lists the models.");
        return failed(e) ? refuse(why.text, nullptr) : DONE;
}

static verdict show(const lethectl *c, const emit *path, void (*print)(const config_node *root))
{
        https_answer a;
        config_doc *doc;
        config_fault fault;
        verdict r = ask(c, path, &a);
        if (r != DONE)
                return r;
        if (c->json) {
                fwrite(a.body.bytes, 1, a.body.len, stdout);
        } else if (failed(config_parse(region_view(&a.body), &doc, &fault))) {
                r = refuse("the answer is too long for a table, or not of this version",
                           "Name one model with --model, or take --json.");
        } else {
                print(config_root(doc));
                config_free(doc);
        }
        region_end(&a.body);
        return r;
}

/* ---- telling ---- */

/* An absent or null member is empty. */
static view text_of(const config_node *n, const char *key)
{
        config_fault ignored;
        view v = {};
        return failed(config_text(n, key, &v, &ignored)) ? (view){} : v;
}

static uint64_t number_of(const config_node *n, const char *key)
{
        config_fault ignored;
        uint64_t v;
        return failed(config_u64(n, key, (config_range){0, NUMBER_MOST}, &v, &ignored)) ? 0 : v;
}

static bool bool_of(const config_node *n, const char *key)
{
        config_fault ignored;
        bool v;
        return !failed(config_bool(n, key, &v, &ignored)) && v;
}

static void put(view v) { fwrite(v.data, 1, v.len, stdout); }

/* In a column; what is longer pushes the rest aside. */
static void put_in(view v, size_t width)
{
        put(v);
        for (size_t i = v.len; i < width; i++)
                putchar(' ');
}

/* What a target, an upstream and a key have in common. */
static void put_health(const config_node *n)
{
        char room[48];
        uint64_t open = number_of(n, "open_ms");
        view state = text_of(n, "breaker"), fault = text_of(n, "last_fault");
        snprintf(room, sizeof room, "open, %lu ms left", open);
        put_in(open > 0 ? view_of_text(room) : state, 22);
        printf(" %5lu running %8lu attempts %6lu failed", number_of(n, "in_flight"), number_of(n, "attempts"),
               number_of(n, "failed"));
        if (fault.len > 0) {
                fputs(", last: ", stdout);
                put(fault);
        }
}

static void put_known(const config_node *n, const char *key, const char *before, const char *after)
{
        uint64_t v = number_of(n, key);
        if (v > 0)
                printf("%s%lu%s", before, v, after);
}

static void print_target(const config_node *n)
{
        fputs("  ", stdout);
        put_in(text_of(n, "upstream"), 16);
        putchar(' ');
        put_in(text_of(n, "model"), 28);
        putchar(' ');
        put_health(n);
        fputs(bool_of(n, "downgrade") ? "; with consent only\n" : "\n", stdout);
}

static void print_key(const config_node *n)
{
        view name = text_of(n, "key");
        fputs("  ", stdout);
        put_in(name.len > 0 ? name : VIEW("(no key)"), 45);
        putchar(' ');
        put_health(n);
        put_known(n, "parked_ms", "; parked for ", " ms");
        if (bool_of(n, "disabled"))
                fputs("; refused by its vendor", stdout);
        put_known(n, "limit", "; takes ", " at once");
        put_known(n, "first_byte_ms", "; first byte ", " ms");
        put_known(n, "content_p95_ms", "; 95 of 100 have content after ", " ms");
        putchar('\n');
}

static void print_routes(const config_node *root)
{
        for (const config_node *n = config_first(config_get(root, "routes")); n != nullptr; n = config_next(n)) {
                fputs("model ", stdout);
                put(text_of(n, "model"));
                fputs(", ", stdout);
                put(text_of(n, "strategy"));
                fputs(bool_of(n, "sticky") ? ", sticky\n" : "\n", stdout);
                for (const config_node *t = config_first(config_get(n, "targets")); t != nullptr; t = config_next(t))
                        print_target(t);
        }
        for (const config_node *n = config_first(config_get(root, "upstreams")); n != nullptr; n = config_next(n)) {
                fputs("upstream ", stdout);
                put_in(text_of(n, "name"), 38);
                putchar(' ');
                put_health(n);
                putchar('\n');
                for (const config_node *k = config_first(config_get(n, "keys")); k != nullptr; k = config_next(k))
                        print_key(k);
        }
}

static void put_place(const config_node *n, size_t width)
{
        view key = text_of(n, "key");
        put_in(text_of(n, "upstream"), width);
        putchar(' ');
        put_in(text_of(n, "model"), width);
        putchar(' ');
        put_in(key.len > 0 ? key : VIEW("(no key)"), width);
}

static void print_explain(const config_node *root)
{
        const config_node *chosen = config_get(root, "chosen");
        if (chosen != nullptr && config_kind_of(chosen) == CONFIG_OBJECT) {
                fputs("taken: ", stdout);
                put_place(chosen, 0);
                fputs(bool_of(chosen, "last") ? ", the last there is: its breaker is open\n" : "\n", stdout);
        } else {
                fputs("none can be taken: ", stdout);
                put(text_of(root, "text"));
                put_known(root, "wait_ms", "; in ", " ms one can");
                putchar('\n');
        }
        for (const config_node *n = config_first(config_get(root, "ways")); n != nullptr; n = config_next(n)) {
                fputs("  ", stdout);
                put_place(n, 20);
                printf(" %3lu %%  ", number_of(n, "percent"));
                put(text_of(n, "text"));
                put_known(n, "parked_ms", ", for ", " ms");
                put_known(n, "open_ms", ", for ", " ms");
                putchar('\n');
        }
}

/* ---- the verbs ---- */

verdict routes_show(const lethectl *c)
{
        uint8_t room[512];
        char mark = '?';
        emit path = emit_into(room, sizeof room);
        emit_text(&path, "/admin/v1/routes");
        add_value(&path, &mark, "model", c->model);
        return show(c, &path, print_routes);
}

verdict routes_explain(const lethectl *c)
{
        uint64_t chars;
        uint8_t room[512];
        char mark = '?';
        if (c->model == nullptr)
                return misused("say what is asked for: --model NAME");
        if (c->chars != nullptr && !view_decimal(view_of_text(c->chars), UINT32_MAX, &chars))
                return misused("--chars is a number of characters");
        emit path = emit_into(room, sizeof room);
        emit_text(&path, "/admin/v1/routes/explain");
        add_value(&path, &mark, "model", c->model);
        add_value(&path, &mark, "chars", c->chars);
        add_value(&path, &mark, "key", c->key);
        add_value(&path, &mark, "downgrade", c->downgrade ? "1" : nullptr);
        return show(c, &path, print_explain);
}
