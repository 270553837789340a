#include "ipc/wire.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef union descriptor_room {
        struct cmsghdr align;
        uint8_t        bytes[CMSG_SPACE(sizeof(int))];
} descriptor_room;

err wire_send(int channel, const wire_message *m, int fd)
{
        wire_message    copy = *m;
        struct iovec    part = {&copy, sizeof copy};
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
                n = sendmsg(channel, &msg, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
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

err wire_receive(int channel, wire_message *m, int *fd)
{
        *fd = -1;
        struct iovec    part = {m, sizeof *m};
        descriptor_room room = {};
        struct msghdr   msg = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room.bytes,
                               .msg_controllen = sizeof room.bytes};
        ssize_t n;
        int     resets = 0;
        /* Who leaves without having read all we sent is reported once as a reset, before what it said last. */
        do
                n = recvmsg(channel, &msg, MSG_CMSG_CLOEXEC);
        while (n < 0 && (errno == EINTR || (errno == ECONNRESET && resets++ == 0)));
        if (n < 0)
                return errno == EAGAIN ? FAIL(AGAIN) : FAIL(GONE);
        int given = descriptor_of(&msg);
        if (n != sizeof *m || (msg.msg_flags & MSG_TRUNC) != 0) {
                if (given >= 0)
                        close(given);
                return FAIL(GONE);
        }
        *fd = given;
        m->name[sizeof m->name - 1] = '\0';
        m->fault.code[sizeof m->fault.code - 1] = '\0';
        m->fault.pointer[sizeof m->fault.pointer - 1] = '\0';
        m->fault.text[sizeof m->fault.text - 1] = '\0';
        return OK;
}

err wire_open(int channel, const char *name, int *fd)
{
        wire_message m = {.type = WIRE_OPEN};
        if (strlen(name) >= sizeof m.name)
                return FAIL(OUT_OF_RANGE);
        memcpy(m.name, name, strlen(name));
        TRY(wire_send(channel, &m, -1));
        TRY(wire_receive(channel, &m, fd));
        if (m.type != WIRE_FILE)
                return FAIL(BAD_FILE);
        if (*fd < 0) {
                errno = (int)m.number;
                return FAIL(SYSTEM);
        }
        return OK;
}
