#include "ipc/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/tap.h"

static const char SUBJECT[] = "wire";

static int here = -1, there = -1;

static void pair_make(int flags)
{
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0, ends) != 0)
                abort();
        here = ends[0];
        there = ends[1];
}

static void pair_end(void)
{
        close(here);
        if (there >= 0)
                close(there);
}

static int descriptors(void)
{
        int count = 0;
        for (int fd = 0; fd < 256; fd++)
                count += fcntl(fd, F_GETFD) >= 0;
        return count;
}

static void test_messages(void)
{
        pair_make(SOCK_NONBLOCK);
        wire_message m, sent = {.type = WIRE_GRANT, .what = GRANT_RING, .slot = 3, .number = 1ull << 40, .name = "a/b"};
        int fd = 5, pipe_ends[2];
        tap_ok(wire_receive(there, &m, &fd).code == ERR_AGAIN && fd == -1, SUBJECT, "where nothing is, it says so");
        tap_ok(!failed(wire_send(here, &sent, -1)) && !failed(wire_receive(there, &m, &fd)) && fd == -1
                       && memcmp(&m, &sent, sizeof m) == 0,
               SUBJECT, "a message arrives as it was sent");
        if (pipe2(pipe_ends, O_CLOEXEC) != 0)
                abort();
        char byte = 0;
        bool good = !failed(wire_send(here, &sent, pipe_ends[1])) && !failed(wire_receive(there, &m, &fd)) && fd >= 0
                    && fd != pipe_ends[1] && write(fd, "x", 1) == 1 && read(pipe_ends[0], &byte, 1) == 1 && byte == 'x';
        tap_ok(good, SUBJECT, "a descriptor comes with it");
        tap_ok(fcntl(pipe_ends[1], F_GETFD) >= 0, SUBJECT, "the sender keeps its own");
        tap_ok((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, SUBJECT, "it is closed on exec");
        close(fd);
        close(pipe_ends[0]);
        close(pipe_ends[1]);
        memset(&sent, 'x', sizeof sent);
        good = !failed(wire_send(here, &sent, -1)) && !failed(wire_receive(there, &m, &fd));
        tap_ok(good && strlen(m.name) < sizeof m.name && strlen(m.fault.code) < sizeof m.fault.code
                       && strlen(m.fault.pointer) < sizeof m.fault.pointer
                       && strlen(m.fault.text) < sizeof m.fault.text,
               SUBJECT, "texts are ended whatever was sent");
        pair_end();
}

static void send_raw(const void *bytes, size_t len, const int *fds, size_t count)
{
        union {
                struct cmsghdr align;
                uint8_t bytes[CMSG_SPACE(2 * sizeof(int))];
        } room = {};
        struct iovec part = {(void *)(uintptr_t)bytes, len};
        struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
        if (count > 0) {
                msg.msg_control = room.bytes;
                msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
                struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(count * sizeof(int));
                memcpy(CMSG_DATA(c), fds, count * sizeof(int));
        }
        if (sendmsg(here, &msg, 0) != (ssize_t)len)
                abort();
}

static void test_sizes(void)
{
        static uint8_t long_one[sizeof(wire_message) + 1];
        pair_make(0);
        wire_message m;
        int fd, two[2] = {0, 1};
        int before = descriptors();
        send_raw(long_one, sizeof(wire_message) - 1, nullptr, 0);
        tap_ok(wire_receive(there, &m, &fd).code == ERR_GONE && fd == -1, SUBJECT, "a shorter message is refused");
        send_raw(long_one, sizeof(wire_message) + 1, nullptr, 0);
        tap_ok(wire_receive(there, &m, &fd).code == ERR_GONE && fd == -1, SUBJECT, "a longer one too");
        send_raw(long_one, 8, two, 1);
        tap_ok(wire_receive(there, &m, &fd).code == ERR_GONE && fd == -1 && descriptors() == before, SUBJECT,
               "its descriptor does not stay open");
        send_raw(long_one, sizeof(wire_message), two, 2);
        (void)failed(wire_receive(there, &m, &fd));
        tap_ok(fd == -1 && descriptors() == before, SUBJECT, "nor do two descriptors at once");
        pair_end();
}

static void test_closed(void)
{
        pair_make(0);
        wire_message m = {.type = WIRE_READY};
        int fd;
        close(there);
        there = -1;
        tap_ok(wire_send(here, &m, -1).code == ERR_GONE, SUBJECT, "sending to nobody says so, without a signal");
        tap_ok(wire_receive(here, &m, &fd).code == ERR_GONE && fd == -1, SUBJECT, "so does listening to nobody");
        tap_ok(wire_send(-1, &m, -1).code == ERR_SYSTEM, SUBJECT, "without a channel it is the system's fault");
        pair_end();
        pair_make(0);
        wire_message last = {.type = WIRE_REFUSED, .number = 7};
        bool         good = !failed(wire_send(here, &m, -1)) && !failed(wire_send(there, &last, -1));
        close(there);
        there = -1;
        good = good && !failed(wire_receive(here, &m, &fd)) && m.type == WIRE_REFUSED && m.number == 7;
        tap_ok(good && wire_receive(here, &m, &fd).code == ERR_GONE, SUBJECT,
               "what somebody said who left without listening is heard");
        pair_end();
}

static void test_open(void)
{
        pair_make(0);
        wire_message file = {.type = WIRE_FILE}, asked;
        int fd, at;
        bool good = !failed(wire_send(there, &file, 0)) && !failed(wire_open(here, "ca/one.pem", &fd)) && fd >= 0;
        good = good && !failed(wire_receive(there, &asked, &at)) && asked.type == WIRE_OPEN
               && strcmp(asked.name, "ca/one.pem") == 0;
        tap_ok(good, SUBJECT, "a file is asked for by name and comes as a descriptor");
        close(fd);
        file.number = ENOENT;
        good = !failed(wire_send(there, &file, -1)) && wire_open(here, "none", &fd).code == ERR_SYSTEM
               && errno == ENOENT;
        tap_ok(good && fd == -1, SUBJECT, "a refusal tells the system's reason");
        file.type = WIRE_DRAIN;
        good = !failed(wire_send(there, &file, -1)) && wire_open(here, "none", &fd).code == ERR_BAD_FILE;
        tap_ok(good, SUBJECT, "another message instead is a fault");
        char name[sizeof file.name + 1];
        memset(name, 'a', sizeof name - 1);
        name[sizeof name - 1] = '\0';
        tap_ok(wire_open(here, name, &fd).code == ERR_OUT_OF_RANGE, SUBJECT, "a name too long is not asked for");
        close(there);
        there = -1;
        tap_ok(wire_open(here, "one", &fd).code == ERR_GONE, SUBJECT, "nobody to ask");
        pair_end();
}

int main(void)
{
        test_messages();
        test_sizes();
        test_closed();
        test_open();
        return tap_done();
}
