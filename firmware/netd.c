#include "firmware/netd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "firmware/dhcp_client.h"
#include "firmware/net_wire.h"
#include "firmware/rdnss.h"
#include "firmware/sntp.h"

enum : size_t { ARP_BYTES = 28, TURN_PACKETS = 32 };
enum : uint16_t { NTP_PORT = 123 };
enum : int { WAIT_MOST_MS = 60000 };

const char NETD_NAME[] = "lethe-network";

typedef struct netd {
        net_order   order;
        bool        ordered, gone;
        dhcp_client dhcp;
        uint8_t     server_mac[DHCP_MAC_BYTES]; /* of whoever granted the lease: it, or a router on the way to it */
        bool        probed;
        sntp_client sntp;
        int         ntp;      /* the socket of the question that is out; -1: none */
        int64_t     asked_us;
} netd;

static void tell(netd *n, const net_word *w)
{
        /* Whoever does not listen has gone. */
        if (send(NET_CHANNEL_FD, w, sizeof *w, MSG_NOSIGNAL) != sizeof *w)
                n->gone = true;
}

static void tell_kind(netd *n, net_kind kind, uint32_t number) { tell(n, &(net_word){.kind = kind, .number = number}); }

static uint64_t draw(void)
{
        uint64_t number = 0;
        [[maybe_unused]] ssize_t ignored = getrandom(&number, sizeof number, 0);
        return number;
}

static int64_t wall_us(void)
{
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- frames ---- */

static void send_frame(const netd *n, int fd, uint16_t protocol, const uint8_t *to, view v)
{
        struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_halen = ETH_ALEN,
                                 .sll_ifindex = (int)n->order.index};
        memcpy(at.sll_addr, to, ETH_ALEN);
        /* What is lost on the cable is lost here too: it is asked again. */
        [[maybe_unused]] ssize_t ignored = sendto(fd, v.data, v.len, MSG_DONTWAIT, (struct sockaddr *)&at, sizeof at);
}

static const uint8_t everyone[ETH_ALEN] = {255, 255, 255, 255, 255, 255};

static void send_ask(const netd *n)
{
        static const uint8_t none[4];
        uint8_t              bytes[DHCP_ASK_BYTES];
        size_t               len = dhcp_write(&n->dhcp.ask, bytes);
        bool                 one = memcmp(n->dhcp.ask.to, none, sizeof none) != 0;
        send_frame(n, NET_IP_FD, ETHERTYPE_IP, one ? n->server_mac : everyone, (view){bytes, len});
}

/* RFC 5227: who has it? Asked by nobody. */
static void send_probe(const netd *n)
{
        uint8_t arp[ARP_BYTES] = {0, 1, 8, 0, 6, 4, 0, 1};
        memcpy(arp + 8, n->order.mac, ETH_ALEN);
        memcpy(arp + 24, n->dhcp.lease.address, 4);
        send_frame(n, NET_ARP_FD, ETHERTYPE_ARP, everyone, (view){arp, sizeof arp});
}

typedef struct frame {
        uint8_t bytes[DHCP_FRAME_BYTES];
        size_t  len;
        bool    summed;
        uint8_t from[ETH_ALEN];
} frame;

static bool take_frame(int fd, frame *f)
{
        alignas(struct cmsghdr) uint8_t more[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
        struct sockaddr_ll              from = {};
        struct iovec                    room = {f->bytes, sizeof f->bytes};
        struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &room, .msg_iovlen = 1,
                           .msg_control = more, .msg_controllen = sizeof more};
        ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);
        if (n < 0)
                return false;
        f->len = (m.msg_flags & MSG_TRUNC) != 0 || from.sll_pkttype == PACKET_OUTGOING ? 0 : (size_t)n;
        f->summed = true;
        memcpy(f->from, from.sll_addr, sizeof f->from);
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != nullptr; c = CMSG_NXTHDR(&m, c)) {
                struct tpacket_auxdata aux;
                if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
                        continue;
                memcpy(&aux, CMSG_DATA(c), sizeof aux);
                f->summed = (aux.tp_status & TP_STATUS_CSUMNOTREADY) == 0;
        }
        return true;
}

/* ---- DHCP ---- */

static void tell_event(netd *n, dhcp_event e)
{
        if (e == DHCP_LEASED)
                tell(n, &(net_word){.kind = NET_LEASE, .lease = n->dhcp.lease});
        else if (e == DHCP_LOST)
                tell_kind(n, NET_LOST, 0);
}

static void dhcp_due(netd *n)
{
        for (int i = 0; n->order.dhcp && i < 8; i++) {
                dhcp_event e;
                uint64_t   now = clock_ms();
                bool       sends = dhcp_turn(&n->dhcp, now, &e);
                tell_event(n, e);
                if (sends)
                        send_ask(n);
                if (!sends && dhcp_wait_ms(&n->dhcp, now) > 0)
                        break;
        }
        if (n->dhcp.state != DHCP_PROBES)
                n->probed = false;
        else if (!n->probed)
                send_probe(n);
        n->probed = n->dhcp.state == DHCP_PROBES;
}

static void hear_ip(netd *n)
{
        static frame f;
        for (size_t i = 0; i < TURN_PACKETS && take_frame(NET_IP_FD, &f); i++) {
                view        payload;
                dhcp_answer a;
                if (!n->order.dhcp || !dhcp_unwrap((view){f.bytes, f.len}, f.summed, &payload)
                    || !dhcp_read(payload, n->order.mac, &a))
                        continue;
                unsigned   before = n->dhcp.refusals;
                uint64_t   end = n->dhcp.end_ms;
                dhcp_event e = dhcp_hear(&n->dhcp, &a, clock_ms());
                if (a.kind == DHCP_ACK && n->dhcp.end_ms != end)
                        memcpy(n->server_mac, f.from, sizeof n->server_mac);
                tell_event(n, e);
                if (n->dhcp.refusals > before)
                        tell_kind(n, NET_REFUSED, n->dhcp.refusals);
        }
}

static void hear_arp(netd *n)
{
        static frame f;
        for (size_t i = 0; i < TURN_PACKETS && take_frame(NET_ARP_FD, &f); i++) {
                static const uint8_t head[] = {0, 1, 8, 0, 6, 4};
                if (f.len < ARP_BYTES || memcmp(f.bytes, head, sizeof head) != 0
                    || memcmp(f.bytes + 14, n->dhcp.lease.address, 4) != 0
                    || memcmp(f.bytes + 8, n->order.mac, ETH_ALEN) == 0 || !dhcp_conflict(&n->dhcp, clock_ms()))
                        continue;
                send_ask(n);
                tell_kind(n, NET_CONFLICT, 0);
        }
}

/* ---- time ---- */

static void ntp_close(netd *n)
{
        if (n->ntp >= 0)
                close(n->ntp);
        n->ntp = -1;
}

/* A socket of its own for each question: the kernel lets in what comes from that server to that port alone. */
static void ntp_ask(netd *n)
{
        const box_address *a = &n->order.ntp[n->sntp.server];
        uint8_t            bytes[SNTP_BYTES];
        union {
                struct sockaddr     any;
                struct sockaddr_in  v4;
                struct sockaddr_in6 v6;
        } to = {};
        ntp_close(n);
        n->ntp = socket(a->family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (a->family == 4) {
                to.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(NTP_PORT)};
                memcpy(&to.v4.sin_addr, a->bytes, 4);
        } else {
                to.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(NTP_PORT)};
                memcpy(&to.v6.sin6_addr, a->bytes, 16);
        }
        n->sntp.number = draw();
        sntp_write(n->sntp.number, bytes);
        n->asked_us = wall_us();
        if (n->ntp >= 0 && connect(n->ntp, &to.any, a->family == 4 ? sizeof to.v4 : sizeof to.v6) == 0) {
                [[maybe_unused]] ssize_t ignored = send(n->ntp, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
}

static void ntp_due(netd *n)
{
        sntp_verdict v;
        for (;;) {
                sntp_step step = sntp_turn(&n->sntp, clock_ms(), &v);
                if (step == SNTP_WAIT)
                        return;
                if (step == SNTP_ASK) {
                        ntp_ask(n);
                        continue;
                }
                ntp_close(n);
                tell(n, &(net_word){.kind = v.agree > 0 ? NET_TIME : NET_NO_TIME,
                                    .number = v.agree > 0 ? v.agree : v.answered, .of = v.answered,
                                    .offset_us = v.offset_us});
        }
}

static void hear_ntp(netd *n)
{
        uint8_t bytes[SNTP_BYTES + 512];
        for (size_t i = 0; i < TURN_PACKETS && n->ntp >= 0; i++) {
                ssize_t len = recv(n->ntp, bytes, sizeof bytes, MSG_DONTWAIT);
                if (len < 0)
                        return;
                if (sntp_hear(&n->sntp, (view){bytes, (size_t)len}, n->asked_us, wall_us()))
                        ntp_close(n);
        }
}

/* ---- routers ---- */

static void hear_routers(netd *n)
{
        alignas(8) uint8_t bytes[4096];
        for (size_t i = 0; i < TURN_PACKETS; i++) {
                ssize_t  len = recv(NET_ROUTER_FD, bytes, sizeof bytes, MSG_DONTWAIT);
                net_word w = {.kind = NET_RESOLVERS};
                if (len < 0)
                        return;
                w.number = (uint32_t)rdnss_read((view){bytes, (size_t)len}, n->order.index, w.servers);
                if (w.number > 0)
                        tell(n, &w);
        }
}

/* ---- orders ---- */

static void take_order(netd *n)
{
        net_order o;
        ssize_t   len = recv(NET_CHANNEL_FD, &o, sizeof o, MSG_DONTWAIT);
        if (len < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (len != sizeof o) {
                n->gone = true;
                return;
        }
        uint64_t now = clock_ms();
        bool     times = !n->ordered || o.ntp_count != n->order.ntp_count
                     || memcmp(o.ntp, n->order.ntp, sizeof o.ntp) != 0;
        bool     anew = !n->ordered || o.dhcp != n->order.dhcp || memcmp(o.mac, n->order.mac, sizeof o.mac) != 0;
        n->order = o;
        n->ordered = true;
        if (anew)
                dhcp_begin(&n->dhcp, o.mac, (uint32_t)draw());
        dhcp_link(&n->dhcp, o.link && o.dhcp, now);
        if (times)
                sntp_begin(&n->sntp, o.ntp_count <= BOX_NTP ? o.ntp_count : 0, now);
}

static int wait_ms(const netd *n)
{
        uint64_t now = clock_ms(), a = n->order.dhcp ? dhcp_wait_ms(&n->dhcp, now) : DHCP_NEVER;
        uint64_t b = sntp_wait_ms(&n->sntp, now), least = a < b ? a : b;
        return least > WAIT_MOST_MS ? WAIT_MOST_MS : (int)least;
}

void netd_serve(void)
{
        static netd n;
        n = (netd){.ntp = -1};
        sntp_begin(&n.sntp, 0, 0);
        while (!n.gone) {
                struct pollfd fds[] = {{.fd = NET_CHANNEL_FD, .events = POLLIN}, {.fd = NET_IP_FD, .events = POLLIN},
                                       {.fd = NET_ARP_FD, .events = POLLIN}, {.fd = NET_ROUTER_FD, .events = POLLIN},
                                       {.fd = n.ntp, .events = POLLIN}};
                /* An interface that goes down is an error of its sockets, which is read away. */
                if (poll(fds, sizeof fds / sizeof *fds, wait_ms(&n)) < 0 && errno != EINTR)
                        return;
                if (fds[0].revents != 0)
                        take_order(&n);
                if (fds[1].revents != 0)
                        hear_ip(&n);
                if (fds[2].revents != 0)
                        hear_arp(&n);
                if (fds[3].revents != 0)
                        hear_routers(&n);
                if (fds[4].revents != 0)
                        hear_ntp(&n);
                dhcp_due(&n);
                ntp_due(&n);
        }
}

int netd_main(void)
{
        /* Started by a descriptor, its number would be its name. */
        (void)prctl(PR_SET_NAME, NETD_NAME, 0, 0, 0);
        if (failed(netd_jail()))
                return 1;
        netd_serve();
        return 0;
}
