#include "admin/handle.h"
#include "codec/base64.h"
#include "harness.h"

static const char *sealed_body(size_t len, const char *before)
{
        static uint8_t room[4096], bytes[2048];
        emit out = emit_into(room, sizeof room - 1);
        memset(bytes, 7, len);
        emit_text(&out, before);
        emit_text(&out, "\"sealed\":\"");
        base64_write(&out, (view){bytes, len});
        emit_text(&out, "\"}");
        room[out.len] = '\0';
        return (const char *)room;
}

static void without_keeper(void)
{
        handle_vault(harness_exchange("", ""));
        tap_ok(answer_has(503, "\"no_keeper\""), "vault", "without a keeper the answer is 503 at once");
        handle_credential_remove(harness_exchange("a", ""));
        tap_ok(answer_has(503, "\"no_keeper\""), "vault", "so it is for changes");
}

static void statuses(void)
{
        keeper_status s = {.open = 1, .credentials = 3};
        handle_vault(harness_exchange("", ""));
        tap_ok(keeper_round(KEEPER_STATUS, ERR_NONE, &s, sizeof s) && answer_has(200, "\"state\":\"open\""), "vault",
               "the status is told");
        handle_vault(harness_exchange("", ""));
        tap_ok(keeper_round(KEEPER_STATUS, ERR_NONE, &s, sizeof s - 1) && answer_has(500, "internal_error"), "vault",
               "a status of another size is a broken keeper");
}

static void unlocks(void)
{
        static keeper_message m;
        handle_unlock(harness_exchange("", sealed_body(80, "{\"slot\":2,")));
        keeper_unlock q;
        bool heard = keeper_hears(KEEPER_UNLOCK, &m) && m.len == sizeof q;
        memcpy(&q, m.bytes, sizeof q);
        tap_ok(heard && q.slot == 2 && q.sealed[79] == 7, "unlock", "slot and sealed key reach the keeper");
        keeper_says(KEEPER_UNLOCK, ERR_BAD_CREDENTIAL, nullptr, 0);
        harness_run();
        tap_ok(answer_has(403, "bad_credential"), "unlock", "a wrong passphrase is 403");
        handle_unlock(harness_exchange("", sealed_body(80, "{\"slot\":2,")));
        tap_ok(keeper_round(KEEPER_UNLOCK, ERR_NONE, nullptr, 0) && answer_is(200, "{\"ok\":true}\n"), "unlock",
               "an open vault is 200");
        handle_unlock(harness_exchange("", "{\"slot\":2}"));
        tap_ok(answer_has(400, "\"line\":1"), "unlock", "a bad body is told its place");
}

static void rotations(void)
{
        static const char before[] = "{\"slot\":1,\"kind\":\"key-file\",\"ops\":0,\"mem_bytes\":0,"
                                     "\"salt\":\"00000000000000000000000000000000\",";
        handle_rotate(harness_exchange("", sealed_body(112, before)));
        tap_ok(keeper_round(KEEPER_ROTATE, ERR_NONE, nullptr, 0) && answer_is(200, "{\"ok\":true}\n"), "rotate",
               "a rotation is passed on, sealed as it came");
        handle_rotate(harness_exchange("", sealed_body(112, before)));
        tap_ok(keeper_round(KEEPER_ROTATE, ERR_BAD_CREDENTIAL, nullptr, 0) && answer_has(403, "bad_credential"),
               "rotate", "who cannot open the vault is refused");
        handle_rotate(harness_exchange("", sealed_body(80, before)));
        tap_ok(answer_has(400, "\"line\":1"), "rotate", "a bad body is told its place");
}

static void credentials(void)
{
        static keeper_message m;
        handle_credential_put(harness_exchange("", sealed_body(sizeof(keeper_credential) + 48, "{")));
        tap_ok(keeper_round(KEEPER_PUT, ERR_NONE, nullptr, 0) && answer_is(200, "{\"ok\":true}\n"), "credentials",
               "a sealed credential is passed on");
        handle_credential_put(harness_exchange("", sealed_body(sizeof(keeper_credential) + 47, "{")));
        tap_ok(answer_has(400, "BAD_VALUE"), "credentials", "one of another length is not");
        keeper_listed rows[2] = {{.name = "main", .host = "api.example"}, {.name = "b"}};
        memset(rows[1].host, 'x', sizeof rows[1].host);
        handle_credentials(harness_exchange("", ""));
        tap_ok(keeper_round(KEEPER_LIST, ERR_NONE, rows, sizeof rows)
                       && answer_has(
                               200,
                               "{\"name\":\"main\",\"host\":\"api.example\",\"fingerprint\":\"0000000000000000\"}"),
               "credentials", "the list is told, a text without end is cut");
        handle_credentials(harness_exchange("", ""));
        tap_ok(keeper_round(KEEPER_LIST, ERR_NONE, nullptr, 0) && answer_is(200, "{\"credentials\":[]}\n"),
               "credentials", "an empty vault has an empty list");
        handle_credentials(harness_exchange("", ""));
        tap_ok(keeper_round(KEEPER_LIST, ERR_SEALED, nullptr, 0) && answer_has(503, "vault_sealed"), "credentials",
               "a sealed vault has none");
        handle_credentials(harness_exchange("", ""));
        tap_ok(keeper_round(KEEPER_LIST, ERR_NONE, rows, 100) && answer_has(500, "internal_error"), "credentials",
               "half a row is a broken keeper");
        handle_credential_remove(harness_exchange("main", ""));
        bool heard = keeper_hears(KEEPER_REMOVE, &m) && m.len == 4 && memcmp(m.bytes, "main", 4) == 0;
        keeper_says(KEEPER_REMOVE, ERR_NO_TARGET, nullptr, 0);
        harness_run();
        tap_ok(heard && answer_has(404, "not_found"), "credentials", "a name unknown to the keeper is 404");
        handle_credential_remove(harness_exchange("a%20b", ""));
        tap_ok(answer_has(404, "not_found"), "credentials", "what cannot be a name is 404 without asking");
}

static void hashes(void)
{
        uint8_t hash[32];
        memset(hash, 0xcd, sizeof hash);
        handle_key_hash(harness_exchange("", sealed_body(51 + 48, "{")));
        tap_ok(keeper_round(KEEPER_KEY_HASH, ERR_NONE, hash, sizeof hash)
                       && answer_is(
                               200,
                               "{\"hash\":\"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\"}\n"),
               "hash", "a key's hash comes in hexadecimal");
}

int main(void)
{
        harness_start();
        without_keeper();
        harness_keeper();
        statuses();
        unlocks();
        rotations();
        credentials();
        hashes();
        return harness_done();
}
