/* firmware/netlink: requests to the kernel's network, as bytes; and the asking. */
#ifndef FIRMWARE_NETLINK_H
#define FIRMWARE_NETLINK_H

#include "base/result.h"
#include "firmware/box.h"

enum : size_t { NETLINK_BYTES = 256 };

typedef struct netlink_request {
        alignas(8) uint8_t bytes[NETLINK_BYTES];
        size_t len;
} netlink_request;

/* A link goes up or down; mtu 0 leaves what it has. */
void netlink_link(netlink_request *r, uint32_t index, bool up, uint32_t mtu);
void netlink_address(netlink_request *r, uint32_t index, const box_address *a);
void netlink_address_gone(netlink_request *r, uint32_t index, const box_address *a);

/* `network` with its prefix, 0 for the way to everywhere. A gateway of no family: it is on the cable itself. */
typedef struct netlink_way {
        box_address network, gateway;
} netlink_way;
void netlink_route(netlink_request *r, uint32_t index, const netlink_way *way);
void netlink_route_gone(netlink_request *r, uint32_t index, const netlink_way *way);

/* A VLAN of a card, as an interface of its own with this name. */
void netlink_vlan(netlink_request *r, uint32_t card, uint16_t number, const char *name);
void netlink_link_gone(netlink_request *r, uint32_t index);

/* -1 when there is none */
int netlink_open(void);
/* Sends one and waits for the kernel's word. What is so already is no fault. err SYSTEM (errno is set) */
err netlink_ask(int fd, const netlink_request *r);

#endif
