#include "firmware/rdnss.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "support/tap.h"

static const char SUBJECT[] = "rdnss";

typedef struct message {
        struct nlmsghdr     head;
        struct nduseroptmsg about;
        uint8_t             option[8 + 6 * 16];
} message;
static_assert(sizeof(message) == 16 + 16 + 8 + 96);

static message of(size_t servers)
{
        message m = {.head = {.nlmsg_type = RTM_NEWNDUSEROPT},
                     .about = {.nduseropt_family = AF_INET6, .nduseropt_ifindex = 2, .nduseropt_icmp_type = 134,
                               .nduseropt_opts_len = (uint16_t)(8 + 16 * servers)},
                     .option = {25, (uint8_t)(1 + 2 * servers), 0, 0, 0, 0, 1, 0}};
        m.head.nlmsg_len = (uint32_t)(32 + 8 + 16 * servers);
        for (size_t i = 0; i < servers; i++)
                memcpy(m.option + 8 + 16 * i, (uint8_t[16]){0x20, 1, 0xd, 0xb8, [15] = (uint8_t)(i + 1)}, 16);
        return m;
}

static size_t read_of(const message *m, box_address *out)
{
        return rdnss_read((view){(const uint8_t *)m, m->head.nlmsg_len}, 2, out);
}

int main(void)
{
        box_address out[BOX_RESOLVERS_SAID];
        message     m = of(2);
        tap_ok(read_of(&m, out) == 2 && out[1].family == 6 && out[1].bytes[15] == 2 && out[0].prefix == 0, SUBJECT,
               "name servers of a router");
        m = of(6);
        tap_ok(read_of(&m, out) == BOX_RESOLVERS_SAID, SUBJECT, "no more than there is room for");
        m = of(4);
        m.option[8] = 0xff;
        memset(m.option + 24, 0, 16);
        m.option[40] = 0xfe;
        m.option[41] = 0x80;
        tap_ok(read_of(&m, out) == 1 && out[0].bytes[15] == 4, SUBJECT,
               "a group, nothing and a link's own are left out");
        m = of(2);
        m.option[6] = 0;
        tap_ok(read_of(&m, out) == 0, SUBJECT, "servers that are not to be used any more");
        m = of(2);
        tap_ok(rdnss_read((view){(uint8_t *)&m, m.head.nlmsg_len}, 3, out) == 0, SUBJECT, "another interface's");
        m.option[0] = 31;
        tap_ok(read_of(&m, out) == 0, SUBJECT, "another option");
        m = of(2);
        m.option[1] = 200;
        tap_ok(read_of(&m, out) == 0, SUBJECT, "an option longer than its message");
        size_t wrong = 0;
        m = of(2);
        for (size_t cut = 0; cut < m.head.nlmsg_len; cut++) {
                uint8_t copy[sizeof m];
                memcpy(copy, &m, cut);
                wrong += rdnss_read((view){copy, cut}, 2, out);
        }
        for (size_t bit = 0; bit < 8 * (size_t)m.head.nlmsg_len; bit++) {
                message other = m;
                ((uint8_t *)&other)[bit / 8] ^= (uint8_t)(1 << bit % 8);
                wrong += rdnss_read((view){(uint8_t *)&other, sizeof other}, 2, out) > BOX_RESOLVERS_SAID;
        }
        tap_ok(wrong == 0, SUBJECT, "cut at every byte, every bit turned");
        return tap_done();
}
