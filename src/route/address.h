/* route/address: which network addresses an upstream may be reached at. Every address passes here after resolution,
 * and the connection uses that very address, so that no name can lead into the inside of the network. */
#ifndef ROUTE_ADDRESS_H
#define ROUTE_ADDRESS_H

#include "base/view.h"

typedef struct catalog_cidr {
        uint8_t family; /* 4 or 6 */
        uint8_t bits;
        uint8_t net[16];
} catalog_cidr;

typedef struct catalog_address {
        uint8_t family; /* 4 or 6 */
        uint8_t bytes[16];
} catalog_address;

/* Reads "192.0.2.1" or "2001:db8::1": no port, brackets, zone, octal or short forms. */
bool address_parse(view text, catalog_address *out);

/* Reads "10.0.0.0/8": the bits behind the prefix must be zero. */
bool address_cidr_parse(view text, catalog_cidr *out);

bool address_equal(const catalog_address *a, const catalog_address *b);

/* The address lies in the range. An IPv4 address mapped into IPv6 counts as what it stands for. */
bool address_inside(const catalog_address *a, const catalog_cidr *range);

/* The address is public, or lies in one of the `local` ranges and is one that a server can have. */
bool address_allowed(const catalog_address *a, const catalog_cidr *local, size_t count);

#endif
