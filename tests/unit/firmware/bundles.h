/* Bundles made for a test: three keys, a manifest over an image of a few bytes, signatures. */
#ifndef TESTS_UNIT_FIRMWARE_BUNDLES_H
#define TESTS_UNIT_FIRMWARE_BUNDLES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "firmware/bundle.h"
#include "sign/minisign.h"

enum : size_t { MADE_BYTES = 64 * 1024, MADE_IMAGE_BYTES = 20000 };

static minisign_key made_keys[4]; /* the last is a stranger's */
static update_keys  made_set;
static uint8_t      made[MADE_BYTES];

static inline void made_keys_make(void)
{
        for (uint8_t i = 0; i < 4; i++) {
                uint8_t seed[32], text[256];
                memset(seed, 'a' + i, sizeof seed);
                minisign_key_from_seed(&made_keys[i], seed);
                emit e = emit_into(text, sizeof text);
                minisign_write_public(made_keys[i].number, made_keys[i].public_key, &e);
                const uint8_t *line = memchr(text, '\n', e.len);
                if (line == nullptr)
                        abort();
                if (i < UPDATE_KEYS)
                        memcpy(made_set.lines[i], line + 1, UPDATE_KEY_BYTES);
        }
        made_set.count = UPDATE_KEYS;
}

static inline void made_hex(char out[65], view bytes)
{
        uint8_t digest[32];
        secret_sha256(digest, bytes);
        for (size_t i = 0; i < sizeof digest; i++)
                snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

/* A word of the manifest, and what stands there instead; null: nothing is changed. */
typedef struct made_change {
        const char *from, *to;
} made_change;

static inline void made_text(char *text, size_t cap, uint8_t fill, const char *version, unsigned epoch, unsigned built)
{
        static uint8_t bytes[MADE_IMAGE_BYTES];
        char           whole[65], part[65];
        memset(bytes, fill, sizeof bytes);
        made_hex(whole, (view){bytes, sizeof bytes});
        made_hex(part, (view){bytes, 1000});
        snprintf(text, cap,
                 "product lethe\nformat 1\nversion %s\ncommit abc\nepoch %u\nbuilt %u\ncmdline quiet a=b\nuki %zu %s\n"
                 "vmlinuz 512 1000 %s\ninitrd 4096 1000 %s\nunsigned %s\npcr4 %s\npcr11 %s\n",
                 version, epoch, built, MADE_IMAGE_BYTES, whole, part, part, whole, part, part);
}

static inline void put_u32(uint8_t *at, size_t n)
{
        for (size_t i = 0; i < 4; i++)
                at[i] = (uint8_t)(n >> 8 * i);
}

/* Signed by these keys, one after the other; returns the bytes in `made`. */
static inline size_t made_bundle(const char *text, const char *version, unsigned epoch, const char *signers,
                                 uint8_t fill)
{
        size_t at = BUNDLE_HEAD_BYTES, len = strlen(text);
        memset(made, 0, sizeof made);
        memcpy(made, "LETHEUPD", 8);
        put_u32(made + 8, 1);
        put_u32(made + 12, len);
        put_u32(made + 28, epoch);
        put_u32(made + 32, MADE_IMAGE_BYTES);
        memcpy(made + 40, version, strlen(version));
        memcpy(made + at, text, len);
        at += len;
        for (size_t i = 0; signers[i] != '\0'; i++) {
                emit e = emit_into(made + at, sizeof made - at);
                if (failed(minisign_write(&made_keys[signers[i] - '1'], view_of_text(text), VIEW("test"), &e)))
                        abort();
                put_u32(made + 16 + 4 * i, e.len);
                at += e.len;
        }
        at = (at + BUNDLE_ALIGN - 1) / BUNDLE_ALIGN * BUNDLE_ALIGN;
        memset(made + at, fill, MADE_IMAGE_BYTES);
        return at + MADE_IMAGE_BYTES;
}

#endif
