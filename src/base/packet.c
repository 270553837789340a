#include "base/packet.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

typedef union descriptor_room {
        struct cmsghdr align;
        uint8_t        bytes[CMSG_SPACE(sizeof(int))];
} descriptor_room;

err packet_send(int channel, view bytes, int fd, int flags)
{
        struct iovec    part = {(void *)(uintptr_t)bytes.data, bytes.len};
        struct msghdr   msg = {.msg_iov = &part, .msg_iovlen = 1};
        descriptor_room room = {};
        if (fd >= 0) {
                msg.msg_control = room.bytes;
                msg.msg_controllen = sizeof room.bytes;
                struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof fd);
                memcpy(CMSG_DATA(c), &fd, sizeof fd);
        }
        ssize_t n;
        do
                n = sendmsg(channel, &msg, flags | MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        if (n < 0 && errno == EAGAIN)
                return FAIL(AGAIN);
        if (n < 0)
                return errno == EPIPE || errno == ECONNRESET ? FAIL(GONE) : FAIL(SYSTEM);
        return OK;
}

/* The one descriptor of a message. The room for one also holds two: more than was agreed on is closed, not kept. */
static int descriptor_of(struct msghdr *msg)
{
        enum : size_t { ROOM = (CMSG_SPACE(sizeof(int)) - CMSG_LEN(0)) / sizeof(int) };
        struct cmsghdr *c = CMSG_FIRSTHDR(msg);
        if (c == nullptr || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS
            || c->cmsg_len < CMSG_LEN(sizeof(int)))
                return -1;
        int    fds[ROOM];
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        if (count > ROOM)
                count = ROOM;
        memcpy(fds, CMSG_DATA(c), count * sizeof(int));
        if (count == 1)
                return fds[0];
        for (size_t i = 0; i < count; i++)
                close(fds[i]);
        return -1;
}

err packet_receive(int channel, void *to, size_t room, int flags, packet_got *got)
{
        *got = (packet_got){.fd = -1};
        struct iovec    part = {to, room};
        descriptor_room beside = {};
        struct msghdr   msg = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = beside.bytes,
                               .msg_controllen = sizeof beside.bytes};
        ssize_t n;
        int     resets = 0;
        /* Who leaves without having read all we sent is reported once as a reset, before what it said last. */
        do
                n = recvmsg(channel, &msg, flags | MSG_CMSG_CLOEXEC);
        while (n < 0 && (errno == EINTR || (errno == ECONNRESET && resets++ == 0)));
        if (n < 0)
                return errno == EAGAIN ? FAIL(AGAIN) : FAIL(GONE);
        int given = descriptor_of(&msg);
        if (n == 0 || (msg.msg_flags & MSG_TRUNC) != 0) {
                if (given >= 0)
                        close(given);
                return FAIL(GONE);
        }
        *got = (packet_got){(size_t)n, given};
        return OK;
}
