/* role/resolver_dns: c-ares' only door: questions out, addresses back, on sockets that the caller polls. */
#ifndef ROLE_RESOLVER_DNS_H
#define ROLE_RESOLVER_DNS_H

#include <poll.h>

#include "base/result.h"
#include "ipc/resolve.h"

enum : size_t { DNS_SOCKETS = 128 }; /* 256 questions of two queries, sixteen queries a socket, TCP for long answers */

typedef struct dns dns;

/* `found` has count, addresses and the smallest TTL; count 0: no address, for whatever reason. */
typedef void dns_done(void *context, const resolve_answer *found);

/* Reads no file and opens no socket. `servers` is a list as dns_servers takes it. err SYSTEM */
err dns_open(const char *servers, dns **out);

/* Commas between "address" or "address:port" or "[address]:port"; empty: every question fails. err BAD_CONFIG */
err dns_servers(dns *d, const char *servers);

/* Asks for A and AAAA at once. `done` comes once, maybe before this returns. */
void dns_ask(dns *d, const char *name, dns_done *done, void *context);

/* Descriptors to poll; returns how many. */
size_t dns_poll(const dns *d, struct pollfd fds[static DNS_SOCKETS]);
/* At most so long may the caller sleep; `most` when nothing is under way. */
int dns_wait_ms(const dns *d, int most);
/* What poll found, and all timeouts. */
void dns_turn(dns *d, const struct pollfd *fds, size_t count);

void dns_close(dns *d);

#endif
