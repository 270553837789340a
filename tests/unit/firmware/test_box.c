#include "firmware/box.h"

#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "box";

#define WHOLE                           \
        "# the box in the cellar\n"     \
        "address 10.0.2.15/24\r\n"      \
        "\n"                            \
        "  address\t2001:db8::10/64\n"  \
        "gateway 10.0.2.2\n"            \
        "gateway fe80::1\n"             \
        "resolver 10.0.2.3\n"           \
        "resolver 2001:db8::53\n"       \
        "interface 52:54:00:12:AB:cd\n" \
        "mtu 1400\n"                    \
        "listen 0.0.0.0:8443\n"         \
        "admin [2001:db8::10]:9443\n"   \
        "relays 4"
#define NEEDED "address 10.0.2.15/24\nlisten 0.0.0.0:8443\nadmin 0.0.0.0:9443\n"

static void test_whole(void)
{
        box b;
        notice why;
        bool good = !failed(box_parse(VIEW(WHOLE), &b, &why));
        tap_ok(good && b.address_count == 2 && b.addresses[0].prefix == 24 && b.addresses[1].family == 6
                       && b.gateway4.bytes[3] == 2 && b.gateway6.bytes[0] == 0xfe && b.resolver_count == 2 && b.has_mac
                       && b.mac[4] == 0xab && b.mac[5] == 0xcd && b.mtu == 1400 && b.relays == 4
                       && strcmp(b.listen, "0.0.0.0:8443") == 0 && strcmp(b.admin, "[2001:db8::10]:9443") == 0,
               SUBJECT, "every key is read");
        good = !failed(box_parse(VIEW(NEEDED), &b, &why));
        tap_ok(good && !b.has_mac && b.mtu == 0 && b.relays == 0 && b.gateway4.family == 0 && b.resolver_count == 0,
               SUBJECT, "three lines are enough");
        good = !failed(box_parse(VIEW("address auto\nntp 10.0.0.1\nntp ::1\nvlan 42\ngateway fe80::1\n"), &b, &why));
        tap_ok(good && b.automatic && !b.dhcp && b.address_count == 0 && b.ntp_count == 2 && b.ntp[1].family == 6
                       && b.vlan == 42,
               SUBJECT, "addresses of routers, time servers, a VLAN");
        good = !failed(box_parse(VIEW("address dhcp\naddress 2001:db8::1/64\n"), &b, &why));
        tap_ok(good && b.dhcp && b.address_count == 1, SUBJECT, "DHCP for one kind, an address of the other");
        box none;
        box_default(&none);
        good = !failed(box_parse(VIEW("# nothing\n"), &b, &why)) && b.dhcp && b.address_count == 0;
        tap_ok(good && memcmp(&none, &b, sizeof b) == 0 && strcmp(b.listen, "[::]:8443") == 0
                       && strcmp(b.admin, "[::]:9443") == 0,
               SUBJECT, "nothing said is DHCP and the usual doors, for both families");
        tap_ok(box_has_key(VIEW("vlan")) && box_has_key(VIEW("address")) && !box_has_key(VIEW("clock"))
                       && !box_has_key((view){}),
               SUBJECT, "its keys are known from others");
        good = !failed(box_parse(VIEW(NEEDED), &b, &why));
        uint8_t bytes[64];
        emit e = emit_into(bytes, sizeof bytes);
        box_address_text(&e, &b.addresses[0]);
        tap_ok(view_equal((view){bytes, e.len}, VIEW("10.0.2.15")), SUBJECT, "an address as people write it");
}

static const struct {
        const char *sentence;
        view text, said;
} refused[] = {
        {"an unknown key, with its line and the nearest", VIEW_INIT(NEEDED "\nadress 1.2.3.4/8\n"),
         VIEW_INIT("line 5: 'adress' is no key of this file; the nearest is 'address'.")},
        {"capital letters", VIEW_INIT("Listen 0.0.0.0:1\n"),
         VIEW_INIT("line 1: 'Listen' is no key of this file; the nearest is 'listen'")},
        {"a very long key", VIEW_INIT("gatewaygatewaygatewaygatewaygatewaygateway 1\n"),
         VIEW_INIT("line 1: 'gatewaygatewaygatewaygatewaygate'")},
        {"a key without a value", VIEW_INIT("mtu\n"), VIEW_INIT("line 1: 'mtu' has exactly one value")},
        {"two values", VIEW_INIT("mtu 1400 1500\n"), VIEW_INIT("'mtu' has exactly one value")},
        {"a remark behind a value", VIEW_INIT("mtu 1400 # small\n"), VIEW_INIT("'mtu' has exactly one value")},
        {"an address without its bits", VIEW_INIT("address 10.0.2.15\n"),
         VIEW_INIT("'address' is 'dhcp', 'auto', or an address with")},
        {"too many bits", VIEW_INIT("address 10.0.2.15/33\n"),
         VIEW_INIT("'address' is 'dhcp', 'auto', or an address with")},
        {"no bits", VIEW_INIT("address 10.0.2.15/0\n"), VIEW_INIT("'address' is 'dhcp', 'auto', or an address with")},
        {"bits with a zero before", VIEW_INIT("address 10.0.2.15/024\n"),
         VIEW_INIT("'address' is 'dhcp', 'auto', or an address with")},
        {"no address", VIEW_INIT("address 10.0.2.256/24\n"),
         VIEW_INIT("'address' is 'dhcp', 'auto', or an address with")},
        {"every address", VIEW_INIT("address 0.0.0.0/8\n"),
         VIEW_INIT("'address' is 'dhcp', 'auto', or an address with")},
        {"an address twice", VIEW_INIT("address 10.0.0.1/8\naddress 10.0.0.1/24\n"),
         VIEW_INIT("line 2: 'address' stands here already")},
        {"two gateways of one kind", VIEW_INIT("gateway 10.0.0.1\ngateway 10.0.0.2\n"),
         VIEW_INIT("line 2: 'gateway' may stand here once")},
        {"a name for a gateway", VIEW_INIT("gateway router\n"), VIEW_INIT("'gateway' is an address")},
        {"a name for a name server", VIEW_INIT("resolver dns.example\n"), VIEW_INIT("'resolver' is the address of")},
        {"a name server twice", VIEW_INIT("resolver ::1\nresolver 0:0::1\n"),
         VIEW_INIT("line 2: 'resolver' stands here already")},
        {"half a MAC", VIEW_INIT("interface 52:54:00:12:34\n"), VIEW_INIT("'interface' is the MAC address")},
        {"a MAC with minus signs", VIEW_INIT("interface 52-54-00-12-34-56\n"),
         VIEW_INIT("'interface' is the MAC address")},
        {"a name of an interface", VIEW_INIT("interface eth0\n"), VIEW_INIT("'interface' is the MAC address")},
        {"two interfaces", VIEW_INIT("interface 52:54:00:12:34:56\ninterface 52:54:00:12:34:56\n"),
         VIEW_INIT("'interface' may stand here once")},
        {"too small packets", VIEW_INIT("mtu 575\n"), VIEW_INIT("'mtu' is a number of bytes from 576 to 9216")},
        {"too large packets", VIEW_INIT("mtu 9217\n"), VIEW_INIT("'mtu' is a number")},
        {"packets twice", VIEW_INIT("mtu 1500\nmtu 1500\n"), VIEW_INIT("'mtu' may stand here once")},
        {"no relay", VIEW_INIT("relays 0\n"), VIEW_INIT("'relays' is a number of processes from 1 to 16")},
        {"too many relays", VIEW_INIT("relays 17\n"), VIEW_INIT("'relays' is a number")},
        {"a port alone", VIEW_INIT("listen 8443\n"), VIEW_INIT("'listen' is an address and a port")},
        {"no port", VIEW_INIT("listen 0.0.0.0:0\n"), VIEW_INIT("'listen' is an address and a port")},
        {"a port too high", VIEW_INIT("listen 0.0.0.0:65536\n"), VIEW_INIT("'listen' is an address and a port")},
        {"IPv6 without brackets", VIEW_INIT("listen ::1:8443\n"), VIEW_INIT("'listen' is an address and a port")},
        {"IPv4 in brackets", VIEW_INIT("listen [10.0.0.1]:8443\n"), VIEW_INIT("'listen' is an address and a port")},
        {"empty brackets", VIEW_INIT("admin []:8443\n"), VIEW_INIT("'admin' is an address and a port")},
        {"two doors for callers", VIEW_INIT("listen 0.0.0.0:1\nlisten 0.0.0.0:2\n"),
         VIEW_INIT("'listen' may stand here once")},
        {"DHCP twice", VIEW_INIT("address dhcp\naddress dhcp\n"), VIEW_INIT("line 2: 'address' stands here already")},
        {"DHCP in capitals", VIEW_INIT("address DHCP\n"), VIEW_INIT("'address' is 'dhcp', 'auto', or an address")},
        {"a gateway where DHCP gives it", VIEW_INIT("address dhcp\ngateway 10.0.2.2\n"),
         VIEW_INIT("'gateway' is on the network of no 'address'")},
        {"no VLAN", VIEW_INIT("vlan 0\n"), VIEW_INIT("'vlan' is a number from 1 to 4094")},
        {"a VLAN too high", VIEW_INIT("vlan 4095\n"), VIEW_INIT("'vlan' is a number from 1 to 4094")},
        {"two VLANs", VIEW_INIT("vlan 1\nvlan 2\n"), VIEW_INIT("'vlan' may stand here once")},
        {"a name for a time server", VIEW_INIT("ntp pool.example\n"),
         VIEW_INIT("'ntp' is the address of a time server")},
        {"a time server twice", VIEW_INIT("ntp 10.0.0.1\nntp 10.0.0.1\n"), VIEW_INIT("'ntp' stands here already")},
        {"a gateway out of reach", VIEW_INIT(NEEDED "gateway 10.0.3.1\n"),
         VIEW_INIT("'gateway' is on the network of no 'address'")},
        {"a gateway of another kind", VIEW_INIT(NEEDED "gateway fe80::1\n"),
         VIEW_INIT("'gateway' is on the network of no 'address'")},
        {"packets too small for IPv6", VIEW_INIT(NEEDED "address 2001:db8::1/64\nmtu 1279\n"),
         VIEW_INIT("IPv6 needs an 'mtu' of 1280")},
        {"bytes that are no text", VIEW_INIT("mtu\x1b[2J 1\n"), VIEW_INIT("line 1: 'mtu?[2J'")},
        {"a zero in a value", VIEW_INIT("gateway 10.0.0.1\0x\n"), VIEW_INIT("'gateway' is an address")},
};

static void test_refused(void)
{
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
                box b;
                notice why;
                bool good = failed(box_parse(refused[i].text, &b, &why))
                            && text_contains(notice_view(&why), refused[i].said);
                if (!tap_ok(good, SUBJECT, refused[i].sentence))
                        printf("# %.*s\n", (int)why.len, (const char *)why.bytes);
        }
}

static void test_many(void)
{
        char text[2048] = NEEDED;
        box b;
        notice why;
        for (int i = 2; i <= 9; i++)
                snprintf(text + strlen(text), sizeof text - strlen(text), "address 10.0.2.%d/24\n", i);
        tap_ok(failed(box_parse(view_of_text(text), &b, &why)) && text_contains(notice_view(&why), VIEW("8 times")),
               SUBJECT, "a ninth address");
        text[strlen(NEEDED)] = '\0';
        for (int i = 1; i <= 5; i++)
                snprintf(text + strlen(text), sizeof text - strlen(text), "resolver 10.0.2.%d\n", i);
        tap_ok(failed(box_parse(view_of_text(text), &b, &why)) && text_contains(notice_view(&why), VIEW("4 times")),
               SUBJECT, "a fifth name server");
}

/* A file that was cut is refused or is a whole one: never half a line's value with another meaning unseen. */
static void test_cuts(void)
{
        view all = VIEW(WHOLE);
        bool good = true;
        size_t taken = 0;
        for (size_t cut = 0; cut <= all.len; cut++) {
                uint8_t copy[sizeof WHOLE];
                box b;
                notice why;
                memcpy(copy, all.data, cut);
                bool refusal = failed(box_parse((view){copy, cut}, &b, &why));
                good = good && refusal == (why.len > 0) && (refusal || b.listen[0] != '\0');
                taken += !refusal;
        }
        tap_ok(good && taken > 0, SUBJECT,
               "a file cut at any byte is said, or stands without its last lines");
}

static void test_reading(void)
{
        box b;
        notice why;
        tap_ok(failed(box_read(tree_root, &b, &why)) && text_contains(notice_view(&why), VIEW("no file box.conf")),
               SUBJECT, "a config drive without it");
        tree_file("/config/box.conf", WHOLE);
        tap_ok(!failed(box_read(tree_root, &b, &why)) && b.relays == 4, SUBJECT, "and with it");
        static char large[BOX_BYTES + 2];
        memset(large, '#', sizeof large - 1);
        tree_file("/config/box.conf", large);
        tap_ok(failed(box_read(tree_root, &b, &why)) && text_contains(notice_view(&why), VIEW("16 KiB")), SUBJECT,
               "one that is too long");
}

int main(void)
{
        tree_make();
        test_whole();
        test_refused();
        test_many();
        test_cuts();
        test_reading();
        tree_remove();
        return tap_done();
}
