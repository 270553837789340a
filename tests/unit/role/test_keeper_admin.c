#include "unit/role/keeper_play.h"

static const char     SUBJECT[] = "keeper_admin";
static keeper_message answer;

/* Sends raw bytes; the answer's code. */
static err_code ask_raw(play *p, const void *bytes, size_t len)
{
        struct pollfd poll_for = {.fd = p->admin, .events = POLLIN};
        if (send(p->admin, bytes, len, MSG_NOSIGNAL) < 0 || poll(&poll_for, 1, 5000) <= 0)
                return ERR_GONE;
        return recv(p->admin, &answer, sizeof answer, 0) >= 16 ? (err_code)answer.code : ERR_GONE;
}

static void test_lengths(play *p)
{
        static uint8_t large[sizeof(keeper_message) + 64];
        keeper_message q = {.op = KEEPER_STATUS};
        bool           refused = true;
        for (size_t len = 1; len < 16; len++)
                refused = refused && ask_raw(p, &q, len) == ERR_OUT_OF_RANGE;
        tap_ok(refused, SUBJECT, "a message cut in its head is refused");
        q.len = 1;
        tap_ok(ask_raw(p, &q, 16) == ERR_OUT_OF_RANGE, SUBJECT, "a length that promises more is refused");
        q.len = UINT32_MAX;
        tap_ok(ask_raw(p, &q, 16) == ERR_OUT_OF_RANGE, SUBJECT, "an absurd length is refused");
        q.len = 0;
        tap_ok(ask_raw(p, &q, 17) == ERR_OUT_OF_RANGE, SUBJECT, "a length that promises less is refused");
        memcpy(large, &q, 16);
        tap_ok(ask_raw(p, large, sizeof large) == ERR_OUT_OF_RANGE, SUBJECT, "a message that is too large is refused");
        q.op = 99;
        tap_ok(ask_raw(p, &q, 16) == ERR_NOT_IMPLEMENTED, SUBJECT, "an unknown operation is an error");
        q.op = KEEPER_STATUS;
        tap_ok(ask_raw(p, &q, 16) == ERR_NONE && answer.len == sizeof(keeper_status), SUBJECT,
               "after all that a good question is answered");
        for (uint32_t op = KEEPER_PUT; op <= KEEPER_EXPORT_GET; op++) {
                q.op = op;
                q.len = 5;
                refused = refused && ask_raw(p, &q, 21) != ERR_NONE;
        }
        tap_ok(refused, SUBJECT, "five bytes suit no operation");
}

static err_code play_unlock(play *p, const char *passphrase)
{
        keeper_status s;
        key_slot      slot = {.kind = SLOT_PASSPHRASE};
        uint8_t       wrapping[32];
        keeper_unlock q = {};
        play_must(play_ask(p, KEEPER_STATUS, (view){}, &answer) == ERR_NONE, "status");
        memcpy(&s, answer.bytes, sizeof s);
        slot.ops = s.slots[0].ops;
        slot.mem_bytes = s.slots[0].mem_bytes;
        memcpy(slot.salt, s.slots[0].salt, sizeof slot.salt);
        play_must(!failed(container_wrapping_key(&slot, view_of_text(passphrase), wrapping)), "wrapping key");
        seal_close(s.seal_key, (view){wrapping, sizeof wrapping}, q.sealed);
        return play_ask(p, KEEPER_UNLOCK, (view){(uint8_t *)&q, sizeof q}, &answer);
}

static uint32_t refused_tries(play *p)
{
        keeper_status s = {};
        play_must(play_ask(p, KEEPER_STATUS, (view){}, &answer) == ERR_NONE && answer.len == sizeof s, "status");
        memcpy(&s, answer.bytes, sizeof s);
        return s.refused_tries;
}

/* The appliance's console: it asks and unlocks, and nothing more. */
static void test_console(void)
{
        play p;
        play_make(&p, SLOT_PASSPHRASE);
        int pair[2];
        play_must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0, "pair");
        p.console = pair[1];
        play_must(play_start(&p), "start");
        int admin = p.admin;
        p.admin = pair[0];
        bool refused = true;
        for (uint32_t op = KEEPER_PUT; op <= KEEPER_EXPORT_GET; op++)
                refused = refused && play_ask(&p, (keeper_op)op, (view){}, &answer) == ERR_OUT_OF_RANGE;
        tap_ok(refused, "console", "puts, lists, hashes and exports nothing");
        tap_ok(play_ask(&p, KEEPER_STATUS, (view){}, &answer) == ERR_NONE && answer.len == sizeof(keeper_status),
               "console", "is told the state of the vault");
        tap_ok(play_unlock(&p, "wrong") == ERR_BAD_CREDENTIAL && play_unlock(&p, "wrong") == ERR_BAD_CREDENTIAL,
               "console", "a wrong passphrase opens nothing");
        tap_ok(refused_tries(&p) == 2, "console", "each is counted");
        tap_ok(play_unlock(&p, PLAY_PASSPHRASE) == ERR_NONE && refused_tries(&p) == 0, "console",
               "the right one opens the vault");
        p.admin = admin;
        keeper_status said = {};
        bool          good = play_ask(&p, KEEPER_STATUS, (view){}, &answer) == ERR_NONE;
        memcpy(&said, answer.bytes, sizeof said);
        tap_ok(good && said.open == 1, "console",
               "for everyone; the admin role was answered all the while");
        tap_ok(play_stop(&p) == 0, "console", "and the keeper ends cleanly");
}

int main(void)
{
        play p;
        play_make(&p, SLOT_KEY_FILE);
        play_must(play_start(&p), "start");
        test_lengths(&p);
        int old = p.admin;
        p.admin = -1;
        play_admin(&p);
        tap_ok(play_ask(&p, KEEPER_STATUS, (view){}, &answer) == ERR_NONE, SUBJECT, "a renewed channel is answered");
        uint8_t byte;
        tap_ok(recv(old, &byte, 1, 0) == 0, SUBJECT, "the old one is closed");
        close(p.admin);
        usleep(20000);
        p.admin = -1;
        play_admin(&p);
        tap_ok(play_ask(&p, KEEPER_STATUS, (view){}, &answer) == ERR_NONE, SUBJECT, "an admin that went may come back");
        tap_ok(play_stop(&p) == 0, SUBJECT, "and the keeper still ends cleanly");
        test_console();
        return tap_done();
}
