/* policy/network: the value of an address, for finding it and for telling spellings of one host apart from hosts. */
#ifndef POLICY_NETWORK_H
#define POLICY_NETWORK_H

#include <stddef.h>
#include <stdint.h>

#include "base/view.h"

/* Reads the IPv6 address at the start of v. Returns its length, 0 when there is none.
 * src RFC 4291 section 2.2 */
size_t ipv6_read(view v, uint16_t groups[static 8]);

#endif
