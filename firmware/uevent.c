#include "firmware/uevent.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

/* The next field, without its zero. */
static view field(view *rest)
{
        const uint8_t *end = memchr(rest->data, '\0', rest->len);
        size_t         len = end == nullptr ? rest->len : (size_t)(end - rest->data);
        view           out = view_slice(*rest, 0, len);
        *rest = view_slice(*rest, len + 1, rest->len);
        return out;
}

bool uevent_parse(view message, uevent *out)
{
        *out = (uevent){};
        if (message.len == 0)
                return false;
        view head = field(&message);
        if (memchr(head.data, '@', head.len) == nullptr)
                return false;
        static const view action = VIEW_INIT("ACTION="), modalias = VIEW_INIT("MODALIAS=");
        while (message.len > 0) {
                view f = field(&message);
                if (view_starts(f, action))
                        out->action = view_slice(f, action.len, f.len);
                else if (view_starts(f, modalias))
                        out->modalias = view_slice(f, modalias.len, f.len);
        }
        return out->action.len > 0;
}

int uevent_listen(void)
{
        int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
        struct sockaddr_nl everyone = {.nl_family = AF_NETLINK, .nl_groups = 1};
        int                room = 1024 * 1024;
        if (fd < 0)
                return -1;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
        if (bind(fd, (struct sockaddr *)&everyone, sizeof everyone) == 0)
                return fd;
        close(fd);
        return -1;
}

bool uevent_next(int fd, uint8_t *bytes, size_t cap, uevent *out)
{
        struct sockaddr_nl from = {};
        struct iovec       room = {bytes, cap};
        struct msghdr      m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &room, .msg_iovlen = 1};
        *out = (uevent){};
        ssize_t n = recvmsg(fd, &m, 0);
        out->lost = n < 0 && errno == ENOBUFS;
        if (n <= 0)
                return out->lost;
        if (from.nl_pid == 0 && (m.msg_flags & MSG_TRUNC) == 0)
                (void)uevent_parse((view){bytes, (size_t)n}, out);
        return true;
}
