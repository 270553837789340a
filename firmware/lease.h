/* firmware/lease: what a network hands to the box: fixed in size, so that it goes from the network role to PID 1 as one
 * record, and judged again there. IPv4 addresses are four bytes in network order. */
#ifndef FIRMWARE_LEASE_H
#define FIRMWARE_LEASE_H

#include <stddef.h>
#include <stdint.h>

enum : size_t { LEASE_ROUTES = 16, LEASE_SERVERS = 4 };
enum : uint32_t { LEASE_FOR_EVER = UINT32_MAX, LEASE_MTU_LEAST = 576, LEASE_MTU_MOST = 9216 };

/* `prefix` 0: the way to everywhere. A gateway of zeros: the network is on the cable itself. */
typedef struct lease_route {
        uint8_t network[4], gateway[4];
        uint8_t prefix;
} lease_route;

typedef struct lease {
        uint8_t     address[4];
        uint8_t     prefix; /* 1 to 32 */
        uint8_t     route_count, resolver_count, ntp_count;
        uint32_t    mtu;     /* 0: not said */
        uint32_t    seconds; /* from its grant on; LEASE_FOR_EVER */
        lease_route routes[LEASE_ROUTES];
        uint8_t     resolvers[LEASE_SERVERS][4], ntp[LEASE_SERVERS][4];
} lease;

/* One host's address: not zeros, not the loopback's, not of a group, not the broadcast. */
bool lease_is_host(const uint8_t address[static 4]);
/* Everything within its bounds and every address one that may stand there. */
bool lease_is_sound(const lease *l);
/* The gateway of the way to everywhere; null: none. */
const uint8_t *lease_gateway(const lease *l);

#endif
