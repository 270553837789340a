/* Properties: a refused configuration has a code, a sentence and a place inside the file; an accepted one refers to
 * nothing that is not there, finds all it names, and never reaches a private address that was not declared. */
#include <assert.h>
#include <stdlib.h>

#include "base/secret.h"
#include "route/catalog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_fault(view text, const config_fault *f)
{
        unsigned lines = 1;
        for (size_t i = 0; i < text.len; i++)
                lines += text.data[i] == '\n';
        assert(f->line >= 1 && f->line <= lines && f->column >= 1 && f->column <= text.len + 1);
        assert(f->code[0] != 0 && f->text[0] != 0 && (f->pointer[0] == 0 || f->pointer[0] == '/'));
        for (const char *c = f->pointer; *c != 0; c++)
                assert(*c >= 0x20 && *c < 0x7f);
}

static void check_upstream(const catalog_upstream *u)
{
        assert(u->port != 0 && u->host[0] != 0 && (u->path[0] == 0 || u->path[0] == '/'));
        assert(u->tls ? u->ca[0] != 0 && strchr(u->ca, '/') == nullptr && u->ca[0] != '.' : u->address_count > 0);
        for (size_t i = 0; i < u->address_count; i++)
                assert(address_allowed(&u->addresses[i], u->local, u->local_count));
}

static void check_catalog(const catalog *c)
{
        for (size_t i = 0; i < c->upstream_count; i++)
                check_upstream(&c->upstreams[i]);
        for (size_t i = 0; i < c->model_count; i++) {
                const catalog_model *m = &c->models[i];
                assert(catalog_find_model(c, view_of_text(m->name)) == (int)i && m->target_count > 0);
                for (size_t t = 0; t < m->target_count; t++)
                        assert(m->targets[t].upstream < c->upstream_count && m->targets[t].model[0] != 0);
        }
        for (size_t i = 0; i < c->key_count; i++) {
                const catalog_key *k = &c->keys[i];
                assert(catalog_find_key(c, view_of_text(k->id)) == (int)i && k->project < c->project_count);
                for (size_t m = c->model_count; m < LIMIT_MODELS; m++)
                        assert(k->any_model || !catalog_key_allows(k, m));
        }
        for (size_t i = 0; i < c->host_count; i++)
                assert(strchr(c->hosts[i], ':') != nullptr || catalog_host_allowed(c, view_of_text(c->hosts[i])));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static catalog *c;
        if (c == nullptr) {
                c = calloc(1, sizeof *c);
                if (c == nullptr || failed(secret_setup()))
                        abort();
        }
        config_fault fault = {};
        view text = {data, size};
        err e = catalog_compile(text, c, &fault);
        if (e.code == ERR_BAD_CONFIG)
                check_fault(text, &fault);
        else
                assert(!failed(e));
        if (!failed(e))
                check_catalog(c);
        return 0;
}
