/* firmware/network: which interface the box uses, and giving it what the settings and the network say. */
#ifndef FIRMWARE_NETWORK_H
#define FIRMWARE_NETWORK_H

#include "firmware/box.h"
#include "firmware/file.h"
#include "firmware/lease.h"
#include "firmware/netlink.h"

enum : size_t { NETWORK_CARDS = 16 };

/* An interface with hardware behind it. */
typedef struct network_card {
        char     name[FILE_NAME_BYTES];
        uint8_t  mac[BOX_MAC_BYTES];
        uint32_t index; /* 1 or more */
        bool     link;  /* something at the other end of the cable; only known while it is up */
} network_card;

typedef struct network_cards {
        network_card row[NETWORK_CARDS]; /* by index */
        size_t       count;
} network_cards;

/* Below /sys/class/net. */
void network_look(const char *root, network_cards *out);
/* The one of that MAC; without one in box.conf the first with a link. Null: none, yet. */
const network_card *network_choose(const network_cards *cards, const box *b);
/* What is missing when there is none to choose. */
void network_missing(const network_cards *cards, const box *b, notice *why);

/* Every card up, to see its link; the loopback too. err SYSTEM, said */
err network_wake(const network_cards *cards, notice *why);
/* The other cards down again. */
void network_rest(const network_cards *cards, const network_card *card);
/* The index of a VLAN of this card, made where it is not there yet. err SYSTEM, said */
err network_vlan(const network_card *card, uint32_t number, uint32_t *index, notice *why);
void network_vlan_gone(uint32_t index);

/* What an interface is to have. */
typedef struct network_plan {
        box_address addresses[BOX_ADDRESSES];
        size_t      address_count;
        netlink_way ways[LEASE_ROUTES + 2];
        size_t      way_count;
        uint32_t    mtu; /* 0: as it is */
} network_plan;

/* The settings, and what is missing of them out of the lease; null: there is none. */
void network_plan_make(network_plan *p, const box *settings, const lease *l);
/* The same for a person: settings with the addresses, gateway and name servers that the box has by lease. */
void network_in_use(const box *settings, const lease *l, box *out);
/* From one plan to another: what the new one has not goes away first. err SYSTEM, said */
err network_change(uint32_t index, const network_plan *old, const network_plan *to, notice *why);
/* IPv6 addresses of what routers advertise, from now on or no more. err SYSTEM */
err network_automatic(const char *root, const char *interface, bool on);

/* Adds the addresses that the interface has and `out` not yet, as far as there is room: not what is still probed or
 * about to go, and not link-local ones. */
void network_add_automatic(const char *root, const char *interface, box *out);

/* /run/resolv.conf, for the resolver's own reading. err SYSTEM, said */
err  network_write_resolvers(const char *root, const box *b, notice *why);
void network_resolvers_text(emit *e, const box *b);

#endif
