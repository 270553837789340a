#include "base/terminal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/tap.h"

static const char SUBJECT[] = "terminal";

int main(void)
{
        screen  s, other;
        uint8_t bytes[TERMINAL_BYTES];
        screen_clear(&s);
        screen_put(&s, 0, 78, VIEW("abc"));
        screen_put(&s, SCREEN_ROWS, 0, VIEW("below"));
        screen_put(&s, 1, SCREEN_COLUMNS, VIEW("beside"));
        screen_put(&s, 1, 0, VIEW("a\x1b\nb\xff"));
        tap_ok(memcmp(s.cells[0] + 76, "  ab", 4) == 0 && memcmp(s.cells[1], "a??b? ", 6) == 0, SUBJECT,
               "text stays within the screen and is printable");
        emit e = emit_into(bytes, sizeof bytes);
        terminal_text(&e, &s, &s);
        tap_ok(e.len == 0, SUBJECT, "the same screen is no byte");
        other = s;
        screen_put(&other, 7, 3, VIEW("new"));
        terminal_text(&e, &other, &s);
        tap_ok(view_equal((view){bytes, e.len}, VIEW("\x1b[8;1H   new\x1b[K")), SUBJECT, "one row changed is one row");
        memset(&s, 'x', sizeof s);
        e = emit_into(bytes, sizeof bytes);
        terminal_text(&e, &s, nullptr);
        tap_ok(!e.full && memchr(bytes, '\n', e.len) == nullptr, SUBJECT, "the fullest has room, and scrolls nothing");
        int ends[2];
        if (pipe2(ends, O_NONBLOCK) != 0)
                abort();
        terminal t = {.fd = ends[1], .dirty = true, .whole = true};
        tap_ok(!terminal_flush(&t, &s) && read(ends[0], bytes, sizeof bytes) > 2000, SUBJECT, "it is drawn");
        tap_ok(!terminal_flush(&t, &s) && read(ends[0], bytes, sizeof bytes) < 0, SUBJECT, "once");
        close(ends[0]);
        close(ends[1]);
        t = (terminal){.fd = -1, .dirty = true};
        tap_ok(!terminal_flush(&t, &s), SUBJECT, "none is no hindrance");
        return tap_done();
}
