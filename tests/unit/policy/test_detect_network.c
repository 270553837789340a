#include "find.h"
#include "policy/network.h"

static const find_row rows[] = {
        {"a compressed address", "2001:db8:a21:3bf4::5570.", "IP_ADDRESS=2001:db8:a21:3bf4::5570"},
        {"a whole address", "2001:0db8:98a3:7a75:f54c:d332:2bfe:87e1",
         "IP_ADDRESS=2001:0db8:98a3:7a75:f54c:d332:2bfe:87e1"},
        {"with a version four tail", "client=[::ffff:203.0.113.176]:443", "IP_ADDRESS=::ffff:203.0.113.176"},
        {"link local with its zone", "fe80::1ff:fe23:4567:890a%eth0", ""},
        {"loopback and any", "::1 and :: and ::0", ""},
        {"names of C++", "std::vector a::b Foo::bad1 cafe::babe", ""},
        {"times", "10:15:30 and 2024-11-20T10:15:30", ""},
        {"a hardware address", "af:81:cf:1a:d1:20", ""},
        {"a fingerprint", "aa:bb:cc:dd:ee:ff:00:11:22:33", ""},
        {"nine groups", "1:2:3:4:5:6:7:8:9", ""},
        {"keys of JSON", "{\"a\":1,\"b\":{\"c\":2}}", ""},
};

static const struct {
        const char *sentence, *text;
        size_t      len;
        uint16_t    first, last;
} reads[] = {
        {"all groups", "1:2:3:4:5:6:7:8", 15, 1, 8},
        {"a gap in the middle", "2001:db8::1 ", 11, 0x2001, 1},
        {"a gap in front", "::2", 3, 0, 2},
        {"a gap at the end", "fe80::", 6, 0xfe80, 0},
        {"seven groups are none", "1:2:3:4:5:6:7", 0, 0, 0},
        {"a quad behind six groups", "1:2:3:4:5:6:1.2.3.4", 19, 1, 0x304},
        {"a group of five digits", "12345::1", 0, 0, 0},
        {"nothing", "", 0, 0, 0},
};

int main(void)
{
        static const char SUBJECT[] = "detect_network";
        FIND_ROWS(SUBJECT, rows);
        for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
                uint16_t g[8] = {};
                size_t   len = ipv6_read(view_of_text(reads[i].text), g);
                bool     good = len == reads[i].len && (len == 0 || (g[0] == reads[i].first && g[7] == reads[i].last));
                if (!tap_ok(good, SUBJECT, reads[i].sentence))
                        printf("# got %zu %x %x\n", len, g[0], g[7]);
        }
        return tap_done();
}
