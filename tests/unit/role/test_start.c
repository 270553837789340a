#include "role/start.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/wire.h"
#include "support/tap.h"

static const char SUBJECT[] = "start";

static err read_of(size_t len, size_t *got)
{
        region   r;
        int      fd = memfd_create("file", 0);
        uint8_t *bytes = calloc(1, len + 1);
        if (pwrite(fd, bytes, len, 0) != (ssize_t)len)
                abort();
        err e = start_read(fd, &r);
        *got = r.len;
        region_end(&r);
        close(fd);
        free(bytes);
        return e;
}

int main(void)
{
        size_t len;
        tap_ok(!failed(read_of(0, &len)) && len == 0, SUBJECT, "an empty file is read");
        tap_ok(!failed(read_of(LIMIT_CONFIG_BYTES, &len)) && len == LIMIT_CONFIG_BYTES, SUBJECT,
               "the largest file is read");
        tap_ok(read_of(LIMIT_CONFIG_BYTES + 1, &len).code == ERR_NO_ROOM, SUBJECT, "one byte more is not");
        region r;
        tap_ok(start_read(-1, &r).code == ERR_SYSTEM, SUBJECT, "no file is an error");
        region_end(&r);
        int          pair[2], fd;
        wire_message m;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
                abort();
        start_refuse(pair[0], "WORD", "What to do.");
        tap_ok(!failed(wire_receive(pair[1], &m, &fd)) && m.type == WIRE_REFUSED && strcmp(m.fault.code, "WORD") == 0
                       && strcmp(m.fault.text, "What to do.") == 0,
               SUBJECT, "a refusal reaches the supervisor");
        close(pair[1]);
        start_refuse(pair[0], "WORD", "What to do.");
        tap_ok(true, SUBJECT, "and one that nobody hears harms nobody");
        return tap_done();
}
