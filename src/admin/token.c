#include "admin/token.h"

#include "base/arena.h"
#include "base/secret.h"

bool token_known(const catalog *c, view authorization)
{
        static const view scheme = VIEW_INIT("bearer ");
        if (!view_equal_nocase(view_slice(authorization, 0, scheme.len), scheme))
                return false;
        uint8_t hash[32];
        secret_sha256(hash, view_slice(authorization, scheme.len, authorization.len));
        bool known = false;
        for (size_t i = 0; i < c->admin_count; i++)
                known |= secret_equal(hash, c->admins[i].hash, sizeof hash);
        wipe(hash, sizeof hash);
        return known;
}
