#include "vault/client_key.h"

#include <assert.h>
#include <sodium.h>

#include "base/arena.h"
#include "base/secret.h"

enum : size_t {
        ID_BYTES = CLIENT_KEY_ID_BYTES,
        SECRET_BYTES = CLIENT_KEY_SECRET_BYTES,
        CHECK_BYTES = CLIENT_KEY_CHECK_BYTES,
        RANDOM_BYTES = 32,
        AT_ID = 4,
        AT_SECRET = AT_ID + ID_BYTES + 1,
        AT_CHECK = AT_SECRET + SECRET_BYTES + 1,
};
static_assert(AT_CHECK + CHECK_BYTES == CLIENT_KEY_BYTES);

/* 32 characters that are not mistaken for one another when read aloud. */
static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";
static_assert(sizeof alphabet == 32 + 1);

static void check_sum(view head, uint8_t out[static CHECK_BYTES])
{
        uint8_t hash[SECRET_HASH_BYTES];
        secret_hash(hash, head, (view){});
        for (size_t i = 0; i < CHECK_BYTES; i++)
                out[i] = (uint8_t)alphabet[hash[i] % 32];
}

static bool all_of(view v, const char *allowed)
{
        for (size_t i = 0; i < v.len; i++)
                if (v.data[i] == '\0' || strchr(allowed, v.data[i]) == nullptr)
                        return false;
        return true;
}

void client_key_hash(const uint8_t pepper[static 32], view id, view secret, uint8_t hash[static 32])
{
        uint8_t joined[3 + ID_BYTES + SECRET_BYTES] = "lk1";
        assert(id.len == ID_BYTES && secret.len == SECRET_BYTES);
        memcpy(joined + 3, id.data, ID_BYTES);
        memcpy(joined + 3 + ID_BYTES, secret.data, SECRET_BYTES);
        secret_hash(hash, (view){joined, sizeof joined}, (view){pepper, 32});
        wipe(joined, sizeof joined);
}

void client_key_text(emit *text, char id[static 9])
{
        uint8_t random[RANDOM_BYTES], id_random[ID_BYTES], key[CLIENT_KEY_BYTES];
        char    secret[SECRET_BYTES + 1];
        secret_random(id_random, sizeof id_random);
        for (size_t i = 0; i < ID_BYTES; i++)
                id[i] = alphabet[id_random[i] % 32];
        id[ID_BYTES] = '\0';
        secret_random(random, sizeof random);
        sodium_bin2base64(secret, sizeof secret, random, sizeof random, sodium_base64_VARIANT_URLSAFE_NO_PADDING);

        emit e = emit_into(key, sizeof key);
        emit_text(&e, "lk1_");
        emit_text(&e, id);
        emit_byte(&e, '_');
        emit_text(&e, secret);
        uint8_t check[CHECK_BYTES];
        check_sum((view){key, e.len}, check);
        emit_byte(&e, '_');
        emit_view(&e, (view){check, sizeof check});
        assert(!e.full && e.len == CLIENT_KEY_BYTES);
        emit_view(text, (view){key, sizeof key});
        wipe(random, sizeof random);
        wipe(secret, sizeof secret);
        wipe(key, sizeof key);
}

void client_key_make(const uint8_t pepper[static 32], emit *text, char id[static 9], uint8_t hash[static 32])
{
        size_t start = text->len;
        client_key_text(text, id);
        assert(!text->full);
        view at_id, at_secret;
        err  e = client_key_parse((view){text->bytes + start, CLIENT_KEY_BYTES}, &at_id, &at_secret);
        assert(!failed(e));
        client_key_hash(pepper, at_id, at_secret, hash);
}

err client_key_parse(view text, view *id, view *secret)
{
        *id = *secret = (view){};
        if (text.len != CLIENT_KEY_BYTES || !view_starts(text, VIEW("lk1_")) || text.data[AT_SECRET - 1] != '_'
            || text.data[AT_CHECK - 1] != '_')
                return FAIL(NO_KEY);
        view in_id = view_slice(text, AT_ID, AT_ID + ID_BYTES);
        view in_secret = view_slice(text, AT_SECRET, AT_SECRET + SECRET_BYTES);
        if (!all_of(in_id, alphabet)
            || !all_of(in_secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))
                return FAIL(NO_KEY);
        uint8_t check[CHECK_BYTES];
        check_sum(view_slice(text, 0, AT_CHECK - 1), check);
        if (memcmp(check, text.data + AT_CHECK, sizeof check) != 0)
                return FAIL(NO_KEY);
        *id = in_id;
        *secret = in_secret;
        return OK;
}
