/* base/word: eight bytes at a step, for looking through text. A mask has the high bit of every byte that is meant; the
 * lowest one set is exact, those above it may be too many (a borrow goes upwards). */
#ifndef BASE_WORD_H
#define BASE_WORD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte of a word is its lowest");

enum : size_t { WORD_BYTES = sizeof(uint64_t) };
constexpr uint64_t WORD_ONES = 0x0101010101010101;
constexpr uint64_t WORD_HIGHS = WORD_ONES << 7;

static inline uint64_t word_at(const uint8_t *bytes)
{
        uint64_t w;
        memcpy(&w, bytes, sizeof w);
        return w;
}

/* Bytes below `limit`, which is at most 128. */
static inline uint64_t word_below(uint64_t w, uint8_t limit) { return (w - WORD_ONES * limit) & ~w & WORD_HIGHS; }

static inline uint64_t word_equal(uint64_t w, uint8_t byte) { return word_below(w ^ WORD_ONES * byte, 1); }

/* Bytes from 0x80 on. */
static inline uint64_t word_beyond_ascii(uint64_t w) { return w & WORD_HIGHS; }

/* Offset of the first byte in a mask that is not 0. */
static inline size_t word_first(uint64_t mask) { return (size_t)__builtin_ctzll(mask) / 8; }

#endif
