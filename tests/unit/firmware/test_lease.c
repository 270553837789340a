#include "firmware/lease.h"

#include <string.h>

#include "support/tap.h"

static const char SUBJECT[] = "lease";

static lease sound(void)
{
        return (lease){.address = {10, 0, 2, 15}, .prefix = 24, .route_count = 2, .resolver_count = 1, .ntp_count = 1,
                       .seconds = 60, .mtu = 1500,
                       .routes = {{.network = {10, 1}, .prefix = 16}, {.gateway = {10, 0, 2, 2}}},
                       .resolvers = {{10, 0, 2, 3}}, .ntp = {{10, 0, 2, 4}}};
}

int main(void)
{
        lease l = sound();
        tap_ok(lease_is_sound(&l) && lease_gateway(&l)[3] == 2, SUBJECT, "what a network gives");
        l.route_count = 1;
        tap_ok(lease_is_sound(&l) && lease_gateway(&l) == nullptr, SUBJECT, "a network without a way out");
        static const struct {
                const char *sentence;
                size_t      at;
                uint8_t     byte;
        } rows[] = {
                {"an address of nothing", offsetof(lease, address), 0},
                {"an address of the loopback", offsetof(lease, address), 127},
                {"an address of a group", offsetof(lease, address), 224},
                {"no bits", offsetof(lease, prefix), 0},
                {"33 bits", offsetof(lease, prefix), 33},
                {"more routes than there is room", offsetof(lease, route_count), LEASE_ROUTES + 1},
                {"more name servers than there is room", offsetof(lease, resolver_count), LEASE_SERVERS + 1},
                {"more time servers than there is room", offsetof(lease, ntp_count), LEASE_SERVERS + 1},
                {"a small MTU", offsetof(lease, mtu) + 1, 1},
                {"a large MTU", offsetof(lease, mtu) + 2, 1},
                {"no time", offsetof(lease, seconds), 0},
                {"a route of 33 bits", offsetof(lease, routes[0].prefix), 33},
                {"a way by a group", offsetof(lease, routes[1].gateway), 240},
                {"a name server of the loopback", offsetof(lease, resolvers), 127},
                {"a time server of everyone", offsetof(lease, ntp), 255},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                l = sound();
                ((uint8_t *)&l)[rows[i].at] = rows[i].byte;
                tap_ok(!lease_is_sound(&l), SUBJECT, rows[i].sentence);
        }
        return tap_done();
}
