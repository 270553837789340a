#include "firmware/rdnss.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

enum : uint8_t { OPTION_RDNSS = 25 };
enum : size_t { HEAD_BYTES = 8, ADDRESS_BYTES = 16 };

/* An address that a box may ask: not of a group, not the loopback's, not nothing. */
static bool is_host(const uint8_t *a)
{
        static const uint8_t none[ADDRESS_BYTES - 1];
        return a[0] != 0xff && (memcmp(a, none, sizeof none) != 0 || a[15] > 1);
}

static size_t servers(view option, box_address *out)
{
        static const uint8_t no_time[4];
        size_t               count = 0;
        if (option.len < HEAD_BYTES || option.data[0] != OPTION_RDNSS || memcmp(option.data + 4, no_time, 4) == 0)
                return 0;
        view rest = view_slice(option, HEAD_BYTES, (size_t)option.data[1] * 8);
        for (; rest.len >= ADDRESS_BYTES && count < BOX_RESOLVERS_SAID;
             rest = view_slice(rest, ADDRESS_BYTES, rest.len)) {
                /* A link's own address says nothing without the link, which resolv.conf does not carry. */
                bool local = rest.data[0] == 0xfe && (rest.data[1] & 0xc0) == 0x80;
                if (local || !is_host(rest.data))
                        continue;
                out[count] = (box_address){.family = 6};
                memcpy(out[count++].bytes, rest.data, ADDRESS_BYTES);
        }
        return count;
}

size_t rdnss_read(view message, uint32_t index, box_address out[static BOX_RESOLVERS_SAID])
{
        struct nlmsghdr     head;
        struct nduseroptmsg about;
        size_t              at = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof about);
        if (message.len < at)
                return 0;
        memcpy(&head, message.data, sizeof head);
        memcpy(&about, message.data + NLMSG_HDRLEN, sizeof about);
        if (head.nlmsg_type != RTM_NEWNDUSEROPT || head.nlmsg_len > message.len || head.nlmsg_len < at
            || about.nduseropt_family != AF_INET6 || (uint32_t)about.nduseropt_ifindex != index
            || about.nduseropt_opts_len > head.nlmsg_len - at)
                return 0;
        view option = view_slice(message, at, at + about.nduseropt_opts_len);
        if (option.len < HEAD_BYTES || (size_t)option.data[1] * 8 > option.len)
                return 0;
        return servers(option, out);
}
