#include "role/resolver_cache.h"

enum : uint64_t { SECOND = 1000 };

bool resolver_name_valid(const char name[static LIMIT_HOST_BYTES])
{
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789.-_";
        constexpr size_t  DNS_NAME_MAX = 253;
        const char       *end = memchr(name, '\0', LIMIT_HOST_BYTES);
        if (end == nullptr || end == name || (size_t)(end - name) > DNS_NAME_MAX)
                return false;
        return strspn(name, allowed) == (size_t)(end - name);
}

resolver_name *resolver_cache_find(resolver_cache *c, const char *name, uint64_t now_ms)
{
        resolver_name *oldest = nullptr;
        for (size_t i = 0; i < RESOLVER_NAMES; i++) {
                resolver_name *n = &c->names[i];
                if (strcmp(n->text, name) == 0) {
                        n->used_ms = now_ms;
                        return n;
                }
                if (!n->asking && (oldest == nullptr || n->used_ms < oldest->used_ms))
                        oldest = n;
        }
        if (oldest == nullptr)
                return nullptr;
        *oldest = (resolver_name){.used_ms = now_ms};
        memcpy(oldest->text, name, strlen(name) + 1);
        return oldest;
}

static bool within(uint64_t since_ms, uint64_t now_ms, uint64_t seconds)
{
        return since_ms != 0 && now_ms - since_ms < seconds * SECOND;
}

static bool has_good(const resolver_name *n) { return n->good.count > 0; }

/* The good addresses, for as long as their TTL still says; after it for as short as may be. */
static void answer_good(const resolver_name *n, uint64_t now_ms, resolve_answer *answer)
{
        uint64_t age_s = (now_ms - n->good_ms) / SECOND;
        *answer = n->good;
        answer->ttl_s =
                age_s + RESOLVER_TTL_MIN_S < n->good.ttl_s ? n->good.ttl_s - (uint32_t)age_s : RESOLVER_TTL_MIN_S;
}

/* Good once, and not too long ago to be better than nothing. */
static bool usable(const resolver_name *n, uint64_t now_ms)
{
        return has_good(n) && within(n->good_ms, now_ms, n->good.ttl_s + RESOLVER_STALE_S);
}

void resolver_cache_outcome(const resolver_name *n, uint64_t now_ms, resolve_answer *answer)
{
        if (usable(n, now_ms))
                answer_good(n, now_ms, answer);
        else
                *answer = (resolve_answer){.failed = 1, .ttl_s = RESOLVER_FAILED_S};
}

resolver_verdict resolver_cache_look(const resolver_name *n, uint64_t now_ms, resolve_answer *answer)
{
        bool fresh = has_good(n) && within(n->good_ms, now_ms, n->good.ttl_s);
        bool failing = n->failed_ms != 0;
        resolver_cache_outcome(n, now_ms, answer);
        if (failing && within(n->failed_ms, now_ms, RESOLVER_FAILED_S))
                return RESOLVER_ANSWER;
        /* Not at the last moment: at four fifths of its life a name that is in use is asked for anew. */
        if (fresh)
                return within(n->good_ms, now_ms, (uint64_t)n->good.ttl_s * 4 / 5) ? RESOLVER_ANSWER : RESOLVER_REFRESH;
        /* While DNS fails nobody waits for it who could go on with what was good. */
        if (failing && answer->failed == 0)
                return RESOLVER_REFRESH;
        return n->asking && resolver_cache_wait_ms(n, now_ms) == 0 ? RESOLVER_ANSWER : RESOLVER_ASK;
}

void resolver_cache_asked(resolver_name *n, uint64_t now_ms)
{
        n->asking = true;
        n->asked_ms = now_ms;
}

uint32_t resolver_cache_wait_ms(const resolver_name *n, uint64_t now_ms)
{
        uint64_t waited = now_ms - n->asked_ms;
        if (!usable(n, now_ms))
                return RESOLVER_TO_ITS_END;
        return waited < RESOLVER_PATIENCE_MS ? RESOLVER_PATIENCE_MS - (uint32_t)waited : 0;
}

void resolver_cache_good(resolver_name *n, const resolve_answer *found, uint64_t now_ms)
{
        n->good = *found;
        n->good.failed = 0;
        n->good.id = 0;
        n->good.ttl_s = found->ttl_s < RESOLVER_TTL_MIN_S   ? RESOLVER_TTL_MIN_S
                        : found->ttl_s > RESOLVER_TTL_MAX_S ? RESOLVER_TTL_MAX_S
                                                            : found->ttl_s;
        n->good_ms = now_ms;
        n->failed_ms = 0;
        n->asking = false;
}

void resolver_cache_failed(resolver_name *n, uint64_t now_ms)
{
        n->failed_ms = now_ms;
        n->asking = false;
}
