#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/secret.h"
#include "support/tap.h"
#include "unit/vault/state_file.h"

static const char SUBJECT[] = "store_slots";

static key_slot tpm_slot(void)
{
        key_slot k = {.kind = SLOT_TPM, .pcr_mask = 1u << 4 | 1u << 11};
        k.sealed.private_len = 158;
        k.sealed.public_len = 78;
        memset(k.sealed.private_part, 0xaa, 158);
        memset(k.sealed.public_part, 0xbb, 78);
        memset(k.salt, 7, sizeof k.salt);
        return k;
}

/* Opens by what slot `index` wraps with; the two copies of the file must agree. */
static bool opens(int fd, uint32_t index, const uint8_t wrapping[static 32])
{
        store s;
        bool  good = !failed(store_attach(&s, fd, 0)) && s.info.good_slots == 2
                    && !failed(store_unlock_slot(&s, index, wrapping));
        store_close(&s);
        return good;
}

static void test_add(int fd, store *s)
{
        uint8_t  wrapping[32], secret[32] = "what the TPM gives";
        uint32_t index = 9;
        key_slot k = tpm_slot();
        container_wrapping_key(&k, (view){secret, 32}, wrapping).code == ERR_NONE ? (void)0 : abort();
        tap_ok(!failed(store_slot_add(s, &k, wrapping, &index)) && index == 1, SUBJECT, "the first free one is taken");
        tap_ok(opens(fd, 1, wrapping), SUBJECT, "and opens the vault");
        store again;
        tap_ok(!failed(store_attach(&again, fd, 0)) && again.info.slots[1].kind == SLOT_TPM
                       && again.info.slots[1].pcr_mask == k.pcr_mask
                       && memcmp(&again.info.slots[1].sealed, &k.sealed, sizeof k.sealed) == 0,
               SUBJECT, "what the TPM needs is in the header, byte for byte");
        store_close(&again);
        uint8_t *image = state_image(fd);
        /* The slot table stands at 1024 of each copy, 512 bytes a slot. */
        tap_ok(memcmp(image + 1024, image + CONTAINER_SLOT_BYTES + 1024, 8 * 512) == 0, SUBJECT, "both copies have it");
        free(image);
        key_slot bad = k;
        bad.pcr_mask = 0;
        tap_ok(store_slot_add(s, &bad, wrapping, &index).code == ERR_OUT_OF_RANGE, SUBJECT, "no registers, no slot");
        bad = (key_slot){.kind = SLOT_PASSPHRASE, .ops = 0};
        tap_ok(store_slot_add(s, &bad, wrapping, &index).code == ERR_OUT_OF_RANGE, SUBJECT,
               "nor with an Argon2id of none");
        bad = (key_slot){};
        tap_ok(store_slot_add(s, &bad, wrapping, &index).code == ERR_OUT_OF_RANGE, SUBJECT, "nor of no kind");
        bool good = true;
        for (uint32_t i = 2; i < KEY_SLOTS; i++)
                good = good && !failed(store_slot_add(s, &k, wrapping, &index)) && index == i;
        tap_ok(good && store_slot_add(s, &k, wrapping, &index).code == ERR_NO_ROOM, SUBJECT, "eight and no more");
}

static void test_remove(int fd, store *s)
{
        tap_ok(!failed(store_slots_remove(s, 0xf8)) && s->info.slots[3].kind == SLOT_EMPTY
                       && s->info.slots[2].kind == SLOT_TPM,
               SUBJECT, "several go at once");
        tap_ok(store_slots_remove(s, 1u << 5).code == ERR_NO_TARGET
                       && store_slots_remove(s, 0x104).code == ERR_NO_TARGET
                       && store_slots_remove(s, 0).code == ERR_NO_TARGET && s->info.slots[2].kind == SLOT_TPM,
               SUBJECT, "one that is empty is not removed, nor any beside it");
        tap_ok(store_slots_remove(s, 1).code == ERR_LAST_SLOT && store_slots_remove(s, 7).code == ERR_LAST_SLOT
                       && s->info.slots[0].kind == SLOT_KEY_FILE,
               SUBJECT, "the last that a person holds stays");
        uint8_t *image = state_image(fd), zeros[512] = {};
        tap_ok(memcmp(image + 1024 + 3 * 512, zeros, 512) == 0
                       && memcmp(image + CONTAINER_SLOT_BYTES + 1024 + 3 * 512, zeros, 512) == 0,
               SUBJECT, "what went is in neither copy");
        free(image);
}

static void test_read_only(int fd, store *s)
{
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        uint8_t  wrapping[32] = {};
        uint32_t index;
        key_slot k = tpm_slot();
        int      kept = s->fd;
        s->fd = open(path, O_RDONLY | O_CLOEXEC);
        tap_ok(store_slot_add(s, &k, wrapping, &index).code == ERR_SYSTEM && s->info.slots[3].kind == SLOT_EMPTY
                       && store_slots_remove(s, 1u << 2).code == ERR_SYSTEM && s->info.slots[2].kind == SLOT_TPM,
               SUBJECT, "a file that cannot be written: refused, and nothing changed");
        close(s->fd);
        s->fd = kept;
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        int   fd = state_new();
        store s;
        if (failed(state_open(&s, fd)))
                return 1;
        test_add(fd, &s);
        test_remove(fd, &s);
        test_read_only(fd, &s);
        store_close(&s);
        store again;
        tap_ok(!failed(state_open(&again, fd)) && again.info.slots[2].kind == SLOT_TPM, SUBJECT,
               "the key file opens it as before");
        store_close(&again);
        close(fd);
        return tap_done();
}
