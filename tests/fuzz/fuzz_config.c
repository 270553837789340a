/* Properties: a refused configuration has a code, a sentence and a place inside the file; an accepted one refers to
 * nothing that is not there, finds all it names, never reaches a private address that was not declared, and has a
 * target for each size of text within each residency. */
#include <assert.h>
#include <stdlib.h>

#include "base/secret.h"
#include "route/catalog.h"
#include "route/catalog_residency.h"

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
        assert(u->credential_count >= 1 && u->credential_count <= LIMIT_POOL_KEYS);
        for (size_t i = 0; i < u->credential_count; i++) {
                assert(u->credentials[i].weight >= 1 && u->credentials[i].weight <= 1000);
                assert(u->credentials[i].name[0] != 0 || u->credential_count == 1);
        }
        assert(u->proxy.host[0] == 0 || (u->tls && u->proxy.port != 0));
        assert(u->health_path[0] == 0 || (u->health_path[0] == '/' && u->health_ms >= 1000));
        for (size_t i = 0; i < u->address_count; i++)
                assert(address_allowed(&u->addresses[i], u->local, u->local_count));
}

static void check_model(const catalog *c, const catalog_model *m)
{
        size_t ways = 0;
        bool prefill = false;
        for (size_t t = 0; t < m->target_count; t++) {
                const catalog_target *target = &m->targets[t];
                assert(target->upstream < c->upstream_count && target->model[0] != 0);
                assert(target->weight >= 1 && target->weight <= 1000 && target->min_chars <= target->max_chars);
                ways += c->upstreams[target->upstream].credential_count;
                prefill = prefill || target->prefill != PREFILL_NONE;
        }
        assert(ways > 1 || (!m->hedge && m->sticky == STICKY_NONE));
        assert((prefill || !m->continuation) && (m->hedge || m->hedge_ms == 0));
        assert(catalog_unserved(c, m, (catalog_claim){0, false}) > LIMIT_BODY_BYTES);
}

static void check_catalog(const catalog *c)
{
        uint64_t tags = ((uint64_t)1 << c->residency_count) - 1;
        for (size_t i = 0; i < c->upstream_count; i++) {
                check_upstream(&c->upstreams[i]);
                assert((c->upstreams[i].residency & ~tags) == 0);
        }
        assert(c->settings.breaker_open_ms <= c->settings.breaker_open_most_ms);
        for (size_t i = 0; i < c->model_count; i++) {
                const catalog_model *m = &c->models[i];
                assert(catalog_find_model(c, view_of_text(m->name)) == (int)i && m->target_count > 0);
                check_model(c, m);
        }
        for (size_t i = 0; i < c->key_count; i++) {
                const catalog_key *k = &c->keys[i];
                assert(catalog_find_key(c, view_of_text(k->id)) == (int)i && k->project < c->project_count);
                catalog_claim claim = {k->residency, k->downgrade};
                for (size_t m = 0; m < c->model_count && k->residency != 0; m++)
                        assert(!catalog_key_allows(k, m)
                               || catalog_unserved(c, &c->models[m], claim) > LIMIT_BODY_BYTES);
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
