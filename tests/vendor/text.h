/* text: a growing byte string, for what the mock vendor reads and writes. Out of memory ends the process. */
#ifndef VENDOR_TEXT_H
#define VENDOR_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct text {
        char *bytes;
        size_t len, cap;
} text;

/* Borrowed bytes. */
typedef struct slice {
        const char *at;
        size_t len;
} slice;

#define SLICE(literal) ((slice){(literal), sizeof(literal) - 1})

/* Makes room for `more` bytes behind the end and returns where they go; the caller raises len. */
char *text_room(text *t, size_t more);
void text_add(text *t, const char *bytes, size_t len);
void text_str(text *t, const char *str);
void text_slice(text *t, slice s);
void text_num(text *t, uint64_t n);
[[gnu::format(printf, 2, 3)]] void text_fmt(text *t, const char *format, ...);

/* The bytes as the inside of a JSON string. `all` writes every character as \uXXXX. */
void text_json(text *t, slice s, bool all);

/* Drops the first `count` bytes. */
void text_drop(text *t, size_t count);
void text_clear(text *t);
void text_free(text *t);

/* The whole file; false when it cannot be read. */
bool text_read_file(text *t, const char *path);

slice text_all(const text *t);
bool slice_is(slice s, const char *str);
bool slice_is_nocase(slice s, const char *str);
bool slice_has(slice s, const char *str);

/* Decimal digits and nothing else. */
bool slice_number(slice s, uint64_t *out);

#endif
