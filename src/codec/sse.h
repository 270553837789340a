/* codec/sse: Server-Sent Events out of a byte stream, the same for every way it is cut.
 *
 * src  WHATWG HTML Living Standard, "Server-sent events", event stream interpretation; read 2026-11-20 */
#ifndef CODEC_SSE_H
#define CODEC_SSE_H

#include "base/arena.h"
#include "base/result.h"
#include "base/view.h"

typedef struct sse {
        region   data;    /* data of the event being built, lines joined by LF */
        uint8_t  name[32]; /* event field, cut to the room; longer names are of no known event */
        uint8_t  name_len;
        uint8_t  state;
        uint8_t  field[8]; /* field name being read */
        uint8_t  field_len;
        bool     has_data, after_cr, started, due;
        uint32_t comments; /* comment lines since the last event with data */
} sse;

/* in  cap  most bytes of data one event may have */
void sse_begin(sse *s, size_t cap);

/* Feeds bytes up to the end of one event.
 * out  used   bytes taken
 *      event  true: an event with data is complete; sse_data and sse_name hold until the next call
 * err  UPSTREAM_BROKEN when an event exceeds the cap or memory ends */
err sse_feed(sse *s, view in, size_t *used, bool *event);

/* The stream ended. `event` true: a last event stood there without its blank line (clients accept it). */
err sse_eof(sse *s, bool *event);

view sse_data(const sse *s);
view sse_name(const sse *s);

/* Wipes and frees. */
void sse_end(sse *s);

#endif
