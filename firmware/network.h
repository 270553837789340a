/* firmware/network: which interface the box uses, and giving it what box.conf says. No DHCP. */
#ifndef FIRMWARE_NETWORK_H
#define FIRMWARE_NETWORK_H

#include "firmware/box.h"
#include "firmware/file.h"

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
/* Addresses, routes, MTU; the other cards go down again. err SYSTEM, said */
err network_apply(const network_cards *cards, const network_card *card, const box *b, notice *why);

/* /run/resolv.conf, for the resolver's own reading. err SYSTEM, said */
err  network_write_resolvers(const char *root, const box *b, notice *why);
void network_resolvers_text(emit *e, const box *b);

#endif
