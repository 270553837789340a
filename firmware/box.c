#include "firmware/box.h"

#include <arpa/inet.h>

#include "firmware/file.h"

enum : uint32_t { MTU_LEAST = 576, MTU_LEAST_V6 = 1280, MTU_MOST = 9216, PORT_MOST = 65535, VLAN_MOST = 4094 };
enum : size_t { KEY_MOST = 32 };

typedef const char *(*value_reader)(view value, box *b);

/* Each returns null, or what a value should be. */

static bool address(view text, box_address *out)
{
        char copy[INET6_ADDRSTRLEN] = {};
        *out = (box_address){};
        if (text.len == 0 || text.len >= sizeof copy || memchr(text.data, '\0', text.len) != nullptr)
                return false;
        memcpy(copy, text.data, text.len);
        if (inet_pton(AF_INET, copy, out->bytes) == 1)
                out->family = 4;
        else if (inet_pton(AF_INET6, copy, out->bytes) == 1)
                out->family = 6;
        return out->family != 0;
}

/* The part before the last `mark`, and what is behind it. */
static bool split(view text, uint8_t mark, view *before, view *behind)
{
        const uint8_t *at = text.len == 0 ? nullptr : memrchr(text.data, mark, text.len);
        if (at == nullptr)
                return false;
        *before = view_slice(text, 0, (size_t)(at - text.data));
        *behind = view_slice(text, before->len + 1, text.len);
        return true;
}

static bool same_address(const box_address *a, const box_address *b)
{
        return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static bool is_any(const box_address *a)
{
        return same_address(a, &(box_address){.family = a->family});
}

static const char *read_address(view value, box *b)
{
        static const char form[] = "is 'dhcp', 'auto', or an address with its network's bits, as 192.0.2.10/24 or "
                                   "2001:db8::10/64";
        box_address       a;
        view              host, bits;
        uint64_t          prefix;
        bool             *word = view_equal(value, VIEW("dhcp")) ? &b->dhcp
                                 : view_equal(value, VIEW("auto")) ? &b->automatic : nullptr;
        if (word != nullptr) {
                bool twice = *word;
                *word = true;
                return twice ? "stands here already" : nullptr;
        }
        if (!split(value, '/', &host, &bits) || !address(host, &a) || is_any(&a)
            || !view_decimal(bits, a.family == 4 ? 32 : 128, &prefix) || prefix == 0)
                return form;
        a.prefix = (uint8_t)prefix;
        for (size_t i = 0; i < b->address_count; i++)
                if (same_address(&a, &b->addresses[i]))
                        return "stands here already";
        if (b->address_count == BOX_ADDRESSES_SAID)
                return "may stand here 8 times";
        b->addresses[b->address_count++] = a;
        return nullptr;
}

static const char *read_gateway(view value, box *b)
{
        box_address a;
        if (!address(value, &a) || is_any(&a))
                return "is an address, as 192.0.2.1 or fe80::1";
        box_address *to = a.family == 4 ? &b->gateway4 : &b->gateway6;
        if (to->family != 0)
                return "may stand here once for IPv4 and once for IPv6";
        *to = a;
        return nullptr;
}

/* One more of at most `most` servers. */
static const char *read_server(view value, box_address *servers, size_t *count, size_t most)
{
        box_address a;
        if (!address(value, &a) || is_any(&a))
                return "";
        for (size_t i = 0; i < *count; i++)
                if (same_address(&a, &servers[i]))
                        return "stands here already";
        if (*count == most)
                return "may stand here 4 times";
        servers[(*count)++] = a;
        return nullptr;
}

static const char *read_resolver(view value, box *b)
{
        const char *fault = read_server(value, b->resolvers, &b->resolver_count, BOX_RESOLVERS_SAID);
        return fault != nullptr && *fault == '\0' ? "is the address of a name server, as 192.0.2.53" : fault;
}

static const char *read_ntp(view value, box *b)
{
        const char *fault = read_server(value, b->ntp, &b->ntp_count, BOX_NTP);
        return fault != nullptr && *fault == '\0' ? "is the address of a time server, as 192.0.2.123" : fault;
}

static int hex_digit(uint8_t c)
{
        c = ascii_lower(c);
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static const char *read_interface(view value, box *b)
{
        static const char form[] = "is the MAC address of a network interface, as 52:54:00:12:34:56";
        if (b->has_mac)
                return "may stand here once";
        if (value.len != BOX_MAC_BYTES * 3 - 1)
                return form;
        for (size_t i = 0; i < BOX_MAC_BYTES; i++) {
                int high = hex_digit(value.data[3 * i]), low = hex_digit(value.data[3 * i + 1]);
                if (high < 0 || low < 0 || (i + 1 < BOX_MAC_BYTES && value.data[3 * i + 2] != ':'))
                        return form;
                b->mac[i] = (uint8_t)(high << 4 | low);
        }
        b->has_mac = true;
        return nullptr;
}

static const char *read_number(view value, uint32_t least, uint32_t most, uint32_t *out)
{
        uint64_t n;
        if (*out != 0)
                return "may stand here once";
        if (!view_decimal(value, most, &n) || n < least)
                return "";
        *out = (uint32_t)n;
        return nullptr;
}

static const char *read_mtu(view value, box *b)
{
        const char *fault = read_number(value, MTU_LEAST, MTU_MOST, &b->mtu);
        return fault != nullptr && *fault == '\0' ? "is a number of bytes from 576 to 9216" : fault;
}

static const char *read_vlan(view value, box *b)
{
        const char *fault = read_number(value, 1, VLAN_MOST, &b->vlan);
        return fault != nullptr && *fault == '\0' ? "is a number from 1 to 4094" : fault;
}

static_assert(LIMIT_RELAYS == 16, "its sentence below says so");

static const char *read_relays(view value, box *b)
{
        const char *fault = read_number(value, 1, LIMIT_RELAYS, &b->relays);
        return fault != nullptr && *fault == '\0' ? "is a number of processes from 1 to 16" : fault;
}

static const char *read_endpoint(view value, char *to)
{
        static const char form[] = "is an address and a port, as 192.0.2.10:8443 or [::]:8443";
        box_address       a;
        view              host, port;
        uint64_t          n;
        if (to[0] != '\0')
                return "may stand here once";
        if (!split(value, ':', &host, &port) || !view_decimal(port, PORT_MOST, &n) || n == 0 || host.len == 0)
                return form;
        bool bracketed = host.data[0] == '[' && host.data[host.len - 1] == ']' && host.len > 2;
        if (!address(bracketed ? view_slice(host, 1, host.len - 1) : host, &a) || bracketed != (a.family == 6)
            || value.len >= BOX_ENDPOINT_BYTES)
                return form;
        memcpy(to, value.data, value.len);
        return nullptr;
}

static const char *read_listen(view value, box *b) { return read_endpoint(value, b->listen); }
static const char *read_admin(view value, box *b) { return read_endpoint(value, b->admin); }

static const struct {
        view         key;
        value_reader read;
} keys[] = {
        {VIEW_INIT("address"), read_address},     {VIEW_INIT("gateway"), read_gateway},
        {VIEW_INIT("resolver"), read_resolver},   {VIEW_INIT("interface"), read_interface},
        {VIEW_INIT("mtu"), read_mtu},             {VIEW_INIT("listen"), read_listen},
        {VIEW_INIT("admin"), read_admin},         {VIEW_INIT("relays"), read_relays},
        {VIEW_INIT("ntp"), read_ntp},             {VIEW_INIT("vlan"), read_vlan},
};
enum : size_t { KEYS = sizeof keys / sizeof *keys };

bool box_has_key(view key)
{
        for (size_t i = 0; i < KEYS; i++)
                if (view_equal(key, keys[i].key))
                        return true;
        return false;
}

/* How many letters to put in, take out or change: both are at most KEY_MOST long. */
static size_t distance(view a, view b)
{
        size_t row[KEY_MOST + 1];
        for (size_t j = 0; j <= b.len; j++)
                row[j] = j;
        for (size_t i = 1; i <= a.len; i++) {
                size_t diagonal = row[0];
                row[0] = i;
                for (size_t j = 1; j <= b.len; j++) {
                        size_t change = diagonal + (ascii_lower(a.data[i - 1]) != b.data[j - 1]);
                        size_t other = 1 + (row[j - 1] < row[j] ? row[j - 1] : row[j]);
                        diagonal = row[j];
                        row[j] = change < other ? change : other;
                }
        }
        return row[b.len];
}

static view nearest(view key)
{
        size_t best = 0, least = SIZE_MAX;
        key = view_slice(key, 0, KEY_MOST);
        for (size_t i = 0; i < KEYS; i++) {
                size_t d = distance(key, keys[i].key);
                if (d < least) {
                        least = d;
                        best = i;
                }
        }
        return keys[best].key;
}

static err refuse_line(notice *why, uint64_t line, view key, const char *text)
{
        uint8_t number[24];
        emit    e = emit_into(number, sizeof number);
        emit_u64(&e, line);
        err out = notice_fail(why, "box.conf line ", (view){number, e.len}, ": '");
        notice_add(why, view_slice(key, 0, KEY_MOST));
        notice_add(why, VIEW("' "));
        notice_add(why, view_of_text(text));
        return out;
}

static err read_line(view line, uint64_t number, box *b, notice *why)
{
        view key = text_word(&line), value = text_word(&line), more = text_word(&line);
        if (key.len == 0 || key.data[0] == '#')
                return OK;
        for (size_t i = 0; i < KEYS; i++) {
                if (!view_equal(key, keys[i].key))
                        continue;
                if (value.len == 0 || more.len > 0)
                        return refuse_line(why, number, key, "has exactly one value behind it.");
                const char *fault = keys[i].read(value, b);
                if (fault == nullptr)
                        return OK;
                err e = refuse_line(why, number, key, fault);
                notice_add(why, VIEW("."));
                return e;
        }
        err e = refuse_line(why, number, key, "is no key of this file; the nearest is '");
        notice_add(why, nearest(key));
        notice_add(why, VIEW("'."));
        return e;
}

static bool on_network(const box_address *gateway, const box_address *a)
{
        if (gateway->family != a->family)
                return false;
        for (size_t bit = 0; bit < a->prefix; bit++)
                if (((gateway->bytes[bit / 8] ^ a->bytes[bit / 8]) >> (7 - bit % 8) & 1) != 0)
                        return false;
        return true;
}

/* A router's link-local address is on every network. */
static bool reachable(const box_address *gateway, const box *b)
{
        bool local = gateway->family == 6 && gateway->bytes[0] == 0xfe && (gateway->bytes[1] & 0xc0) == 0x80;
        for (size_t i = 0; i < b->address_count; i++)
                if (on_network(gateway, &b->addresses[i]) || (local && b->addresses[i].family == 6))
                        return true;
        return gateway->family == 0 || (local && b->automatic);
}

static void fill_in(box *b)
{
        static const char listen[] = "[::]:8443", admin[] = "[::]:9443";
        if (b->listen[0] == '\0')
                memcpy(b->listen, listen, sizeof listen);
        if (b->admin[0] == '\0')
                memcpy(b->admin, admin, sizeof admin);
        b->dhcp = b->dhcp || (b->address_count == 0 && !b->automatic);
}

void box_default(box *out)
{
        *out = (box){};
        fill_in(out);
}

static err check_whole(const box *b, notice *why)
{
        if (!reachable(&b->gateway4, b) || !reachable(&b->gateway6, b))
                return notice_fail(why, "box.conf: the '", VIEW("gateway"),
                                     "' is on the network of no 'address': correct one of them.");
        for (size_t i = 0; i < b->address_count; i++)
                if (b->addresses[i].family == 6 && b->mtu != 0 && b->mtu < MTU_LEAST_V6)
                        return notice_fail(why, "box.conf: IPv6 needs an '", VIEW("mtu"), "' of 1280 or more.");
        return OK;
}

err box_parse(view text, box *out, notice *why)
{
        *out = (box){};
        *why = (notice){};
        for (uint64_t number = 1; text.len > 0; number++) {
                view line = text_line(&text);
                TRY(read_line(line, number, out, why));
        }
        fill_in(out);
        return check_whole(out, why);
}

err box_read(const char *root, box *out, notice *why)
{
        static uint8_t bytes[BOX_BYTES];
        view           text;
        *out = (box){};
        err e = file_read(root, "/config/box.conf", bytes, sizeof bytes, &text);
        if (e.code == ERR_NO_ROOM)
                return notice_fail(why, "box.conf is longer than 16 KiB", (view){},
                                     ": take out what is not a setting.");
        if (failed(e))
                return notice_fail(why, "The config drive has no file ", VIEW("box.conf"),
                                     ": put one there; firmware/README.md says what it holds.");
        return box_parse(text, out, why);
}

void box_address_text(emit *e, const box_address *a)
{
        char text[INET6_ADDRSTRLEN] = {};
        if (inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, text, sizeof text) != nullptr)
                emit_text(e, text);
}
