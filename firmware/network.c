#include "firmware/network.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <unistd.h>

#include "firmware/netlink.h"

enum : uint32_t { LOOPBACK_INDEX = 1 };
/* Of /proc/net/if_inet6: link-local; and flags of an address that nobody is to use, yet or any more. */
enum : uint32_t { SCOPE_LINK = 0x20, FLAG_DAD_FAILED = 0x08, FLAG_DEPRECATED = 0x20, FLAG_TENTATIVE = 0x40 };

static const char cards_at[] = "/sys/class/net/";

static view about(const char *root, const char *name, const char *file, uint8_t *bytes, size_t cap)
{
        file_path folder, path;
        view      text;
        if (failed(file_path_make(&folder, cards_at, name, (view){}))
            || failed(file_path_make(&path, folder.text, file, (view){}))
            || failed(file_read(root, path.text, bytes, cap, &text)))
                return (view){};
        return text_line(&text);
}

static bool has_hardware(const char *root, const char *name)
{
        file_path folder, path;
        return !failed(file_path_make(&folder, cards_at, name, (view){}))
               && !failed(file_path_make(&path, folder.text, "/device", (view){})) && file_exists(root, path.text);
}

/* "52:54:00:12:34:56" */
static bool read_mac(view text, uint8_t *out)
{
        if (text.len != BOX_MAC_BYTES * 3 - 1)
                return false;
        for (size_t i = 0; i < text.len; i++) {
                uint8_t c = ascii_lower(text.data[i]);
                int     digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
                if (i % 3 == 2 ? c != ':' : digit < 0)
                        return false;
                if (i % 3 == 0)
                        out[i / 3] = (uint8_t)(digit << 4);
                else if (i % 3 == 1)
                        out[i / 3] |= (uint8_t)digit;
        }
        return true;
}

static bool look_at(const char *root, const char *name, network_card *out)
{
        uint8_t  bytes[64];
        uint64_t index;
        size_t   len = strlen(name);
        *out = (network_card){};
        if (len >= sizeof out->name || !has_hardware(root, name)
            || !view_decimal(about(root, name, "/ifindex", bytes, sizeof bytes), INT32_MAX, &index) || index == 0
            || !read_mac(about(root, name, "/address", bytes, sizeof bytes), out->mac))
                return false;
        memcpy(out->name, name, len);
        out->index = (uint32_t)index;
        out->link = view_equal(about(root, name, "/carrier", bytes, sizeof bytes), VIEW("1"));
        return true;
}

static void keep_sorted(network_cards *cards, const network_card *card)
{
        size_t at = cards->count++;
        for (; at > 0 && cards->row[at - 1].index > card->index; at--)
                cards->row[at] = cards->row[at - 1];
        cards->row[at] = *card;
}

void network_look(const char *root, network_cards *out)
{
        file_path folder;
        *out = (network_cards){};
        DIR *d = failed(file_path_make(&folder, root, cards_at, (view){})) ? nullptr : opendir(folder.text);
        if (d == nullptr)
                return;
        for (struct dirent *entry; out->count < NETWORK_CARDS && (entry = readdir(d)) != nullptr;) {
                network_card card;
                if (entry->d_name[0] != '.' && look_at(root, entry->d_name, &card))
                        keep_sorted(out, &card);
        }
        closedir(d);
}

const network_card *network_choose(const network_cards *cards, const box *b)
{
        for (size_t i = 0; i < cards->count; i++) {
                const network_card *c = &cards->row[i];
                if (b->has_mac ? memcmp(c->mac, b->mac, sizeof c->mac) == 0 : c->link)
                        return c;
        }
        return nullptr;
}

void network_missing(const network_cards *cards, const box *b, notice *why)
{
        if (cards->count == 0)
                notice_set(why, "This box has no network interface that the image knows", (view){},
                                    ": add one of another kind and start it again.");
        else if (b->has_mac)
                notice_set(why, "No network interface has the MAC address of '", VIEW("interface"),
                                    "' in the network settings: correct it, or leave it out.");
        else
                notice_set(why, "No network interface has a link", (view){},
                                    ": check the cable or the switch.");
}

err network_wake(const network_cards *cards, notice *why)
{
        netlink_request r;
        int             fd = netlink_open();
        netlink_link(&r, LOOPBACK_INDEX, true, 0);
        err e = netlink_ask(fd, &r);
        /* A card that will not come up is seen by its missing link. */
        for (size_t i = 0; i < cards->count; i++) {
                netlink_link(&r, cards->row[i].index, true, 0);
                (void)!failed(netlink_ask(fd, &r));
        }
        if (fd >= 0)
                close(fd);
        return failed(e) ? notice_fail(why, "The kernel's network does not answer", (view){},
                                         ": use the kernel of this image.")
                         : OK;
}

static err refuse_address(const char *what, const box_address *a, notice *why)
{
        uint8_t bytes[64];
        emit    e = emit_into(bytes, sizeof bytes);
        box_address_text(&e, a);
        err out = notice_fail(why, "The kernel does not take the ", view_of_text(what), " ");
        notice_add(why, (view){bytes, e.len});
        notice_add(why, VIEW(": correct it in the network settings."));
        return out;
}

void network_rest(const network_cards *cards, const network_card *card)
{
        netlink_request r;
        int             fd = netlink_open();
        for (size_t i = 0; i < cards->count; i++)
                if (cards->row[i].index != card->index) {
                        netlink_link(&r, cards->row[i].index, false, 0);
                        (void)!failed(netlink_ask(fd, &r));
                }
        if (fd >= 0)
                close(fd);
}

err network_vlan(const network_card *card, uint32_t number, uint32_t *index, notice *why)
{
        netlink_request r;
        char            name[IF_NAMESIZE] = {};
        emit            e = emit_into((uint8_t *)name, sizeof name - 1);
        int             fd = netlink_open();
        emit_text(&e, "vlan");
        emit_u64(&e, number);
        netlink_vlan(&r, card->index, (uint16_t)number, name);
        bool good = !failed(netlink_ask(fd, &r));
        *index = good ? if_nametoindex(name) : 0;
        netlink_link(&r, *index, true, 0);
        good = good && *index != 0 && !failed(netlink_ask(fd, &r));
        if (fd >= 0)
                close(fd);
        return good ? OK
                    : notice_fail(why, "The kernel does not make the ", VIEW("vlan"),
                                  " of the network settings on this card: use another card, or leave it out.");
}

void network_vlan_gone(uint32_t index)
{
        netlink_request r;
        int             fd = netlink_open();
        netlink_link_gone(&r, index);
        (void)!failed(netlink_ask(fd, &r));
        if (fd >= 0)
                close(fd);
}

/* ---- plans ---- */

static box_address leased(const uint8_t bytes[static 4], uint8_t prefix)
{
        box_address a = {.family = 4, .prefix = prefix};
        memcpy(a.bytes, bytes, 4);
        return a;
}

static bool same(const box_address *a, const box_address *b)
{
        return a->family == b->family && a->prefix == b->prefix && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static void add_way(network_plan *p, const box_address *network, const box_address *gateway)
{
        if (p->way_count < sizeof p->ways / sizeof *p->ways)
                p->ways[p->way_count++] = (netlink_way){*network, *gateway};
}

/* Ways on the cable come first: the others may lead over them. */
static void add_lease(network_plan *p, const lease *l, bool direct)
{
        static const uint8_t none[4];
        for (size_t i = 0; i < l->route_count; i++) {
                const lease_route *r = &l->routes[i];
                if ((memcmp(r->gateway, none, sizeof none) == 0) != direct)
                        continue;
                box_address network = leased(r->network, r->prefix), gateway = leased(r->gateway, 0);
                add_way(p, &network, direct ? &(box_address){} : &gateway);
        }
}

void network_in_use(const box *settings, const lease *l, box *out)
{
        *out = *settings;
        if (l == nullptr)
                return;
        if (out->address_count < BOX_ADDRESSES)
                out->addresses[out->address_count++] = leased(l->address, l->prefix);
        if (out->gateway4.family == 0 && lease_gateway(l) != nullptr)
                out->gateway4 = leased(lease_gateway(l), 0);
        /* Who names servers means them. */
        for (size_t i = 0; settings->resolver_count == 0 && i < l->resolver_count; i++)
                out->resolvers[out->resolver_count++] = leased(l->resolvers[i], 0);
        for (size_t i = 0; settings->ntp_count == 0 && i < l->ntp_count && i < BOX_NTP; i++)
                out->ntp[out->ntp_count++] = leased(l->ntp[i], 0);
        out->mtu = out->mtu != 0 ? out->mtu : l->mtu;
}

void network_plan_make(network_plan *p, const box *settings, const lease *l)
{
        box b;
        network_in_use(settings, l, &b);
        *p = (network_plan){.address_count = b.address_count, .mtu = b.mtu};
        memcpy(p->addresses, b.addresses, sizeof p->addresses);
        const box_address *gateways[] = {&settings->gateway4, &settings->gateway6};
        for (size_t i = 0; i < sizeof gateways / sizeof *gateways; i++)
                if (gateways[i]->family != 0)
                        add_way(p, &(box_address){.family = gateways[i]->family}, gateways[i]);
        if (l != nullptr) {
                add_lease(p, l, true);
                add_lease(p, l, false);
        }
}

static bool has_address(const network_plan *p, const box_address *a)
{
        for (size_t i = 0; i < p->address_count; i++)
                if (same(&p->addresses[i], a))
                        return true;
        return false;
}

static bool has_way(const network_plan *p, const netlink_way *w)
{
        for (size_t i = 0; i < p->way_count; i++)
                if (same(&p->ways[i].network, &w->network) && same(&p->ways[i].gateway, &w->gateway))
                        return true;
        return false;
}

/* What is not there any more is no fault: the kernel takes ways away with their address. */
static void take_away(int fd, uint32_t index, const network_plan *old, const network_plan *to)
{
        netlink_request r;
        for (size_t i = 0; i < old->way_count; i++)
                if (!has_way(to, &old->ways[i])) {
                        netlink_route_gone(&r, index, &old->ways[i]);
                        (void)!failed(netlink_ask(fd, &r));
                }
        for (size_t i = 0; i < old->address_count; i++)
                if (!has_address(to, &old->addresses[i])) {
                        netlink_address_gone(&r, index, &old->addresses[i]);
                        (void)!failed(netlink_ask(fd, &r));
                }
}

static err give(int fd, uint32_t index, const network_plan *to, notice *why)
{
        netlink_request r;
        netlink_link(&r, index, true, to->mtu);
        if (failed(netlink_ask(fd, &r)))
                return notice_fail(why, "The network interface does not take the ", VIEW("mtu"),
                                     " of the network settings: correct it, or leave it out.");
        /* All of them, also those that were there: an address that went may have taken ways with it. */
        for (size_t i = 0; i < to->address_count; i++) {
                netlink_address(&r, index, &to->addresses[i]);
                if (failed(netlink_ask(fd, &r)))
                        return refuse_address("address", &to->addresses[i], why);
        }
        for (size_t i = 0; i < to->way_count; i++) {
                netlink_route(&r, index, &to->ways[i]);
                if (failed(netlink_ask(fd, &r)))
                        return refuse_address("gateway", &to->ways[i].gateway, why);
        }
        return OK;
}

err network_change(uint32_t index, const network_plan *old, const network_plan *to, notice *why)
{
        int fd = netlink_open();
        take_away(fd, index, old, to);
        err e = give(fd, index, to, why);
        if (fd >= 0)
                close(fd);
        return e;
}

err network_automatic(const char *root, const char *interface, bool on)
{
        static const char *const names[] = {"/accept_ra", "/autoconf"};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                file_path folder, path;
                TRY(file_path_make(&folder, "/proc/sys/net/ipv6/conf/", interface, (view){}));
                TRY(file_path_make(&path, folder.text, names[i], (view){}));
                TRY(file_write(root, path.text, on ? VIEW("1\n") : VIEW("0\n")));
        }
        return OK;
}

static bool hex(view text, uint8_t *out, size_t bytes)
{
        if (text.len != 2 * bytes)
                return false;
        for (size_t i = 0; i < text.len; i++) {
                uint8_t c = ascii_lower(text.data[i]);
                int     digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
                if (digit < 0)
                        return false;
                out[i / 2] = (uint8_t)(out[i / 2] << 4 | digit);
        }
        return true;
}

/* "20010db8000000000000000000000001 02 40 00 80     eth0": address, index, bits, scope, flags, interface. */
static bool read_automatic(view line, view interface, box_address *out)
{
        uint8_t bits = 0, scope = 0, flags = 0;
        *out = (box_address){.family = 6};
        bool good = hex(text_word(&line), out->bytes, sizeof out->bytes);
        (void)text_word(&line);
        good = good && hex(text_word(&line), &bits, 1) && hex(text_word(&line), &scope, 1)
               && hex(text_word(&line), &flags, 1) && view_equal(text_word(&line), interface);
        out->prefix = bits;
        return good && scope != SCOPE_LINK && (flags & (FLAG_DAD_FAILED | FLAG_DEPRECATED | FLAG_TENTATIVE)) == 0;
}

void network_add_automatic(const char *root, const char *interface, box *out)
{
        uint8_t bytes[4096];
        view    text;
        if (failed(file_read(root, "/proc/net/if_inet6", bytes, sizeof bytes, &text)))
                return;
        while (text.len > 0 && out->address_count < BOX_ADDRESSES) {
                box_address a;
                bool        there = !read_automatic(text_line(&text), view_of_text(interface), &a);
                for (size_t i = 0; i < out->address_count && !there; i++)
                        there = same(&a, &out->addresses[i]);
                if (!there)
                        out->addresses[out->address_count++] = a;
        }
}

void network_resolvers_text(emit *e, const box *b)
{
        for (size_t i = 0; i < b->resolver_count; i++) {
                emit_text(e, "nameserver ");
                box_address_text(e, &b->resolvers[i]);
                emit_byte(e, '\n');
        }
}

err network_write_resolvers(const char *root, const box *b, notice *why)
{
        uint8_t bytes[BOX_RESOLVERS * 64];
        view    text;
        emit    e = emit_into(bytes, sizeof bytes);
        network_resolvers_text(&e, b);
        if (failed(emit_done(&e, &text)) || failed(file_create(root, "/run/resolv.conf", text)))
                return notice_fail(why, "/run/resolv.conf cannot be written", (view){}, ": start the box again.");
        return OK;
}
