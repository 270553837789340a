#include "firmware/network.h"

#include <sched.h>

#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "network";

static void card(const char *name, const char *index, const char *mac, const char *carrier)
{
        char path[128];
        snprintf(path, sizeof path, "/sys/class/net/%s/device", name);
        tree_folder(path);
        snprintf(path, sizeof path, "/sys/class/net/%s/ifindex", name);
        tree_file(path, index);
        snprintf(path, sizeof path, "/sys/class/net/%s/address", name);
        tree_file(path, mac);
        snprintf(path, sizeof path, "/sys/class/net/%s/carrier", name);
        tree_file(path, carrier);
}

static void test_choosing(void)
{
        network_cards cards;
        notice why = {};
        box any = {}, named = {.has_mac = true, .mac = {2, 0, 0, 0, 0, 0xaa}};
        network_look(tree_root, &cards);
        network_missing(&cards, &any, &why);
        tap_ok(cards.count == 0 && network_choose(&cards, &any) == nullptr
                       && text_contains(notice_view(&why), VIEW("no network interface")),
               SUBJECT, "a box without one");
        card("eth1", "3\n", "02:00:00:00:00:aa\n", "0\n");
        card("eth0", "2\n", "02:00:00:00:00:01\n", "0\n");
        tree_file("/sys/class/net/lo/ifindex", "1\n");
        tree_file("/sys/class/net/lo/address", "00:00:00:00:00:00\n");
        tree_file("/sys/class/net/lo/carrier", "1\n");
        network_look(tree_root, &cards);
        network_missing(&cards, &any, &why);
        tap_ok(cards.count == 2 && strcmp(cards.row[0].name, "eth0") == 0 && network_choose(&cards, &any) == nullptr
                       && text_contains(notice_view(&why), VIEW("cable")),
               SUBJECT, "two without a link; the loopback is none");
        tap_ok(network_choose(&cards, &named) == &cards.row[1], SUBJECT, "one that is named needs no link");
        card("eth1", "3\n", "02:00:00:00:00:aa\n", "1\n");
        network_look(tree_root, &cards);
        tap_ok(network_choose(&cards, &any) == &cards.row[1], SUBJECT, "the first with a link");
        named.mac[0] = 6;
        network_missing(&cards, &named, &why);
        tap_ok(network_choose(&cards, &named) == nullptr && text_contains(notice_view(&why), VIEW("'interface'")),
               SUBJECT, "a MAC that nobody has");
        card("odd", "4\n", "02:00:00:00:00\n", "1\n");
        card("odder", "0\n", "02:00:00:00:00:05\n", "1\n");
        network_look(tree_root, &cards);
        tap_ok(cards.count == 2, SUBJECT, "what has no Ethernet address or no number is left out");
}

static void test_resolvers(void)
{
        box b = {.resolvers = {{4, 0, {10, 0, 2, 3}}, {6, 0, {0x20, 1, 0xd, 0xb8, [15] = 0x53}}}, .resolver_count = 2};
        notice why = {};
        tree_folder("/run");
        tap_ok(!failed(network_write_resolvers(tree_root, &b, &why))
                       && view_equal(tree_read("/run/resolv.conf"),
                                     VIEW("nameserver 10.0.2.3\nnameserver 2001:db8::53\n")),
               SUBJECT, "the resolver's file");
        b.resolver_count = 0;
        tap_ok(!failed(network_write_resolvers(tree_root, &b, &why)) && tree_read("/run/resolv.conf").len == 0, SUBJECT,
               "which is empty without one");
        tap_ok(failed(network_write_resolvers("/no/such/root", &b, &why)) && why.len > 0, SUBJECT,
               "or cannot be written");
}

static void test_kernel(void)
{
        if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
                tap_skip(SUBJECT, "a network of its own needs a privilege here");
                return;
        }
        /* The loopback of a network of its own stands for the card. */
        network_cards cards = {.row = {{.name = "lo", .index = 1, .link = true}}, .count = 1};
        notice why = {};
        box b = {.addresses = {{4, 24, {10, 1, 2, 3}}},
                 .address_count = 1,
                 .gateway4 = {4, 0, {10, 1, 2, 1}},
                 .mtu = 1400};
        network_plan none = {}, p, q;
        lease        l = {.address = {10, 1, 3, 9}, .prefix = 24, .seconds = 60, .route_count = 2, .resolver_count = 1,
                          .routes = {{.gateway = {10, 1, 3, 1}, .network = {10, 7}, .prefix = 16},
                                     {.network = {10, 8}, .prefix = 16}},
                          .resolvers = {{10, 1, 3, 53}}};
        network_plan_make(&p, &b, nullptr);
        bool good = !failed(network_wake(&cards, &why)) && !failed(network_change(1, &none, &p, &why));
        tap_ok(good && p.address_count == 1 && p.way_count == 1, SUBJECT, "the kernel takes what the settings say");
        network_plan_make(&q, &b, &l);
        good = q.address_count == 2 && q.way_count == 3 && q.ways[1].gateway.family == 0
               && !failed(network_change(1, &p, &q, &why)) && !failed(network_change(1, &q, &q, &why));
        tap_ok(good, SUBJECT, "and what a lease says, twice if need be");
        good = !failed(network_change(1, &q, &p, &why)) && !failed(network_change(1, &p, &none, &why));
        tap_ok(good && system("ip -4 addr show dev lo 2>/dev/null | grep -q 10.1.") != 0, SUBJECT,
               "all of it goes away again");
        b.gateway4.bytes[0] = 11;
        network_plan_make(&p, &b, nullptr);
        tap_ok(failed(network_change(1, &none, &p, &why))
                       && text_contains(notice_view(&why), VIEW("gateway 11.1.2.1")),
               SUBJECT, "a gateway it does not take is named");
        b.addresses[0] = (box_address){4, 24, {240, 0, 0, 300 % 256}};
        b.addresses[0].family = 5;
        network_plan_make(&p, &b, nullptr);
        tap_ok(failed(network_change(1, &none, &p, &why)) && why.len > 0, SUBJECT, "so is an address");
        b.mtu = 1u << 31;
        network_plan_make(&p, &b, nullptr);
        tap_ok(failed(network_change(1, &none, &p, &why)) && text_contains(notice_view(&why), VIEW("mtu")),
               SUBJECT, "and an MTU");
        uint32_t index = 0;
        tap_ok(failed(network_vlan(&(network_card){.index = 77}, 42, &index, &why))
                       && text_contains(notice_view(&why), VIEW("vlan")),
               SUBJECT, "a VLAN of no card is refused");
}

static void test_in_use(void)
{
        lease l = {.address = {10, 1, 3, 9}, .prefix = 24, .seconds = 60, .route_count = 1, .resolver_count = 1,
                   .ntp_count = 1, .mtu = 1400, .routes = {{.gateway = {10, 1, 3, 1}}}, .resolvers = {{10, 1, 3, 53}},
                   .ntp = {{10, 1, 3, 123}}};
        box   settings, b;
        box_default(&settings);
        network_in_use(&settings, &l, &b);
        tap_ok(b.address_count == 1 && b.addresses[0].prefix == 24 && b.gateway4.bytes[2] == 3 && b.resolver_count == 1
                       && b.ntp_count == 1 && b.mtu == 1400,
               SUBJECT, "a lease fills in what the settings leave out");
        settings.resolvers[0] = settings.gateway4 = settings.ntp[0] = (box_address){4, 0, {10, 9, 9, 9}};
        settings.resolver_count = settings.ntp_count = 1;
        settings.mtu = 1500;
        network_in_use(&settings, &l, &b);
        tap_ok(b.gateway4.bytes[1] == 9 && b.resolver_count == 1 && b.resolvers[0].bytes[1] == 9 && b.ntp_count == 1
                       && b.ntp[0].bytes[1] == 9 && b.mtu == 1500,
               SUBJECT, "and nothing that they say");
        network_in_use(&settings, nullptr, &b);
        tap_ok(memcmp(&b, &settings, sizeof b) == 0, SUBJECT, "no lease changes nothing");
}

static void test_automatic(void)
{
        tree_file("/proc/sys/net/ipv6/conf/eth0/accept_ra", "0\n");
        tree_file("/proc/sys/net/ipv6/conf/eth0/autoconf", "0\n");
        tap_ok(!failed(network_automatic(tree_root, "eth0", true))
                       && view_equal(tree_read("/proc/sys/net/ipv6/conf/eth0/accept_ra"), VIEW("1\n")),
               SUBJECT, "routers are heard where the settings say so");
        tap_ok(failed(network_automatic(tree_root, "eth9", true)), SUBJECT, "a card that is not there");
}

/* Static, link-local, a router's, one that is still probed, one that is going, and another card's. */
#define INET6                                                              \
        "20010db8000000000000000000000015 02 40 00 80     eth0\n"          \
        "fe80000000000000505400fffe123456 02 40 20 80     eth0\n"          \
        "FEC0000000000000505400fffe123456 02 40 40 00     eth0\n"          \
        "20010db8000000010000000000000001 02 40 00 40     eth0\n"          \
        "20010db8000000020000000000000001 02 40 00 20     eth0\n"          \
        "20010db8000000030000000000000001 03 40 00 00    eth00\n"          \
        "20010db800000004000000000000001 02 40 00 00     eth0\n"           \
        "20010db8000000050000000000000001 02 30 00 00     eth0\n"

static void test_advertised(void)
{
        box b = {.addresses = {{6, 64, {0x20, 1, 0xd, 0xb8, [15] = 0x15}}}, .address_count = 1};
        network_add_automatic(tree_root, "eth0", &b);
        tap_ok(b.address_count == 1, SUBJECT, "a kernel without IPv6 has no addresses of routers");
        tree_file("/proc/net/if_inet6", INET6);
        network_add_automatic(tree_root, "eth0", &b);
        tap_ok(b.address_count == 3 && b.addresses[1].family == 6 && b.addresses[1].bytes[0] == 0xfe
                       && b.addresses[1].bytes[15] == 0x56 && b.addresses[1].prefix == 64
                       && b.addresses[2].bytes[7] == 5 && b.addresses[2].prefix == 48,
               SUBJECT, "addresses of routers are shown, once, and none that does not serve");
        b.address_count = BOX_ADDRESSES - 1;
        memset(b.addresses, 0, sizeof b.addresses);
        network_add_automatic(tree_root, "eth0", &b);
        tap_ok(b.address_count == BOX_ADDRESSES, SUBJECT, "as far as there is room");
}

int main(void)
{
        tree_make();
        test_choosing();
        test_resolvers();
        test_in_use();
        test_automatic();
        test_advertised();
        test_kernel();
        tree_remove();
        return tap_done();
}
