#include "firmware/netrole.h"

#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "firmware/dhcp.h"
#include "firmware/netd.h"
#include "firmware/role.h"
#include "firmware/service.h"

enum : int { SOCKETS = NET_ROUTER_FD - NET_CHANNEL_FD + 1 };
enum : int64_t { CENTURY_US = 100LL * 366 * 86400 * 1000000 };

void netrole_begin(netrole *r) { *r = (netrole){.channel = -1}; }

/* ---- its sockets ---- */

static const struct sock_filter to_dhcp_client[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 6),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 4, 0),
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, DHCP_CLIENT_PORT, 0, 1), BPF_STMT(BPF_RET | BPF_K, DHCP_FRAME_BYTES),
        BPF_STMT(BPF_RET | BPF_K, 0),
};
static const struct sock_filter any_frame[] = {BPF_STMT(BPF_RET | BPF_K, DHCP_FRAME_BYTES)};

/* Frames of one protocol on one interface. The filter can not be changed by who gets it. */
static int packet_socket(uint32_t index, uint16_t protocol, const struct sock_filter *rows, size_t count)
{
        const struct sock_fprog  filter = {.len = (unsigned short)count,
                                           .filter = (struct sock_filter *)(uintptr_t)rows};
        const struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol),
                                       .sll_ifindex = (int)index};
        int on = 1, fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0
            && setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof on) == 0
            && setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) == 0
            && bind(fd, (const struct sockaddr *)&at, sizeof at) == 0)
                return fd;
        if (fd >= 0)
                close(fd);
        return -1;
}

static int router_socket(void)
{
        const struct sockaddr_nl at = {.nl_family = AF_NETLINK, .nl_groups = 1u << (RTNLGRP_ND_USEROPT - 1)};
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
        if (fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof at) == 0)
                return fd;
        if (fd >= 0)
                close(fd);
        return -1;
}

static void close_all(int *fds)
{
        for (int i = 0; i < SOCKETS; i++)
                if (fds[i] >= 0)
                        close(fds[i]);
}

/* fds[0] is the role's end of the channel, `*ours` the other. */
static bool open_all(const netrole *r, int *fds, int *ours)
{
        int ends[2] = {-1, -1};
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
                return false;
        *ours = ends[0];
        fds[0] = ends[1];
        fds[1] = packet_socket(r->order.index, ETHERTYPE_IP, to_dhcp_client,
                               sizeof to_dhcp_client / sizeof *to_dhcp_client);
        fds[2] = packet_socket(r->order.index, ETHERTYPE_ARP, any_frame, 1);
        fds[3] = router_socket();
        if (fds[1] >= 0 && fds[2] >= 0 && fds[3] >= 0)
                return true;
        close(*ours);
        close_all(fds);
        return false;
}

/* ---- its process ---- */

static err start(netrole *r, const char *root, uint64_t now_ms)
{
        int fds[SOCKETS] = {-1, -1, -1, -1}, ours;
        if (!open_all(r, fds, &ours))
                return FAIL(SYSTEM);
        const role_start role = {.program = "/init", .name = NETD_NAME, .networked = true, .uid = ROLE_UID_NETWORK,
                                 .fds = {-1, -1, -1, fds[0], fds[1], fds[2], fds[3]}, .count = NET_ROUTER_FD + 1};
        err e = role_start_process(root, &role, &r->pid);
        close_all(fds);
        if (failed(e)) {
                close(ours);
                return e;
        }
        r->channel = ours;
        r->started_ms = now_ms;
        r->told = false;
        return OK;
}

void netrole_stop(netrole *r)
{
        r->wanted = false;
        if (r->pid != 0)
                kill(r->pid, SIGKILL);
}

void netrole_order(netrole *r, const net_order *o)
{
        if (r->wanted && memcmp(&r->order, o, sizeof *o) == 0)
                return;
        if (r->pid != 0 && r->order.index != o->index)
                kill(r->pid, SIGKILL);
        r->order = *o;
        r->wanted = true;
        r->told = false;
}

err netrole_turn(netrole *r, const char *root, uint64_t now_ms)
{
        if (r->pid == 0) {
                if (!r->wanted || now_ms < r->start_at_ms)
                        return OK;
                r->start_at_ms = now_ms + SERVICE_BACKOFF_MOST_MS;
                TRY(start(r, root, now_ms));
        }
        if (!r->told)
                r->told = send(r->channel, &r->order, sizeof r->order, MSG_NOSIGNAL) == sizeof r->order;
        return OK;
}

bool netrole_died(netrole *r, pid_t pid, uint64_t now_ms)
{
        if (pid == 0 || pid != r->pid)
                return false;
        if (r->channel >= 0)
                close(r->channel);
        r->channel = -1;
        r->pid = 0;
        r->deaths = now_ms - r->started_ms >= SERVICE_STABLE_MS ? 1 : r->deaths + 1;
        r->start_at_ms = now_ms + service_backoff_ms(r->deaths);
        return true;
}

/* ---- its words ---- */

bool net_word_is_sound(const net_word *w)
{
        switch (w->kind) {
        case NET_LEASE:
                return lease_is_sound(&w->lease);
        case NET_TIME:
                return w->number >= 1 && w->number <= w->of && w->of <= BOX_NTP && w->offset_us > -CENTURY_US
                       && w->offset_us < CENTURY_US;
        case NET_RESOLVERS:
                for (uint32_t i = 0; i < w->number && i < BOX_RESOLVERS_SAID; i++)
                        if (w->servers[i].family != 6 || w->servers[i].prefix != 0)
                                return false;
                return w->number >= 1 && w->number <= BOX_RESOLVERS_SAID;
        case NET_LOST:
        case NET_REFUSED:
        case NET_CONFLICT:
        case NET_NO_TIME:
                return true;
        case NET_KINDS:
                break;
        }
        return false;
}

bool netrole_hear(netrole *r, net_word *out)
{
        /* A bounded share of a turn. */
        for (int i = 0; i < 16 && r->channel >= 0; i++) {
                ssize_t n = recv(r->channel, out, sizeof *out, MSG_DONTWAIT | MSG_TRUNC);
                if (n < 0)
                        return false;
                if (n == sizeof *out && net_word_is_sound(out))
                        return true;
                /* It does not speak as it should: whatever it has become, it is not ours any more. */
                if (r->pid != 0)
                        kill(r->pid, SIGKILL);
                return false;
        }
        return false;
}
