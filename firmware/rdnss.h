/* firmware/rdnss: name servers out of what the kernel hands on of router advertisements (RTM_NEWNDUSEROPT). Pure.
 * src  RFC 8106 5.1, rtnetlink(7) */
#ifndef FIRMWARE_RDNSS_H
#define FIRMWARE_RDNSS_H

#include "firmware/box.h"

/* How many there are of this interface, at most BOX_RESOLVERS_SAID; 0: the message says nothing of the kind. */
size_t rdnss_read(view message, uint32_t index, box_address out[static BOX_RESOLVERS_SAID]);

#endif
