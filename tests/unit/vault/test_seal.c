#include "vault/seal.h"

#include "base/secret.h"
#include "support/tap.h"

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        seal_pair mine, other;
        uint8_t   sealed[5 + SEAL_OVERHEAD], plain[5];
        seal_make(&mine);
        seal_make(&other);
        seal_close(mine.public_key, VIEW("hello"), sealed);
        view blob = {sealed, sizeof sealed};
        tap_ok(!failed(seal_open(&mine, blob, plain, sizeof plain)) && view_equal((view){plain, 5}, VIEW("hello")),
               "seal", "what was sealed for a pair, it opens");
        tap_ok(seal_open(&other, blob, plain, sizeof plain).code == ERR_BAD_CREDENTIAL, "seal", "another does not");
        tap_ok(seal_open(&mine, blob, plain, 4).code == ERR_BAD_CREDENTIAL, "seal", "nor is another length accepted");
        bool good = true;
        for (size_t cut = 0; cut < sizeof sealed; cut++)
                good = good && failed(seal_open(&mine, view_slice(blob, 0, cut), plain, sizeof plain));
        tap_ok(good, "seal", "a blob cut anywhere does not open");
        for (size_t i = 0; i < sizeof sealed; i++) {
                sealed[i] ^= 1;
                good = good && failed(seal_open(&mine, blob, plain, sizeof plain));
                sealed[i] ^= 1;
        }
        tap_ok(good, "seal", "a blob changed anywhere does not open");
        seal_wipe(&mine);
        for (size_t i = 0; i < sizeof mine.secret; i++)
                good = good && mine.secret[i] == 0;
        tap_ok(good, "seal", "a wiped pair holds nothing");
        return tap_done();
}
