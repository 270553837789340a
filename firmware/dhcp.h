/* firmware/dhcp: the messages of DHCP as bytes: what the box asks, and what it takes from an answer. Pure.
 * src  RFC 2131, 2132, 3396, 3442 */
#ifndef FIRMWARE_DHCP_H
#define FIRMWARE_DHCP_H

#include "base/view.h"
#include "firmware/lease.h"

enum : size_t { DHCP_MAC_BYTES = 6, DHCP_ASK_BYTES = 576, DHCP_FRAME_BYTES = 2048 };
enum : uint16_t { DHCP_SERVER_PORT = 67, DHCP_CLIENT_PORT = 68 };

/* As option 53 numbers them. */
typedef enum dhcp_kind : uint8_t {
        DHCP_DISCOVER = 1,
        DHCP_OFFER = 2,
        DHCP_REQUEST = 3,
        DHCP_DECLINE = 4,
        DHCP_ACK = 5,
        DHCP_NAK = 6,
} dhcp_kind;

/* Zeros in an address: the message does not name one. */
typedef struct dhcp_ask {
        dhcp_kind kind;
        uint32_t  number; /* xid */
        uint16_t  seconds;
        uint8_t   mac[DHCP_MAC_BYTES];
        uint8_t   mine[4];      /* the address the box has: source and ciaddr */
        uint8_t   requested[4]; /* option 50 */
        uint8_t   server[4];    /* option 54 */
        uint8_t   to[4];        /* destination; zeros: everyone */
} dhcp_ask;

/* The IP packet that asks; returns its bytes. */
size_t dhcp_write(const dhcp_ask *a, uint8_t out[static DHCP_ASK_BYTES]);

typedef struct dhcp_answer {
        dhcp_kind kind; /* OFFER, ACK or NAK */
        uint32_t  number;
        uint8_t   server[4];             /* option 54; zeros: not said, in a NAK alone */
        uint32_t  renew_s, rebind_s;     /* options 58 and 59; 0: not said */
        lease     lease;                 /* not of a NAK */
} dhcp_answer;

/* The UDP payload of an IP packet from a server to a client. `summed`: its checksum counts; the packet of a neighbour
 * on the same machine may come without one. False: it is not one. */
bool dhcp_unwrap(view packet, bool summed, view *payload);
/* False: not an answer to this MAC, cut, or with a value that cannot be. An option that is only of use and makes no
 * sense is as if it were not there. */
bool dhcp_read(view payload, const uint8_t mac[static DHCP_MAC_BYTES], dhcp_answer *out);

#endif
