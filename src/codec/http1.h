/* codec/http1: one HTTP/1.1 message at a time, over llhttp with the checks that must stand behind it.
 *
 * src  RFC 9110, RFC 9112; the vectors in tests/vectors/http1.jsonl are the specification of every verdict. */
#ifndef CODEC_HTTP1_H
#define CODEC_HTTP1_H

#include "base/arena.h"
#include "base/limit.h"
#include "base/result.h"
#include "base/view.h"

typedef enum http1_side : uint8_t { HTTP1_REQUEST, HTTP1_RESPONSE } http1_side;

/* The methods that mean something here; every other method that HTTP knows is OTHER (405). */
typedef enum http1_method : uint8_t { HTTP1_GET, HTTP1_POST, HTTP1_DELETE, HTTP1_PUT, HTTP1_OTHER } http1_method;

typedef struct http1_field {
        view name;  /* lower case, in the arena */
        view value; /* trimmed of SP and HT, in the arena */
} http1_field;

typedef struct http1_head {
        http1_method method;  /* requests */
        view         target;  /* requests: origin form, as sent */
        uint16_t     status;  /* responses: 200 to 599 */
        uint16_t     count;   /* fields in use */
        bool         chunked; /* Transfer-Encoding: chunked */
        bool         sized;   /* Content-Length stands */
        bool         until_close; /* responses: neither; the body ends with the connection */
        bool         keep_alive;  /* another message may follow on this connection */
        bool         expect;      /* requests: Expect: 100-continue */
        uint64_t     length;      /* bytes, when sized */
        http1_field  fields[LIMIT_RESPONSE_FIELDS];
} http1_head;

typedef enum http1_event : uint8_t {
        HTTP1_MORE, /* all input was taken; give the next bytes */
        HTTP1_HEAD, /* the head is complete: look at http1->head, then feed the rest */
        HTTP1_DONE, /* the message is complete; bytes after *used belong to the next one */
} http1_event;

typedef struct http1 {
        http1_head *head;      /* of the running message, in its arena; null before its first byte */
        uint64_t    opaque[48]; /* llhttp's parser and our counters */
} http1;

/* in   host_allowed  requests: says whether a Host value (name with optional :port) is ours; may be null = any
 *      body          gets each piece of the body as it comes; borrowed for the call
 *      body_limit    bytes; a longer body is err TOO_LARGE (requests) or UPSTREAM_BROKEN (responses),
 *                    at the head already when Content-Length says so */
typedef struct http1_setup {
        http1_side side;
        bool (*host_allowed)(void *ctx, view host);
        void (*body)(void *ctx, view piece);
        void    *ctx;
        uint64_t body_limit;
} http1_setup;

/* Starts a message. The head is kept in `memory`, which is not touched before the first byte: an idle connection costs
 * nothing. `setup` and `memory` must live as long as the message. The parser may be begun again after HTTP1_DONE
 * (requests: only when head->keep_alive).
 * err  none today: room is asked for, and may be refused, with the first byte */
err http1_begin(http1 *p, const http1_setup *setup, arena *memory);

/* Feeds bytes. The result is the same for every way the input is cut.
 *
 * out  used   bytes taken; less than in.len only with HTTP1_HEAD, HTTP1_DONE and an error, and with an error of no
 *             meaning but for a BAD_METHOD that keeps the connection: the next message begins there
 * next after HTTP1_HEAD feed what is left, even when that is nothing: a message without a body is done by that call
 * err  requests: BAD_HTTP NO_LENGTH TOO_LARGE URI_TOO_LONG HEAD_TOO_LARGE ENCODED_BODY EXPECTATION BAD_METHOD
 *      NOT_IMPLEMENTED BAD_VERSION; GONE = close without an answer (HTTP/2 preface). All of them: answer with the
 *      row's status and close. Feeding again gives the same error.
 *      responses: UPSTREAM_BROKEN; close. Both: NO_ROOM when the arena is full.
 *      BAD_METHOD with head set and keep_alive true may be answered without closing. */
err http1_feed(http1 *p, view in, size_t *used, http1_event *event);

/* The peer closed. `clean`: by close_notify.
 *
 * out  done  the message is complete: an until_close body that ended cleanly, or nothing was left to come
 * err  requests: GONE when nothing had begun, else BAD_HTTP; responses: UPSTREAM_CUT */
err http1_eof(http1 *p, bool clean, bool *done);

/* True when at least one byte of the message was fed; the one empty line that may stand before it does not count. */
bool http1_begun(const http1 *p);

/* The value of a field; empty view when absent. name in lower case. */
view http1_get(const http1_head *head, view name);

#endif
