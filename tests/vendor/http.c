#include "http.h"

#include <string.h>

enum { HEAD_MAX = 64 * 1024 };

typedef struct framing {
        bool has_length, chunked;
        uint64_t length;
} framing;

static slice trim(slice s)
{
        while (s.len > 0 && (*s.at == ' ' || *s.at == '\t')) {
                s.at++;
                s.len--;
        }
        while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
                s.len--;
        return s;
}

/* Cuts one line off the front of `rest`; false when its CR LF is not there. */
static bool take_line(slice *rest, slice *line)
{
        if (rest->len == 0)
                return false;
        const char *end = memmem(rest->at, rest->len, "\r\n", 2);
        if (end == nullptr)
                return false;
        *line = (slice){rest->at, (size_t)(end - rest->at)};
        rest->len -= line->len + 2;
        rest->at = end + 2;
        return true;
}

/* Cuts one word ended by a space off the front. */
static bool take_word(slice *line, slice *word)
{
        const char *space = line->len == 0 ? nullptr : memchr(line->at, ' ', line->len);
        if (space == nullptr || space == line->at)
                return false;
        *word = (slice){line->at, (size_t)(space - line->at)};
        line->len -= word->len + 1;
        line->at = space + 1;
        return true;
}

static bool read_request_line(slice line, http_request *out)
{
        if (!take_word(&line, &out->method) || !take_word(&line, &out->path) || !slice_is(line, "HTTP/1.1"))
                return false;
        const char *query = memchr(out->path.at, '?', out->path.len);
        if (query != nullptr)
                out->path.len = (size_t)(query - out->path.at);
        return true;
}

static bool read_field(slice line, http_request *out, framing *f)
{
        const char *colon = memchr(line.at, ':', line.len);
        if (colon == nullptr || colon == line.at)
                return false;
        slice name = {line.at, (size_t)(colon - line.at)};
        slice value = trim((slice){colon + 1, line.len - name.len - 1});
        if (slice_is_nocase(name, "content-length")) {
                if (f->has_length || !slice_number(value, &f->length))
                        return false;
                f->has_length = true;
        } else if (slice_is_nocase(name, "transfer-encoding")) {
                f->chunked = slice_is_nocase(value, "chunked");
                return f->chunked;
        } else if (slice_is_nocase(name, "connection")) {
                out->close = slice_is_nocase(value, "close");
        } else if (slice_is_nocase(name, "expect")) {
                out->expect = slice_is_nocase(value, "100-continue");
        } else if (slice_is_nocase(name, "authorization") && value.len > 7
                   && slice_is_nocase((slice){value.at, 7}, "bearer ")) {
                out->bearer = (slice){value.at + 7, value.len - 7};
        }
        return true;
}

static bool hex_number(slice s, size_t *out)
{
        if (s.len == 0 || s.len > 8)
                return false;
        *out = 0;
        for (size_t i = 0; i < s.len; i++) {
                char c = s.at[i];
                if (c >= '0' && c <= '9')
                        *out = *out << 4 | (size_t)(c - '0');
                else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
                        *out = *out << 4 | (size_t)((c | 0x20) - 'a' + 10);
                else
                        return false;
        }
        return true;
}

static http_verdict read_chunks(slice rest, http_request *out, text *scratch)
{
        size_t whole = rest.len;
        scratch->len = 0;
        for (;;) {
                slice line;
                size_t len;
                if (!take_line(&rest, &line))
                        return HTTP_PARTIAL;
                if (!hex_number(line, &len))
                        return HTTP_BAD;
                if (len == 0)
                        break;
                if (rest.len < len + 2)
                        return HTTP_PARTIAL;
                if (memcmp(rest.at + len, "\r\n", 2) != 0)
                        return HTTP_BAD;
                text_add(scratch, rest.at, len);
                rest.at += len + 2;
                rest.len -= len + 2;
        }
        slice line;
        do {
                if (!take_line(&rest, &line))
                        return HTTP_PARTIAL;
        } while (line.len > 0);
        out->body = text_all(scratch);
        out->used = out->head_len + whole - rest.len;
        return HTTP_WHOLE;
}

http_verdict http_parse(slice input, http_request *out, text *scratch)
{
        *out = (http_request){};
        const char *end = input.len == 0 ? nullptr : memmem(input.at, input.len, "\r\n\r\n", 4);
        if (end == nullptr)
                return input.len > HEAD_MAX ? HTTP_BAD : HTTP_PARTIAL;
        size_t head_len = (size_t)(end - input.at) + 4;
        slice rest = {input.at, head_len - 2}, line;
        framing f = {};
        if (!take_line(&rest, &line) || !read_request_line(line, out))
                return HTTP_BAD;
        while (take_line(&rest, &line)) {
                if (!read_field(line, out, &f))
                        return HTTP_BAD;
        }
        if (f.chunked && f.has_length)
                return HTTP_BAD;
        out->head_len = head_len;
        if (f.chunked)
                return read_chunks((slice){input.at + head_len, input.len - head_len}, out, scratch);
        out->used = head_len + (size_t)f.length;
        if (input.len < out->used)
                return HTTP_PARTIAL;
        out->body = (slice){input.at + head_len, (size_t)f.length};
        return HTTP_WHOLE;
}
