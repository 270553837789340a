#include "firmware/netlink.h"

#include <linux/rtnetlink.h>
#include <sched.h>
#include <unistd.h>

#include "support/tap.h"

static const char SUBJECT[] = "netlink";

static const box_address v4 = {4, 24, {10, 1, 2, 3}}, v6 = {6, 64, {0x20, 1, 0xd, 0xb8, [15] = 7}};
static const box_address router4 = {4, 0, {10, 1, 2, 1}};

static struct nlmsghdr head_of(const netlink_request *r)
{
        struct nlmsghdr h;
        memcpy(&h, r->bytes, sizeof h);
        return h;
}

static void test_forms(void)
{
        netlink_request r;
        netlink_link(&r, 2, true, 1400);
        bool good = head_of(&r).nlmsg_type == RTM_NEWLINK && head_of(&r).nlmsg_len == r.len && r.len % 4 == 0;
        netlink_link(&r, 2, false, 0);
        tap_ok(good && r.len == NLMSG_LENGTH(sizeof(struct ifinfomsg)), SUBJECT, "a link, with and without its MTU");
        netlink_address(&r, 2, &v6);
        struct ifaddrmsg a;
        memcpy(&a, r.bytes + NLMSG_HDRLEN, sizeof a);
        tap_ok(head_of(&r).nlmsg_type == RTM_NEWADDR && head_of(&r).nlmsg_len == r.len && a.ifa_prefixlen == 64
                       && a.ifa_index == 2 && r.len == NLMSG_LENGTH(sizeof a) + 2 * RTA_SPACE(16),
               SUBJECT, "an address");
        netlink_route(&r, 2, &(netlink_way){{.family = 6}, v6});
        good = r.len == NLMSG_LENGTH(sizeof(struct rtmsg)) + RTA_SPACE(16) + RTA_SPACE(4);
        netlink_route(&r, 2, &(netlink_way){{.family = 4}, v4});
        tap_ok(good && head_of(&r).nlmsg_type == RTM_NEWROUTE
                       && r.len == NLMSG_LENGTH(sizeof(struct rtmsg)) + 2 * RTA_SPACE(4),
               SUBJECT, "a route");
        netlink_route_gone(&r, 2, &(netlink_way){v4, {}});
        tap_ok(head_of(&r).nlmsg_type == RTM_DELROUTE && r.len == NLMSG_LENGTH(sizeof(struct rtmsg)) + 2 * RTA_SPACE(4),
               SUBJECT, "a route on the cable, and its end");
        netlink_vlan(&r, 2, 42, "vlan42");
        tap_ok(head_of(&r).nlmsg_len == r.len && r.len % 4 == 0 && memmem(r.bytes, r.len, "vlan42", 7) != nullptr,
               SUBJECT, "a VLAN");
}

/* In a network of its own, on its loopback. */
static void test_kernel(void)
{
        netlink_request r;
        if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
                tap_skip(SUBJECT, "a network of its own needs a privilege here");
                return;
        }
        int fd = netlink_open();
        netlink_link(&r, 1, true, 9000);
        tap_ok(!failed(netlink_ask(fd, &r)), SUBJECT, "the kernel takes a link");
        netlink_address(&r, 1, &v4);
        bool good = !failed(netlink_ask(fd, &r)) && !failed(netlink_ask(fd, &r));
        netlink_address(&r, 1, &v6);
        tap_ok(good && !failed(netlink_ask(fd, &r)), SUBJECT, "addresses, and what it has already");
        const netlink_way out = {{.family = 4}, router4}, near = {{4, 16, {10, 9}}, {}};
        netlink_route(&r, 1, &out);
        good = !failed(netlink_ask(fd, &r));
        netlink_route(&r, 1, &near);
        tap_ok(good && !failed(netlink_ask(fd, &r)), SUBJECT, "a gateway, and a network on the cable");
        netlink_route_gone(&r, 1, &out);
        good = !failed(netlink_ask(fd, &r)) && failed(netlink_ask(fd, &r));
        netlink_address_gone(&r, 1, &v4);
        tap_ok(good && !failed(netlink_ask(fd, &r)) && failed(netlink_ask(fd, &r)), SUBJECT,
               "what is taken away is not there any more");
        netlink_link(&r, 77, true, 0);
        tap_ok(failed(netlink_ask(fd, &r)), SUBJECT, "what is not there is refused");
        netlink_route(&r, 1, &(netlink_way){{.family = 4}, {4, 0, {192, 168, 7, 7}}});
        tap_ok(failed(netlink_ask(fd, &r)) && failed(netlink_ask(-1, &r)), SUBJECT, "a router out of reach too");
        close(fd);
}

int main(void)
{
        test_forms();
        test_kernel();
        return tap_done();
}
