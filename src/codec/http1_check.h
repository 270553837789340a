/* codec/http1_check: what a complete head must satisfy before anything acts on it. codec/http1 alone calls this.
 *
 * llhttp answers "is this HTTP"; here stands "is this HTTP that every reader of it understands in one way".
 *
 * src  RFC 9112 sections 3.2, 6.1, 6.3; RFC 9110 sections 8.4, 10.1.1 */
#ifndef CODEC_HTTP1_CHECK_H
#define CODEC_HTTP1_CHECK_H

#include "codec/http1.h"

/* What the start line says besides method, target and status. */
typedef struct http1_line {
        uint8_t major, minor;
        bool    connect; /* CONNECT: what follows is not HTTP */
        bool    head;    /* HEAD: an answer with a body would be misread */
} http1_line;

/* Without SP and HT at either end. */
view http1_trim(view v);

/* Judges a request head and fills in framing, keep_alive and expect. On BAD_METHOD keep_alive is valid too.
 * err  BAD_HTTP NO_LENGTH TOO_LARGE ENCODED_BODY EXPECTATION BAD_METHOD NOT_IMPLEMENTED BAD_VERSION */
err http1_check_request(http1_head *head, http1_line line, const http1_setup *setup);

/* Judges a response head and fills in framing and keep_alive.
 * out  interim  a 1xx head that announces the real one
 * err  any: the answer must not be used */
err http1_check_response(http1_head *head, http1_line line, const http1_setup *setup, bool *interim);

/* True for a name that would change framing if anybody read it from a trailer. */
bool http1_frames(view name);

#endif
