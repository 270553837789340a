/* base/secret: libsodium's door for everything that is not sealing or signing. */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/result.h"
#include "base/view.h"

constexpr size_t SECRET_KEY_BYTES = 32;
constexpr size_t SECRET_HASH_BYTES = 32;

/* Once per process, before anything else here. err SYSTEM */
err secret_setup(void);

/* Random bytes from the kernel's generator. */
void secret_random(uint8_t *out, size_t len);

/* Random bytes in stock, for draws and names of which a request takes several: one system call for many. Not for keys,
 * which come from the kernel when they are made. What is handed out is wiped in the stock. Begins as zeros. */
typedef struct secret_stock {
        uint8_t bytes[1024];
        size_t  left; /* at the front, not handed out yet */
} secret_stock;

/* At most sizeof s->bytes. */
void     secret_draw(secret_stock *s, uint8_t *out, size_t len);
uint64_t secret_draw_u64(secret_stock *s);

/* BLAKE2b-256 of `data`, keyed when key.len > 0 (16 to 64 bytes). */
void secret_hash(uint8_t out[static SECRET_HASH_BYTES], view data, view key);

/* SHA-256. */
void secret_sha256(uint8_t out[static 32], view data);

/* Constant time for equal lengths. */
bool secret_equal(const uint8_t *a, const uint8_t *b, size_t len);

/* Derives a sub-key. context has exactly 8 characters and names the purpose. */
void secret_derive(uint8_t out[static SECRET_KEY_BYTES], uint64_t id, const char *context,
                   const uint8_t master[static SECRET_KEY_BYTES]);

/* SipHash-2-4 under a random key of this process: for hash tables that input may attack. */
uint64_t secret_siphash(view data);

/* A number for a public name, the same in every process and never 0: for tables that processes share. Not secret. */
uint64_t secret_key_number(view name);

/* Locks memory against swapping and leaves it out of dumps. err SYSTEM when the kernel refuses the lock */
err secret_lock(void *bytes, size_t len);

#endif
