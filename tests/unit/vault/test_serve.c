#include "vault/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/secret.h"
#include "support/tap.h"
#include "unit/vault/state_file.h"
#include "vault/client_key.h"

static store     s;
static seal_pair pair;
static uint8_t   out_bytes[KEEPER_BYTES];
static emit      out;

static err ask(keeper_op op, const void *in, size_t len)
{
        out = emit_into(out_bytes, sizeof out_bytes);
        return serve_keeper(&s, &pair, op, (view){in, len}, &out);
}

static err ask_sealed(keeper_op op, const void *plain, size_t len)
{
        uint8_t *sealed = malloc(len + SEAL_OVERHEAD);
        seal_close(pair.public_key, (view){plain, len}, sealed);
        err e = ask(op, sealed, len + SEAL_OVERHEAD);
        free(sealed);
        return e;
}

static void test_sealed(void)
{
        keeper_status a;
        tap_ok(!failed(ask(KEEPER_STATUS, nullptr, 0)) && out.len == sizeof a, "serve",
               "a sealed keeper tells its status");
        memcpy(&a, out_bytes, sizeof a);
        tap_ok(a.open == 0 && a.slots[0].kind == SLOT_KEY_FILE && a.slots[1].kind == SLOT_EMPTY && a.next_export == 0
                       && memcmp(a.seal_key, pair.public_key, 32) == 0 && memcmp(a.device, s.info.device, 16) == 0,
               "serve", "key slots, seal key and device, no more");
        static const keeper_op ops[] = {KEEPER_PUT, KEEPER_REMOVE, KEEPER_LIST, KEEPER_KEY_HASH, KEEPER_EXPORT_GET,
                                         KEEPER_EXPORT_LIST, KEEPER_EXPORT_ACK, KEEPER_ROTATE};
        bool                   good = true;
        for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
                good = good && ask(ops[i], nullptr, 0).code == ERR_SEALED;
        tap_ok(good, "serve", "all else needs an open vault");

        key_slot k = {.kind = SLOT_KEY_FILE};
        uint8_t  wrapping[32];
        memcpy(k.salt, a.slots[0].salt, sizeof k.salt);
        if (failed(container_wrapping_key(&k, key_view(), wrapping)))
                abort();
        keeper_unlock q = {.slot = 0};
        seal_close(pair.public_key, (view){wrapping, 32}, q.sealed);
        q.sealed[3] ^= 1;
        tap_ok(ask(KEEPER_UNLOCK, &q, sizeof q).code == ERR_BAD_CREDENTIAL, "serve", "a damaged unlock is refused");
        q.sealed[3] ^= 1;
        q.slot = 8;
        tap_ok(ask(KEEPER_UNLOCK, &q, sizeof q).code == ERR_OUT_OF_RANGE, "serve", "so is a slot there is not");
        q.slot = 0;
        tap_ok(ask(KEEPER_UNLOCK, &q, sizeof q - 1).code == ERR_OUT_OF_RANGE, "serve", "and one of another length");
        tap_ok(!store_is_open(&s) && !failed(ask(KEEPER_UNLOCK, &q, sizeof q)) && store_is_open(&s), "serve",
               "the right one opens, and the key file never came here");
        tap_ok(!failed(ask(KEEPER_UNLOCK, &q, sizeof q)), "serve", "a second one does no harm");
}

static void test_credentials(void)
{
        keeper_credential c = {.name = "openai", .host = "api.openai.com", .len = 9, .secret = "sk-secret"};
        keeper_listed     row;
        uint8_t           hash[32];
        tap_ok(!failed(ask_sealed(KEEPER_PUT, &c, sizeof c)) && out.len == 0, "serve", "a vendor key is put");
        tap_ok(!failed(ask(KEEPER_LIST, nullptr, 0)) && out.len == sizeof row, "serve", "and listed");
        memcpy(&row, out_bytes, sizeof row);
        secret_hash(hash, VIEW("sk-secret"), (view){});
        tap_ok(strcmp(row.name, "openai") == 0 && strcmp(row.host, "api.openai.com") == 0
                       && memcmp(row.fingerprint, hash, 8) == 0 && memmem(out_bytes, out.len, "sk-", 3) == nullptr,
               "serve", "by its fingerprint");
        tap_ok(ask(KEEPER_PUT, &c, sizeof c).code == ERR_BAD_CREDENTIAL, "serve", "one in the clear is refused");
        c.len = sizeof c.secret + 1;
        tap_ok(ask_sealed(KEEPER_PUT, &c, sizeof c).code == ERR_OUT_OF_RANGE, "serve", "a length beyond its field");
        c.len = 9;
        memset(c.name, 'x', sizeof c.name);
        tap_ok(ask_sealed(KEEPER_PUT, &c, sizeof c).code == ERR_OUT_OF_RANGE, "serve", "a name that does not end");
        tap_ok(ask(KEEPER_REMOVE, "nobody", 6).code == ERR_NO_TARGET && !failed(ask(KEEPER_REMOVE, "openai", 6))
                       && !failed(ask(KEEPER_LIST, nullptr, 0)) && out.len == 0,
               "serve", "and removed by name");
        tap_ok(ask(KEEPER_LIST, "x", 1).code == ERR_OUT_OF_RANGE && ask(KEEPER_STATUS, "x", 1).code == ERR_OUT_OF_RANGE,
               "serve", "bytes where none belong are refused");
        char name[40];
        bool good = true;
        for (int i = 0; i < (int)LIMIT_CREDENTIALS; i++) {
                snprintf(name, sizeof name, "n%d", i);
                good = good && !failed(store_put(&s, view_of_text(name), VIEW("h"), VIEW("s")));
        }
        tap_ok(good && !failed(ask(KEEPER_LIST, nullptr, 0)) && out.len == LIMIT_CREDENTIALS * sizeof row, "serve",
               "the longest list fits an answer");
}

static void test_key_hash(void)
{
        uint8_t text[CLIENT_KEY_BYTES], hash[32];
        char    id[9];
        emit    e = emit_into(text, sizeof text);
        view    at_id, at_secret;
        client_key_make(store_pepper(&s), &e, id, hash);
        if (failed(client_key_parse((view){text, e.len}, &at_id, &at_secret)))
                abort();
        uint8_t plain[CLIENT_KEY_ID_BYTES + CLIENT_KEY_SECRET_BYTES];
        memcpy(plain, at_id.data, at_id.len);
        memcpy(plain + at_id.len, at_secret.data, at_secret.len);
        tap_ok(!failed(ask_sealed(KEEPER_KEY_HASH, plain, sizeof plain)) && out.len == 32
                       && memcmp(out_bytes, hash, 32) == 0,
               "serve", "a client key's hash is told");
        tap_ok(failed(ask_sealed(KEEPER_KEY_HASH, plain, sizeof plain - 1)), "serve", "of a whole key only");
}

static void test_exports(void)
{
        size_t len = 3 * KEEPER_BYTES + 17;
        char  *body = malloc(len);
        for (size_t i = 0; i < len; i++)
                body[i] = (char)(i * 31 % 251);
        keeper_export_get  q = {};
        keeper_export_part part;
        tap_ok(ask(KEEPER_EXPORT_GET, &q, sizeof q).code == ERR_OUT_OF_RANGE, "serve", "no export yet");
        const store_exported files = {{(const uint8_t *)body, len}, VIEW("sig"), VIEW("quote")};
        if (failed(store_append_export(&s, 1, &files, false)))
                abort();
        bool good = true;
        for (q.offset = 0; q.offset < len && good; q.offset += part.len) {
                good = !failed(ask(KEEPER_EXPORT_GET, &q, sizeof q)) && out.len == sizeof part;
                memcpy(&part, out_bytes, sizeof part);
                good = good && part.total == len && part.sequence == 1 && part.len > 0
                       && memcmp(part.bytes, body + q.offset, part.len) == 0;
        }
        tap_ok(good, "serve", "an export is told in parts");
        q.offset = (uint32_t)len + 1;
        tap_ok(ask(KEEPER_EXPORT_GET, &q, sizeof q).code == ERR_OUT_OF_RANGE, "serve", "nothing behind its end");
        q = (keeper_export_get){.sequence = 1, .file = EXPORT_SIGNATURE};
        good = !failed(ask(KEEPER_EXPORT_GET, &q, sizeof q));
        memcpy(&part, out_bytes, sizeof part);
        tap_ok(good && part.total == 3 && memcmp(part.bytes, "sig", 3) == 0, "serve", "and its signature");
        q.file = EXPORT_QUOTE;
        good = !failed(ask(KEEPER_EXPORT_GET, &q, sizeof q));
        memcpy(&part, out_bytes, sizeof part);
        tap_ok(good && part.total == 5 && memcmp(part.bytes, "quote", 5) == 0, "serve", "and its quote");
        q.file = EXPORT_QUOTE + 1;
        tap_ok(ask(KEEPER_EXPORT_GET, &q, sizeof q).code == ERR_OUT_OF_RANGE, "serve", "but no fourth file");
        q.sequence = 2;
        tap_ok(ask(KEEPER_EXPORT_GET, &q, sizeof q).code == ERR_OUT_OF_RANGE && failed(ask(KEEPER_EXPORT_GET, &q, 3)),
               "serve", "one there is not, and half a question");
        free(body);
}

static void test_acknowledging(void)
{
        keeper_export_listed row;
        keeper_status        a;
        uint64_t             sequences[STORE_EXPORTS + 1] = {1, 77};
        bool                 good = !failed(ask(KEEPER_EXPORT_LIST, nullptr, 0)) && out.len == sizeof row;
        memcpy(&row, out_bytes, sizeof row);
        tap_ok(good && row.sequence == 1 && row.bytes == 3 * KEEPER_BYTES + 17 + 3 + 5 && row.acknowledged == 0,
               "serve", "exports are listed");
        good = !failed(ask(KEEPER_STATUS, nullptr, 0));
        memcpy(&a, out_bytes, sizeof a);
        tap_ok(good && a.exports == 1 && a.exports_unacknowledged == 1 && a.exports_fill == 3, "serve",
               "and counted in the status");
        good = ask(KEEPER_EXPORT_ACK, sequences, 0).code == ERR_OUT_OF_RANGE
               && ask(KEEPER_EXPORT_ACK, sequences, 7).code == ERR_OUT_OF_RANGE
               && ask(KEEPER_EXPORT_ACK, sequences, sizeof sequences).code == ERR_OUT_OF_RANGE
               && ask(KEEPER_EXPORT_LIST, sequences, 1).code == ERR_OUT_OF_RANGE;
        tap_ok(good, "serve", "none, half a number and too many are refused");
        good = !failed(ask(KEEPER_EXPORT_ACK, sequences, 16)) && out.len == 0
               && !failed(ask(KEEPER_EXPORT_LIST, nullptr, 0));
        memcpy(&row, out_bytes, sizeof row);
        tap_ok(good && row.acknowledged == 1, "serve", "one is acknowledged, one that is not here is passed over");
}

static err rotate(keeper_rotate *q, const uint8_t proof[static 32], const uint8_t wrapping[static 32])
{
        uint8_t both[64];
        memcpy(both, proof, 32);
        memcpy(both + 32, wrapping, 32);
        seal_close(pair.public_key, (view){both, sizeof both}, q->sealed);
        return ask(KEEPER_ROTATE, q, sizeof *q);
}

static void test_rotate(int fd)
{
        static const uint8_t passphrase[] = "a new passphrase";
        const view           secret = {passphrase, sizeof passphrase - 1};
        key_slot             k = {.kind = SLOT_PASSPHRASE, .ops = 1, .mem_bytes = ARGON_MEM_MIN};
        uint8_t              proof[32], wrapping[32], none[32] = {}, old_key[32];
        secret_random(k.salt, sizeof k.salt);
        memcpy(old_key, store_vault_key(&s), sizeof old_key);
        if (failed(container_wrapping_key(&s.info.slots[0], key_view(), proof))
            || failed(container_wrapping_key(&k, secret, wrapping)))
                abort();
        keeper_rotate q = {.kind = k.kind, .ops = k.ops, .mem_bytes = k.mem_bytes};
        memcpy(q.salt, k.salt, sizeof q.salt);
        uint64_t generation = s.info.generation;
        tap_ok(rotate(&q, none, wrapping).code == ERR_BAD_CREDENTIAL && ask(KEEPER_ROTATE, &q, 9).code != ERR_NONE
                       && s.info.generation == generation,
               "serve", "who cannot open the vault cannot rotate it");
        q.slot = 8;
        bool good = rotate(&q, proof, wrapping).code == ERR_OUT_OF_RANGE;
        q.slot = 0, q.ops = ARGON_OPS_MAX + 1;
        good = good && rotate(&q, proof, wrapping).code == ERR_OUT_OF_RANGE;
        q.ops = k.ops, q.kind = 77;
        good = good && rotate(&q, proof, wrapping).code == ERR_OUT_OF_RANGE && s.info.generation == generation
               && memcmp(old_key, store_vault_key(&s), 32) == 0;
        q.kind = k.kind;
        tap_ok(good, "serve", "a slot there is not, numbers nobody accepts, an unknown kind change nothing");
        tap_ok(!failed(rotate(&q, proof, wrapping)) && s.info.generation == generation + 2
                       && memcmp(old_key, store_vault_key(&s), 32) != 0 && s.info.slots[0].kind == SLOT_PASSPHRASE
                       && s.info.slots[1].kind == SLOT_EMPTY,
               "serve", "with the proof there is a new vault key, in both copies");
        size_t credentials = store_credential_count(&s);
        store_close(&s);
        good = !failed(store_attach(&s, fd, 0))
               && store_unlock_secret(&s, SLOT_KEY_FILE, key_view()).code == ERR_BAD_CREDENTIAL
               && store_unlock(&s, old_key).code == ERR_BAD_CREDENTIAL;
        tap_ok(good, "serve", "the old key file and the old vault key open nothing");
        tap_ok(!failed(store_unlock_secret(&s, SLOT_PASSPHRASE, secret)) && store_credential_count(&s) == credentials
                       && s.export_count == 1,
               "serve", "the new passphrase opens all that there was");
        uint8_t *image = state_image(fd);
        good = true;
        for (size_t copy = 0; copy < 2; copy++) {
                slot_header h;
                bool        newer;
                uint8_t     key[32];
                good = good && !failed(slot_header_read(image + copy * CONTAINER_SLOT_BYTES, &h, &newer))
                       && failed(container_unwrap(&h.info.slots[0], proof, key));
        }
        free(image);
        tap_ok(good, "serve", "neither copy has a slot that the old secret opens");
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        int fd = state_new();
        if (failed(store_attach(&s, fd, 0)))
                return 1;
        seal_make(&pair);
        test_sealed();
        test_credentials();
        test_key_hash();
        test_exports();
        test_acknowledging();
        test_rotate(fd);
        tap_ok(ask(KEEPER_EXPORT_NOW, nullptr, 0).code == ERR_NOT_IMPLEMENTED && failed(ask((keeper_op)99, nullptr, 0)),
               "serve", "what needs a ledger or is unknown is not answered here");
        store_close(&s);
        close(fd);
        return tap_done();
}
