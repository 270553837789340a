/* The verbs that only a running lethed has: status, ready, reload. */
#include <stdio.h>

#include "prog/lethectl_config.h"

enum : uint64_t { CALL_MS = 20000, RELOAD_MS = 70000 };

static verdict ask(const lethectl *c, const https_request *q, https_answer *a, https_why *why)
{
        https_client *h;
        if (c->admin == nullptr)
                return misused("say which lethed: --admin URL, or LETHE_ADMIN_URL");
        err e = admin_client(c, &h, why);
        if (failed(e))
                return refuse(why->text, nullptr);
        e = https_call(h, q, a, why);
        https_close(h);
        return failed(e) ? refuse(why->text, nullptr) : DONE;
}

static verdict complain(const https_answer *a)
{
        told_complaint said;
        if (failed(told_error(region_view(&a->body), &said)))
                return refuse("the admin plane answered what this lethectl does not know", nullptr);
        return refuse(said.fault.text, nullptr);
}

static void print_body(const https_answer *a) { fwrite(a->body.bytes, 1, a->body.len, stdout); }

static void print_text(view v) { fwrite(v.data, 1, v.len, stdout); }

/* ---- status ---- */

static view text_of(const config_node *n, const char *key)
{
        config_fault ignored;
        view v;
        return failed(config_text(n, key, &v, &ignored)) ? VIEW("unknown") : v;
}

static uint64_t number_of(const config_node *n, const char *key)
{
        config_fault ignored;
        uint64_t v;
        return failed(config_u64(n, key, (config_range){0, (uint64_t)1 << 53}, &v, &ignored)) ? 0 : v;
}

static void line_text(const config_node *n, const char *key, const char *title)
{
        printf("%-14s", title);
        print_text(text_of(n, key));
        putchar('\n');
}

static void line_number(const config_node *n, const char *key, const char *title)
{
        printf("%-14s%lu\n", title, number_of(n, key));
}

enum : uint64_t { DAYS_WARNED = 30 };

static void print_certificates(const config_node *list)
{
        for (const config_node *n = config_first(list); n != nullptr; n = config_next(n)) {
                uint64_t days = number_of(n, "days");
                printf("%-14s", "certificate");
                print_text(text_of(n, "name"));
                printf(", %lu days left%s\n", days,
                       days < DAYS_WARNED ? ": RENEW IT (lethectl cert renew, or cert request)" : "");
        }
}

static void print_exports(const config_node *e)
{
        bool alarm = false;
        config_fault ignored;
        if (e == nullptr || config_kind_of(e) != CONFIG_OBJECT)
                return;
        (void)!failed(config_bool(e, "alarm", &alarm, &ignored));
        printf("%-14s%lu, %lu not acknowledged, %lu %% of their place%s\n", "exports", number_of(e, "kept"),
               number_of(e, "unacknowledged"), number_of(e, "fill_percent"),
               alarm ? ": ALARM, fetch them by lethectl export pull" : "");
}

static void print_status(const config_doc *doc)
{
        const config_node *root = config_root(doc), *vault = config_get(root, "vault");
        line_text(root, "version", "version");
        line_text(root, "commit", "commit");
        line_number(root, "generation", "generation");
        line_text(root, "keeper", "keeper");
        if (vault != nullptr && config_kind_of(vault) == CONFIG_OBJECT) {
                line_text(vault, "state", "vault");
                line_number(vault, "credentials", "vendor keys");
                line_number(vault, "state_generation", "state file");
                line_number(vault, "next_export", "next export");
                if (number_of(vault, "refused_tries") > 0)
                        line_number(vault, "refused_tries", "refused tries");
                print_exports(config_get(vault, "exports"));
        }
        print_certificates(config_get(root, "certificates"));
        line_number(root, "restarts", "restarts");
        for (const config_node *n = config_first(config_get(root, "relays")); n != nullptr; n = config_next(n))
                printf("%-14spid %lu, generation %lu, %lu exchanges, %lu connections\n", "relay",
                       number_of(n, "pid"), number_of(n, "generation"), number_of(n, "exchanges_now"),
                       number_of(n, "connections_now"));
}

verdict admin_status(const lethectl *c)
{
        https_answer a;
        https_why why = {};
        config_doc *doc;
        config_fault fault;
        const https_request q = {"GET", VIEW("/admin/v1/status"), {}, CALL_MS};
        verdict r = ask(c, &q, &a, &why);
        if (r != DONE)
                return r;
        if (a.status != 200)
                r = complain(&a);
        else if (c->json)
                print_body(&a);
        else if (failed(config_parse(region_view(&a.body), &doc, &fault)))
                r = refuse("the admin plane answered what this lethectl does not know", nullptr);
        else {
                print_status(doc);
                config_free(doc);
        }
        region_end(&a.body);
        return r;
}

/* ---- ready ---- */

/* What does not keep it from serving yet. */
static void print_warnings(const config_node *list)
{
        static const struct {
                const char *word, *text;
        } rows[] = {
                {"exports_unacknowledged", "exports fill their place: fetch them by lethectl export pull"},
                {"server_certificate", "the callers' certificate ends within 30 days: lethectl cert show"},
                {"admin_certificate", "the admin plane's certificate ends within 30 days: lethectl cert show"},
        };
        for (const config_node *n = config_first(list); n != nullptr; n = config_next(n)) {
                config_fault ignored;
                view word;
                if (failed(config_text_of(n, &word, &ignored)))
                        continue;
                fputs("warning: ", stdout);
                size_t i = 0;
                while (i < sizeof rows / sizeof *rows && !view_equal(word, view_of_text(rows[i].word)))
                        i++;
                print_text(i < sizeof rows / sizeof *rows ? view_of_text(rows[i].text) : word);
                putchar('\n');
        }
}

static verdict print_ready(const https_answer *a)
{
        config_doc *doc;
        config_fault fault;
        bool ready = false;
        if (failed(config_parse(region_view(&a->body), &doc, &fault)))
                return refuse("the admin plane answered what this lethectl does not know", nullptr);
        const config_node *root = config_root(doc);
        bool told = !failed(config_bool(root, "ready", &ready, &fault));
        if (ready) {
                fputs("ready\n", stdout);
        } else if (told) {
                fputs("not ready:", stdout);
                for (const config_node *n = config_first(config_get(root, "reasons")); n != nullptr;
                     n = config_next(n)) {
                        view reason;
                        if (failed(config_text_of(n, &reason, &fault)))
                                continue;
                        putchar(' ');
                        print_text(reason);
                }
                putchar('\n');
        }
        print_warnings(config_get(root, "warnings"));
        config_free(doc);
        if (!told)
                return refuse("the admin plane answered what this lethectl does not know", nullptr);
        return ready ? DONE : REFUSED;
}

verdict admin_ready(const lethectl *c)
{
        https_answer a;
        https_why why = {};
        const https_request q = {"GET", VIEW("/readyz"), {}, CALL_MS};
        verdict r = ask(c, &q, &a, &why);
        if (r != DONE)
                return r;
        if (a.status != 200 && a.status != 503)
                r = complain(&a);
        else if (c->json) {
                print_body(&a);
                r = a.status == 200 ? DONE : REFUSED;
        } else
                r = print_ready(&a);
        region_end(&a.body);
        return r;
}

/* ---- reload ---- */

/* FILE:LINE:COLUMN: CODE at POINTER: TEXT, as lethectl check prints it. */
verdict refuse_configuration(const https_answer *a)
{
        told_complaint said;
        if (failed(told_error(region_view(&a->body), &said)))
                return refuse("the admin plane answered what this lethectl does not know", nullptr);
        if (said.fault.line == 0 && said.file[0] == '\0')
                return refuse(said.fault.text, nullptr);
        fprintf(stderr, "%s:%u:%u: %s at %s: %s\n", said.file[0] != '\0' ? said.file : "configuration", said.fault.line,
                said.fault.column, said.fault.code, said.fault.pointer[0] != '\0' ? said.fault.pointer : "/",
                said.fault.text);
        fputs("lethectl: nothing changed; the old generation serves on\n", stderr);
        return REFUSED;
}

verdict admin_reload(const lethectl *c)
{
        https_answer a;
        https_why why = {};
        uint64_t generation = 0;
        const https_request q = {"POST", VIEW("/admin/v1/reload"), {}, RELOAD_MS};
        verdict r = ask(c, &q, &a, &why);
        if (r != DONE)
                return r;
        if (a.status == 200 && !failed(told_number(region_view(&a.body), "generation", &generation)))
                printf("generation %lu serves\n", generation);
        else
                r = refuse_configuration(&a);
        region_end(&a.body);
        return r;
}
