/* firmware/dhcp_client: the client's states (RFC 2131 4.4). Pure: time, packets and luck are arguments; what is to be
 * sent comes out. Asks for ever: a switch may take half a minute to let packets through, and a server may come
 * tomorrow. */
#ifndef FIRMWARE_DHCP_CLIENT_H
#define FIRMWARE_DHCP_CLIENT_H

#include "firmware/dhcp.h"

typedef enum dhcp_state {
        DHCP_WAITS,     /* no link, or a pause after a refusal or a conflict */
        DHCP_SELECTS,   /* DISCOVER is out */
        DHCP_REQUESTS,  /* REQUEST for an offer is out */
        DHCP_REBOOTS,   /* REQUEST for the address of before is out */
        DHCP_PROBES,    /* the address is ours unless a neighbour has it */
        DHCP_BOUND,
        DHCP_RENEWS,    /* asks the server that gave it */
        DHCP_REBINDS,   /* asks everyone */
} dhcp_state;

typedef enum dhcp_event {
        DHCP_NOTHING,
        DHCP_LEASED, /* c->lease is new, or was granted again */
        DHCP_LOST,   /* the address may not be used any more */
} dhcp_event;

enum : uint64_t { DHCP_NEVER = UINT64_MAX, DHCP_PAUSE_MS = 10000, DHCP_PROBE_MS = 500 };

typedef struct dhcp_client {
        dhcp_state state;
        bool       link;
        uint8_t    mac[DHCP_MAC_BYTES];
        uint32_t   number;   /* of this exchange */
        uint32_t   luck;     /* state of the numbers that spread clients out in time; no secret */
        unsigned   tries;    /* sends of this state */
        unsigned   refusals; /* NAKs and conflicts in a row */
        uint64_t   began_ms; /* of the exchange */
        uint64_t   turn_ms;  /* the next thing to do */
        uint64_t   asked_ms; /* when the request was sent that is answered next: a lease counts from there */
        uint64_t   renew_ms, rebind_ms, end_ms;
        dhcp_ask   ask;      /* what was sent last, for the next try */
        uint8_t    server[4];
        bool       held;     /* lease is ours */
        bool       known;    /* lease is, or was, ours */
        lease      lease;
        uint32_t   renew_s, rebind_s; /* as the server said them */
} dhcp_client;

void dhcp_begin(dhcp_client *c, const uint8_t mac[static DHCP_MAC_BYTES], uint32_t luck);
/* The cable was put in or pulled out. An address stays meanwhile, and is asked for again. */
void dhcp_link(dhcp_client *c, bool up, uint64_t now_ms);
/* What is due. True: `c->ask` is to be sent now. Call it until it says false. */
bool dhcp_turn(dhcp_client *c, uint64_t now_ms, dhcp_event *event);
/* An answer has come. */
dhcp_event dhcp_hear(dhcp_client *c, const dhcp_answer *a, uint64_t now_ms);
/* A neighbour has answered for the address that is being probed. True: as dhcp_turn */
bool dhcp_conflict(dhcp_client *c, uint64_t now_ms);
/* Milliseconds until dhcp_turn has something to do; DHCP_NEVER. */
uint64_t dhcp_wait_ms(const dhcp_client *c, uint64_t now_ms);

#endif
