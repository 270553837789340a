#include "vault/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/secret.h"
#include "support/tap.h"
#include "unit/vault/state_file.h"

static bool has(const store *s, size_t at, const char *name, const char *host, const char *secret)
{
        const lease_credential *c = store_credential(s, at);
        return strcmp(c->name, name) == 0 && strcmp(c->host, host) == 0
               && view_equal((view){c->secret, c->len}, view_of_text(secret));
}

static void test_unlock(void)
{
        int   fd = state_new();
        store s;
        tap_ok(!failed(store_attach(&s, fd, 0)) && !store_is_open(&s) && s.info.generation == 1, "store",
               "an attached store is sealed, its header known");
        uint8_t wrong[KEY_FILE_BYTES] = "some other file of 32 bytes....";
        tap_ok(store_unlock_secret(&s, SLOT_KEY_FILE, (view){wrong, 32}).code == ERR_BAD_CREDENTIAL
                       && !store_is_open(&s),
               "store", "a wrong key file leaves it sealed");
        tap_ok(store_unlock_secret(&s, SLOT_PASSPHRASE, VIEW("x")).code == ERR_BAD_CREDENTIAL, "store",
               "a passphrase opens nothing that has no slot for one");
        uint8_t nothing[32] = {};
        tap_ok(store_unlock_slot(&s, 1, nothing).code == ERR_OUT_OF_RANGE
                       && store_unlock_slot(&s, UINT32_MAX, nothing).code == ERR_OUT_OF_RANGE,
               "store", "an empty slot is none, nor is one beyond the table");
        tap_ok(store_unlock(&s, nothing).code == ERR_BAD_CREDENTIAL && !store_is_open(&s), "store",
               "a wrong vault key");
        tap_ok(!failed(store_unlock_secret(&s, SLOT_KEY_FILE, key_view())) && store_is_open(&s), "store",
               "the key file");
        uint8_t key[32];
        memcpy(key, store_vault_key(&s), 32);
        minisign_key sign, again;
        store_signing_key(&s, &sign);
        store_close(&s);
        tap_ok(!failed(store_attach(&s, fd, 1)) && !failed(store_unlock(&s, key)), "store", "the vault key itself");
        store_signing_key(&s, &again);
        tap_ok(memcmp(sign.public_key, again.public_key, 32) == 0
                       && memcmp(store_pepper(&s), store_pseudonym_key(&s), 32) != 0,
               "store", "the identity stays");
        store_close(&s);
        tap_ok(store_attach(&s, fd, 2).code == ERR_ROLLED_BACK, "store", "an older file than seen");
        store_close(&s);
        close(fd);
}

static void test_passphrase(void)
{
        int              fd = memfd_create("state", MFD_CLOEXEC);
        container_opener opener = {SLOT_PASSPHRASE, VIEW("correct horse"), 1, ARGON_MEM_MIN};
        store            s;
        tap_ok(!failed(store_create(fd, &opener, 1)) && !failed(store_attach(&s, fd, 0)), "store",
               "made with a passphrase");
        tap_ok(store_unlock_secret(&s, SLOT_PASSPHRASE, VIEW("correct hors")).code == ERR_BAD_CREDENTIAL
                       && !failed(store_unlock_secret(&s, SLOT_PASSPHRASE, VIEW("correct horse"))),
               "store", "and opened by it alone");
        store_close(&s);
        opener.ops = 9;
        tap_ok(store_create(fd, &opener, 1).code == ERR_OUT_OF_RANGE, "store", "not made with numbers nobody accepts");
        opener = (container_opener){.kind = SLOT_KEY_FILE, .secret = VIEW("short")};
        tap_ok(store_create(fd, &opener, 1).code == ERR_BAD_CREDENTIAL, "store", "nor with a short key file");
        close(fd);
}

static void test_credentials(void)
{
        int   fd = state_new();
        store s;
        if (failed(state_open(&s, fd)))
                abort();
        tap_ok(!failed(store_put(&s, VIEW("mistral"), VIEW("api.mistral.ai"), VIEW("sk-1")))
                       && !failed(store_put(&s, VIEW("openai"), VIEW("api.openai.com"), VIEW("sk-2")))
                       && !failed(store_put(&s, VIEW("azure"), VIEW("x.azure.com"), VIEW("sk-3"))),
               "store", "vendor keys are kept");
        tap_ok(has(&s, 0, "azure", "x.azure.com", "sk-3") && has(&s, 1, "mistral", "api.mistral.ai", "sk-1")
                       && has(&s, 2, "openai", "api.openai.com", "sk-2"),
               "store", "in order of names");
        tap_ok(!failed(store_put(&s, VIEW("openai"), VIEW("eu.api.openai.com"), VIEW("sk-4")))
                       && store_credential_count(&s) == 3 && has(&s, 2, "openai", "eu.api.openai.com", "sk-4"),
               "store", "the same name replaces");
        tap_ok(store_remove(&s, VIEW("nobody")).code == ERR_NO_TARGET
                       && store_remove(&s, VIEW("")).code == ERR_NO_TARGET,
               "store", "what is not there is not removed");
        tap_ok(!failed(store_remove(&s, VIEW("azure"))) && store_credential_count(&s) == 2, "store", "what is, is");
        uint64_t generation = s.info.generation;
        store_close(&s);
        tap_ok(!failed(state_open(&s, fd)) && generation == 6 && s.info.generation == 6
                       && store_credential_count(&s) == 2 && has(&s, 0, "mistral", "api.mistral.ai", "sk-1")
                       && has(&s, 1, "openai", "eu.api.openai.com", "sk-4"),
               "store", "all of it is on disk");

        static lease           l;
        const lease_ticket_key tickets[2] = {{.epoch = 5}, {.epoch = 4}};
        lease_credential       c;
        lease_ticket_key       got[2];
        uint8_t                pepper[32];
        store_fill_lease(&s, tickets, &l);
        tap_ok(!failed(lease_copy_credential(&l, VIEW("openai"), &c)) && c.len == 4
                       && !failed(lease_copy_tickets(&l, got)) && got[0].epoch == 5
                       && !failed(lease_copy_pepper(&l, pepper)) && memcmp(pepper, store_pepper(&s), 32) == 0,
               "store", "and it is lent");

        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        s.fd = open(path, O_RDONLY | O_CLOEXEC);
        store_chain    chain = {.next_sequence = 9};
        store_exported files = {VIEW("b"), VIEW("s"), {}};
        tap_ok(store_put(&s, VIEW("new"), VIEW("h"), VIEW("s")).code == ERR_SYSTEM
                       && store_put(&s, VIEW("openai"), VIEW("h"), VIEW("s")).code == ERR_SYSTEM
                       && store_remove(&s, VIEW("mistral")).code == ERR_SYSTEM
                       && store_append_export(&s, 1, &files, false).code == ERR_SYSTEM
                       && store_set_chain(&s, &chain).code == ERR_SYSTEM,
               "store", "a file that cannot be written: every change is refused");
        uint64_t sequence = 0;
        tap_ok(store_credential_count(&s) == 2 && has(&s, 0, "mistral", "api.mistral.ai", "sk-1")
                       && has(&s, 1, "openai", "eu.api.openai.com", "sk-4") && s.chain.next_sequence == 1
                       && store_export(&s, &sequence, &files).code == ERR_OUT_OF_RANGE,
               "store", "and undone");
        close(s.fd);
        store_close(&s);
        close(fd);
}

static void test_bounds(void)
{
        int   fd = state_new();
        store s;
        if (failed(state_open(&s, fd)))
                abort();
        bool good = true;
        for (size_t i = 0; i < LIMIT_CREDENTIALS; i++) {
                char name[8];
                snprintf(name, sizeof name, "k%zu", i);
                good = good && !failed(store_put(&s, view_of_text(name), VIEW("h"), VIEW("s")));
        }
        tap_ok(good && store_put(&s, VIEW("one-more"), VIEW("h"), VIEW("s")).code == ERR_NO_ROOM, "store",
               "64 vendor keys, not one more");
        tap_ok(!failed(store_put(&s, VIEW("k63"), VIEW("h"), VIEW("t"))), "store", "but a full one can still change");
        static const struct {
                const char *name;
                view        key, host, secret;
        } rows[] = {
                {"no name",                       VIEW_INIT(""),    VIEW_INIT("h"),       VIEW_INIT("s")},
                {"a name with a space",           VIEW_INIT("a b"), VIEW_INIT("h"),       VIEW_INIT("s")},
                {"a name with a NUL",             VIEW_INIT("a\0b"), VIEW_INIT("h"),      VIEW_INIT("s")},
                {"a name of 32", VIEW_INIT("0123456789abcdef0123456789abcdef"), VIEW_INIT("h"), VIEW_INIT("s")},
                {"no host",                       VIEW_INIT("k1"),  VIEW_INIT(""),        VIEW_INIT("s")},
                {"a host in capitals",            VIEW_INIT("k1"),  VIEW_INIT("API.com"), VIEW_INIT("s")},
                {"a host with a path",            VIEW_INIT("k1"),  VIEW_INIT("a.com/v"), VIEW_INIT("s")},
                {"no secret",                     VIEW_INIT("k1"),  VIEW_INIT("h"),       VIEW_INIT("")},
                {"a secret with a line end",      VIEW_INIT("k1"),  VIEW_INIT("h"),       VIEW_INIT("s\r\nx: y")},
                {"a secret with a space",         VIEW_INIT("k1"),  VIEW_INIT("h"),       VIEW_INIT("a b")},
                {"a secret that is not ASCII",    VIEW_INIT("k1"),  VIEW_INIT("h"),       VIEW_INIT("\xc3\xa9")},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                tap_ok(store_put(&s, rows[i].key, rows[i].host, rows[i].secret).code == ERR_OUT_OF_RANGE, "store",
                       rows[i].name);
        uint8_t longest[LIMIT_CREDENTIAL_BYTES + 1];
        memset(longest, 'x', sizeof longest);
        tap_ok(!failed(store_put(&s, VIEW("k1"), VIEW("h"), (view){longest, sizeof longest - 1}))
                       && store_put(&s, VIEW("k1"), VIEW("h"), (view){longest, sizeof longest}).code
                                  == ERR_OUT_OF_RANGE,
               "store", "a secret of 512 bytes, not of 513");
        store_close(&s);
        close(fd);
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        test_unlock();
        test_passphrase();
        test_credentials();
        test_bounds();
        return tap_done();
}
