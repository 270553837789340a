/* lethectl check: what lethed would say about a file, without lethed. */
#include <stdio.h>
#include <stdlib.h>

#include "base/limit.h"
#include "codec/config_json.h"
#include "policy/policy.h"
#include "prog/lethectl.h"
#include "route/catalog.h"

typedef enum form : uint8_t { FORM_CONFIG, FORM_POLICY, FORM_UNKNOWN } form;

/* By the key that stands first, so that a file with a fault in it is still told apart. */
static form form_of(view text)
{
        size_t at = 0;
        while (at < text.len && strchr(" \t\r\n{", text.data[at]) != nullptr && text.data[at] != '\0')
                at++;
        view rest = view_slice(text, at, text.len);
        if (view_starts(rest, VIEW("\"lethe\"")))
                return FORM_CONFIG;
        if (view_starts(rest, VIEW("\"policy\"")))
                return FORM_POLICY;
        return FORM_UNKNOWN;
}

static err compile_config(view text, config_fault *fault)
{
        catalog *c = calloc(1, sizeof *c);
        if (c == nullptr)
                return FAIL(NO_ROOM);
        err e = catalog_compile(text, c, fault);
        free(c);
        return e;
}

static err compile_policy(view text, config_fault *fault)
{
        policy *p = calloc(1, sizeof *p);
        if (p == nullptr)
                return FAIL(NO_ROOM);
        err e = policy_compile(text, p, fault);
        free(p);
        return e;
}

static err compile(view text, config_fault *fault)
{
        switch (form_of(text)) {
        case FORM_CONFIG:
                return compile_config(text, fault);
        case FORM_POLICY:
                return compile_policy(text, fault);
        case FORM_UNKNOWN:
                break;
        }
        *fault = (config_fault){.code = "UNKNOWN_FORM",
                                .text = "The first key must be \"lethe\" (configuration) or \"policy\".",
                                .line = 1,
                                .column = 1};
        return FAIL(BAD_CONFIG);
}

static void print_fault(const lethectl *c, const char *path, const config_fault *f)
{
        if (!c->json) {
                printf("%s:%u:%u: %s at %s: %s\n", path, f->line, f->column, f->code,
                       f->pointer[0] != '\0' ? f->pointer : "/", f->text);
                return;
        }
        fputs("{\"file\":", stdout);
        print_json(view_of_text(path));
        printf(",\"ok\":false,\"line\":%u,\"column\":%u,\"code\":", f->line, f->column);
        print_json(view_of_text(f->code));
        fputs(",\"pointer\":", stdout);
        print_json(view_of_text(f->pointer));
        fputs(",\"message\":", stdout);
        print_json(view_of_text(f->text));
        fputs("}\n", stdout);
}

static verdict check_one(const lethectl *c, const char *path)
{
        region text;
        err    e = file_read(path, LIMIT_CONFIG_BYTES, &text);
        if (failed(e)) {
                region_end(&text);
                return e.code == ERR_NO_ROOM ? refuse("the file is larger than 256 KiB", nullptr)
                                             : refuse_err(path, e, nullptr);
        }
        config_fault fault = {};
        e = compile(region_view(&text), &fault);
        region_end(&text);
        if (failed(e)) {
                print_fault(c, path, &fault);
                return REFUSED;
        }
        if (c->json) {
                fputs("{\"file\":", stdout);
                print_json(view_of_text(path));
                fputs(",\"ok\":true}\n", stdout);
        } else {
                printf("%s: good\n", path);
        }
        return DONE;
}

verdict check_files(const lethectl *c)
{
        verdict r = DONE;
        for (int i = 0; i < c->word_count; i++)
                if (check_one(c, c->words[i]) != DONE)
                        r = REFUSED;
        return r;
}
