#include "firmware/netlink.h"

#include <assert.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void put(netlink_request *r, const void *bytes, size_t len)
{
        size_t whole = NLMSG_ALIGN(len);
        assert(r->len + whole <= sizeof r->bytes);
        if (len > 0)
                memcpy(r->bytes + r->len, bytes, len);
        memset(r->bytes + r->len + len, 0, whole - len);
        r->len += whole;
        uint32_t len32 = (uint32_t)r->len;
        memcpy(r->bytes + offsetof(struct nlmsghdr, nlmsg_len), &len32, sizeof len32);
}

static void begin(netlink_request *r, uint16_t type, uint16_t flags)
{
        const struct nlmsghdr head = {.nlmsg_type = type, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags)};
        r->len = 0;
        put(r, &head, sizeof head);
}

static void attribute(netlink_request *r, uint16_t type, const void *bytes, size_t len)
{
        const struct rtattr head = {.rta_len = (uint16_t)RTA_LENGTH(len), .rta_type = type};
        put(r, &head, sizeof head);
        put(r, bytes, len);
}

static size_t address_bytes(const box_address *a) { return a->family == 4 ? 4 : 16; }
static uint8_t address_family(const box_address *a) { return a->family == 4 ? AF_INET : AF_INET6; }

void netlink_link(netlink_request *r, uint32_t index, bool up, uint32_t mtu)
{
        const struct ifinfomsg link = {.ifi_family = AF_UNSPEC, .ifi_index = (int)index, .ifi_flags = up ? IFF_UP : 0,
                                       .ifi_change = IFF_UP};
        begin(r, RTM_NEWLINK, 0);
        put(r, &link, sizeof link);
        if (mtu != 0)
                attribute(r, IFLA_MTU, &mtu, sizeof mtu);
}

static void address(netlink_request *r, uint32_t index, const box_address *a)
{
        /* Without the search for a twin an IPv6 address serves at once; the operator answers for it. */
        const struct ifaddrmsg head = {.ifa_family = address_family(a), .ifa_prefixlen = a->prefix,
                                       .ifa_flags = a->family == 6 ? IFA_F_NODAD : 0, .ifa_index = index};
        put(r, &head, sizeof head);
        attribute(r, IFA_LOCAL, a->bytes, address_bytes(a));
        attribute(r, IFA_ADDRESS, a->bytes, address_bytes(a));
}

void netlink_address(netlink_request *r, uint32_t index, const box_address *a)
{
        begin(r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
        address(r, index, a);
}

void netlink_address_gone(netlink_request *r, uint32_t index, const box_address *a)
{
        begin(r, RTM_DELADDR, 0);
        address(r, index, a);
}

static void route(netlink_request *r, uint32_t index, const netlink_way *way)
{
        bool               direct = way->gateway.family == 0;
        const struct rtmsg head = {.rtm_family = address_family(&way->network), .rtm_dst_len = way->network.prefix,
                                   .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC,
                                   .rtm_scope = direct ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST};
        put(r, &head, sizeof head);
        if (way->network.prefix > 0)
                attribute(r, RTA_DST, way->network.bytes, address_bytes(&way->network));
        if (!direct)
                attribute(r, RTA_GATEWAY, way->gateway.bytes, address_bytes(&way->gateway));
        attribute(r, RTA_OIF, &index, sizeof index);
}

void netlink_route(netlink_request *r, uint32_t index, const netlink_way *way)
{
        begin(r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
        route(r, index, way);
}

void netlink_route_gone(netlink_request *r, uint32_t index, const netlink_way *way)
{
        begin(r, RTM_DELROUTE, 0);
        route(r, index, way);
}

/* An attribute that holds others: its length is known once they stand. */
static size_t nest_begin(netlink_request *r, uint16_t type)
{
        size_t at = r->len;
        attribute(r, type, nullptr, 0);
        return at;
}

static void nest_end(netlink_request *r, size_t at)
{
        uint16_t len = (uint16_t)(r->len - at);
        memcpy(r->bytes + at + offsetof(struct rtattr, rta_len), &len, sizeof len);
}

void netlink_vlan(netlink_request *r, uint32_t card, uint16_t number, const char *name)
{
        const struct ifinfomsg link = {.ifi_family = AF_UNSPEC};
        begin(r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
        put(r, &link, sizeof link);
        attribute(r, IFLA_LINK, &card, sizeof card);
        attribute(r, IFLA_IFNAME, name, strlen(name) + 1);
        size_t info = nest_begin(r, IFLA_LINKINFO);
        attribute(r, IFLA_INFO_KIND, "vlan", 4);
        size_t data = nest_begin(r, IFLA_INFO_DATA);
        attribute(r, IFLA_VLAN_ID, &number, sizeof number);
        nest_end(r, data);
        nest_end(r, info);
}

void netlink_link_gone(netlink_request *r, uint32_t index)
{
        const struct ifinfomsg link = {.ifi_family = AF_UNSPEC, .ifi_index = (int)index};
        begin(r, RTM_DELLINK, 0);
        put(r, &link, sizeof link);
}

int netlink_open(void)
{
        int            fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        struct timeval patience = {.tv_sec = 2};
        if (fd >= 0)
                (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        return fd;
}

err netlink_ask(int fd, const netlink_request *r)
{
        struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
        alignas(8) uint8_t answer[1024];
        if (sendto(fd, r->bytes, r->len, 0, (struct sockaddr *)&kernel, sizeof kernel) != (ssize_t)r->len)
                return FAIL(SYSTEM);
        ssize_t n = recv(fd, answer, sizeof answer, 0);
        if (n < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)))
                return FAIL(SYSTEM);
        struct nlmsgerr word;
        memcpy(&word, answer + NLMSG_HDRLEN, sizeof word);
        errno = -word.error;
        return word.error == 0 || word.error == -EEXIST ? OK : FAIL(SYSTEM);
}
