#include "admin/access.h"

#include "admin/routes.h"
#include "admin/token.h"
#include "base/secret.h"

bool access_read_claim(view text, char out[static ACCESS_CLAIM])
{
        size_t n = 0;
        for (size_t i = 0; i < text.len; i++) {
                uint8_t c = text.data[i];
                if (c == '-' || c == ' ' || c == '\n')
                        continue;
                c = c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 'A') : c;
                bool base32 = (c >= 'A' && c <= 'Z') || (c >= '2' && c <= '7');
                if (!base32 || n == ACCESS_CLAIM)
                        return false;
                out[n++] = (char)c;
        }
        return n == ACCESS_CLAIM;
}

static void forgive(admin_access *a, uint64_t now_ms)
{
        while (a->wrong > 0 && now_ms >= a->forgive_ms) {
                a->wrong--;
                a->forgive_ms += LIMIT_ADMIN_CLAIM_MS;
        }
}

static err judge_claim(admin_access *a, view authorization, uint64_t now_ms, uint32_t *wait_s)
{
        static const view scheme = VIEW_INIT("bearer ");
        char              given[ACCESS_CLAIM] = {};
        view              code = view_slice(authorization, scheme.len, authorization.len);
        if (!view_equal_nocase(view_slice(authorization, 0, scheme.len), scheme))
                return FAIL(NO_KEY);
        forgive(a, now_ms);
        if (a->wrong >= LIMIT_ADMIN_CLAIM_TRIES) {
                *wait_s = (uint32_t)((a->forgive_ms - now_ms) / 1000 + 1);
                return FAIL(UPSTREAM_RATE);
        }
        bool good = access_read_claim(code, given);
        if (secret_equal((const uint8_t *)given, (const uint8_t *)a->claim, ACCESS_CLAIM) && good)
                return OK;
        if (a->wrong++ == 0)
                a->forgive_ms = now_ms + LIMIT_ADMIN_CLAIM_MS;
        return FAIL(NO_KEY);
}

err access_judge(admin_access *a, const http1_head *head, uint64_t now_ms, uint32_t *wait_s)
{
        view authorization = http1_get(head, VIEW("authorization"));
        *wait_s = 0;
        if (!route_needs_token(head->target) || token_known(a->catalog, authorization))
                return OK;
        if (!a->in_state)
                return FAIL(NO_KEY);
        if (head->method == HTTP1_GET && view_equal(head->target, VIEW("/admin/v1/setup")))
                return OK;
        if (atomic_load(&a->board->keeper) == KEEPER_SEALED) {
                bool unlock = head->method == HTTP1_POST && view_equal(head->target, VIEW("/admin/v1/vault/unlock"));
                return unlock ? OK : FAIL(SEALED);
        }
        if (a->catalog->admin_count > 0 || !a->has_claim)
                return FAIL(NO_KEY);
        return judge_claim(a, authorization, now_ms, wait_s);
}
