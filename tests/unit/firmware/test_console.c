#include "firmware/console.h"

#include <stdlib.h>

#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "console";

/* A terminal that knows what the console needs: places, clearing to the end of the line, text. */
static screen glass;

static void play(view v)
{
        size_t row = 0, column = 0;
        for (size_t i = 0; i < v.len; i++) {
                if (v.data[i] != 0x1b) {
                        if (column < SCREEN_COLUMNS)
                                glass.cells[row][column++] = v.data[i];
                        continue;
                }
                unsigned n = 0;
                for (i += 2; i < v.len && (v.data[i] < '@' || v.data[i] > '~'); i++)
                        if (v.data[i] >= '0' && v.data[i] <= '9' && (n == 0 || v.data[i - 1] != ';'))
                                n = n * 10 + v.data[i] - '0';
                        else if (v.data[i] == ';')
                                break;
                if (i < v.len && v.data[i] == ';')
                        while (i < v.len && (v.data[i] < '@' || v.data[i] > '~'))
                                i++;
                if (i < v.len && v.data[i] == 'H') {
                        row = n - 1;
                        column = 0;
                } else if (i < v.len && v.data[i] == 'K') {
                        memset(&glass.cells[row][column], ' ', SCREEN_COLUMNS - column);
                }
        }
}

static void fill(screen *s, unsigned seed)
{
        srandom(seed);
        memset(s, ' ', sizeof *s);
        for (size_t row = 0; row < SCREEN_ROWS; row++) {
                size_t len = (size_t)random() % (SCREEN_COLUMNS + 1);
                memset(s->cells[row], (int)('a' + random() % 26), len);
        }
}

static void test_drawing(void)
{
        bool good = true;
        screen s, before = {};
        memset(&glass, '#', sizeof glass);
        for (unsigned seed = 1; seed < 200; seed++) {
                uint8_t bytes[TERMINAL_BYTES];
                emit e = emit_into(bytes, sizeof bytes);
                fill(&s, seed);
                if (seed > 1)
                        memcpy(s.cells[3], before.cells[3], sizeof s.cells[3]);
                terminal_text(&e, &s, seed % 10 == 1 ? nullptr : &before);
                play((view){bytes, e.len});
                good = good && !e.full && memcmp(&glass, &s, sizeof s) == 0 && memchr(bytes, '\n', e.len) == nullptr;
                before = s;
        }
        tap_ok(good, SUBJECT, "what is drawn over the screen before is the screen, and no line scrolls it");
        uint8_t bytes[TERMINAL_BYTES];
        emit e = emit_into(bytes, sizeof bytes);
        terminal_text(&e, &s, &s);
        tap_ok(e.len == 0, SUBJECT, "the same screen is no byte");
        memset(&s, 'x', sizeof s);
        terminal_text(&e, &s, nullptr);
        tap_ok(!e.full, SUBJECT, "the fullest screen has room");
}

/* A pipe in the terminal's place: it fills, and takes again. */
static void test_slow(void)
{
        console c;
        screen s;
        int ends[2];
        console_begin(&c);
        if (pipe2(ends, O_NONBLOCK) != 0 || fcntl(ends[1], F_SETPIPE_SZ, 4096) < 0)
                abort();
        c.tty[0] = (terminal){.fd = ends[1], .whole = true};
        uint8_t bytes[8192];
        memset(&glass, '#', sizeof glass);
        for (unsigned seed = 1; seed < 50; seed++) {
                fill(&s, seed);
                console_show(&c, &s);
        }
        tap_ok(console_flush(&c), SUBJECT, "a terminal that takes nothing holds nobody up");
        static uint8_t all[1 << 16];
        size_t len = 0;
        for (bool waiting = true; waiting;) {
                waiting = console_flush(&c);
                for (ssize_t n; (n = read(ends[0], all + len, sizeof all - len)) > 0;)
                        len += (size_t)n;
        }
        play((view){all, len});
        tap_ok(memcmp(&glass, &s, sizeof s) == 0, SUBJECT, "and shows the last screen once it takes again");
        console_show(&c, &s);
        tap_ok(read(ends[0], bytes, sizeof bytes) < 0, SUBJECT, "nothing new draws nothing");
        console_renew(&c);
        console_show(&c, &s);
        tap_ok(read(ends[0], bytes, sizeof bytes) > 80, SUBJECT, "but for once in a while");
        close(ends[0]);
        close(ends[1]);
}

static void test_opening(void)
{
        console c;
        tree_file("/dev/tty0", "");
        tree_file("/dev/ttyS0", "");
        console_begin(&c);
        console_open(&c, tree_root, false);
        tap_ok(c.tty[0].fd >= 0 && c.tty[1].fd < 0, SUBJECT, "the serial line is left alone");
        console_open(&c, tree_root, true);
        tap_ok(c.tty[1].fd >= 0, SUBJECT, "unless the kernel was told of it");
        close(c.tty[0].fd);
        close(c.tty[1].fd);
        console_begin(&c);
        console_open(&c, "/no/such/root", true);
        screen s;
        fill(&s, 1);
        console_show(&c, &s);
        tap_ok(!console_flush(&c), SUBJECT, "a box without any goes on");
}

int main(void)
{
        tree_make();
        test_drawing();
        test_slow();
        test_opening();
        tree_remove();
        return tap_done();
}
