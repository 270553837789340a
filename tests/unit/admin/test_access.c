#include "admin/access.h"

#include <stdlib.h>

#include "base/secret.h"
#include "support/tap.h"

static board     *b;
static catalog   *c;
static admin_access a;

/* The judgement of a request that carries this field; null: none. */
static err_code judge(http1_method method, const char *target, const char *authorization, uint64_t now_ms,
        uint32_t *wait)
{
        http1_head head = {.method = method, .target = view_of_text(target)};
        uint32_t   ignored;
        if (authorization != nullptr) {
                head.fields[0] = (http1_field){VIEW("authorization"), view_of_text(authorization)};
                head.count = 1;
        }
        return access_judge(&a, &head, now_ms, wait == nullptr ? &ignored : wait).code;
}

static void begin(bool in_state, keeper_state keeper)
{
        a = (admin_access){.catalog = c, .board = b, .in_state = in_state, .any_host = in_state};
        a.has_claim = access_read_claim(VIEW("ABCD-2345\n"), a.claim);
        c->admin_count = 0;
        atomic_store(&b->keeper, keeper);
}

static void codes(void)
{
        char out[ACCESS_CLAIM];
        tap_ok(access_read_claim(VIEW("abcd 2345"), out) && memcmp(out, "ABCD2345", 8) == 0, "access",
               "a code is read however it is typed");
        static const char *const bad[] = {"", "ABCD-234", "ABCD-23456", "ABCD-2341", "ABCD-234!", "ABCD-234\xc3"};
        bool refused = true;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                refused = refused && !access_read_claim(view_of_text(bad[i]), out);
        tap_ok(refused, "access", "what is no code is none");
}

static void folder(void)
{
        begin(false, KEEPER_SEALED);
        tap_ok(judge(HTTP1_GET, "/healthz", nullptr, 0, nullptr) == ERR_NONE, "access", "what is public is");
        tap_ok(judge(HTTP1_GET, "/admin/v1/setup", nullptr, 0, nullptr) == ERR_NO_KEY
                       && judge(HTTP1_POST, "/admin/v1/vault/unlock", nullptr, 0, nullptr) == ERR_NO_KEY
                       && judge(HTTP1_GET, "/admin/v1/status", "Bearer ABCD2345", 0, nullptr) == ERR_NO_KEY,
               "access", "with a folder all else wants a token");
}

static void sealed(void)
{
        begin(true, KEEPER_SEALED);
        tap_ok(judge(HTTP1_GET, "/admin/v1/setup", nullptr, 0, nullptr) == ERR_NONE
                       && judge(HTTP1_POST, "/admin/v1/vault/unlock", nullptr, 0, nullptr) == ERR_NONE,
               "access", "sealed: what a client needs to unlock, and unlocking, want no token");
        tap_ok(judge(HTTP1_GET, "/admin/v1/vault/unlock", nullptr, 0, nullptr) == ERR_SEALED
                       && judge(HTTP1_POST, "/admin/v1/vault/unlock/", nullptr, 0, nullptr) == ERR_SEALED
                       && judge(HTTP1_GET, "/admin/v1/status", "Bearer ABCD2345", 0, nullptr) == ERR_SEALED,
               "access", "nothing else is answered, with a claim code neither");
}

static void claiming(void)
{
        uint32_t wait = 0;
        begin(true, KEEPER_BLANK);
        tap_ok(judge(HTTP1_GET, "/admin/v1/status", "Bearer abcd-2345", 0, nullptr) == ERR_NONE
                       && judge(HTTP1_GET, "/admin/v1/status", "bearer ABCD2345", 0, nullptr) == ERR_NONE,
               "access", "unclaimed: the code does");
        tap_ok(judge(HTTP1_GET, "/admin/v1/status", nullptr, 0, nullptr) == ERR_NO_KEY && a.wrong == 0, "access",
               "no code is no try");
        bool refused = true;
        for (unsigned i = 0; i < LIMIT_ADMIN_CLAIM_TRIES; i++)
                refused = refused && judge(HTTP1_GET, "/admin/v1/status", "Bearer ABCD2346", 1000, &wait) == ERR_NO_KEY;
        tap_ok(refused, "access", "ten wrong codes are refused");
        tap_ok(judge(HTTP1_GET, "/admin/v1/status", "Bearer ABCD2345", 1000, &wait) == ERR_UPSTREAM_RATE && wait == 7,
               "access", "then even the right one waits");
        tap_ok(judge(HTTP1_GET, "/admin/v1/status", "Bearer ABCD2345", 1000 + LIMIT_ADMIN_CLAIM_MS, &wait) == ERR_NONE,
               "access", "for six seconds");
        tap_ok(judge(HTTP1_GET, "/admin/v1/status", "Bearer ABCD2346", 1000 + LIMIT_ADMIN_CLAIM_MS, &wait) == ERR_NO_KEY
                       && judge(HTTP1_GET, "/admin/v1/status", "Bearer ABCD2346", 1001 + LIMIT_ADMIN_CLAIM_MS, &wait)
                                  == ERR_UPSTREAM_RATE,
               "access", "a wrong one more, and it waits again");
        tap_ok(judge(HTTP1_GET, "/admin/v1/status", "Bearer ABCD2346", 1u << 20, &wait) == ERR_NO_KEY && a.wrong == 1,
               "access", "after a minute all is forgotten");
        a.has_claim = false;
        tap_ok(judge(HTTP1_GET, "/admin/v1/status", "Bearer \0\0\0\0\0\0\0\0", 1u << 21, &wait) == ERR_NO_KEY, "access",
               "without a code nobody claims");
}

static void claimed(void)
{
        begin(true, KEEPER_OPEN);
        tap_ok(judge(HTTP1_GET, "/admin/v1/config", "Bearer ABCD2345", 0, nullptr) == ERR_NONE, "access",
               "an open vault without operators still knows the code");
        c->admin_count = 1;
        secret_sha256(c->admins[0].hash, VIEW("token"));
        tap_ok(judge(HTTP1_GET, "/admin/v1/config", "Bearer ABCD2345", 0, nullptr) == ERR_NO_KEY
                       && judge(HTTP1_GET, "/admin/v1/config", "Bearer token", 0, nullptr) == ERR_NONE,
               "access", "with an operator the code has ended");
        tap_ok(judge(HTTP1_GET, "/admin/v1/setup", nullptr, 0, nullptr) == ERR_NONE, "access",
               "what the box is stays public");
}

int main(void)
{
        b = calloc(1, sizeof *b);
        c = calloc(1, sizeof *c);
        if (b == nullptr || c == nullptr || failed(secret_setup()))
                abort();
        codes();
        folder();
        sealed();
        claiming();
        claimed();
        free(b);
        free(c);
        return tap_done();
}
