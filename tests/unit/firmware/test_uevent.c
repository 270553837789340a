#include "firmware/uevent.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/tap.h"

static const char SUBJECT[] = "uevent";

static const uint8_t message[] = "add@/devices/pci0000:00/usb1\0ACTION=add\0DEVPATH=/devices/pci0000:00/usb1\0"
                                 "SUBSYSTEM=usb\0XMODALIAS=no\0MODALIAS=usb:v1D6Bp0002\0SEQNUM=7";

int main(void)
{
        uevent u;
        view all = {message, sizeof message};
        tap_ok(uevent_parse(all, &u) && view_equal(u.action, VIEW("add"))
                       && view_equal(u.modalias, VIEW("usb:v1D6Bp0002")),
               SUBJECT, "the fields of a kernel's message");
        tap_ok(!uevent_parse((view){}, &u) && !uevent_parse(VIEW("libudev\0\xfe\xed\xca\xfe"), &u)
                       && !uevent_parse(VIEW("add@/x\0SUBSYSTEM=usb"), &u),
               SUBJECT, "other forms are none");
        bool good = true;
        for (size_t cut = 0; cut <= sizeof message; cut++) {
                uint8_t copy[sizeof message];
                memcpy(copy, message, cut);
                (void)uevent_parse((view){copy, cut}, &u);
                good = good
                       && (u.modalias.len == 0
                           || (u.modalias.data >= copy && u.modalias.data + u.modalias.len <= copy + cut));
        }
        tap_ok(good, SUBJECT, "a message cut anywhere names only its own bytes");
        int ends[2], fd = uevent_listen();
        uint8_t room[64];
        tap_ok(fd < 0 || !uevent_next(fd, room, sizeof room, &u) || u.action.len < sizeof room, SUBJECT,
               "a socket that has heard nothing has nothing");
        if (fd >= 0)
                close(fd);
        good = socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0 && send(ends[0], message, sizeof message, 0) > 0
               && uevent_next(ends[1], room, sizeof room, &u);
        tap_ok(good && u.modalias.len == 0, SUBJECT, "a message longer than the room is not believed");
        close(ends[0]);
        close(ends[1]);
        return tap_done();
}
