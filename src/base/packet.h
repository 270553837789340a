/* base/packet: one packet of a SOCK_SEQPACKET pair, and one descriptor at most beside it. */
#ifndef BASE_PACKET_H
#define BASE_PACKET_H

#include <stddef.h>

#include "base/result.h"
#include "base/view.h"

/* The descriptor (-1: none) stays open here. `flags` as sendmsg takes them.
 * err GONE; AGAIN: MSG_DONTWAIT and no room; SYSTEM */
err packet_send(int channel, view bytes, int fd, int flags);

typedef struct packet_got {
        size_t len; /* bytes */
        int    fd;  /* -1: none, or more than one; else the caller's, closed on exec */
} packet_got;

/* err GONE, also of a packet larger than `room`; AGAIN */
err packet_receive(int channel, void *to, size_t room, int flags, packet_got *got);

#endif
