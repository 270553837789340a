#include "firmware/netlink.h"

#include <assert.h>
#include <errno.h>
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

void netlink_address(netlink_request *r, uint32_t index, const box_address *a)
{
        /* Without the search for a twin an IPv6 address serves at once; the operator answers for it. */
        const struct ifaddrmsg head = {.ifa_family = address_family(a), .ifa_prefixlen = a->prefix,
                                       .ifa_flags = a->family == 6 ? IFA_F_NODAD : 0, .ifa_index = index};
        begin(r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
        put(r, &head, sizeof head);
        attribute(r, IFA_LOCAL, a->bytes, address_bytes(a));
        attribute(r, IFA_ADDRESS, a->bytes, address_bytes(a));
}

void netlink_gateway(netlink_request *r, uint32_t index, const box_address *gateway)
{
        const struct rtmsg head = {.rtm_family = address_family(gateway), .rtm_table = RT_TABLE_MAIN,
                                   .rtm_protocol = RTPROT_STATIC, .rtm_scope = RT_SCOPE_UNIVERSE,
                                   .rtm_type = RTN_UNICAST};
        begin(r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
        put(r, &head, sizeof head);
        attribute(r, RTA_GATEWAY, gateway->bytes, address_bytes(gateway));
        attribute(r, RTA_OIF, &index, sizeof index);
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
