#include <stdlib.h>

#include "admin/token.h"
#include "base/secret.h"
#include "support/tap.h"

int main(void)
{
        if (failed(secret_setup()))
                return 2;
        catalog *c = calloc(1, sizeof *c);
        if (c == nullptr)
                return 2;
        tap_ok(!token_known(c, VIEW("Bearer ")), "token", "without an administrator nobody is one");
        c->admin_count = 2;
        secret_sha256(c->admins[0].hash, VIEW("first"));
        secret_sha256(c->admins[1].hash, VIEW("second"));
        static const struct {
                const char *name;
                view field;
                bool known;
        } rows[] = {
                {"the first token is known", VIEW_INIT("Bearer first"), true},
                {"the second token is known", VIEW_INIT("Bearer second"), true},
                {"the scheme's case is free", VIEW_INIT("bearer second"), true},
                {"a token's case is not", VIEW_INIT("Bearer First"), false},
                {"a longer token is another", VIEW_INIT("Bearer firsts"), false},
                {"a shorter token is another", VIEW_INIT("Bearer firs"), false},
                {"an empty token is unknown", VIEW_INIT("Bearer "), false},
                {"another scheme is refused", VIEW_INIT("Basic first"), false},
                {"an absent field is refused", VIEW_INIT(""), false},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
                tap_ok(token_known(c, rows[i].field) == rows[i].known, "token", rows[i].name);
        free(c);
        return tap_done();
}
