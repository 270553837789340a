#include "admin/keeper_link.h"
#include "harness.h"

typedef struct asker {
        keeper_call call;
        int done;
        err_code code;
        uint8_t first;
        bool again; /* asks once more from inside done */
} asker;

static void done(void *ctx, err_code code, view answer)
{
        asker *a = ctx;
        a->done++;
        a->code = code;
        a->first = answer.len > 0 ? answer.data[0] : 0;
        harness_stop();
        if (a->again) {
                a->again = false;
                keeper_link_ask(&h.box.keeper, &a->call);
        }
}

static void ask(asker *a, keeper_op op)
{
        *a = (asker){.again = a->again};
        a->call = (keeper_call){.op = op, .payload = VIEW("q"), .done = done, .ctx = a};
        keeper_link_ask(&h.box.keeper, &a->call);
}

static keeper_message m;

static void order(void)
{
        asker a = {}, b = {};
        ask(&a, KEEPER_STATUS);
        ask(&b, KEEPER_LIST);
        tap_ok(keeper_hears(KEEPER_STATUS, &m) && !keeper_hears(KEEPER_LIST, &m), "link",
               "one question is on the wire at a time");
        keeper_says(KEEPER_STATUS, ERR_NONE, "1", 1);
        harness_run();
        tap_ok(a.done == 1 && a.first == '1' && b.done == 0, "link", "the answer is the first one's");
        bool heard = keeper_hears(KEEPER_LIST, &m);
        keeper_says(KEEPER_LIST, ERR_SEALED, nullptr, 0);
        harness_run();
        tap_ok(heard && b.done == 1 && b.code == ERR_SEALED, "link", "then the second is asked");
        keeper_says(KEEPER_LIST, ERR_NONE, nullptr, 0);
        ask(&a, KEEPER_STATUS);
        harness_run();
        tap_ok(a.done == 1 && a.code == ERR_NO_KEEPER, "link", "an answer that nobody asked for ends the pair");
        ask(&a, KEEPER_STATUS);
        tap_ok(a.done == 1 && a.code == ERR_NO_KEEPER, "link", "afterwards there is no keeper");
}

static void again(void)
{
        harness_keeper();
        asker a = {.again = true};
        ask(&a, KEEPER_STATUS);
        bool heard = keeper_hears(KEEPER_STATUS, &m);
        keeper_says(KEEPER_STATUS, ERR_NONE, "1", 1);
        harness_run();
        heard &= keeper_hears(KEEPER_STATUS, &m);
        keeper_says(KEEPER_STATUS, ERR_NONE, "2", 1);
        harness_run();
        tap_ok(heard && a.done == 2 && a.first == '2', "link", "a question may follow from inside an answer");
}

static void forgotten(void)
{
        asker a = {}, b = {}, c = {};
        ask(&a, KEEPER_STATUS);
        ask(&b, KEEPER_LIST);
        ask(&c, KEEPER_STATUS);
        keeper_link_forget(&h.box.keeper, &b.call);
        keeper_link_forget(&h.box.keeper, &a.call);
        keeper_link_forget(&h.box.keeper, &a.call);
        bool heard = keeper_hears(KEEPER_STATUS, &m);
        keeper_says(KEEPER_STATUS, ERR_NONE, "1", 1);
        heard &= keeper_hears(KEEPER_STATUS, &m);
        keeper_says(KEEPER_STATUS, ERR_NONE, "3", 1);
        harness_run();
        tap_ok(heard && a.done == 0 && b.done == 0 && c.done == 1 && c.first == '3', "link",
               "a forgotten question's answer goes to nobody else");
}

static void lost(void)
{
        asker a = {.again = true}, b = {};
        ask(&a, KEEPER_STATUS);
        ask(&b, KEEPER_LIST);
        close(h.keeper);
        harness_run();
        tap_ok(a.done == 2 && a.code == ERR_NO_KEEPER && b.done == 1 && b.code == ERR_NO_KEEPER, "link",
               "all that waits fails when the keeper goes, and so does what is asked then");
        harness_keeper();
        ask(&a, KEEPER_STATUS);
        int old = h.keeper;
        harness_keeper();
        tap_ok(a.done == 1 && a.code == ERR_NO_KEEPER, "link", "a renewed pair ends what the old one was asked");
        close(old);
        ask(&a, KEEPER_STATUS);
        bool heard = keeper_hears(KEEPER_STATUS, &m);
        if (send(h.keeper, "short", 5, MSG_NOSIGNAL) != 5)
                abort();
        harness_run();
        tap_ok(heard && a.done == 1 && a.code == ERR_NO_KEEPER, "link", "half a message ends the pair");
        close(h.keeper);
}

/* Ten real seconds: the deadline is not an argument. */
static void late(void)
{
        harness_keeper();
        asker a = {}, b = {};
        ask(&a, KEEPER_STATUS);
        bool heard = keeper_hears(KEEPER_STATUS, &m);
        harness_run();
        tap_ok(heard && a.done == 1 && a.code == ERR_AGAIN, "link", "a silent keeper is given up after the deadline");
        ask(&b, KEEPER_STATUS);
        heard = keeper_hears(KEEPER_STATUS, &m);
        keeper_says(KEEPER_STATUS, ERR_NONE, "1", 1);
        keeper_says(KEEPER_STATUS, ERR_NONE, "2", 1);
        harness_run();
        tap_ok(heard && a.done == 1 && b.done == 1 && b.first == '2', "link", "its late answer goes to nobody else");
}

int main(void)
{
        harness_start();
        harness_keeper();
        order();
        again();
        forgotten();
        lost();
        late();
        return harness_done();
}
