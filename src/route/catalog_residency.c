#include "route/catalog_residency.h"

#include "base/emit.h"
#include "base/limit.h"

static_assert(LIMIT_RESIDENCIES == 8 * sizeof(catalog_tags), "a bit per tag");

static size_t tag_find(const catalog *c, const char *tag)
{
        size_t t = 0;
        while (t < c->residency_count && strcmp(c->residencies[t], tag) != 0)
                t++;
        return t;
}

static err tag_read(const catalog_reader *r, const config_node *n, bool declares, catalog_tags *out)
{
        catalog *c = r->out;
        char     tag[LIMIT_RESIDENCY_BYTES];
        TRY(catalog_read_name(r, n, (catalog_text){tag, sizeof tag, ""}));
        size_t t = tag_find(c, tag);
        if (t == c->residency_count && !declares)
                return catalog_read_fail(r, n, "IMPOSSIBLE_RESIDENCY", "no upstream carries this tag");
        if (t == LIMIT_RESIDENCIES)
                return catalog_read_fail(r, n, "TOO_MANY", "has more different tags than this relay has room for");
        if (t == c->residency_count) {
                memcpy(c->residencies[t], tag, sizeof tag);
                c->residency_count++;
        }
        if ((*out >> t & 1) != 0)
                return catalog_read_fail(r, n, "DUPLICATE_NAME", "the tag stands twice in this list");
        *out |= (catalog_tags)1 << t;
        return OK;
}

static err tags_read(const catalog_reader *r, const config_node *node, bool declares, catalog_tags *out)
{
        const config_node *list = config_get(node, "residency"), *n;
        TRY(catalog_read_optional_list(r, node, "residency", LIMIT_RESIDENCIES, &n));
        if (list != nullptr && n == nullptr)
                return catalog_read_fail(r, list, "EMPTY_LIST", "must name a tag, or be left out");
        for (; n != nullptr; n = config_next(n))
                TRY(tag_read(r, n, declares, out));
        return OK;
}

err catalog_residency_declare(const catalog_reader *r, const config_node *node, catalog_tags *out)
{
        return tags_read(r, node, true, out);
}

err catalog_residency_demand(const catalog_reader *r, const config_node *node, catalog_tags *out)
{
        return tags_read(r, node, false, out);
}

static bool carries(catalog_tags there, catalog_tags demanded) { return demanded == 0 || (there & demanded) != 0; }

static bool counts(const catalog *c, const catalog_model *m, const catalog_target *t, catalog_claim claim)
{
        catalog_tags there = c->upstreams[t->upstream].residency;
        return carries(there, m->residency) && carries(there, claim.residency) && (claim.downgrade || !t->downgrade);
}

bool catalog_any_target(const catalog *c, const catalog_model *m, catalog_claim claim)
{
        for (size_t i = 0; i < m->target_count; i++)
                if (counts(c, m, &m->targets[i], claim))
                        return true;
        return false;
}

uint64_t catalog_unserved(const catalog *c, const catalog_model *m, catalog_claim claim)
{
        uint64_t size = 0;
        for (bool grown = true; grown && size <= LIMIT_BODY_BYTES;) {
                grown = false;
                for (size_t i = 0; i < m->target_count; i++) {
                        const catalog_target *t = &m->targets[i];
                        if (!counts(c, m, t, claim) || t->min_chars > size || t->max_chars < size)
                                continue;
                        size = (uint64_t)t->max_chars + 1;
                        grown = true;
                }
        }
        return size;
}

static err model_check(const catalog_reader *r, const config_node *at, const catalog_key *key, size_t model)
{
        const catalog_model *m = &r->out->models[model];
        uint8_t              text[sizeof r->fault->text];
        emit                 e = emit_into(text, sizeof text - 1);
        emit_text(&e, "the key may use /models/");
        emit_u64(&e, model);
        if (!catalog_any_target(r->out, m, (catalog_claim){key->residency, true})) {
                emit_text(&e, ", which has no target there");
        } else {
                uint64_t size = catalog_unserved(r->out, m, (catalog_claim){key->residency, key->downgrade});
                if (size > LIMIT_BODY_BYTES)
                        return OK;
                emit_text(&e, ", which has no target there for ");
                emit_u64(&e, size);
                emit_text(&e, key->downgrade ? " bytes of text" : " bytes of text but lesser models");
        }
        text[e.len] = 0;
        return catalog_read_fail(r, at, "IMPOSSIBLE_RESIDENCY", (const char *)text);
}

err catalog_residency_check(const catalog_reader *r, const config_node *node, const catalog_key *key)
{
        const config_node *at = config_get(node, "residency");
        for (size_t m = 0; m < r->out->model_count && key->residency != 0; m++)
                if (catalog_key_allows(key, m))
                        TRY(model_check(r, at, key, m));
        return OK;
}
