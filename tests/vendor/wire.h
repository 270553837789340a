/* wire: bytes to and from one peer, in TLS or in the clear, never blocking. */
#ifndef VENDOR_WIRE_H
#define VENDOR_WIRE_H

#include "text.h"

#include <openssl/ssl.h>

typedef enum wire_state { WIRE_MORE, WIRE_BLOCKED, WIRE_GONE } wire_state;

typedef struct wire {
        int fd;
        SSL *ssl; /* null: plain */
        bool ready;
} wire;

/* Takes over `fd`. */
bool wire_open(wire *w, int fd, SSL_CTX *tls);

/* WIRE_MORE once the handshake is done. */
wire_state wire_handshake(wire *w);

/* Appends what has arrived; WIRE_BLOCKED when all has been read. */
wire_state wire_read(wire *w, text *in);

/* Sends from the front; `*sent` counts. WIRE_MORE: all is gone out. */
wire_state wire_write(wire *w, slice bytes, size_t *sent);

/* `proper` ends TLS by its close_notify; `reset` ends TCP by RST. */
void wire_close(wire *w, bool proper, bool reset);

#endif
