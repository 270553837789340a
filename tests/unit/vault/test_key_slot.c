#include "vault/key_slot.h"

#include "support/tap.h"

static const uint8_t vault_key[32] = "the vault key, thirty-two bytes";
static const uint8_t file_bytes[KEY_FILE_BYTES] = "a key file of exactly 32 bytes.";

static bool opens_with(const key_slot *k, view secret)
{
        uint8_t wrapping[32], got[32] = {};
        if (failed(container_wrapping_key(k, secret, wrapping)))
                return false;
        return !failed(container_unwrap(k, wrapping, got)) && memcmp(got, vault_key, 32) == 0;
}

static void test_opening(void)
{
        key_slot         pass, file;
        container_opener by_pass = {SLOT_PASSPHRASE, VIEW("correct horse"), 1, ARGON_MEM_MIN};
        container_opener by_file = {.kind = SLOT_KEY_FILE, .secret = {file_bytes, sizeof file_bytes}, .ops = 9};
        tap_ok(!failed(key_slot_wrap(&pass, &by_pass, vault_key)) && opens_with(&pass, VIEW("correct horse")),
               "key_slot", "a passphrase opens what it wrapped");
        tap_ok(!opens_with(&pass, VIEW("correct hors")) && !opens_with(&pass, VIEW("correct horse ")), "key_slot",
               "another does not");
        tap_ok(!failed(key_slot_wrap(&file, &by_file, vault_key)) && opens_with(&file, by_file.secret), "key_slot",
               "a key file opens what it wrapped");
        tap_ok(file.ops == 0 && file.mem_bytes == 0, "key_slot", "a key file has no Argon2id numbers");
        uint8_t other[KEY_FILE_BYTES] = "another file of exactly 32 byte";
        tap_ok(!opens_with(&file, (view){other, sizeof other}), "key_slot", "another does not");

        bool good = true;
        for (size_t i = 0; i < sizeof file.wrapped; i++) {
                key_slot damaged = file;
                damaged.wrapped[i] ^= 1;
                good = good && !opens_with(&damaged, by_file.secret);
        }
        key_slot cheaper = pass;
        cheaper.ops = 2;
        good = good && !opens_with(&cheaper, VIEW("correct horse"));
        tap_ok(good, "key_slot", "a changed slot does not open");
}

static void test_bounds(void)
{
        uint8_t  out[32];
        uint8_t  longer[PASSPHRASE_MAX + 1] = {};
        key_slot k = {.kind = SLOT_PASSPHRASE, .ops = 1, .mem_bytes = ARGON_MEM_MIN};
        tap_ok(container_wrapping_key(&k, VIEW(""), out).code == ERR_BAD_CREDENTIAL, "key_slot",
               "no passphrase is wrong");
        tap_ok(container_wrapping_key(&k, (view){longer, sizeof longer}, out).code == ERR_BAD_CREDENTIAL, "key_slot",
               "one of 1025 bytes is too long");
        static const struct {
                const char *name;
                uint64_t    ops, mem;
        } rows[] = {
                {"9 passes are refused before they are run", 9, ARGON_MEM_MIN},
                {"no pass is refused", 0, ARGON_MEM_MIN},
                {"more than 1 GiB is refused", 1, ARGON_MEM_MAX + 1},
                {"less than 8 MiB is refused", 1, ARGON_MEM_MIN - 1},
                {"2^64 - 1 of both is refused", UINT64_MAX, UINT64_MAX},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                k = (key_slot){.kind = SLOT_PASSPHRASE, .ops = rows[i].ops, .mem_bytes = rows[i].mem};
                tap_ok(container_wrapping_key(&k, VIEW("x"), out).code == ERR_OUT_OF_RANGE, "key_slot", rows[i].name);
        }
        k = (key_slot){.kind = SLOT_KEY_FILE};
        tap_ok(container_wrapping_key(&k, (view){file_bytes, 31}, out).code == ERR_BAD_CREDENTIAL, "key_slot",
               "a key file of 31 bytes is none");
        k = (key_slot){};
        tap_ok(container_wrapping_key(&k, VIEW("x"), out).code == ERR_OUT_OF_RANGE, "key_slot",
               "an empty slot opens nothing");
        container_opener bad = {SLOT_PASSPHRASE, VIEW("x"), 99, ARGON_MEM_MIN};
        tap_ok(failed(key_slot_wrap(&k, &bad, vault_key)), "key_slot",
               "nothing is wrapped with numbers nobody accepts");
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        test_opening();
        test_bounds();
        return tap_done();
}
