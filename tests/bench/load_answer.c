#include "load.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void answer_reset(answer *a)
{
        a->at = AT_HEAD;
        a->head_len = 0;
        a->status = 0;
        a->left = a->events = a->line = 0;
        a->content = a->failed = a->done = false;
        a->text_len = 0;
}

const char *answer_field(const answer *a, const char *name)
{
        size_t len = strlen(name);
        for (const char *at = a->head; (at = strchr(at, '\n')) != nullptr;) {
                at++;
                if (strncasecmp(at, name, len) == 0 && at[len] == ':') {
                        at += len + 1;
                        return at + strspn(at, " ");
                }
        }
        return nullptr;
}

static void head_done(answer *a)
{
        const char *chunked = answer_field(a, "transfer-encoding"), *length = answer_field(a, "content-length");
        a->status = a->head_len > 12 ? atoi(a->head + 9) : 0;
        if (chunked != nullptr && strncasecmp(chunked, "chunked", 7) == 0) {
                a->at = AT_CHUNK_SIZE;
        } else if (length != nullptr) {
                a->left = strtoull(length, nullptr, 10);
                a->at = a->left > 0 ? AT_LENGTH : AT_WHOLE;
        } else {
                a->at = AT_BAD;
        }
}

static size_t head_feed(answer *a, const char *bytes, size_t len)
{
        for (size_t i = 0; i < len; i++) {
                if (a->head_len == ANSWER_HEAD_BYTES - 1) {
                        a->at = AT_BAD;
                        return i;
                }
                a->head[a->head_len++] = bytes[i];
                if (bytes[i] == '\n' && a->head_len >= 4 && memcmp(a->head + a->head_len - 4, "\r\n\r\n", 4) == 0) {
                        a->head[a->head_len] = 0;
                        head_done(a);
                        return i + 1;
                }
        }
        return len;
}

static void line_keep(answer *a, const char *bytes, size_t len)
{
        size_t room = ANSWER_LINE_BYTES - 1 - a->text_len, n = len < room ? len : room;
        memcpy(a->text + a->text_len, bytes, n);
        a->text_len += n;
}

/* What the events of OpenAI's dialect say, by the two members that tell text and failure from all else. */
static void line_read(answer *a)
{
        static const char data[] = "data: ", content[] = "\"content\":\"";
        a->text[a->text_len] = 0;
        a->text_len = 0;
        if (strncmp(a->text, data, sizeof data - 1) != 0)
                return;
        const char *at = strstr(a->text, content);
        a->content = a->content || (at != nullptr && at[sizeof content - 1] != '"');
        a->failed = a->failed || strstr(a->text, "\"error\":") != nullptr;
        a->done = a->done || strncmp(a->text + sizeof data - 1, "[DONE]", 6) == 0;
}

/* Counts the events of a piece of body: each ends with an empty line. */
static void body_feed(answer *a, const char *bytes, size_t len)
{
        const char *end = bytes + len;
        while (bytes < end) {
                const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
                if (a->look)
                        line_keep(a, bytes, (size_t)((newline == nullptr ? end : newline) - bytes));
                if (newline == nullptr) {
                        a->line += (uint64_t)(end - bytes);
                        return;
                }
                if (a->look)
                        line_read(a);
                a->line += (uint64_t)(newline - bytes);
                a->events += a->line == 0;
                a->line = 0;
                bytes = newline + 1;
        }
}

static size_t piece_feed(answer *a, const char *bytes, size_t len)
{
        size_t n = a->left < len ? (size_t)a->left : len;
        body_feed(a, bytes, n);
        a->left -= n;
        if (a->left == 0)
                a->at = a->at == AT_LENGTH ? AT_WHOLE : AT_CHUNK_END;
        return n;
}

static int hex(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte between the pieces of a chunked body. */
static void frame_feed(answer *a, char c, uint64_t *body_line)
{
        if (a->at == AT_CHUNK_SIZE && hex(c) >= 0) {
                a->left = a->left * 16 + (uint64_t)hex(c);
                return;
        }
        if (a->at == AT_CHUNK_SIZE)
                a->at = AT_CHUNK_LINE;
        if (a->at == AT_CHUNK_LINE) {
                if (c != '\n')
                        return;
                a->at = a->left > 0 ? AT_CHUNK : AT_TRAILER;
                if (a->at == AT_TRAILER)
                        *body_line = 0;
                return;
        }
        if (a->at == AT_CHUNK_END) {
                if (c == '\n')
                        a->at = AT_CHUNK_SIZE;
                return;
        }
        if (c == '\n' && *body_line == 0)
                a->at = AT_WHOLE;
        else if (c == '\n')
                *body_line = 0;
        else if (c != '\r')
                (*body_line)++;
}

size_t answer_feed(answer *a, const char *bytes, size_t len)
{
        size_t done = 0;
        while (done < len && a->at != AT_WHOLE && a->at != AT_BAD) {
                if (a->at == AT_HEAD)
                        done += head_feed(a, bytes + done, len - done);
                else if (a->at == AT_LENGTH || a->at == AT_CHUNK)
                        done += piece_feed(a, bytes + done, len - done);
                else
                        frame_feed(a, bytes[done++], &a->line);
        }
        return done;
}
