/* Property: whatever comes as a packet or as a payload, what is taken of it is a sound lease within its bounds, says
 * the same twice, and the client's states stay those of its table.
 *
 * The input's first byte: bit 0, the rest is a payload of a server; else it is an IP packet. */
#include <assert.h>

#include "firmware/dhcp_client.h"

static const uint8_t mac[DHCP_MAC_BYTES] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

/* In every state that hears. */
static void hear(const dhcp_answer *a)
{
        for (dhcp_state s = DHCP_WAITS; s <= DHCP_REBINDS; s++) {
                dhcp_client c;
                dhcp_begin(&c, mac, 7);
                dhcp_link(&c, true, 1000);
                c.state = s;
                c.number = a->number;
                memcpy(c.server, a->server, sizeof c.server);
                c.lease = a->lease;
                c.held = c.known = s >= DHCP_BOUND;
                c.asked_ms = 1000;
                c.renew_ms = c.rebind_ms = c.end_ms = 500000;
                dhcp_event e = dhcp_hear(&c, a, 2000);
                assert(e == DHCP_NOTHING || e == DHCP_LEASED || e == DHCP_LOST);
                assert(c.state <= DHCP_REBINDS && (e != DHCP_LOST || !c.held) && (e != DHCP_LEASED || c.held));
                if (c.state >= DHCP_PROBES && c.state != s)
                        assert(c.renew_ms <= c.rebind_ms && c.rebind_ms <= c.end_ms && lease_is_sound(&c.lease));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        view        in = {data, size}, payload = view_slice(in, 1, size);
        dhcp_answer a, again;
        if (size > 0 && (data[0] & 1) == 0 && !dhcp_unwrap(view_slice(in, 1, size), (data[0] & 2) != 0, &payload))
                return 0;
        assert(payload.len <= size);
        bool taken = dhcp_read(payload, mac, &a);
        assert(dhcp_read(payload, mac, &again) == taken && memcmp(&a, &again, sizeof a) == 0);
        if (!taken)
                return 0;
        assert(a.kind == DHCP_OFFER || a.kind == DHCP_ACK || a.kind == DHCP_NAK);
        assert(a.kind == DHCP_NAK || lease_is_sound(&a.lease));
        hear(&a);
        return 0;
}
