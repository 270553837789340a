#include "base/packet.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/tap.h"

static const char SUBJECT[] = "packet";

static int here, there;

static void pair_make(void)
{
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
                abort();
        here = ends[0];
        there = ends[1];
}

static void test_packets(void)
{
        uint8_t bytes[8];
        packet_got got;
        pair_make();
        tap_ok(packet_receive(there, bytes, sizeof bytes, MSG_DONTWAIT, &got).code == ERR_AGAIN && got.fd == -1,
               SUBJECT, "nothing is there");
        tap_ok(!failed(packet_send(here, VIEW("abc"), -1, 0))
                       && !failed(packet_receive(there, bytes, sizeof bytes, 0, &got)) && got.len == 3 && got.fd == -1,
               SUBJECT, "bytes arrive");
        tap_ok(!failed(packet_send(here, VIEW("abc"), here, 0))
                       && !failed(packet_receive(there, bytes, sizeof bytes, 0, &got)) && got.fd > there
                       && (fcntl(got.fd, F_GETFD) & FD_CLOEXEC) != 0,
               SUBJECT, "and a descriptor, closed on exec");
        close(got.fd);
        tap_ok(!failed(packet_send(here, VIEW("123456789"), here, 0))
                       && packet_receive(there, bytes, sizeof bytes, 0, &got).code == ERR_GONE && got.fd == -1
                       && fcntl(there + 1, F_GETFD) < 0,
               SUBJECT, "what is too long is refused with its descriptor");
        err e = OK;
        for (int i = 0; i < 100000 && !failed(e); i++)
                e = packet_send(here, VIEW("abc"), -1, MSG_DONTWAIT);
        tap_ok(e.code == ERR_AGAIN, SUBJECT, "a peer that does not read costs no wait");
        close(there);
        tap_ok(packet_send(here, VIEW("abc"), -1, 0).code == ERR_GONE
                       && packet_receive(here, bytes, sizeof bytes, 0, &got).code == ERR_GONE,
               SUBJECT, "the other side has gone");
        close(here);
}

int main(void)
{
        test_packets();
        return tap_done();
}
