/* serve: one worker of the mock vendor: its connections, one event loop, one exchange at a time on each connection. */
#ifndef VENDOR_SERVE_H
#define VENDOR_SERVE_H

#include "exchange.h"

#include <openssl/ssl.h>

/* Serves until `*stop` is set (by a signal). `tls` is null for plain HTTP. */
void serve(int listener, SSL_CTX *tls, vendor *v, const volatile int *stop);

#endif
