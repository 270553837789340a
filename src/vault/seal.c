#include "vault/seal.h"

#include <assert.h>
#include <sodium.h>

#include "base/arena.h"

static_assert(SEAL_OVERHEAD == crypto_box_SEALBYTES);
static_assert(sizeof((seal_pair){}.public_key) == crypto_box_PUBLICKEYBYTES);
static_assert(sizeof((seal_pair){}.secret) == crypto_box_SECRETKEYBYTES);

void seal_make(seal_pair *p) { crypto_box_keypair(p->public_key, p->secret); }

void seal_wipe(seal_pair *p) { wipe(p, sizeof *p); }

void seal_close(const uint8_t public_key[static 32], view plain, uint8_t *out)
{
        int rc = crypto_box_seal(out, plain.data, plain.len, public_key);
        assert(rc == 0);
}

err seal_open(const seal_pair *p, view sealed, uint8_t *out, size_t len)
{
        if (sealed.len != len + SEAL_OVERHEAD)
                return FAIL(BAD_CREDENTIAL);
        int rc = crypto_box_seal_open(out, sealed.data, sealed.len, p->public_key, p->secret);
        return rc == 0 ? OK : FAIL(BAD_CREDENTIAL);
}
