/* firmware/net_wire: what PID 1 and the network role say to each other over their pair: records of one size each. The
 * role reads strangers' packets; PID 1 judges every number of its words again. */
#ifndef FIRMWARE_NET_WIRE_H
#define FIRMWARE_NET_WIRE_H

#include "firmware/box.h"
#include "firmware/lease.h"

/* The role's descriptors. */
enum : int { NET_CHANNEL_FD = 3, NET_IP_FD = 4, NET_ARP_FD = 5, NET_ROUTER_FD = 6 };

/* PID 1 to the role: all that it is to do, anew with every change. */
typedef struct net_order {
        uint32_t    index; /* of the interface */
        bool        dhcp, link;
        uint8_t     mac[BOX_MAC_BYTES];
        box_address ntp[BOX_NTP];
        uint32_t    ntp_count;
} net_order;

typedef enum net_kind : uint32_t {
        NET_LEASE,     /* lease: granted, or granted again */
        NET_LOST,      /* the address may not be used any more */
        NET_REFUSED,   /* a server has refused; number: so many in a row */
        NET_CONFLICT,  /* a neighbour has the address that was offered */
        NET_TIME,      /* offset_us: how far the clock is behind; number: servers that agree; of: that answered */
        NET_NO_TIME,   /* number: servers that answered, and do not agree; 0: none did */
        NET_RESOLVERS, /* servers: name servers that routers advertise */
        NET_KINDS
} net_kind;

typedef struct net_word {
        net_kind kind;
        uint32_t number, of;
        int64_t  offset_us;
        union {
                lease       lease;
                box_address servers[BOX_RESOLVERS_SAID];
        };
} net_word;

#endif
