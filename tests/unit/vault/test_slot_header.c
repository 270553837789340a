#include <string.h>

#include "base/secret.h"
#include "support/tap.h"
#include "vault/container.h"

static slot_header sample(void)
{
        slot_header h = {.info = {.generation = 7, .created_s = 1700000000}, .payload_bytes = CONTAINER_STEP_BYTES};
        secret_random(h.info.device, sizeof h.info.device);
        secret_random(h.nonce, sizeof h.nonce);
        secret_random(h.key_check, sizeof h.key_check);
        h.info.slots[0] = (key_slot){.kind = SLOT_PASSPHRASE, .ops = 3, .mem_bytes = 256 * 1024 * 1024};
        h.info.slots[7] = (key_slot){.kind = SLOT_KEY_FILE};
        h.info.slots[2] = (key_slot){.kind = SLOT_TPM, .pcr_mask = 1u << 4 | 1u << 11};
        h.info.slots[2].sealed.private_len = TPM_PRIVATE_MAX;
        h.info.slots[2].sealed.public_len = TPM_PUBLIC_MAX;
        secret_random(h.info.slots[2].sealed.private_part, TPM_PRIVATE_MAX);
        secret_random(h.info.slots[2].sealed.public_part, TPM_PUBLIC_MAX);
        secret_random(h.info.slots[0].wrapped, sizeof h.info.slots[0].wrapped);
        secret_random(h.info.slots[7].salt, sizeof h.info.slots[7].salt);
        return h;
}

static void test_round(void)
{
        slot_header h = sample(), back;
        uint8_t     bytes[CONTAINER_HEADER_BYTES], again[CONTAINER_HEADER_BYTES];
        bool        newer;
        slot_header_write(&h, bytes);
        tap_ok(!failed(slot_header_read(bytes, &back, &newer)) && !newer, "slot_header", "what was written is read");
        slot_header_write(&back, again);
        tap_ok(memcmp(bytes, again, sizeof bytes) == 0 && back.info.generation == 7 && back.info.slots[0].ops == 3
                       && back.info.slots[7].kind == SLOT_KEY_FILE
                       && memcmp(&back.info.slots[2].sealed, &h.info.slots[2].sealed, sizeof(tpm_sealed)) == 0,
               "slot_header", "and it is the same");
        bool good = true;
        for (size_t i = 0; i < sizeof bytes; i++) {
                bytes[i] ^= (uint8_t)(1 << i % 8);
                good = good && failed(slot_header_read(bytes, &back, &newer)) && !newer;
                bytes[i] ^= (uint8_t)(1 << i % 8);
        }
        tap_ok(good, "slot_header", "a bit flipped in any byte is damage");
}

static const struct {
        const char *name;
        size_t      at;
        uint8_t     bytes[8];
        size_t      len;
        bool        newer;
} rows[] = {
        {"another magic",                      0,    "LETHEVLU",                     8, false},
        {"format 0",                           8,    {0, 0},                         2, false},
        {"format 2 is newer",                  8,    {2, 0},                         2, true},
        {"format 65535 is newer",              8,    {255, 255},                     2, true},
        {"a flag nobody knows",                10,   {1},                            1, false},
        {"another header size",                12,   {0, 16},                        2, false},
        {"generation 0",                       16,   {0},                            8, false},
        {"a reserved byte that is not zero",   50,   {1},                            1, false},
        {"payload of no step",                 64,   {0},                            8, false},
        {"payload of a part of a step",        64,   {1, 0, 1},                      8, false},
        {"payload beyond the copy",            64,   {0, 0, 64},                     8, false},
        {"payload of 2^63 bytes",              64,   {0, 0, 0, 0, 0, 0, 0, 128},     8, false},
        {"a key slot of an unknown kind",      1024, {4},                            2, false},
        {"a key file with Argon2id numbers",   1024, {2},                            2, false},
        {"an empty slot with numbers",         1024, {0},                            2, false},
        {"Argon2id with 9 passes",             1048, {9},                            8, false},
        {"Argon2id with 0 passes",             1048, {0},                            8, false},
        {"Argon2id with 1 MiB",                1056, {0, 0, 16},                     8, false},
        {"Argon2id with 1 GiB and a byte",     1056, {1, 0, 0, 64},                  8, false},
        {"Argon2id with 2^56 bytes",           1056, {0, 0, 0, 0, 0, 0, 0, 1},       8, false},
        {"a TPM's slot without what it sealed", 1024, {3},                           2, false},
        {"a TPM's slot of no register",        2160, {0},                            4, false},
        {"a TPM's slot of a 25th register",    2163, {1},                            1, false},
        {"a TPM's private part of 0 bytes",    2164, {0},                            2, false},
        {"a TPM's private part of 193 bytes",  2164, {193},                          2, false},
        {"a TPM's public part of 0 bytes",     2166, {0},                            2, false},
        {"a TPM's public part of 129 bytes",   2166, {129},                          2, false},
        {"a byte behind a TPM's slot",         2488, {1},                            1, false},
        {"a key file's slot with a TPM's part", 2048, {2},                           2, false},
        {"a byte behind the last key slot",    5120, {1},                            1, false},
};

static void test_rows(void)
{
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                slot_header h = sample(), back;
                uint8_t     bytes[CONTAINER_HEADER_BYTES];
                bool        newer;
                slot_header_write(&h, bytes);
                memcpy(bytes + rows[i].at, rows[i].bytes, rows[i].len);
                slot_header_seal(bytes);
                err e = slot_header_read(bytes, &back, &newer);
                tap_ok(e.code == ERR_BAD_FILE && newer == rows[i].newer, "slot_header", rows[i].name);
        }
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        test_round();
        test_rows();
        return tap_done();
}
