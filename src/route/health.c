#include "route/health.h"

#include <string.h>

constexpr uint64_t FNV_PRIME = 0x100000001b3;

/* FNV-1a: the names are the operator's, nobody can choose them to collide; and every process must find the same. */
static uint64_t mix(uint64_t h, const void *bytes, size_t len)
{
        const uint8_t *at = bytes;
        for (size_t i = 0; i < len; i++)
                h = (h ^ at[i]) * FNV_PRIME;
        return h;
}

/* With its NUL: "ab" and "c" are not "a" and "bc". */
static uint64_t mix_text(uint64_t h, const char *text)
{
        do
                h = (h ^ (uint8_t)*text) * FNV_PRIME;
        while (*text++ != 0);
        return h;
}

static uint64_t begin(health_kind kind) { return mix(0xcbf29ce484222325, &kind, sizeof kind); }

/* The lowest bits choose the cell, and FNV stirs them least. 0 means free. */
static uint64_t end(uint64_t h)
{
        h = (h ^ (h >> 32)) * 0x9e3779b97f4a7c15;
        h ^= h >> 29;
        return h == 0 ? 1 : h;
}

/* Where it is and how it is reached: what was known of the host before a reload says nothing of the one behind it. */
static uint64_t mix_upstream(uint64_t h, const catalog_upstream *u)
{
        h = mix_text(mix_text(mix_text(h, u->name), u->host), u->path);
        h = mix(h, &u->port, sizeof u->port);
        return mix(mix_text(h, u->proxy.host), &u->proxy.port, sizeof u->proxy.port);
}

/* A key at two upstreams is two ways, each as slow and as busy as it is; what it shares is its group. */
uint64_t health_key_id(const catalog_upstream *u, size_t credential)
{
        return end(mix_text(mix_upstream(begin(HEALTH_KEY), u), u->credentials[credential].name));
}

uint64_t health_group_id(const catalog_upstream *u, size_t credential)
{
        const catalog_credential *key = &u->credentials[credential];
        uint64_t h = mix_text(mix_text(begin(HEALTH_GROUP), u->vendor), key->group);
        if (key->group[0] == 0)
                h = mix_text(h, key->name[0] != 0 ? key->name : u->host);
        return end(h);
}

uint64_t health_upstream_id(const catalog_upstream *u) { return end(mix_upstream(begin(HEALTH_UPSTREAM), u)); }

uint64_t health_model_id(const catalog_upstream *u, const catalog_target *t)
{
        return end(mix_text(mix_upstream(begin(HEALTH_MODEL), u), t->model));
}

void health_read(const board *b, int cell, health *out)
{
        *out = (health){};
        if (cell < 0 || (uint32_t)cell >= BOARD_CELLS)
                return;
        static_assert(sizeof(health) % sizeof(uint64_t) == 0 && alignof(health) <= alignof(uint64_t));
        /* Word by word: another process may be writing, and no number may be half of each. */
        const uint8_t *from = b->cells[cell].bytes;
        uint8_t *to = (uint8_t *)out;
        for (size_t i = 0; i < sizeof(health); i += sizeof(uint64_t)) {
                uint64_t word = __atomic_load_n((const uint64_t *)(const void *)(from + i), __ATOMIC_RELAXED);
                memcpy(to + i, &word, sizeof word);
        }
}

breaker_setup health_breaker_setup(const catalog_settings *s)
{
        uint64_t first = s->connect_ms + s->first_byte_ms;
        return (breaker_setup){
                .least_calls = (uint32_t)s->breaker_calls,
                .failed_percent = (uint32_t)s->breaker_percent,
                .slow_percent = (uint32_t)s->breaker_slow_percent,
                .unreachable_run = 5,
                .probes = BREAKER_PROBES,
                .open_ms = s->breaker_open_ms,
                .open_most_ms = s->breaker_open_most_ms,
                .lease_ms = (first < 70'000 ? first : 70'000) + 10'000,
                .heal_ms = 60'000,
                .last_ms = 1'000,
        };
}
