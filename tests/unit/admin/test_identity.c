#include "admin/identity.h"

#include "harness.h"

static box_message told;

/* What PID 1 is told next; false: nothing within so long. */
static bool hears(uint64_t ms)
{
        static net_timer late;
        late = (net_timer){.fire = (void (*)(void *))harness_stop, .ctx = nullptr};
        net_timer_set(h.box.loop, &late, ms);
        harness_run();
        net_timer_clear(h.box.loop, &late);
        int fd;
        return !failed(box_receive(h.pid1, &told, &fd)) && told.op == BOX_TELL_IDENTITY
                && told.len == sizeof(box_identity);
}

static box_identity identity(void)
{
        box_identity i;
        memcpy(&i, told.bytes, sizeof i);
        return i;
}

int main(void)
{
        static identity_teller t;
        static keeper_message m;
        keeper_status s = {.open = 1, .export_key = {9}, .export_key_number = {8}};
        box_identity known = {.admin_certificate = {7}, .certificate_end_s = 5};
        harness_start();
        harness_keeper();
        harness_box();
        atomic_store(&h.board->keeper, KEEPER_BLANK);
        identity_begin(&t, h.board, &h.box.keeper, &h.box.link, &known);
        tap_ok(hears(50) && identity().admin_certificate[0] == 7 && identity().certificate_end_s == 5
                       && identity().export_key[0] == 0,
               "identity", "certificates are told at once");
        s.open = 0;
        tap_ok(keeper_hears(KEEPER_STATUS, &m), "identity", "the keeper is asked");
        keeper_says(KEEPER_STATUS, ERR_NONE, &s, sizeof s);
        tap_ok(hears(50) && identity().export_key[0] == 0, "identity",
               "before there is a vault there is no export key");
        tap_ok(!hears(1500), "identity", "nothing new is not told");
        atomic_store(&h.board->keeper, KEEPER_OPEN);
        (void)hears(1500);
        s.open = 1;
        tap_ok(keeper_hears(KEEPER_STATUS, &m), "identity", "a vault that was opened is asked for");
        keeper_says(KEEPER_STATUS, ERR_NONE, &s, sizeof s);
        tap_ok(hears(50) && memcmp(identity().export_key, "Ed\x08", 3) == 0 && identity().export_key[10] == 9,
               "identity",
               "and its export key told, as in minisign's file");
        identity_end(&t);
        return harness_done();
}
