#include "admin/box_link.h"

#include <fcntl.h>

#include "harness.h"

static const char SUBJECT[] = "box_link";

static box_call calls[3];
static int      done, last_code;
static char     last[64];

static void on_done(void *, err_code code, view answer)
{
        done++;
        last_code = (int)code;
        put_text(last, sizeof last, answer);
        harness_stop();
}

static box_call *call(size_t i, box_op op, uint64_t wait_ms)
{
        calls[i] = (box_call){.op = op, .payload = VIEW("what"), .fd = -1, .wait_ms = wait_ms, .done = on_done};
        return &calls[i];
}

static void pid1_says(uint32_t op, uint32_t number, err_code code, const char *text)
{
        static box_message m;
        m = (box_message){.op = op, .number = number, .code = code, .len = (uint32_t)strlen(text)};
        memcpy(m.bytes, text, m.len);
        if (failed(box_send(h.pid1, &m, -1)))
                abort();
}

static void test_asks(void)
{
        static box_message m;
        int                fd;
        box_link_ask(&h.box.link, call(0, BOX_STATUS, 1000));
        tap_ok(done == 1 && last_code == ERR_GONE, SUBJECT, "outside the appliance nobody answers");
        harness_box();
        box_link_ask(&h.box.link, call(0, BOX_STATUS, 1000));
        call(1, BOX_UPDATE, 1000)->fd = h.control;
        box_link_ask(&h.box.link, &calls[1]);
        bool good = !failed(box_receive(h.pid1, &m, &fd)) && m.op == BOX_STATUS
                    && view_equal(box_bytes(&m), VIEW("what")) && fd == -1;
        uint32_t first = m.number;
        good = good && !failed(box_receive(h.pid1, &m, &fd)) && m.op == BOX_UPDATE && fd >= 0 && m.number != first;
        tap_ok(good && done == 1, SUBJECT, "two asks are on their way, one with a descriptor");
        close(fd);
        pid1_says(BOX_STATUS, m.number, ERR_NONE, "of another op");
        pid1_says(BOX_STATUS, 999, ERR_NONE, "nobody's");
        pid1_says(BOX_UPDATE, m.number, ERR_BAD_SIGNATURE, "why");
        harness_run();
        tap_ok(done == 2 && last_code == ERR_BAD_SIGNATURE && strcmp(last, "why") == 0, SUBJECT,
               "the later is answered first; strange answers are nobody's");
        pid1_says(BOX_STATUS, first, (err_code)ERR_COUNT, "");
        harness_run();
        tap_ok(done == 3 && last_code == ERR_BAD_FILE, SUBJECT, "a code nobody knows");
}

static void test_waits(void)
{
        done = 0;
        box_link_ask(&h.box.link, call(0, BOX_STATUS, 5));
        box_link_ask(&h.box.link, call(1, BOX_STATUS, 60000));
        box_link_ask(&h.box.link, call(2, BOX_STATUS, 60000));
        box_link_forget(&h.box.link, &calls[1]);
        box_link_forget(&h.box.link, &calls[1]);
        harness_run();
        tap_ok(done == 1 && last_code == ERR_AGAIN && calls[2].waiting, SUBJECT, "no answer in time");
        pid1_says(BOX_STATUS, calls[0].number, ERR_NONE, "late");
        pid1_says(BOX_STATUS, calls[1].number, ERR_NONE, "forgotten");
        close(h.pid1);
        harness_run();
        tap_ok(done == 2 && last_code == ERR_GONE && !calls[2].waiting && h.box.link.fd == -1, SUBJECT,
               "who left answers nobody");
        harness_box();
        box_link_tell(&h.box.link, BOX_TELL_IDENTITY, VIEW("x"));
        static box_message m;
        int                fd;
        tap_ok(!failed(box_receive(h.pid1, &m, &fd)) && m.op == BOX_TELL_IDENTITY, SUBJECT, "a tell");
        int flood = 0;
        while (flood < 100000 && calls[0].waiting == false && (done = 0, last_code = 0, true)) {
                box_link_ask(&h.box.link, call(0, BOX_STATUS, 60000));
                box_link_forget(&h.box.link, &calls[0]);
                flood++;
                if (done > 0)
                        break;
        }
        tap_ok(done == 1 && last_code == ERR_AGAIN, SUBJECT, "a PID 1 that does not read costs no wait");
        if (send(h.pid1, "x", 1, 0) < 0)
                abort();
        box_link_forget(&h.box.link, &calls[0]);
}

int main(void)
{
        harness_start();
        test_asks();
        test_waits();
        return harness_done();
}
