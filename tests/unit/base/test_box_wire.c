#include "base/box_wire.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/tap.h"

static const char SUBJECT[] = "box_wire";

static void test_messages(void)
{
        static box_message m;
        int                ends[2], fd;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
                abort();
        m = (box_message){.op = BOX_STATUS, .len = 3, .number = 7, .bytes = "abc"};
        bool good = !failed(box_send(ends[0], &m, ends[0]));
        m = (box_message){};
        tap_ok(good && !failed(box_receive(ends[1], &m, &fd)) && m.op == BOX_STATUS && m.number == 7
                       && view_equal(box_bytes(&m), VIEW("abc")) && fd >= 0,
               SUBJECT, "as it was sent, with its descriptor");
        close(fd);
        tap_ok(box_receive(ends[1], &m, &fd).code == ERR_AGAIN, SUBJECT, "nothing more");
        const uint32_t lies[] = {BOX_STATUS, 0, 3, 1, 0};
        for (size_t len = 1; len <= sizeof lies; len++) {
                if (send(ends[0], lies, len, 0) < 0)
                        abort();
                if (box_receive(ends[1], &m, &fd).code != ERR_GONE)
                        break;
                good = good && fd == -1;
                if (len == sizeof lies)
                        tap_ok(good, SUBJECT, "a head cut at any byte, or one that lies, is refused");
        }
        close(ends[0]);
        tap_ok(box_receive(ends[1], &m, &fd).code == ERR_GONE, SUBJECT, "the other side has gone");
        close(ends[1]);
}

static void test_lines(void)
{
        uint8_t bytes[32];
        emit    out = emit_into(bytes, sizeof bytes);
        box_line_put(&out, "version", VIEW("1 2"));
        box_line_put(&out, "empty", VIEW(""));
        box_line_put(&out, "cut", VIEW("a\nb c"));
        tap_ok(view_equal((view){out.bytes, out.len}, VIEW("version 1 2\nempty \ncut a\n")), SUBJECT, "written");
        view rest = {out.bytes, out.len}, key, value;
        bool good = box_line(&rest, &key, &value) && view_equal(key, VIEW("version")) && view_equal(value, VIEW("1 2"))
                    && box_line(&rest, &key, &value) && value.len == 0 && box_line(&rest, &key, &value)
                    && view_equal(value, VIEW("a")) && rest.len == 0;
        tap_ok(good && !box_line(&rest, &key, &value), SUBJECT, "and read again");
        box_line_put(&out, "too", VIEW("long for it"));
        tap_ok(out.full && out.len == 25, SUBJECT, "what has no room is left out whole");
        rest = VIEW("word\n");
        tap_ok(!box_line(&rest, &key, &value) && rest.len == 5, SUBJECT, "a line without a value is none");
        rest = VIEW("key value");
        tap_ok(!box_line(&rest, &key, &value), SUBJECT, "nor is one without an end");
}

int main(void)
{
        test_messages();
        test_lines();
        return tap_done();
}
