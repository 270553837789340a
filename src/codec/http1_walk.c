#include "codec/http1_walk.h"

http1_walk http1_walk_section(http1_section *s, view in, const http1_bounds *bounds)
{
        size_t at = 0;
        while (at < in.len) {
                if (s->line_bytes == 0 && in.data[at] != '\r' && ++s->lines > bounds->lines)
                        return (http1_walk){at, false, bounds->over};
                const uint8_t *lf = memchr(in.data + at, '\n', in.len - at);
                size_t         run = lf == nullptr ? in.len - at : (size_t)(lf - (in.data + at)) + 1;
                size_t         room = bounds->line - s->line_bytes;
                if (room > bounds->bytes - s->bytes)
                        room = bounds->bytes - s->bytes;
                if (run > room)
                        return (http1_walk){at + room, false, bounds->over};
                at += run;
                s->bytes += run;
                s->line_bytes += run;
                if (lf == nullptr)
                        break;
                /* A line of one byte and its LF is none llhttp accepts, so it need not be told from CR LF. */
                if (s->line_bytes <= 2)
                        return (http1_walk){at, true, OK};
                s->line_bytes = 0;
        }
        return (http1_walk){at, false, OK};
}

/* llhttp skips repeated spaces and takes RTSP for HTTP. */
static err request_line_byte(http1_request_line *l, uint8_t c)
{
        static const uint8_t protocol[] = {'H', 'T', 'T', 'P', '/'};
        if (c == '\n')
                return l->word == HTTP1_WORD_PROTOCOL ? OK : FAIL(BAD_HTTP);
        if (c == ' ') {
                if (l->bytes == 0 || l->word == HTTP1_WORD_PROTOCOL)
                        return FAIL(BAD_HTTP);
                l->word++;
                l->bytes = 0;
                return OK;
        }
        if (l->word == HTTP1_WORD_TARGET && l->bytes == LIMIT_HEAD_TARGET_BYTES)
                return FAIL(URI_TOO_LONG);
        if (l->word == HTTP1_WORD_PROTOCOL && l->bytes < sizeof protocol && c != protocol[l->bytes])
                return FAIL(BAD_HTTP);
        l->bytes++;
        return OK;
}

http1_walk http1_walk_request_line(http1_request_line *l, view in)
{
        for (size_t at = 0; at < in.len; at++) {
                err e = request_line_byte(l, in.data[at]);
                if (failed(e))
                        return (http1_walk){at, false, e};
                if (in.data[at] == '\n')
                        return (http1_walk){at + 1, true, OK};
        }
        return (http1_walk){in.len, false, OK};
}

static err chunk_line_byte(http1_chunk_lines *c, uint8_t byte)
{
        uint8_t lower = ascii_lower(byte);
        if (byte == '\r' || byte == '\n')
                return OK;
        if (!c->in_ext && ((byte >= '0' && byte <= '9') || (lower >= 'a' && lower <= 'f')))
                return c->digits++ < LIMIT_CHUNK_SIZE_DIGITS ? OK : FAIL(BAD_HTTP);
        c->in_ext = true;
        return c->ext_bytes++ < LIMIT_CHUNK_EXT_BYTES ? OK : FAIL(BAD_HTTP);
}

http1_walk http1_walk_chunk_line(http1_chunk_lines *c, view in)
{
        for (size_t at = 0; at < in.len; at++) {
                err e = chunk_line_byte(c, in.data[at]);
                if (failed(e))
                        return (http1_walk){at, false, e};
                if (in.data[at] == '\n') {
                        c->digits = 0;
                        c->in_ext = false;
                        return (http1_walk){at + 1, true, OK};
                }
        }
        return (http1_walk){in.len, false, OK};
}
