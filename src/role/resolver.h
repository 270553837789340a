/* role/resolver: names to addresses for the relays. It holds nothing and knows nothing but names; what it says is
 * checked by who asked. */
#ifndef ROLE_RESOLVER_H
#define ROLE_RESOLVER_H

#include "base/emit.h"

typedef struct resolver resolver;

/* Receives the grants until WIRE_START and learns its servers: the last call before the sandbox is closed. Null when
 * the start was refused; the supervisor has been told why then, and the process exits with EXIT_REFUSED. */
resolver *resolver_open(int control);

/* Says READY and serves until WIRE_STOP or the supervisor's end. Returns the exit status. */
int resolver_serve(resolver *r);

/* The name servers of a resolv.conf, as dns_servers takes them. Zoned and malformed ones are passed over.
 * out  out  text without terminator; at most three servers, as everywhere */
void resolver_conf_read(view text, emit *out);

#endif
