#include "vault/client_key.h"

#include <stdlib.h>

#include "base/secret.h"
#include "support/tap.h"

static const uint8_t pepper[32] = "the pepper of this test, 32 long";

/* Fixed for ever: lethe.json files hold hashes made with it. */
static const char known[] = "lk1_abcdefgh_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA_";

static bool accepted(view text)
{
        view id, secret;
        return !failed(client_key_parse(text, &id, &secret));
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        uint8_t bytes[CLIENT_KEY_BYTES], hash[32], again[32];
        char    id[9];
        emit    text = emit_into(bytes, sizeof bytes);
        client_key_make(pepper, &text, id, hash);
        view key = {bytes, text.len}, got_id, secret;
        tap_ok(text.len == CLIENT_KEY_BYTES && !failed(client_key_parse(key, &got_id, &secret)), "client_key",
               "a key that was made is accepted");
        tap_ok(view_equal(got_id, view_of_text(id)) && secret.len == CLIENT_KEY_SECRET_BYTES, "client_key",
               "its parts are its id and its secret");
        client_key_hash(pepper, got_id, secret, again);
        tap_ok(secret_equal(hash, again, 32), "client_key", "its hash is the one that was told");
        uint8_t other[32] = {};
        client_key_hash(other, got_id, secret, again);
        tap_ok(!secret_equal(hash, again, 32), "client_key", "another pepper gives another hash");

        bool good = true;
        for (size_t cut = 0; cut < key.len; cut++) {
                uint8_t *exact = malloc(cut + 1);
                memcpy(exact, key.data, cut);
                good = good && !accepted((view){exact, cut});
                free(exact);
        }
        tap_ok(good, "client_key", "a key cut anywhere is refused");
        for (size_t i = 0; i < key.len; i++)
                for (int bit = 0; bit < 8; bit++) {
                        bytes[i] ^= (uint8_t)(1 << bit);
                        good = good && !accepted(key);
                        bytes[i] ^= (uint8_t)(1 << bit);
                }
        tap_ok(good, "client_key", "a key with any one bit changed is refused");
        uint8_t longer[CLIENT_KEY_BYTES + 1] = {};
        memcpy(longer, bytes, sizeof bytes);
        tap_ok(!accepted((view){longer, sizeof longer}), "client_key", "a byte more is refused");

        uint8_t known_hash[SECRET_HASH_BYTES], joined[54] = "lk1abcdefghAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        view    k = view_of_text(known);
        client_key_hash(pepper, view_slice(k, 4, 12), view_slice(k, 13, 56), again);
        secret_hash(known_hash, (view){joined, sizeof joined}, (view){pepper, 32});
        tap_ok(secret_equal(known_hash, again, 32), "client_key", "the hash is keyed BLAKE2b of lk1, id and secret");
        return tap_done();
}
