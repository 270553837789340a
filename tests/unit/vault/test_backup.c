/* covers: backup.c backup_key.c */
#include "vault/backup.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "support/tap.h"
#include "vault/container.h"

static backup_pair people[4];
static minisign_key box;
static const view secret = VIEW_INIT("all that the vault holds, but the seed");
static const char *why;

static backup_facts facts(uint8_t need, uint8_t count)
{
        backup_facts f = {.need = need, .count = count, .created_s = 77, .generation = 9, .next_sequence = 4};
        memset(f.device, 0xab, sizeof f.device);
        for (size_t i = 0; i < count && i < 4; i++)
                memcpy(f.recipients[i], people[i].public_key, 32);
        return f;
}

static region made(uint8_t need, uint8_t count)
{
        region out;
        backup_facts f = facts(need, count);
        region_init(&out, BACKUP_BYTES);
        if (failed(backup_write(&f, &box, secret, &out)))
                abort();
        return out;
}

static bool opens(const region *file, size_t a, size_t b, size_t count)
{
        const backup_pair pairs[] = {people[a], people[b]};
        region payload;
        err e = backup_open(region_view(file), pairs, count, &payload, &why);
        bool good = !failed(e) && view_equal(region_view(&payload), secret);
        region_end(&payload);
        return good;
}

static void one_person(void)
{
        region file = made(1, 3);
        backup_facts f;
        bool good = !failed(backup_read(region_view(&file), &f, &why));
        tap_ok(good && f.need == 1 && f.count == 3 && f.device[3] == 0xab && f.next_sequence == 4 && f.generation == 9
                       && memcmp(f.export_key, box.public_key, 32) == 0
                       && memcmp(f.recipients[2], people[2].public_key, 32) == 0,
               "backup", "what it is stands in it in the clear");
        tap_ok(memmem(file.bytes, file.len, "vault holds", 11) == nullptr, "backup", "what it holds does not");
        tap_ok(opens(&file, 0, 0, 1) && opens(&file, 1, 1, 1) && opens(&file, 2, 2, 1), "backup",
               "each recipient opens it");
        tap_ok(!opens(&file, 3, 3, 1) && !opens(&file, 0, 0, 0), "backup", "nobody else does, nor no key");
        region_end(&file);
}

static void two_persons(void)
{
        region file = made(2, 3);
        bool good = true;
        for (size_t a = 0; a < 3; a++)
                for (size_t b = 0; b < 3; b++)
                        good = good && opens(&file, a, b, 2) == (a != b);
        tap_ok(good, "backup", "any two of three open it, in any order; none does it twice over");
        tap_ok(!opens(&file, 0, 0, 1) && !opens(&file, 1, 3, 2), "backup", "one alone, or with a stranger, does not");
        region_end(&file);
}

static void damage(void)
{
        region file = made(2, 2);
        backup_facts f;
        bool good = true;
        for (size_t cut = 0; cut < file.len; cut++)
                good = good && backup_read((view){file.bytes, cut}, &f, &why).code == ERR_BAD_FILE && why != nullptr;
        tap_ok(good, "backup", "cut anywhere it is refused");
        good = true;
        for (size_t at = 0; at < file.len; at++) {
                file.bytes[at] ^= 1;
                err e = backup_read(region_view(&file), &f, &why);
                good = good && (e.code == ERR_BAD_FILE || e.code == ERR_BAD_SIGNATURE);
                file.bytes[at] ^= 1;
        }
        tap_ok(good, "backup", "one bit changed anywhere it is refused");
        good = !failed(region_append(&file, VIEW("x")));
        tap_ok(good && backup_read(region_view(&file), &f, &why).code == ERR_BAD_FILE, "backup",
               "a byte more, and it is refused");
        region_end(&file);
}

static void refusals(void)
{
        static const struct {
                const char *name;
                uint8_t need, count;
        } rows[] = {
                {"nobody", 1, 0}, {"two of one", 2, 1}, {"three of three", 3, 3}, {"none needed", 0, 2}, {"nine", 1, 9},
        };
        region out;
        region_init(&out, BACKUP_BYTES);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                backup_facts f = facts(rows[i].need, rows[i].count <= 4 ? rows[i].count : 4);
                f.count = rows[i].count;
                tap_ok(backup_write(&f, &box, secret, &out).code == ERR_OUT_OF_RANGE && out.len == 0, "backup",
                       rows[i].name);
        }
        backup_facts f = facts(1, 2);
        memcpy(f.recipients[1], f.recipients[0], 32);
        tap_ok(failed(backup_write(&f, &box, secret, &out)), "backup", "the same person twice");
        memset(f.recipients[1], 0, 32);
        tap_ok(failed(backup_write(&f, &box, secret, &out)), "backup", "a key that is none");
        f.recipients[1][0] = 1; /* of small order */
        tap_ok(failed(backup_write(&f, &box, secret, &out)) && out.len == 0, "backup", "a key that everybody knows");
        region_end(&out);
}

static void key_files(void)
{
        uint8_t room[1024], public_key[32];
        emit out = emit_into(room, sizeof room);
        backup_pair pair, again;
        bool good = !failed(backup_key_make(VIEW("a pass phrase"), ARGON_MEM_MIN, &pair, &out));
        view file = {out.bytes, out.len};
        tap_ok(good && !failed(backup_key_open(file, VIEW("a pass phrase"), &again))
                       && memcmp(&pair, &again, sizeof pair) == 0,
               "backup key", "what was made opens by its passphrase");
        tap_ok(backup_key_open(file, VIEW("another"), &again).code == ERR_BAD_CREDENTIAL, "backup key",
               "by no other");
        tap_ok(!failed(backup_key_public(file, public_key)) && memcmp(public_key, pair.public_key, 32) == 0,
               "backup key", "its public half needs none");
        uint8_t digits[65];
        emit hex = emit_into(digits, sizeof digits);
        emit_hex(&hex, (view){pair.public_key, 32});
        emit_byte(&hex, '\n');
        memset(public_key, 0, sizeof public_key);
        tap_ok(!failed(backup_key_public((view){digits, 64}, public_key))
                       && !failed(backup_key_public((view){digits, 65}, public_key))
                       && memcmp(public_key, pair.public_key, 32) == 0,
               "backup key", "64 digits alone are one too");
        good = true;
        for (size_t cut = 0; cut < file.len; cut++)
                good = good
                       && backup_key_open(view_slice(file, 0, cut), VIEW("a pass phrase"), &again).code == ERR_BAD_FILE
                       && failed(backup_key_public(view_slice(file, 0, cut), public_key));
        tap_ok(good, "backup key", "cut anywhere it is none");
        room[30] ^= 1; /* of the public key */
        tap_ok(failed(backup_key_open(file, VIEW("a pass phrase"), &again)), "backup key",
               "with another public key it does not open");
        emit small = emit_into(room, 40);
        tap_ok(backup_key_make(VIEW("x"), ARGON_MEM_MIN, &pair, &small).code == ERR_NO_ROOM, "backup key",
               "no room is said");
}

int main(void)
{
        uint8_t seed[32];
        if (failed(secret_setup()))
                return 1;
        secret_random(seed, sizeof seed);
        minisign_key_from_seed(&box, seed);
        for (size_t i = 0; i < 4; i++)
                crypto_box_keypair(people[i].public_key, people[i].secret);
        one_person();
        two_persons();
        damage();
        refusals();
        key_files();
        return tap_done();
}
