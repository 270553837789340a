#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { KEEP_BYTES = 64 * 1024 };

char *text_room(text *t, size_t more)
{
        if (t->cap - t->len < more) {
                size_t cap = t->cap == 0 ? 512 : t->cap;
                while (cap - t->len < more)
                        cap *= 2;
                t->bytes = realloc(t->bytes, cap);
                if (t->bytes == nullptr)
                        abort();
                t->cap = cap;
        }
        return t->bytes + t->len;
}

void text_add(text *t, const char *bytes, size_t len)
{
        if (len == 0)
                return;
        memcpy(text_room(t, len), bytes, len);
        t->len += len;
}

void text_str(text *t, const char *str) { text_add(t, str, strlen(str)); }

void text_slice(text *t, slice s) { text_add(t, s.at, s.len); }

void text_num(text *t, uint64_t n)
{
        char digits[20];
        size_t at = sizeof digits;
        do {
                digits[--at] = (char)('0' + n % 10);
                n /= 10;
        } while (n > 0);
        text_add(t, digits + at, sizeof digits - at);
}

void text_fmt(text *t, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        va_list again;
        va_copy(again, args);
        int need = vsnprintf(nullptr, 0, format, args);
        va_end(args);
        if (need < 0)
                abort();
        vsnprintf(text_room(t, (size_t)need + 1), (size_t)need + 1, format, again);
        va_end(again);
        t->len += (size_t)need;
}

/* Decodes one character of valid UTF-8 and returns its length. */
static size_t utf8_take(const char *at, size_t left, uint32_t *out)
{
        const unsigned char *u = (const unsigned char *)at;
        size_t len = u[0] < 0x80 ? 1 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
        if (len == 1 || len > left) {
                *out = u[0];
                return 1;
        }
        uint32_t point = u[0] & (0x7fu >> len);
        for (size_t i = 1; i < len; i++)
                point = point << 6 | (u[i] & 0x3fu);
        *out = point;
        return len;
}

static void text_json_all(text *t, slice s)
{
        for (size_t i = 0; i < s.len;) {
                uint32_t point;
                i += utf8_take(s.at + i, s.len - i, &point);
                if (point >= 0x10000) {
                        point -= 0x10000;
                        text_fmt(t, "\\u%04x\\u%04x", 0xd800 + (point >> 10), 0xdc00 + (point & 0x3ff));
                } else {
                        text_fmt(t, "\\u%04x", point);
                }
        }
}

void text_json(text *t, slice s, bool all)
{
        if (all) {
                text_json_all(t, s);
                return;
        }
        size_t from = 0;
        for (size_t i = 0; i < s.len; i++) {
                unsigned char c = (unsigned char)s.at[i];
                if (c >= 0x20 && c != '"' && c != '\\')
                        continue;
                text_add(t, s.at + from, i - from);
                from = i + 1;
                if (c == '\n')
                        text_str(t, "\\n");
                else if (c < 0x20)
                        text_fmt(t, "\\u%04x", c);
                else
                        text_add(t, (const char[]){'\\', (char)c}, 2);
        }
        text_add(t, s.at + from, s.len - from);
}

void text_drop(text *t, size_t count)
{
        if (count < t->len)
                memmove(t->bytes, t->bytes + count, t->len - count);
        t->len -= count;
}

void text_clear(text *t)
{
        t->len = 0;
        if (t->cap > KEEP_BYTES)
                text_free(t);
}

void text_free(text *t)
{
        free(t->bytes);
        *t = (text){};
}

bool text_read_file(text *t, const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        ssize_t got;
        do {
                got = read(fd, text_room(t, 16384), 16384);
                if (got > 0)
                        t->len += (size_t)got;
        } while (got > 0 || (got < 0 && errno == EINTR));
        close(fd);
        return got == 0;
}

slice text_all(const text *t) { return (slice){t->bytes, t->len}; }

bool slice_is(slice s, const char *str) { return s.len == strlen(str) && memcmp(s.at, str, s.len) == 0; }

bool slice_is_nocase(slice s, const char *str) { return s.len == strlen(str) && strncasecmp(s.at, str, s.len) == 0; }

bool slice_has(slice s, const char *str) { return s.len > 0 && memmem(s.at, s.len, str, strlen(str)) != nullptr; }

bool slice_number(slice s, uint64_t *out)
{
        if (s.len == 0 || s.len > 18)
                return false;
        *out = 0;
        for (size_t i = 0; i < s.len; i++) {
                if (s.at[i] < '0' || s.at[i] > '9')
                        return false;
                *out = *out * 10 + (uint64_t)(s.at[i] - '0');
        }
        return true;
}
