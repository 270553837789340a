/* covers: machine.c, and machine_asked.c in what the channel carries */
#include "firmware/machine.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "machine";

static machine m;

/* lethed in the shape of a script; the box is where it would be started. */
static void begin(const char *script)
{
        static const box b = {.listen = "0.0.0.0:8443", .admin = "0.0.0.0:9443"};
        tree_file("/bin/lethed", script);
        chmod(tree_path("/bin/lethed"), 0755);
        machine_begin(&m, tree_root);
        (void)!failed(service_command_make(&m.command, tree_root, &b, "vda3", false, false));
        m.phase = PHASE_RUNNING;
}

static void turn(void)
{
        int status;
        machine_turn(&m, clock_ms());
        machine_hear(&m);
        for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
                machine_reaped(&m, pid, status, clock_ms());
        usleep(2000);
}

static bool becomes(bool (*condition)(void))
{
        for (uint64_t until = clock_ms() + 10000; clock_ms() < until;) {
                if (condition())
                        return true;
                turn();
        }
        return false;
}

static bool serves(void) { return m.facts.serving && m.facts.vault == SCREEN_VAULT_OPEN; }
static bool was_counted(void) { return m.facts.death.count > 0; }
static bool died_twice(void) { return m.facts.death.count >= 2 && m.facts.words[0].len > 0; }
static bool is_off(void) { return m.phase == PHASE_OFF; }

static void test_serving(void)
{
        begin("#!/bin/sh\ntrap 'exit 0' TERM\n"
              "echo 'lethed: an early word'\n"
              "echo 'keeper INFO VAULT_OPEN generation=1 credentials=1 vault is open' >&2\n"
              "echo 'lethed INFO GENERATION_UP generation=1 relays=1 up' >&2\n"
              "echo 'lethed: a late word, maybe of a stranger'\n"
              "echo 'lethed ERROR ROLE_DIED role=3 status=139 role died; it is started again' >&2\n"
              "while :; do sleep 0.01; done\n");
        tap_ok(becomes(serves) && becomes(was_counted), SUBJECT, "lethed is started, and what it says is heard");
        tap_ok(m.facts.words[0].len == 0, SUBJECT, "words of a time that serves are not shown");
        tap_ok(strcmp(m.facts.death.role, "relay") == 0 && WTERMSIG(m.facts.death.status) == SIGSEGV, SUBJECT,
               "a dead role is shown by its signal");
        machine_end(&m, true, clock_ms());
        machine_end(&m, false, clock_ms());
        tap_ok(m.phase == PHASE_DRAIN && m.again, SUBJECT, "the first who wants it down says how");
        tap_ok(becomes(is_off) && m.facts.death.count == 1, SUBJECT, "it drains and is off; that end is no death");
}

static bool answered(void)
{
        static box_message a;
        int fd;
        machine_hear_box(&m, clock_ms());
        return !failed(box_receive(m.command.gifts[0].fd, &a, &fd));
}

/* lethed's end of the channel, in the test's hands. */
static void ask(box_op op, view payload)
{
        static box_message q;
        q = (box_message){.op = op, .len = (uint32_t)payload.len};
        if (payload.len > 0)
                memcpy(q.bytes, payload.data, payload.len);
        if (failed(box_send(m.command.gifts[0].fd, &q, -1)))
                abort();
}

static void test_asked(void)
{
        box_identity who = {.certificate_end_s = 77};
        begin("#!/bin/sh\nexec sleep 60\n");
        turn();
        tap_ok(m.service.pid != 0 && m.channel.fd >= 0 && strcmp(m.command.gifts[0].option, "--box-channel") == 0,
               SUBJECT, "lethed is given a channel");
        (void)!failed(box_channel_open(&m.channel, &m.command.gifts[0].fd));
        ask(BOX_STATUS, (view){});
        tap_ok(answered(), SUBJECT, "what the box is can be asked");
        ask(BOX_TELL_IDENTITY, VIEW("short"));
        ask(BOX_TELL_IDENTITY, (view){(const uint8_t *)&who, sizeof who});
        ask(BOX_TELL_DATES, VIEW("short"));
        ask((box_op)99, (view){});
        tap_ok(answered() && m.identity.certificate_end_s == 77, SUBJECT, "what it tells is kept");
        ask(BOX_RESTART, (view){});
        tap_ok(answered() && m.phase == PHASE_DRAIN && m.again, SUBJECT, "it starts again when asked");
        kill(m.service.pid, SIGKILL);
        tap_ok(becomes(is_off) && m.channel.fd == -1, SUBJECT, "and the channel ends with lethed");
}

static void test_dying(void)
{
        begin("#!/bin/sh\nfor i in 1 2 3 4 5; do echo \"lethed: reason $i\"; done\necho 'something else'\nexit 2\n");
        tap_ok(becomes(died_twice) && WEXITSTATUS(m.facts.death.status) == 2
                       && strcmp(m.facts.death.role, "lethed") == 0,
               SUBJECT, "one that does not start is started again");
        tap_ok(view_equal(notice_view(&m.facts.words[0]), VIEW("reason 3"))
                       && view_equal(notice_view(&m.facts.words[2]), VIEW("reason 5")),
               SUBJECT, "its last sentences are shown, and nothing else");
        turn();
        tap_ok(m.facts.restart_s > 0 || m.service.pid != 0, SUBJECT, "with the time of the next start");
        machine_end(&m, false, clock_ms());
        tap_ok(becomes(is_off) && !m.again, SUBJECT, "which does not come once the box goes down");
}

static void test_strangers(void)
{
        begin("#!/bin/sh\nexec sleep 60\n");
        turn();
        pid_t pid = m.service.pid;
        machine_reaped(&m, pid + 1000, 0, clock_ms());
        machine_reaped(&m, 0, 0, clock_ms());
        tap_ok(pid > 0 && m.service.pid == pid && m.facts.death.count == 0, SUBJECT, "an orphan's end is nobody's");
        tap_ok(machine_wait_ms(&m) > 0, SUBJECT, "it waits for news");
        kill(pid, SIGKILL);
        tap_ok(becomes(was_counted) && m.service.start_at_ms > 0, SUBJECT, "lethed's end by a signal is one");
        machine_end(&m, false, clock_ms());
        tap_ok(becomes(is_off), SUBJECT, "off");
}

static void test_refused(void)
{
        machine_begin(&m, tree_root);
        m.phase = PHASE_CONFIG;
        machine_turn(&m, 1);
        tap_ok(m.phase == PHASE_REFUSED && m.in_state && m.service.pid == 0, SUBJECT,
               "without a config drive the vault is asked for, and without one nothing is started");
        machine_turn(&m, 60000);
        tap_ok(m.phase == PHASE_REFUSED, SUBJECT, "and it stays so");
        machine_begin(&m, tree_root);
        m.phase = PHASE_STATE;
        machine_turn(&m, 1);
        tap_ok(m.phase == PHASE_REFUSED && text_contains(notice_view(&m.facts.fault), VIEW("lethe-state")), SUBJECT,
               "without a partition for the vault neither");
        machine_end(&m, false, 2);
        machine_turn(&m, 3);
        tap_ok(m.phase == PHASE_OFF, SUBJECT, "the button ends it all the same");
}

int main(void)
{
        tree_make();
        test_serving();
        test_asked();
        test_dying();
        test_strangers();
        test_refused();
        tree_remove();
        return tap_done();
}
