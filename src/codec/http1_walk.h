/* codec/http1_walk: our own reading of lines, which counts and knows where an element of a message ends, but not its
 * grammar. codec/http1 alone calls this, and lets llhttp see no byte that has not been walked over.
 *
 * src  RFC 9112 sections 2.2, 3, 7.1 */
#ifndef CODEC_HTTP1_WALK_H
#define CODEC_HTTP1_WALK_H

#include "base/limit.h"
#include "base/result.h"
#include "base/view.h"

typedef struct http1_walk {
        size_t len;  /* bytes walked over */
        bool   end;  /* the last of them ends the element */
        err    then; /* what the byte behind them is, when it is a fault */
} http1_walk;

typedef struct http1_bounds {
        size_t bytes; /* of the whole section */
        size_t lines; /* without the empty one */
        size_t line;  /* bytes of one line with its ending */
        err    over;
} http1_bounds;

/* A head or a trailer: lines up to and with the empty one. Zero it to begin. */
typedef struct http1_section {
        size_t bytes, lines;
        size_t line_bytes; /* of the running line */
} http1_section;

typedef enum http1_word : uint8_t { HTTP1_WORD_METHOD, HTTP1_WORD_TARGET, HTTP1_WORD_PROTOCOL } http1_word;

/* A request line: exactly three words, the last one HTTP's. Zero it to begin. */
typedef struct http1_request_line {
        http1_word word;
        size_t     bytes; /* of the running word */
} http1_request_line;

/* The chunk lines of one message. Zero it to begin. */
typedef struct http1_chunk_lines {
        size_t  ext_bytes; /* extensions of all lines so far */
        uint8_t digits;    /* of the running line's size */
        bool    in_ext;
} http1_chunk_lines;

http1_walk http1_walk_section(http1_section *s, view in, const http1_bounds *bounds);

/* then  BAD_HTTP URI_TOO_LONG */
http1_walk http1_walk_request_line(http1_request_line *l, view in);

/* then  BAD_HTTP */
http1_walk http1_walk_chunk_line(http1_chunk_lines *c, view in);

#endif
