#include <assert.h>

#include "relay/exchange.h"

/* Names are limited to characters that need no escape, in JSON and in a path. */
static err write_model(region *out, const catalog_model *m)
{
        TRY(region_append(out, VIEW("{\"id\":\"")));
        TRY(region_append(out, view_of_text(m->name)));
        return region_append(out, VIEW("\",\"object\":\"model\",\"created\":0,\"owned_by\":\"lethe\"}"));
}

static bool allowed(const catalog_key *k, size_t model)
{
        return k->any_model || (k->models[model / 32] >> (model % 32) & 1) != 0;
}

static err write_list(exchange *x)
{
        const catalog *c = x->relay->setup.catalog;
        bool           first = true;
        TRY(region_append(&x->out, VIEW("{\"object\":\"list\",\"data\":[")));
        for (size_t m = 0; m < c->model_count; m++) {
                if (!allowed(&c->keys[x->key], m))
                        continue;
                if (!first)
                        TRY(region_append(&x->out, VIEW(",")));
                first = false;
                TRY(write_model(&x->out, &c->models[m]));
        }
        return region_append(&x->out, VIEW("]}"));
}

static err write_one(exchange *x)
{
        static const char prefix[] = "/v1/models/";
        const catalog    *c = x->relay->setup.catalog;
        view              target = x->client->parser.head->target;
        int               m = catalog_find_model(c, view_slice(target, sizeof prefix - 1, target.len));
        if (m < 0 || !allowed(&c->keys[x->key], (size_t)m))
                return FAIL(NO_MODEL);
        return write_model(&x->out, &c->models[m]);
}

void reply_models(exchange *x)
{
        err e = x->route == ROUTE_MODELS ? write_list(x) : write_one(x);
        if (failed(e))
                reply_error(x, e.code, (view){});
        else
                reply_whole(x, 200, region_view(&x->out), ENDING_WHOLE);
}
