/* firmware/machine_network: what the machine holds of its network (machine_network.c). */
#ifndef FIRMWARE_MACHINE_NETWORK_H
#define FIRMWARE_MACHINE_NETWORK_H

#include "firmware/netrole.h"
#include "firmware/network.h"

typedef struct machine_net {
        box          settings;   /* of the drive, else kept, else the default; facts.box is what is in use */
        bool         from_drive;
        bool         awake;      /* every card is up, to see its link */
        bool         leased, conflict;
        bool         reload;     /* lethed is to read its name servers again */
        uint32_t     index;      /* of the interface that serves; 0: none */
        char         device[FILE_NAME_BYTES];
        network_plan applied;
        lease        lease;
        uint64_t     lease_end_ms, since_ms, look_ms, again_ms;
        uint32_t     refusals;
        box_address  routers[BOX_RESOLVERS_SAID]; /* name servers that routers advertise */
        size_t       router_count;
        bool         routed; /* there is an address of what a router advertised */
        bool         unrouted_said;
        netrole      role;
} machine_net;

#endif
