#include "route/address.h"

#include <arpa/inet.h>
#include <assert.h>

/* Ranges that are never the public internet.
 * src IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), read 2026-11-20 */
static const catalog_cidr not_public_4[] = {
        {4, 8, {0}},              /* "this network"; 0.0.0.0 reaches the own host */
        {4, 8, {10}},             /* private */
        {4, 10, {100, 64}},       /* shared by carriers */
        {4, 8, {127}},            /* loopback */
        {4, 16, {169, 254}},      /* link-local, metadata services of clouds */
        {4, 12, {172, 16}},       /* private */
        {4, 24, {192, 0, 0}},     /* protocol assignments */
        {4, 24, {192, 0, 2}},     /* documentation */
        {4, 24, {192, 88, 99}},   /* 6to4 relays, retired */
        {4, 16, {192, 168}},      /* private */
        {4, 15, {198, 18}},       /* benchmarks */
        {4, 24, {198, 51, 100}},  /* documentation */
        {4, 24, {203, 0, 113}},   /* documentation */
        {4, 4, {224}},            /* multicast */
        {4, 4, {240}},            /* reserved, broadcast */
};

/* Within 2000::/3; all outside of it is not public, but for NAT64. */
static const catalog_cidr not_public_6[] = {
        /* The few globally reachable parts of 2001::/23 serve routing, not vendors. */
        {6, 23, {0x20, 0x01}},
        {6, 32, {0x20, 0x01, 0x0d, 0xb8}}, /* documentation */
        {6, 20, {0x3f, 0xff}},             /* documentation */
};

/* No server has these, so no declaration opens them. */
static const catalog_cidr never[] = {
        {4, 8, {0}},
        {4, 4, {224}},
        {4, 32, {255, 255, 255, 255}},
        {6, 128, {0}},
        {6, 8, {0xff}},
};

static const catalog_cidr global_unicast = {6, 3, {0x20}};
static const catalog_cidr mapped = {6, 96, {[10] = 0xff, [11] = 0xff}};
static const catalog_cidr nat64 = {6, 96, {0x00, 0x64, 0xff, 0x9b}}; /* RFC 6052: the last four bytes are IPv4 */
static const catalog_cidr six_to_four = {6, 16, {0x20, 0x02}};       /* RFC 3056: bytes 2 to 5 are IPv4 */

static size_t family_bytes(uint8_t family)
{
        assert(family == 4 || family == 6);
        return family == 4 ? 4 : 16;
}

bool address_parse(view text, catalog_address *out)
{
        char copy[INET6_ADDRSTRLEN];
        *out = (catalog_address){};
        if (text.len == 0 || text.len >= sizeof copy || memchr(text.data, 0, text.len) != nullptr)
                return false;
        memcpy(copy, text.data, text.len);
        copy[text.len] = 0;
        bool v6 = memchr(text.data, ':', text.len) != nullptr;
        if (inet_pton(v6 ? AF_INET6 : AF_INET, copy, out->bytes) != 1)
                return false;
        out->family = v6 ? 6 : 4;
        return true;
}

static bool prefix_equal(const uint8_t *a, const uint8_t *b, size_t bits)
{
        size_t whole = bits / 8, rest = bits % 8;
        if (memcmp(a, b, whole) != 0)
                return false;
        return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

static bool net_is_clean(const catalog_cidr *c)
{
        static const uint8_t zero[16] = {};
        size_t               whole = c->bits / 8, rest = c->bits % 8, len = family_bytes(c->family);
        if (rest != 0 && (uint8_t)(c->net[whole] << rest) != 0)
                return false;
        size_t from = whole + (rest != 0);
        return memcmp(c->net + from, zero, len - from) == 0;
}

bool address_cidr_parse(view text, catalog_cidr *out)
{
        *out = (catalog_cidr){};
        const uint8_t *slash = text.len == 0 ? nullptr : memchr(text.data, '/', text.len);
        if (slash == nullptr)
                return false;
        size_t          at = (size_t)(slash - text.data);
        view            digits = view_slice(text, at + 1, text.len);
        catalog_address net;
        if (!address_parse(view_slice(text, 0, at), &net) || digits.len == 0 || digits.len > 3)
                return false;
        size_t bits = 0;
        for (size_t i = 0; i < digits.len; i++) {
                if (digits.data[i] < '0' || digits.data[i] > '9')
                        return false;
                bits = bits * 10 + (size_t)(digits.data[i] - '0');
        }
        if (bits > family_bytes(net.family) * 8 || (digits.len > 1 && digits.data[0] == '0'))
                return false;
        out->family = net.family;
        out->bits = (uint8_t)bits;
        memcpy(out->net, net.bytes, sizeof out->net);
        return net_is_clean(out);
}

bool address_equal(const catalog_address *a, const catalog_address *b)
{
        return a->family == b->family && memcmp(a->bytes, b->bytes, family_bytes(a->family)) == 0;
}

static bool inside(const catalog_address *a, const catalog_cidr *range)
{
        return a->family == range->family && prefix_equal(a->bytes, range->net, range->bits);
}

static bool inside_any(const catalog_address *a, const catalog_cidr *ranges, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (inside(a, &ranges[i]))
                        return true;
        return false;
}

static catalog_address embedded_4(const catalog_address *a, size_t at)
{
        catalog_address out = {.family = 4};
        memcpy(out.bytes, a->bytes + at, 4);
        return out;
}

/* The kernel treats a mapped address as the IPv4 address itself, so it is judged as that. */
static catalog_address plain(const catalog_address *a) { return inside(a, &mapped) ? embedded_4(a, 12) : *a; }

bool address_inside(const catalog_address *a, const catalog_cidr *range)
{
        catalog_address address = plain(a);
        return inside(&address, range);
}

static bool is_public(const catalog_address *a)
{
        if (a->family == 4)
                return !inside_any(a, not_public_4, sizeof not_public_4 / sizeof not_public_4[0]);
        bool through_4 = inside(a, &nat64) || inside(a, &six_to_four);
        if (through_4) {
                catalog_address target = embedded_4(a, inside(a, &nat64) ? 12 : 2);
                return is_public(&target);
        }
        return inside(a, &global_unicast) && !inside_any(a, not_public_6, sizeof not_public_6 / sizeof not_public_6[0]);
}

bool address_allowed(const catalog_address *a, const catalog_cidr *local, size_t count)
{
        catalog_address address = plain(a);
        if (inside_any(&address, never, sizeof never / sizeof never[0]))
                return false;
        return inside_any(&address, local, count) || is_public(&address);
}
