#include "firmware/lease.h"

#include <string.h>

bool lease_is_host(const uint8_t address[static 4])
{
        return address[0] != 0 && address[0] != 127 && address[0] < 224;
}

static bool hosts(const uint8_t (*rows)[4], size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (!lease_is_host(rows[i]))
                        return false;
        return count <= LEASE_SERVERS;
}

static bool route_is_sound(const lease_route *r)
{
        static const uint8_t none[4];
        return r->prefix <= 32 && (memcmp(r->gateway, none, 4) == 0 || lease_is_host(r->gateway));
}

bool lease_is_sound(const lease *l)
{
        if (!lease_is_host(l->address) || l->prefix == 0 || l->prefix > 32 || l->route_count > LEASE_ROUTES
            || l->resolver_count > LEASE_SERVERS || l->ntp_count > LEASE_SERVERS)
                return false;
        if (l->mtu != 0 && (l->mtu < LEASE_MTU_LEAST || l->mtu > LEASE_MTU_MOST))
                return false;
        for (size_t i = 0; i < l->route_count; i++)
                if (!route_is_sound(&l->routes[i]))
                        return false;
        return l->seconds > 0 && hosts(l->resolvers, l->resolver_count) && hosts(l->ntp, l->ntp_count);
}

const uint8_t *lease_gateway(const lease *l)
{
        for (size_t i = 0; i < l->route_count; i++)
                if (l->routes[i].prefix == 0)
                        return l->routes[i].gateway;
        return nullptr;
}
