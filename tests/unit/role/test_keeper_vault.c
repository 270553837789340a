#include <fcntl.h>

#include "unit/role/keeper_play.h"

static const char            SUBJECT[] = "keeper_vault";
static uint8_t               room[1024 * 1024];
static keeper_message        answer;

/* What lethectl does: the wrapping key from the passphrase, sealed to the keeper of this start. */
static err_code unlock(play *p, const char *passphrase, uint64_t *ms)
{
        keeper_status  status;
        key_slot       slot = {.kind = SLOT_PASSPHRASE};
        uint8_t        wrapping[32];
        keeper_unlock  q = {};
        if (play_ask(p, KEEPER_STATUS, (view){}, &answer) != ERR_NONE || answer.len != sizeof status)
                return ERR_GONE;
        memcpy(&status, answer.bytes, sizeof status);
        slot.ops = status.slots[0].ops;
        slot.mem_bytes = status.slots[0].mem_bytes;
        memcpy(slot.salt, status.slots[0].salt, sizeof slot.salt);
        play_must(!failed(container_wrapping_key(&slot, view_of_text(passphrase), wrapping)), "wrapping key");
        seal_close(status.seal_key, (view){wrapping, sizeof wrapping}, q.sealed);
        uint64_t before = clock_ms();
        err_code code = play_ask(p, KEEPER_UNLOCK, (view){(uint8_t *)&q, sizeof q}, &answer);
        *ms = clock_ms() - before;
        return code;
}

static bool board_says(const play *p, keeper_state s)
{
        for (int i = 0; i < 500 && atomic_load(&p->board->keeper) != s; i++)
                usleep(1000);
        return atomic_load(&p->board->keeper) == s;
}

static void test_passphrase(void)
{
        play     p;
        uint64_t sequence, ms, second_ms;
        play_make(&p, SLOT_PASSPHRASE);
        tap_ok(play_start(&p) && board_says(&p, KEEPER_SEALED) && !lease_is_open(p.lease), SUBJECT,
               "a passphrase vault starts sealed");
        tap_ok(play_export_now(&p, &sequence) == ERR_SEALED, SUBJECT, "a sealed keeper cannot export");
        tap_ok(unlock(&p, "wrong", &ms) == ERR_BAD_CREDENTIAL && ms >= 200, SUBJECT,
               "a wrong passphrase is refused, late");
        tap_ok(unlock(&p, "wrong too", &second_ms) == ERR_BAD_CREDENTIAL && second_ms >= 450, SUBJECT,
               "a second one later still");
        tap_ok(unlock(&p, PLAY_PASSPHRASE, &ms) == ERR_NONE && board_says(&p, KEEPER_OPEN) && lease_is_open(p.lease),
               SUBJECT, "the right one opens it: nobody is locked out");
        tap_ok(unlock(&p, PLAY_PASSPHRASE, &ms) == ERR_NONE, SUBJECT, "opening an open vault changes nothing");
        play_kill(&p);
        atomic_store(&p.board->keeper, KEEPER_DOWN);
        tap_ok(play_start(&p) && board_says(&p, KEEPER_OPEN), SUBJECT, "a killed keeper comes back unlocked");
        tap_ok(play_stop(&p) == 0, SUBJECT, "and ends cleanly");
        tap_ok(play_start(&p) && board_says(&p, KEEPER_SEALED) && play_stop(&p) == 0, SUBJECT,
               "after a clean end it is sealed again, and may end so");
}

static void copy_state(int from, int to)
{
        ssize_t n;
        off_t   at = 0;
        for (; (n = pread(from, room, sizeof room, at)) > 0; at += n)
                play_must(pwrite(to, room, (size_t)n, at) == n, "copy");
}

static void test_roll_back(void)
{
        play     p;
        uint64_t sequence;
        play_make(&p, SLOT_KEY_FILE);
        int old = memfd_create("old", 0);
        copy_state(p.state, old);
        play_start(&p);
        tap_ok(play_export_now(&p, &sequence) == ERR_NONE, SUBJECT, "the state file moves on");
        play_kill(&p);
        copy_state(old, p.state);
        tap_ok(play_refused_with(&p, "ROLLED_BACK"), SUBJECT, "an older state file is refused with a reason");
        play_make(&p, SLOT_KEY_FILE);
        copy_state(old, p.state);
        tap_ok(play_start(&p) && play_stop(&p) == 0, SUBJECT, "a supervisor started anew has not seen the newer one");
}

static void test_tickets(void)
{
        play             p;
        lease_ticket_key first[2], second[2];
        play_make(&p, SLOT_KEY_FILE);
        play_start(&p);
        tap_ok(!failed(lease_copy_tickets(p.lease, first)) && first[0].epoch == 1 && first[1].epoch == 0, SUBJECT,
               "the first hour has one ticket key");
        play_kill(&p);
        play_start(&p);
        tap_ok(!failed(lease_copy_tickets(p.lease, second)) && memcmp(first, second, sizeof first) == 0, SUBJECT,
               "a killed keeper's successor goes on with the same");
        play_stop(&p);
}

/* The hypervisor has said that this machine is a copy. */
static void test_clone(void)
{
        play             p;
        void            *map;
        uint64_t         sequence;
        lease_ticket_key first[2], second[2], third[2];
        play_make(&p, SLOT_KEY_FILE);
        p.box_fd = play_memory(sizeof(box_facts), &map);
        box_facts *box = map;
        box_facts_format(box);
        play_start(&p);
        bool good = !failed(lease_copy_tickets(p.lease, first)) && first[0].epoch == 1;
        atomic_store(&box->clones, 1);
        play_wake(&p);
        for (int i = 0; i < 500 && !failed(lease_copy_tickets(p.lease, second)) && second[0].epoch == 1; i++)
                usleep(10000);
        good = good && second[0].epoch == 3 && second[1].epoch == 2
               && memcmp(first[0].key, second[1].key, sizeof first[0].key) != 0
               && memcmp(second[0].key, second[1].key, sizeof first[0].key) != 0;
        tap_ok(good, SUBJECT, "a copied machine has two new ticket keys");
        good = play_export_now(&p, &sequence) == ERR_NONE
               && play_says(play_export(&p, sequence, 0, room), "\"box\":{\"clone_suspected\":1,");
        tap_ok(good, SUBJECT, "its exports say so");
        play_kill(&p);
        play_start(&p);
        good = !failed(lease_copy_tickets(p.lease, third)) && memcmp(second, third, sizeof second) == 0;
        tap_ok(good, SUBJECT, "a killed keeper's successor does not answer the same copy again");
        play_stop(&p);
        close(p.box_fd);
}

static void test_credentials(void)
{
        play              p;
        keeper_status     status;
        keeper_credential c = {.name = "acme", .host = "api.acme.example", .len = 6, .secret = "sk-123"};
        uint8_t           sealed[sizeof c + SEAL_OVERHEAD];
        lease_credential  lent;
        play_make(&p, SLOT_KEY_FILE);
        play_start(&p);
        play_must(play_ask(&p, KEEPER_STATUS, (view){}, &answer) == ERR_NONE, "status");
        memcpy(&status, answer.bytes, sizeof status);
        seal_close(status.seal_key, (view){(uint8_t *)&c, sizeof c}, sealed);
        tap_ok(play_ask(&p, KEEPER_PUT, (view){sealed, sizeof sealed}, &answer) == ERR_NONE
                       && !failed(lease_copy_credential(p.lease, VIEW("acme"), &lent)) && lent.len == 6
                       && memcmp(lent.secret, "sk-123", 6) == 0,
               SUBJECT, "a new credential is lent at once");
        play_kill(&p);
        play_start(&p);
        tap_ok(!failed(lease_copy_credential(p.lease, VIEW("acme"), &lent)), SUBJECT, "and after a restart");
        tap_ok(play_ask(&p, KEEPER_REMOVE, VIEW("acme"), &answer) == ERR_NONE
                       && lease_copy_credential(p.lease, VIEW("acme"), &lent).code == ERR_NO_TARGET,
               SUBJECT, "a removed one is lent no more");
        play_stop(&p);
}

int main(void)
{
        test_passphrase();
        test_roll_back();
        test_tickets();
        test_clone();
        test_credentials();
        return tap_done();
}
