#include "route/address.h"

#include "support/tap.h"

static const char SUBJECT[] = "address";

static const struct {
        const char *address;
        bool allowed;
} rows[] = {
        {"8.8.8.8", true},
        {"1.1.1.1", true},
        {"223.255.255.255", true},
        {"0.0.0.0", false},
        {"0.255.255.255", false},
        {"1.0.0.0", true},
        {"9.255.255.255", true},
        {"10.0.0.0", false},
        {"10.255.255.255", false},
        {"11.0.0.0", true},
        {"100.63.255.255", true},
        {"100.64.0.0", false},
        {"100.127.255.255", false},
        {"100.128.0.0", true},
        {"126.255.255.255", true},
        {"127.0.0.0", false},
        {"127.0.0.1", false},
        {"127.255.255.255", false},
        {"128.0.0.0", true},
        {"169.253.255.255", true},
        {"169.254.0.0", false},
        {"169.254.169.254", false},
        {"169.255.0.0", true},
        {"172.15.255.255", true},
        {"172.16.0.0", false},
        {"172.31.255.255", false},
        {"172.32.0.0", true},
        {"191.255.255.255", true},
        {"192.0.0.0", false},
        {"192.0.0.255", false},
        {"192.0.1.0", true},
        {"192.0.2.0", false},
        {"192.0.2.255", false},
        {"192.0.3.0", true},
        {"192.88.99.1", false},
        {"192.88.98.255", true},
        {"192.88.100.0", true},
        {"192.167.255.255", true},
        {"192.168.0.0", false},
        {"192.168.255.255", false},
        {"192.169.0.0", true},
        {"198.17.255.255", true},
        {"198.18.0.0", false},
        {"198.19.255.255", false},
        {"198.20.0.0", true},
        {"198.51.100.0", false},
        {"198.51.101.0", true},
        {"198.51.99.255", true},
        {"203.0.113.255", false},
        {"203.0.112.255", true},
        {"203.0.114.0", true},
        {"224.0.0.0", false},
        {"239.255.255.255", false},
        {"240.0.0.0", false},
        {"255.255.255.255", false},
        {"2606:4700::1111", true},
        {"2000::", true},
        {"3ffe::1", true},
        {"::", false},
        {"::1", false},
        {"::2", false},
        {"::8.8.8.8", false},
        {"::ffff:8.8.8.8", true},
        {"::ffff:10.0.0.1", false},
        {"::ffff:127.0.0.1", false},
        {"::ffff:0.0.0.0", false},
        {"::ffff:169.254.169.254", false},
        {"::ffff:0:8.8.8.8", false},
        {"64:ff9b::8.8.8.8", true},
        {"64:ff9b::10.0.0.1", false},
        {"64:ff9b::127.0.0.1", false},
        {"64:ff9b:0:0:0:1:808:808", false},
        {"64:ff9b:1::808:808", false},
        {"100::", false},
        {"100::1", false},
        {"2001::1", false},
        {"2001:1ff:ffff::", false},
        {"2001:200::", true},
        {"2001:20::1", false},
        {"2001:db7:ffff::", true},
        {"2001:db8::1", false},
        {"2001:db9::", true},
        {"2002:808:808::1", true},
        {"2002:a00:1::1", false},
        {"2002:7f00:1::", false},
        {"2002:c0a8:101::", false},
        {"2003::", true},
        {"3fff::1", false},
        {"3fff:fff:ffff::", false},
        {"3fff:1000::", true},
        {"4000::", false},
        {"5f00::1", false},
        {"fbff::", false},
        {"fc00::", false},
        {"fd00::1", false},
        {"fdff:ffff::", false},
        {"fe80::1", false},
        {"febf::", false},
        {"fec0::1", false},
        {"ff00::", false},
        {"ff02::1", false},
};

static catalog_address read_address(const char *text)
{
        catalog_address a;
        tap_bad += !address_parse(view_of_text(text), &a);
        return a;
}

static void filter(void)
{
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                catalog_address a = read_address(rows[i].address);
                tap_ok(address_allowed(&a, nullptr, 0) == rows[i].allowed, SUBJECT, rows[i].address);
        }
}

static void local(void)
{
        static const struct {
                const char *name, *range, *address;
                bool allowed;
        } cases[] = {
                {"a declared range opens its addresses", "127.0.0.0/8", "127.1.2.3", true},
                {"and no others", "127.0.0.0/8", "10.0.0.1", false},
                {"the public stays public", "127.0.0.0/8", "8.8.8.8", true},
                {"a mapped address is what it stands for", "10.0.0.0/8", "::ffff:10.1.2.3", true},
                {"a range ends inside a byte", "10.0.0.0/9", "10.127.0.1", true},
                {"exactly", "10.0.0.0/9", "10.128.0.1", false},
                {"one address is a range", "192.168.1.7/32", "192.168.1.7", true},
                {"of one", "192.168.1.7/32", "192.168.1.6", false},
                {"an IPv6 range", "fd12::/16", "fd12:34::1", true},
                {"a family does not match the other", "::/0", "10.0.0.1", false},
                {"loopback in IPv6", "::1/128", "::1", true},
                {"no declaration opens 0.0.0.0", "0.0.0.0/0", "0.0.0.0", false},
                {"nor broadcast", "0.0.0.0/0", "255.255.255.255", false},
                {"nor multicast", "0.0.0.0/0", "224.0.0.1", false},
                {"nor ::", "::/0", "::", false},
                {"nor multicast in IPv6", "::/0", "ff02::1", false},
                {"a range does not reach through NAT64", "10.0.0.0/8", "64:ff9b::10.0.0.1", false},
                {"nor through 6to4", "10.0.0.0/8", "2002:a00:1::", false},
        };
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                catalog_cidr range;
                catalog_address a = read_address(cases[i].address);
                bool good = address_cidr_parse(view_of_text(cases[i].range), &range);
                tap_ok(good && address_allowed(&a, &range, 1) == cases[i].allowed, SUBJECT, cases[i].name);
        }
}

static void parsing(void)
{
        static const char *const bad[] = {
                "",           "1",        "1.2.3",    "1.2.3.4.5",  "256.1.1.1", "01.2.3.4",
                "0x7f.0.0.1", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4:80", "[::1]",     "fe80::1%eth0",
                ":::",        "1::2::3",  "g::",      "12345::",    "::1.2.3",   "2130706433"};
        catalog_address a, b;
        catalog_cidr c;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                tap_ok(!address_parse(view_of_text(bad[i]), &a), SUBJECT, "what is no address is refused");
        tap_ok(!address_parse(VIEW("1.2.3.4\0"), &a), SUBJECT, "a NUL does not end an address");
        static const char *const bad_ranges[] = {
                "10.0.0.0",     "10.0.0.0/",   "10.0.0.0/33",   "10.0.0.0/08", "10.0.0.1/8",   "::1/64", "::/129",
                "10.0.0.0/8/8", "10.0.0.0/-1", "10.0.0.0/1000", "/8",          "10.128.0.0/8", ""};
        for (size_t i = 0; i < sizeof bad_ranges / sizeof bad_ranges[0]; i++)
                tap_ok(!address_cidr_parse(view_of_text(bad_ranges[i]), &c), SUBJECT, "what is no range is refused");
        bool good = address_parse(VIEW("ABCD::1"), &a) && address_parse(VIEW("abcd:0::1"), &b) && address_equal(&a, &b);
        a = read_address("1.2.3.4");
        tap_ok(good && !address_equal(&a, &b), SUBJECT, "addresses are equal by their bytes");
        good = address_cidr_parse(VIEW("10.0.0.0/8"), &c);
        a = read_address("::ffff:10.1.1.1");
        tap_ok(good && address_inside(&a, &c), SUBJECT, "a mapped address is inside");
}

int main(void)
{
        filter();
        local();
        parsing();
        return tap_done();
}
