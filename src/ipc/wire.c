#include "ipc/wire.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/packet.h"

err wire_send(int channel, const wire_message *m, int fd)
{
        return packet_send(channel, (view){(const uint8_t *)m, sizeof *m}, fd, 0);
}

err wire_receive(int channel, wire_message *m, int *fd)
{
        packet_got got;
        *fd = -1;
        TRY(packet_receive(channel, m, sizeof *m, 0, &got));
        if (got.len != sizeof *m) {
                if (got.fd >= 0)
                        close(got.fd);
                return FAIL(GONE);
        }
        *fd = got.fd;
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
