#include "firmware/box_channel.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/tap.h"

static const char SUBJECT[] = "box_channel";

static box_channel channel;
static int         theirs, kept = -1;
static uint32_t    heard;

static void take(void *ctx, const box_message *m, int *fd)
{
        heard++;
        if (ctx != nullptr) {
                kept = *fd;
                *fd = -1;
        }
        if (m->op == BOX_STATUS)
                box_channel_answer(&channel, m->op, m->number, ERR_NONE, VIEW("answer"));
}

static void test_asks(void)
{
        static box_message m;
        int                fd;
        box_channel_begin(&channel);
        box_channel_hear(&channel, 1000, take, nullptr);
        box_channel_answer(&channel, BOX_STATUS, 1, ERR_NONE, (view){});
        tap_ok(heard == 0 && box_channel_poll(&channel, 1000) == -1, SUBJECT, "without lethed there is nothing");
        bool good = !failed(box_channel_open(&channel, &theirs));
        m = (box_message){.op = BOX_STATUS, .number = 9};
        good = good && !failed(box_send(theirs, &m, -1));
        box_channel_hear(&channel, 1000, take, nullptr);
        tap_ok(good && heard == 1 && !failed(box_receive(theirs, &m, &fd)) && m.op == BOX_STATUS && m.number == 9
                       && m.code == ERR_NONE && view_equal(box_bytes(&m), VIEW("answer")),
               SUBJECT, "an ask is answered by its number");
        m = (box_message){.op = BOX_UPDATE};
        (void)!failed(box_send(theirs, &m, theirs));
        box_channel_hear(&channel, 1000, take, &channel);
        tap_ok(kept >= 0 && fcntl(kept, F_GETFD) >= 0, SUBJECT, "a descriptor can be kept");
        close(kept);
        (void)!failed(box_send(theirs, &m, theirs));
        box_channel_hear(&channel, 1000, take, nullptr);
        tap_ok(fcntl(kept, F_GETFD) < 0, SUBJECT, "one that nobody wants is closed");
}

static void test_hostile(void)
{
        static box_message m;
        uint32_t           sent = 0;
        m = (box_message){.op = BOX_STATUS};
        while (!failed(box_send(theirs, &m, -1)))
                sent++;
        heard = 0;
        box_channel_hear(&channel, 10000, take, nullptr);
        box_channel_hear(&channel, 10001, take, nullptr);
        tap_ok(sent > BOX_CHANNEL_MESSAGES && heard == BOX_CHANNEL_MESSAGES
                       && box_channel_poll(&channel, 10001) == -1,
               SUBJECT, "who floods it gets its share and is not listened to for a while");
        tap_ok(box_channel_poll(&channel, 10500) >= 0, SUBJECT, "then it is again");
        for (uint64_t t = 11000; t < 11000 + 600ull * sent; t += 500)
                box_channel_hear(&channel, t, take, nullptr);
        tap_ok(heard == sent, SUBJECT, "answers that nobody reads cost nothing but themselves");
        (void)!(send(theirs, "xyz", 3, 0) == 3);
        box_channel_hear(&channel, 1u << 30, take, nullptr);
        tap_ok(channel.fd == -1, SUBJECT, "who speaks out of form is not heard any more");
        close(theirs);
        bool good = !failed(box_channel_open(&channel, &theirs)) && !failed(box_channel_open(&channel, &theirs));
        tap_ok(good && channel.fd >= 0, SUBJECT, "a new start has a new one");
        close(theirs);
        box_channel_hear(&channel, 1u << 31, take, nullptr);
        tap_ok(channel.fd == -1, SUBJECT, "and it ends with the other side");
}

int main(void)
{
        test_asks();
        test_hostile();
        return tap_done();
}
