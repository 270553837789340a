/* firmware/box: what an operator says of this box in box.conf on the config drive: lines `key value`, empty lines, and
 * lines that begin with #. Strict: what is not understood is refused with its line. */
#ifndef FIRMWARE_BOX_H
#define FIRMWARE_BOX_H

#include "base/limit.h"
#include "firmware/text.h"

enum : size_t {
        BOX_BYTES = 16 * 1024,
        BOX_ADDRESSES_SAID = 8,
        BOX_ADDRESSES = BOX_ADDRESSES_SAID + 4, /* and what the network gives */
        BOX_RESOLVERS_SAID = 4,
        BOX_RESOLVERS = BOX_RESOLVERS_SAID + 4,
        BOX_NTP = 4,
        BOX_ENDPOINT_BYTES = 56,
        BOX_MAC_BYTES = 6,
};

typedef struct box_address {
        uint8_t family; /* 4 or 6; 0: none */
        uint8_t prefix; /* bits */
        uint8_t bytes[16];
} box_address;

typedef struct box {
        box_address addresses[BOX_ADDRESSES];
        size_t      address_count; /* 0: of DHCP or routers alone */
        bool        dhcp;      /* an IPv4 address is asked for; so it is when nothing is said of addresses */
        bool        automatic; /* IPv6 addresses are of what routers advertise */
        box_address gateway4, gateway6;
        box_address resolvers[BOX_RESOLVERS];
        size_t      resolver_count;
        box_address ntp[BOX_NTP];
        size_t      ntp_count;
        uint32_t    vlan; /* 0: none */
        uint8_t     mac[BOX_MAC_BYTES];
        bool        has_mac; /* else the first interface with a link */
        uint32_t    mtu;     /* 0: the driver's own */
        uint32_t    relays;  /* 0: one per processor */
        char        listen[BOX_ENDPOINT_BYTES], admin[BOX_ENDPOINT_BYTES]; /* as lethed takes them */
} box;

/* What a box is that nothing is said of: DHCP, callers at 8443, operators at 9443, at every address of any family. */
void box_default(box *out);
/* The first fault is said: with its line, and the nearest key for one that is unknown. err SYSTEM */
err box_parse(view text, box *out, notice *why);
/* Whether box.conf knows a key. */
bool box_has_key(view key);
/* From the config drive. err SYSTEM, said */
err box_read(const char *root, box *out, notice *why);

/* An address without its prefix, as people write it. */
void box_address_text(emit *e, const box_address *a);

#endif
