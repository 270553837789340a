#include "dialect/openai_usage.h"

#include <assert.h>

static uint64_t *field_of(openai_usage_numbers *u, uint16_t id)
{
        switch (id) {
        case OPENAI_USAGE_PROMPT:
                return &u->prompt;
        case OPENAI_USAGE_COMPLETION:
                return &u->completion;
        case OPENAI_USAGE_CACHED:
                return &u->cached;
        case OPENAI_USAGE_CACHE_WRITE:
                return &u->cache_write;
        case OPENAI_USAGE_REASONING:
                return &u->reasoning;
        default:
                return nullptr;
        }
}

void openai_usage_token(openai_usage *u, view doc, const json_token *t)
{
        if (t->path == OPENAI_USAGE || t->path == OPENAI_USAGE_ELSEWHERE) {
                if (t->kind == JSON_OBJECT) {
                        u->next = (openai_usage_numbers){};
                } else if (t->kind == JSON_OBJECT_END) {
                        u->is = u->next;
                        u->stated = true;
                }
                return;
        }
        uint64_t *field = field_of(&u->next, t->path);
        assert(field != nullptr);
        if (t->kind == JSON_NULL || t->kind == JSON_KEY)
                return;
        uint64_t n = 0;
        if (t->kind != JSON_NUMBER || !view_decimal(view_slice(doc, t->start, t->end), TOKENS_MAX, &n)) {
                u->next.suspect = true;
                return;
        }
        *field = n;
}

tokens openai_usage_classes(openai_usage *stated)
{
        openai_usage_numbers *u = &stated->is;
        if (u->cached > u->prompt) {
                u->suspect = true;
                u->cached = u->prompt;
        }
        if (u->cache_write > u->prompt - u->cached) {
                u->suspect = true;
                u->cache_write = u->prompt - u->cached;
        }
        if (u->reasoning > u->completion) {
                u->suspect = true;
                u->reasoning = u->completion;
        }
        tokens out = {};
        out.count[TOKENS_INPUT] = u->prompt - u->cached - u->cache_write;
        out.count[TOKENS_CACHE_READ] = u->cached;
        out.count[TOKENS_CACHE_WRITE] = u->cache_write;
        out.count[TOKENS_OUTPUT] = u->completion - u->reasoning;
        out.count[TOKENS_REASONING] = u->reasoning;
        return out;
}
