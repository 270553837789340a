/* base/view: bytes that somebody else owns. */
#ifndef BASE_VIEW_H
#define BASE_VIEW_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct view {
        const uint8_t *data; /* borrowed; null only when len is 0 */
        size_t         len;  /* bytes */
} view;

/* Two forms because a compound literal may not stand in a static initialiser. */
#define VIEW_INIT(literal) {(const uint8_t *)(literal), sizeof(literal) - 1}
#define VIEW(literal)      ((view)VIEW_INIT(literal))

static inline view view_of_text(const char *text)
{
        return (view){(const uint8_t *)text, strlen(text)};
}

static inline bool view_equal(view a, view b)
{
        return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline uint8_t ascii_lower(uint8_t c)
{
        return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

/* ASCII case is ignored; other bytes must be equal. */
static inline bool view_equal_nocase(view a, view b)
{
        if (a.len != b.len)
                return false;
        for (size_t i = 0; i < a.len; i++)
                if (ascii_lower(a.data[i]) != ascii_lower(b.data[i]))
                        return false;
        return true;
}

static inline bool view_starts(view v, view prefix)
{
        return v.len >= prefix.len && (prefix.len == 0 || memcmp(v.data, prefix.data, prefix.len) == 0);
}

/* The part [from, to) of v; both are clamped to its length. */
static inline view view_slice(view v, size_t from, size_t to)
{
        if (to > v.len)
                to = v.len;
        if (from >= to)
                return (view){};
        return (view){v.data + from, to - from};
}

/* Unsigned decimal without sign or leading zero, at most `max`. */
bool view_decimal(view v, uint64_t max, uint64_t *out);

#endif
