#include "firmware/dhcp.h"

#include "base/emit.h"

enum : size_t { IP_BYTES = 20, UDP_BYTES = 8, BOOTP_BYTES = 236, FILE_AT = 108, FILE_BYTES = 128, NAME_AT = 44,
              NAME_BYTES = 64, OPTIONS_MOST = 4096 };
enum : uint8_t { BOOT_REQUEST = 1, BOOT_REPLY = 2, ETHERNET = 1, PROTOCOL_UDP = 17 };
enum : uint8_t { OPTION_PAD = 0, OPTION_MASK = 1, OPTION_ROUTER = 3, OPTION_RESOLVER = 6, OPTION_DOMAIN = 15,
               OPTION_MTU = 26, OPTION_NTP = 42, OPTION_ADDRESS = 50, OPTION_SECONDS = 51, OPTION_OVERLOAD = 52,
               OPTION_KIND = 53, OPTION_SERVER = 54, OPTION_WANTED = 55, OPTION_LARGEST = 57, OPTION_RENEW = 58,
               OPTION_REBIND = 59, OPTION_CLIENT = 61, OPTION_ROUTES = 121, OPTION_END = 255 };

static const uint8_t cookie[] = {99, 130, 83, 99};

static uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static uint32_t get32(const uint8_t *p) { return (uint32_t)get16(p) << 16 | get16(p + 2); }

static void put16(uint8_t *p, size_t n)
{
        p[0] = (uint8_t)(n >> 8);
        p[1] = (uint8_t)n;
}

static uint32_t add_words(uint32_t sum, view v)
{
        for (size_t i = 0; i < v.len; i++)
                sum += (uint32_t)v.data[i] << (i % 2 == 0 ? 8 : 0);
        return sum;
}

static uint16_t fold(uint32_t sum)
{
        while (sum > 0xffff)
                sum = (sum & 0xffff) + (sum >> 16);
        return (uint16_t)~sum;
}

/* Over the pseudo-header too: both addresses, which stand at 12 of the IP header, the protocol and the length. */
static uint16_t udp_sum(const uint8_t *ip, view udp)
{
        return fold(add_words(add_words(PROTOCOL_UDP + (uint32_t)udp.len, (view){ip + 12, 8}), udp));
}

/* ---- asking ---- */

static bool is_none(const uint8_t address[static 4]) { return get32(address) == 0; }

static void option(emit *e, uint8_t code, const void *bytes, size_t len)
{
        emit_byte(e, code);
        emit_byte(e, (uint8_t)len);
        emit_view(e, (view){bytes, len});
}

static void options(emit *e, const dhcp_ask *a)
{
        static const uint8_t wanted[] = {OPTION_MASK, OPTION_ROUTER, OPTION_RESOLVER, OPTION_DOMAIN,
                                         OPTION_MTU, OPTION_NTP, OPTION_SECONDS, OPTION_SERVER,
                                         OPTION_RENEW, OPTION_REBIND, OPTION_ROUTES};
        static const uint8_t largest[] = {1500 >> 8, 1500 & 0xff};
        uint8_t              client[1 + DHCP_MAC_BYTES] = {ETHERNET};
        memcpy(client + 1, a->mac, sizeof a->mac);
        emit_view(e, (view){cookie, sizeof cookie});
        option(e, OPTION_KIND, &a->kind, 1);
        option(e, OPTION_CLIENT, client, sizeof client);
        if (!is_none(a->requested))
                option(e, OPTION_ADDRESS, a->requested, 4);
        if (!is_none(a->server))
                option(e, OPTION_SERVER, a->server, 4);
        if (a->kind != DHCP_DECLINE) {
                option(e, OPTION_LARGEST, largest, sizeof largest);
                option(e, OPTION_WANTED, wanted, sizeof wanted);
        }
        emit_byte(e, OPTION_END);
}

size_t dhcp_write(const dhcp_ask *a, uint8_t out[static DHCP_ASK_BYTES])
{
        uint8_t *ip = out, *udp = ip + IP_BYTES, *boot = udp + UDP_BYTES;
        memset(out, 0, DHCP_ASK_BYTES);
        boot[0] = BOOT_REQUEST;
        boot[1] = ETHERNET;
        boot[2] = DHCP_MAC_BYTES;
        put16(boot + 4, a->number >> 16);
        put16(boot + 6, a->number);
        put16(boot + 8, a->seconds);
        memcpy(boot + 12, a->mine, 4);
        memcpy(boot + 28, a->mac, sizeof a->mac);
        emit e = emit_into(boot + BOOTP_BYTES, DHCP_ASK_BYTES - IP_BYTES - UDP_BYTES - BOOTP_BYTES);
        options(&e, a);
        /* Relays and servers exist that drop what is shorter than BOOTP was. */
        size_t len = BOOTP_BYTES + (e.len < 64 ? 64 : e.len) + UDP_BYTES;
        ip[0] = 4 << 4 | IP_BYTES / 4;
        put16(ip + 2, IP_BYTES + len);
        ip[8] = 64;
        ip[9] = PROTOCOL_UDP;
        memcpy(ip + 12, a->mine, 4);
        if (is_none(a->to))
                memset(ip + 16, 255, 4);
        else
                memcpy(ip + 16, a->to, 4);
        put16(ip + 10, fold(add_words(0, (view){ip, IP_BYTES})));
        put16(udp, DHCP_CLIENT_PORT);
        put16(udp + 2, DHCP_SERVER_PORT);
        put16(udp + 4, len);
        uint16_t sum = udp_sum(ip, (view){udp, len});
        put16(udp + 6, sum == 0 ? 0xffff : sum);
        return IP_BYTES + len;
}

/* ---- answers ---- */

bool dhcp_unwrap(view packet, bool summed, view *payload)
{
        const uint8_t *ip = packet.data;
        if (packet.len < IP_BYTES || ip[0] >> 4 != 4)
                return false;
        size_t head = (size_t)(ip[0] & 15) * 4, all = get16(ip + 2);
        bool   fragment = (get16(ip + 6) & 0x3fff) != 0;
        if (head < IP_BYTES || all > packet.len || all < head + UDP_BYTES || ip[9] != PROTOCOL_UDP || fragment
            || fold(add_words(0, (view){ip, head})) != 0)
                return false;
        view           udp = view_slice(packet, head, all);
        const uint8_t *u = udp.data;
        size_t         len = get16(u + 4);
        if (get16(u) != DHCP_SERVER_PORT || get16(u + 2) != DHCP_CLIENT_PORT || len < UDP_BYTES || len > udp.len)
                return false;
        udp = view_slice(udp, 0, len);
        if (summed && get16(u + 6) != 0 && udp_sum(ip, udp) != 0)
                return false;
        *payload = view_slice(udp, UDP_BYTES, len);
        return true;
}

/* Goes through the options of a place: calls for each, false when it is cut. */
static bool each(view v, bool (*take)(void *context, uint8_t code, view value), void *context)
{
        for (size_t i = 0; i < v.len;) {
                uint8_t code = v.data[i++];
                if (code == OPTION_END)
                        return true;
                if (code == OPTION_PAD)
                        continue;
                if (i >= v.len || v.data[i] > v.len - i - 1)
                        return false;
                if (!take(context, code, view_slice(v, i + 1, i + 1 + v.data[i])))
                        return false;
                i += 1 + (size_t)v.data[i];
        }
        return true;
}

typedef struct gathering {
        uint8_t code;
        emit    to;
} gathering;

static bool gather_one(void *context, uint8_t code, view value)
{
        gathering *g = context;
        if (code == g->code)
                emit_view(&g->to, value);
        return !g->to.full;
}

/* An option's parts may stand in three places, and are one value: RFC 3396. */
typedef struct message {
        view   places[3];
        size_t count;
} message;

/* Empty when it is not there, or longer than there is room for. */
static view gather(const message *m, uint8_t code, uint8_t *bytes, size_t cap)
{
        gathering g = {code, emit_into(bytes, cap)};
        for (size_t i = 0; i < m->count; i++)
                if (!each(m->places[i], gather_one, &g))
                        return (view){};
        return (view){bytes, g.to.len};
}

static bool is_whole_one(void *, uint8_t, view) { return true; }

static bool message_open(view payload, message *m)
{
        uint8_t overload[2];
        *m = (message){{view_slice(payload, BOOTP_BYTES + sizeof cookie, payload.len)}, 1};
        view how = gather(m, OPTION_OVERLOAD, overload, sizeof overload);
        if (how.len == 1 && (how.data[0] & 1) != 0)
                m->places[m->count++] = view_slice(payload, FILE_AT, FILE_AT + FILE_BYTES);
        if (how.len == 1 && (how.data[0] & 2) != 0)
                m->places[m->count++] = view_slice(payload, NAME_AT, NAME_AT + NAME_BYTES);
        for (size_t i = 0; i < m->count; i++)
                if (!each(m->places[i], is_whole_one, nullptr))
                        return false;
        return true;
}

static uint32_t number_of(const message *m, uint8_t code)
{
        uint8_t bytes[8];
        view    v = gather(m, code, bytes, sizeof bytes);
        return v.len == 4 ? get32(v.data) : 0;
}

/* A mask of ones from the left; what has no mask is of its class. */
static bool read_prefix(const message *m, lease *l)
{
        uint8_t bytes[8];
        view    v = gather(m, OPTION_MASK, bytes, sizeof bytes);
        if (v.len == 0) {
                l->prefix = l->address[0] < 128 ? 8 : l->address[0] < 192 ? 16 : 24;
                return true;
        }
        uint32_t mask = v.len == 4 ? get32(v.data) : 0, zeros = ~mask;
        l->prefix = (uint8_t)__builtin_popcount(mask);
        return mask != 0 && (zeros & (zeros + 1)) == 0;
}

static uint8_t read_servers(const message *m, uint8_t code, uint8_t (*out)[4])
{
        uint8_t bytes[256], count = 0;
        view    v = gather(m, code, bytes, sizeof bytes);
        for (size_t i = 0; v.len % 4 == 0 && i < v.len && count < LEASE_SERVERS; i += 4)
                if (lease_is_host(v.data + i))
                        memcpy(out[count++], v.data + i, 4);
        return count;
}

/* RFC 3442: the number of bits, as many bytes of the network as they fill, the gateway. */
static bool read_routes(view v, lease *l)
{
        l->route_count = 0;
        while (v.len > 0 && l->route_count < LEASE_ROUTES) {
                lease_route r = {.prefix = v.data[0]};
                size_t      bytes = ((size_t)r.prefix + 7) / 8;
                if (r.prefix > 32 || v.len < 1 + bytes + 4)
                        return false;
                memcpy(r.network, v.data + 1, bytes);
                memcpy(r.gateway, v.data + 1 + bytes, 4);
                /* Bits of the host in a network's name: the kernel would refuse it. */
                for (size_t bit = r.prefix; bit < 32; bit++)
                        r.network[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
                if (is_none(r.gateway) || lease_is_host(r.gateway))
                        l->routes[l->route_count++] = r;
                v = view_slice(v, 1 + bytes + 4, v.len);
        }
        return true;
}

static void read_ways(const message *m, lease *l)
{
        uint8_t bytes[OPTIONS_MOST];
        view    v = gather(m, OPTION_ROUTES, bytes, sizeof bytes);
        /* Whoever gives routes means all of them: the router's own option is not looked at then. */
        if (v.len >= 5 && read_routes(v, l))
                return;
        l->route_count = 0;
        v = gather(m, OPTION_ROUTER, bytes, sizeof bytes);
        if (v.len < 4 || v.len % 4 != 0 || !lease_is_host(v.data))
                return;
        l->routes[0] = (lease_route){};
        memcpy(l->routes[0].gateway, v.data, 4);
        l->route_count = 1;
}

static bool read_lease(const message *m, view payload, dhcp_answer *out)
{
        lease  *l = &out->lease;
        uint8_t bytes[8];
        memcpy(l->address, payload.data + 16, 4);
        l->seconds = number_of(m, OPTION_SECONDS);
        if (!lease_is_host(l->address) || l->seconds == 0 || !read_prefix(m, l))
                return false;
        read_ways(m, l);
        l->resolver_count = read_servers(m, OPTION_RESOLVER, l->resolvers);
        l->ntp_count = read_servers(m, OPTION_NTP, l->ntp);
        view mtu = gather(m, OPTION_MTU, bytes, sizeof bytes);
        if (mtu.len == 2 && get16(mtu.data) >= LEASE_MTU_LEAST && get16(mtu.data) <= LEASE_MTU_MOST)
                l->mtu = get16(mtu.data);
        out->renew_s = number_of(m, OPTION_RENEW);
        out->rebind_s = number_of(m, OPTION_REBIND);
        return true;
}

bool dhcp_read(view payload, const uint8_t mac[static DHCP_MAC_BYTES], dhcp_answer *out)
{
        const uint8_t *p = payload.data;
        message        m;
        uint8_t        bytes[8];
        *out = (dhcp_answer){};
        if (payload.len < BOOTP_BYTES + sizeof cookie || p[0] != BOOT_REPLY || p[1] != ETHERNET
            || p[2] != DHCP_MAC_BYTES || memcmp(p + 28, mac, DHCP_MAC_BYTES) != 0
            || memcmp(p + BOOTP_BYTES, cookie, sizeof cookie) != 0 || !message_open(payload, &m))
                return false;
        view kind = gather(&m, OPTION_KIND, bytes, sizeof bytes);
        if (kind.len != 1 || (kind.data[0] != DHCP_OFFER && kind.data[0] != DHCP_ACK && kind.data[0] != DHCP_NAK))
                return false;
        out->kind = (dhcp_kind)kind.data[0];
        out->number = get32(p + 4);
        view server = gather(&m, OPTION_SERVER, bytes, sizeof bytes);
        if (server.len == 4 && lease_is_host(server.data))
                memcpy(out->server, server.data, 4);
        if (out->kind == DHCP_NAK)
                return true;
        return !is_none(out->server) && read_lease(&m, payload, out);
}
