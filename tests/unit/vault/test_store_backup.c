#include <stdio.h>
#include <sodium.h>
#include <unistd.h>

#include "base/secret.h"
#include "support/tap.h"
#include "unit/vault/state_file.h"
#include "vault/config_set.h"
#include "vault/store.h"

static backup_pair person;
static region file;

static void making(store *s)
{
        backup_facts f = {.need = 1, .count = 1, .created_s = 7}, shown;
        const char *why = nullptr;
        region set;
        memcpy(f.recipients[0], person.public_key, 32);
        config_set_init(&set);
        const config_file one = {VIEW("lethe.json"), VIEW("{}")};
        bool good = !failed(config_set_put(&set, &one))
                    && !failed(store_put(s, VIEW("openai"), VIEW("api.openai.com"), VIEW("sk-canary")))
                    && !failed(store_set_config(s, region_view(&set), STORE_OPENS_KEY_FILE));
        store_exported export = {.body = VIEW("{\"export\":1}\n"), .signature = VIEW("sig")};
        good = good && !failed(store_append_export(s, 1, &export, false));
        region_end(&set);
        region_init(&file, BACKUP_BYTES);
        good = good && !failed(store_backup(s, &f, &file)) && !failed(backup_read(region_view(&file), &shown, &why));
        tap_ok(good && shown.next_sequence == 2 && memcmp(shown.device, s->info.device, 16) == 0
                       && shown.generation == s->info.generation,
               "store_backup", "it says where the box's exports stand");
}

static bool open_it(store *held, backup_facts *f)
{
        region payload;
        const char *why = nullptr;
        bool good = !failed(backup_read(region_view(&file), f, &why))
                    && !failed(backup_open(region_view(&file), &person, 1, &payload, &why));
        good = good && memmem(payload.bytes, payload.len, "export", 6) == nullptr
               && !failed(store_from_backup(held, region_view(&payload)));
        region_end(&payload);
        return good;
}

static void holding(store *s, store_inheritance *from)
{
        store held;
        backup_facts f;
        minisign_key mine, other;
        bool good = open_it(&held, &f);
        tap_ok(good && store_credential_count(&held) == 1 && strcmp(store_credential(&held, 0)->name, "openai") == 0
                       && config_set_count(region_view(&held.config)) == 1 && held.opens == STORE_OPENS_KEY_FILE
                       && held.export_count == 0,
               "store_backup", "vendor keys and configuration are in it, exports are not");
        store_signing_key(s, &mine);
        store_signing_key(&held, &other);
        tap_ok(memcmp(mine.public_key, other.public_key, 32) != 0
                       && memcmp(store_pepper(s), store_pepper(&held), 32) == 0,
               "store_backup", "the pepper is in it, the signing seed is not");
        store_inheritance_of(&held, &f, from);
        store_close(&held);
        held = (store){};
        tap_ok(failed(store_from_backup(&held, VIEW("nothing"))), "store_backup", "what is no payload is refused");
}

static void inheriting(const store *lost, const store_inheritance *from)
{
        int fd = state_new();
        store s;
        minisign_key before, after;
        if (failed(state_open(&s, fd)))
                return;
        store_signing_key(&s, &before);
        store_inheritance bad = *from;
        bad.from.next_sequence = 0;
        tap_ok(store_inherit(&s, &bad).code == ERR_OUT_OF_RANGE, "store_backup", "one of another form is refused");
        tap_ok(!failed(store_inherit(&s, from)) && memcmp(store_pepper(&s), store_pepper(lost), 32) == 0
                       && memcmp(store_pseudonym_key(&s), store_pseudonym_key(lost), 32) == 0,
               "store_backup", "a new vault takes over what client keys and pseudonyms rest on");
        store_close(&s);
        bool good = !failed(state_open(&s, fd));
        store_signing_key(&s, &after);
        tap_ok(good && s.succeeds.there == 1 && s.succeeds.next_sequence == 2
                       && memcmp(s.succeeds.device, lost->info.device, 16) == 0
                       && memcmp(before.public_key, after.public_key, 32) == 0,
               "store_backup", "it is on disk, and the identity is still its own");
        tap_ok(store_inherit(&s, from).code == ERR_EXISTS, "store_backup", "once");
        store_close(&s);
        close(fd);
        fd = state_new();
        good = !failed(state_open(&s, fd)) && !failed(store_put(&s, VIEW("a"), VIEW("h"), VIEW("s")));
        tap_ok(good && store_inherit(&s, from).code == ERR_EXISTS, "store_backup", "never where something is");
        store_close(&s);
        close(fd);
}

int main(void)
{
        store s;
        store_inheritance from;
        if (failed(secret_setup()))
                return 1;
        crypto_box_keypair(person.public_key, person.secret);
        int fd = state_new();
        if (failed(state_open(&s, fd)))
                return 1;
        making(&s);
        holding(&s, &from);
        inheriting(&s, &from);
        region_end(&file);
        store_close(&s);
        close(fd);
        return tap_done();
}
