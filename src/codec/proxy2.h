/* codec/proxy2: the header a balancer puts before a connection to name its source, the same for every way it is cut.
 * Version 2 (binary) alone: what a caller could type by hand is no header.
 *
 * src  "The PROXY protocol, versions 1 & 2", section 2.2, in the documentation of HAProxy; read 2026-11-21 */
#ifndef CODEC_PROXY2_H
#define CODEC_PROXY2_H

#include "base/result.h"
#include "base/view.h"

/* What may follow the fixed 16 bytes: addresses and additions; the additions are skipped. */
constexpr size_t PROXY2_MORE_BYTES = 536;

typedef struct proxy2 {
        uint16_t taken, whole; /* bytes of the header: read, and in all once its length is known */
        uint8_t family;        /* 4 or 6: the source it names; 0: none, the balancer speaks for itself */
        uint8_t bytes[16 + 36];
} proxy2;

void proxy2_begin(proxy2 *p);

/* Feeds bytes up to the end of the header and never takes one behind it.
 * out  used  bytes taken
 *      done  the header is complete
 * err  BAD_HTTP: this is no header, or names something other than a TCP connection */
err proxy2_feed(proxy2 *p, view in, size_t *used, bool *done);

/* Of a complete header with a family: the source's address (4 or 16 bytes) and its port. */
view proxy2_address(const proxy2 *p);
uint16_t proxy2_port(const proxy2 *p);

#endif
