/* vault/little_endian: numbers of the state file, the same on every machine. */
#ifndef VAULT_LITTLE_ENDIAN_H
#define VAULT_LITTLE_ENDIAN_H

#include <stddef.h>
#include <stdint.h>

static inline void le_write(uint8_t *to, uint64_t n, size_t bytes)
{
        for (size_t i = 0; i < bytes; i++)
                to[i] = (uint8_t)(n >> (8 * i));
}

static inline uint64_t le_read(const uint8_t *from, size_t bytes)
{
        uint64_t n = 0;
        for (size_t i = 0; i < bytes; i++)
                n |= (uint64_t)from[i] << (8 * i);
        return n;
}

#endif
