#include "firmware/dhcp.h"

#include "dhcp_double.h"
#include "support/tap.h"

static const char SUBJECT[] = "dhcp";

static dhcp_answer answer;

static bool take(view packet)
{
        view payload;
        return dhcp_unwrap(packet, true, &payload) && dhcp_read(payload, DOUBLE_MAC, &answer);
}

static void test_whole(void)
{
        double_message m;
        double_grant(&m, DHCP_ACK, 0x12345678);
        DOUBLE_OPTION(&m, 58, "\0\0\0\x64");
        DOUBLE_OPTION(&m, 59, "\0\0\0\xc8");
        bool good = take(double_packet(&m));
        const lease *l = &answer.lease;
        tap_ok(good && answer.kind == DHCP_ACK && answer.number == 0x12345678
                       && memcmp(answer.server, "\x0a\0\2\2", 4) == 0
                       && answer.renew_s == 100 && answer.rebind_s == 200 && l->seconds == 3600 && l->prefix == 24
                       && memcmp(l->address, "\x0a\0\2\x0f", 4) == 0 && l->mtu == 1400 && l->route_count == 1
                       && memcmp(lease_gateway(l), "\x0a\0\2\2", 4) == 0 && l->resolver_count == 1
                       && l->resolvers[0][3] == 3 && l->ntp_count == 1 && l->ntp[0][3] == 123 && lease_is_sound(l),
               SUBJECT, "every option is read");
        double_begin(&m, 7, "\0\0\0\0");
        DOUBLE_OPTION(&m, 53, "\6");
        tap_ok(take(double_packet(&m)) && answer.kind == DHCP_NAK && answer.server[0] == 0, SUBJECT, "a refusal");
}

static void test_ask(void)
{
        uint8_t out[DHCP_ASK_BYTES];
        dhcp_ask a = {.kind = DHCP_REQUEST, .number = 0xa1b2c3d4, .seconds = 9, .requested = {10, 0, 2, 15},
                      .server = {10, 0, 2, 2}};
        memcpy(a.mac, DOUBLE_MAC, sizeof a.mac);
        size_t len = dhcp_write(&a, out);
        uint32_t pseudo = 17 + (uint32_t)len - 20;
        for (size_t i = 12; i < 20; i++)
                pseudo += (uint32_t)out[i] << (i % 2 == 0 ? 8 : 0);
        tap_ok(len >= 300 && double_sum(0, out, 20) == 0 && double_sum(pseudo, out + 20, len - 20) == 0
                       && memcmp(out + 16, "\xff\xff\xff\xff", 4) == 0 && out[23] == 67 && out[21] == 68,
               SUBJECT, "a question to everyone, with both sums");
        tap_ok(memcmp(out + 28 + 4, "\xa1\xb2\xc3\xd4\0\x09", 6) == 0 && memcmp(out + 28 + 28, DOUBLE_MAC, 6) == 0
                       && memcmp(out + 28 + 236, "\x63\x82\x53\x63\x35\1\3\x3d\7\1\x52\x54\0\x12\x34\x56"
                                                 "\x32\4\x0a\0\2\x0f"
                                                 "\x36\4\x0a\0\2\2\x39", 29) == 0,
               SUBJECT, "its fields");
        a.mine[0] = 10;
        a.mine[3] = 15;
        memcpy(a.to, a.server, 4);
        dhcp_write(&a, out);
        tap_ok(memcmp(out + 16, "\x0a\0\2\2", 4) == 0 && memcmp(out + 12, a.mine, 4) == 0
                       && memcmp(out + 28 + 12, a.mine, 4) == 0,
               SUBJECT, "a question to one server, from the address it lent");
        a.kind = DHCP_DECLINE;
        tap_ok(dhcp_write(&a, out) >= 300, SUBJECT, "a refusal of ours");
}

/* Every length, and every byte put to its end: nothing outside is read (the sanitizers look), and no answer is taken
 * that is not sound. */
static void test_cuts(void)
{
        double_message m;
        double_grant(&m, DHCP_OFFER, 1);
        view   whole = double_packet(&m);
        size_t taken = 0, wrong = 0;
        for (size_t cut = 0; cut < whole.len; cut++) {
                uint8_t copy[sizeof m.bytes];
                memcpy(copy, whole.data, cut);
                taken += take((view){copy, cut});
        }
        tap_ok(taken == 0, SUBJECT, "cut at every byte: refused");
        for (size_t cut = 240; cut + 1 < m.len; cut++) {
                bool good = dhcp_read((view){whole.data + 28, cut}, DOUBLE_MAC, &answer);
                wrong += good && !lease_is_sound(&answer.lease);
        }
        for (size_t at = 0; at < m.len; at++)
                for (int bit = 0; bit < 8; bit++) {
                        uint8_t copy[sizeof m.bytes];
                        memcpy(copy, whole.data + 28, m.len);
                        copy[at] ^= (uint8_t)(1 << bit);
                        wrong += dhcp_read((view){copy, m.len}, DOUBLE_MAC, &answer) && answer.kind != DHCP_NAK
                                 && !lease_is_sound(&answer.lease);
                }
        tap_ok(wrong == 0, SUBJECT, "options cut at every byte, and every bit turned: nothing unsound is taken");
        for (size_t bit = 0; bit < whole.len * 8; bit++) {
                uint8_t copy[sizeof m.bytes];
                memcpy(copy, whole.data, whole.len);
                copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
                wrong += take((view){copy, whole.len});
        }
        /* TTL is not looked at but for the sum; all else is in one sum or the other. */
        tap_ok(wrong == 0, SUBJECT, "every bit of the packet turned: the sums see it");
}

static const struct {
        const char *sentence;
        uint8_t     code;
        view        value;
        bool        taken;
} odd[] = {
        {"a mask with a hole", 1, VIEW_INIT("\xff\0\xff\0"), false},
        {"a mask of nothing", 1, VIEW_INIT("\0\0\0\0"), false},
        {"a mask of three bytes", 1, VIEW_INIT("\xff\xff\xff"), false},
        {"no time", 51, VIEW_INIT("\0\0\0\0"), false},
        {"a time of three bytes", 51, VIEW_INIT("\0\0\1"), false},
        {"a server of a group", 54, VIEW_INIT("\xe0\0\0\1"), false},
        {"a server of three bytes", 54, VIEW_INIT("\1\2\3"), false},
        {"a kind that is a question", 53, VIEW_INIT("\1"), false},
        {"a kind beyond the table", 53, VIEW_INIT("\x63"), false},
        {"a router of nothing", 3, VIEW_INIT("\0\0\0\0"), true},
        {"a router of three bytes", 3, VIEW_INIT("\1\2\3"), true},
        {"an MTU of one byte", 26, VIEW_INIT("\1"), true},
        {"an MTU too small", 26, VIEW_INIT("\0\x44"), true},
        {"name servers cut", 6, VIEW_INIT("\1\2\3\4\5"), true},
        {"name servers that are groups", 6, VIEW_INIT("\xe0\1\1\1\xff\xff\xff\xff"), true},
        {"routes cut", 121, VIEW_INIT("\x18\x0a\0\0\x0a\0\2"), true},
        {"a route of 33 bits", 121, VIEW_INIT("\x21\x0a\0\0\0\0\x0a\0\2\2"), true},
};

/* One option of a sound answer becomes an odd one. */
static void test_odd(void)
{
        static const struct {
                uint8_t code;
                view    value;
        } sound[] = {{53, VIEW_INIT("\5")}, {54, VIEW_INIT("\x0a\0\2\2")}, {1, VIEW_INIT("\xff\xff\xff\0")},
                     {51, VIEW_INIT("\0\0\x0e\x10")}};
        for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
                double_message m;
                double_begin(&m, 1, "\x0a\0\2\x0f");
                for (size_t k = 0; k < sizeof sound / sizeof *sound; k++)
                        if (sound[k].code != odd[i].code)
                                double_option(&m, sound[k].code, sound[k].value.data, sound[k].value.len);
                double_option(&m, odd[i].code, odd[i].value.data, odd[i].value.len);
                bool taken = take(double_packet(&m));
                tap_ok(taken == odd[i].taken
                               && (!taken || (answer.lease.route_count == 0 && answer.lease.resolver_count == 0
                                              && answer.lease.mtu == 0 && lease_is_sound(&answer.lease))),
                       SUBJECT, odd[i].sentence);
        }
        static const char *const addresses[] = {"\0\0\0\0", "\x7f\0\0\1", "\xe0\0\0\1", "\xff\xff\xff\xff"};
        bool                     refused = true;
        for (size_t i = 0; i < 4; i++) {
                double_message m;
                double_grant(&m, DHCP_ACK, 1);
                memcpy(double_payload(&m) + 16, addresses[i], 4);
                refused = refused && !take(double_packet(&m));
        }
        tap_ok(refused, SUBJECT, "an address that is none");
}

static void test_routes(void)
{
        double_message m;
        double_grant(&m, DHCP_ACK, 1);
        DOUBLE_OPTION(&m, 121, "\0\x0a\0\2\1\x18\xc0\xa8\7\x0a\0\2\3\x20\xa9\xfe\xa9\xfe\0\0\0\0\x09\x0b\xff"
                               "\x0a\0\2\4");
        bool good = take(double_packet(&m));
        const lease *l = &answer.lease;
        tap_ok(good && l->route_count == 4 && lease_gateway(l)[3] == 1 && l->routes[1].prefix == 24
                       && memcmp(l->routes[1].network, "\xc0\xa8\7\0", 4) == 0 && l->routes[2].prefix == 32
                       && l->routes[2].gateway[0] == 0 && memcmp(l->routes[3].network, "\x0b\x80\0\0", 4) == 0,
               SUBJECT, "routes stand in the router's place, without bits of hosts");
        double_grant(&m, DHCP_ACK, 1);
        uint8_t many[20 * 9];
        for (size_t i = 0; i < 20; i++)
                memcpy(many + i * 9, "\x20\x0a\1\1\1\x0a\0\2\2", 9);
        double_option(&m, 121, many, sizeof many);
        tap_ok(take(double_packet(&m)) && answer.lease.route_count == LEASE_ROUTES, SUBJECT,
               "no more than there is room");
        /* RFC 3396: a value in two parts. */
        double_grant(&m, DHCP_ACK, 1);
        DOUBLE_OPTION(&m, 121, "\x18\xc0\xa8");
        DOUBLE_OPTION(&m, 121, "\7\x0a\0\2\3");
        tap_ok(take(double_packet(&m)) && answer.lease.route_count == 1 && answer.lease.routes[0].network[2] == 7,
               SUBJECT, "a value in two parts is one");
        double_grant(&m, DHCP_ACK, 1);
        DOUBLE_OPTION(&m, 52, "\3");
        memcpy(double_payload(&m) + 108, "\x1a\2\x05\x14\xff", 5);
        memcpy(double_payload(&m) + 44, "\x2a\4\x0a\0\2\x0b\xff", 7);
        tap_ok(!take(double_packet(&m)) || answer.lease.mtu == 0, SUBJECT,
               "an option that stands twice is not believed");
        double_begin(&m, 1, "\x0a\0\2\x0f");
        DOUBLE_OPTION(&m, 52, "\3");
        memcpy(double_payload(&m) + 108, "\x35\1\5\x36\4\x0a\0\2\2\xff", 10);
        memcpy(double_payload(&m) + 44, "\x33\4\0\0\1\0\xff", 7);
        tap_ok(take(double_packet(&m)) && answer.lease.seconds == 256 && answer.lease.prefix == 8, SUBJECT,
               "options in the places of names; no mask is that of the class");
}

static void test_foreign(void)
{
        double_message m;
        view           payload;
        double_grant(&m, DHCP_ACK, 1);
        view packet = double_packet(&m);
        m.bytes[26] ^= 1;
        tap_ok(!dhcp_unwrap(packet, true, &payload) && dhcp_unwrap(packet, false, &payload), SUBJECT,
               "a sum that is not there yet is not asked for");
        static const struct {
                const char *sentence;
                size_t      at;
                uint8_t     byte;
        } rows[] = {{"a question, not an answer", 0, 1}, {"another kind of cable", 1, 6},
                    {"another length of address", 2, 8}, {"another's address", 33, 0}, {"no cookie", 236, 0}};
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                double_grant(&m, DHCP_ACK, 1);
                double_payload(&m)[rows[i].at] = rows[i].byte;
                tap_ok(!take(double_packet(&m)), SUBJECT, rows[i].sentence);
        }
}

int main(void)
{
        test_whole();
        test_ask();
        test_cuts();
        test_odd();
        test_routes();
        test_foreign();
        return tap_done();
}
