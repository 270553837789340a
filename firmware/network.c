#include "firmware/network.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "firmware/netlink.h"

enum : uint32_t { LOOPBACK_INDEX = 1 };

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
                                    "' in box.conf: correct it.");
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
        notice_add(why, VIEW(": correct it in box.conf."));
        return out;
}

static err apply(int fd, const network_cards *cards, const network_card *card, const box *b, notice *why)
{
        netlink_request r;
        netlink_link(&r, card->index, true, b->mtu);
        if (failed(netlink_ask(fd, &r)))
                return notice_fail(why, "The network interface does not take the ", VIEW("mtu"),
                                     " of box.conf: correct it, or leave it out.");
        for (size_t i = 0; i < b->address_count; i++) {
                netlink_address(&r, card->index, &b->addresses[i]);
                if (failed(netlink_ask(fd, &r)))
                        return refuse_address("address", &b->addresses[i], why);
        }
        const box_address *gateways[] = {&b->gateway4, &b->gateway6};
        for (size_t i = 0; i < sizeof gateways / sizeof *gateways; i++) {
                if (gateways[i]->family == 0)
                        continue;
                netlink_gateway(&r, card->index, gateways[i]);
                if (failed(netlink_ask(fd, &r)))
                        return refuse_address("gateway", gateways[i], why);
        }
        for (size_t i = 0; i < cards->count; i++)
                if (cards->row[i].index != card->index) {
                        netlink_link(&r, cards->row[i].index, false, 0);
                        (void)!failed(netlink_ask(fd, &r));
                }
        return OK;
}

err network_apply(const network_cards *cards, const network_card *card, const box *b, notice *why)
{
        int fd = netlink_open();
        err e = apply(fd, cards, card, b, why);
        if (fd >= 0)
                close(fd);
        return e;
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
