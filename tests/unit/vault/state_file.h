/* State files in memory, for the tests of vault/. */
#ifndef TESTS_UNIT_VAULT_STATE_FILE_H
#define TESTS_UNIT_VAULT_STATE_FILE_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vault/store.h"

static const uint8_t key_file[KEY_FILE_BYTES] = "a key file of exactly 32 bytes.";

static inline view key_view(void) { return (view){key_file, sizeof key_file}; }

static inline int state_new(void)
{
        int              fd = memfd_create("state", MFD_CLOEXEC);
        container_opener opener = {.kind = SLOT_KEY_FILE, .secret = key_view()};
        if (fd < 0 || failed(store_create(fd, &opener, 1700000000)))
                abort();
        return fd;
}

/* A copy of the whole file; free it. */
static inline uint8_t *state_image(int fd)
{
        uint8_t *image = malloc(2 * CONTAINER_SLOT_BYTES);
        if (image == nullptr || pread(fd, image, 2 * CONTAINER_SLOT_BYTES, 0) != (ssize_t)(2 * CONTAINER_SLOT_BYTES))
                abort();
        return image;
}

static inline void put_bytes(int fd, size_t at, const uint8_t *bytes, size_t len)
{
        if (pwrite(fd, bytes, len, (off_t)at) != (ssize_t)len)
                abort();
}

static inline void flip(int fd, size_t at, uint8_t mask)
{
        uint8_t byte;
        if (pread(fd, &byte, 1, (off_t)at) != 1)
                abort();
        byte ^= mask;
        put_bytes(fd, at, &byte, 1);
}

static inline err state_open(store *s, int fd)
{
        err e = store_attach(s, fd, 0);
        return failed(e) ? e : store_unlock_secret(s, SLOT_KEY_FILE, key_view());
}

#endif
