/* covers: machine_update.c, machine_reset.c */
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "bundles.h"
#include "firmware/machine.h"
#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "machine_update";

static machine m;
static int     theirs = -1; /* lethed's end of the channel */
static char    text[BUNDLE_MANIFEST_BYTES], boot[128];
static char    three[256];

static void partition(bool on_trial)
{
        uint8_t env[SLOT_ENV_BYTES];
        made_text(text, sizeof text, 'o', "1.0.0", 1, 500);
        tree_folder("/boot/bios");
        tree_file("/boot/slots/a", text);
        remove(tree_path("/boot/EFI/Linux/lethe_1_a.efi"));
        remove(tree_path("/boot/EFI/Linux/lethe_1_a+2-1.efi"));
        tree_file(on_trial ? "/boot/EFI/Linux/lethe_1_a+2-1.efi" : "/boot/EFI/Linux/lethe_1_a.efi", "old");
        slot_env_write(&(slot_env){SLOT_A, {true, false}, {0, 0}}, env);
        tree_bytes("/boot/grub/env", (view){env, sizeof env});
        snprintf(boot, sizeof boot, "%s/boot", tree_root);
}

static void state(void)
{
        int fd = open(tree_path("/state"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || ftruncate(fd, 9 * 1024 * 1024) != 0)
                abort();
        m.kept_fd = fd;
        if (failed(kept_read(fd, &m.kept)))
                abort();
}

static box_facts facts;

/* A box that runs and serves. */
static void begin(bool on_trial)
{
        partition(on_trial);
        tree_file("/proc/cmdline", "quiet\n");
        machine_begin(&m, tree_root);
        state();
        m.box_facts = &facts;
        m.update.folder = boot;
        m.phase = PHASE_RUNNING;
        m.facts.serving = true;
        m.service.pid = 1000000;
        m.facts.image = (image){.version = "1.0.0", .commit = "abc", .epoch_s = 500, .security = 2};
        memcpy(m.facts.state, "vda3", 5);
        if (theirs >= 0)
                close(theirs);
        if (failed(box_channel_open(&m.channel, &theirs)))
                abort();
}

/* Turns until no child works. */
static void settle(void)
{
        for (int i = 0; i < 5000; i++) {
                int   status;
                pid_t pid = waitpid(-1, &status, WNOHANG);
                if (pid > 0)
                        (void)machine_update_reaped(&m, pid);
                if (m.update.child.pid == 0)
                        return;
                updater_hear(&m.update.child, m.update.child.started_ms);
                usleep(1000);
        }
        abort();
}

static void turn(uint64_t now_ms)
{
        machine_update_turn(&m, now_ms);
        settle();
}

static void ask(box_op op, view payload, int fd)
{
        static box_message q;
        q = (box_message){.op = op, .number = 5, .len = (uint32_t)payload.len};
        if (payload.len > 0)
                memcpy(q.bytes, payload.data, payload.len);
        if (failed(box_send(theirs, &q, fd)))
                abort();
        machine_hear_box(&m, clock_ms());
}

static box_message answer;

static bool answered(err_code code, const char *words)
{
        int fd;
        settle();
        bool got = !failed(box_receive(theirs, &answer, &fd));
        if (!got || answer.code != code || answer.number != 5)
                return false;
        return text_contains(box_bytes(&answer), view_of_text(words));
}

static void test_proof(void)
{
        uint64_t n = 0;
        begin(true);
        turn(1000);
        tap_ok(m.update.facts.running == SLOT_A && m.update.facts.on_trial && !m.update.proven, SUBJECT,
               "at first it looks who runs");
        tap_ok(atomic_load(&facts.settled) == 0, SUBJECT, "what is on trial has settled nothing");
        turn(30000);
        m.facts.serving = false;
        turn(40000);
        m.facts.serving = true;
        turn(41000);
        turn(99000);
        tap_ok(m.update.facts.on_trial && !kept_get_u64(&m.kept, VIEW("epoch"), &n), SUBJECT,
               "a minute counts anew when it did not serve");
        turn(100000);
        turn(102000);
        tap_ok(!m.update.facts.on_trial && m.update.proven
                       && file_exists(tree_root, "/boot/EFI/Linux/lethe_1_a.efi"),
               SUBJECT, "after a minute it has proven itself");
        tap_ok(atomic_load(&facts.settled) == 1, SUBJECT, "and is the only one to be started");
        kept again;
        tap_ok(!failed(kept_read(m.kept_fd, &again)) && kept_get_u64(&again, VIEW("epoch"), &n) && n == 2, SUBJECT,
               "and nothing of a lower security epoch may run here any more");
        notice why;
        m.facts.image.security = 1;
        tap_ok(failed(machine_epoch_check(&m, &why)) && why.len > 0, SUBJECT, "an older image says so and stops");
        m.facts.image.security = 3;
        tap_ok(!failed(machine_epoch_check(&m, &why)), SUBJECT, "a newer one does not");
        begin(true);
        m.facts.serving = false;
        m.facts.vault = SCREEN_VAULT_SEALED;
        turn(1000);
        turn(61000);
        tap_ok(!m.update.facts.on_trial, SUBJECT, "waiting for a person is no failure");
        begin(true);
        m.facts.serving = false;
        turn(1000);
        ask(BOX_TELL_IDENTITY, (view){}, -1);
        turn(2000);
        turn(62000);
        tap_ok(!m.update.facts.on_trial, SUBJECT, "nor is waiting to be set up");
        begin(true);
        m.facts.serving = false;
        m.facts.vault = SCREEN_VAULT_OPEN;
        turn(1000);
        ask(BOX_TELL_IDENTITY, (view){}, -1);
        turn(2000);
        turn(62000);
        tap_ok(m.update.facts.on_trial, SUBJECT, "not to serve with an open vault is");
        begin(true);
        tree_file("/proc/cmdline", "quiet lethe.good=10s\n");
        turn(1000);
        turn(11000);
        tap_ok(!m.update.facts.on_trial, SUBJECT, "a test says so by a word of the kernel, and waits less");
}

static void test_failure(void)
{
        begin(true);
        m.facts.serving = false;
        m.service.pid = 0;
        turn(1000);
        turn(300000);
        bool waits = m.phase == PHASE_RUNNING;
        turn(301001);
        tap_ok(waits && m.phase == PHASE_DRAIN && m.again, SUBJECT,
               "what does not come up in five minutes starts again");
        begin(false);
        m.facts.serving = false;
        m.service.pid = 0;
        turn(1000);
        turn(1000000);
        tap_ok(m.phase == PHASE_RUNNING, SUBJECT, "what has proven itself stays, and says what is wrong");
        begin(true);
        m.phase = PHASE_REFUSED;
        turn(1000);
        turn(301001);
        tap_ok(m.phase == PHASE_DRAIN, SUBJECT, "a version that refuses to run is one that does not come up");
}

static int offered(const char *signers)
{
        made_text(text, sizeof text, 'n', "2.0.0", 2, 600);
        size_t len = made_bundle(text, "2.0.0", 2, signers, 'n');
        tree_bytes("/offered", (view){made, len});
        return open(tree_path("/offered"), O_RDONLY | O_CLOEXEC);
}

static void test_asked(void)
{
        uint8_t none = 0;
        view    flags = {&none, 1};
        begin(false);
        turn(1000);
        int fd = offered("12");
        ask(BOX_UPDATE, flags, fd);
        tap_ok(answered(ERR_BAD_SIGNATURE, "no update keys"), SUBJECT, "without keys no update");
        ask(BOX_UPDATE_KEYS, VIEW("rubbish"), -1);
        tap_ok(answered(ERR_SYSTEM, "rubbish"), SUBJECT, "no rubbish as keys");
        ask(BOX_UPDATE_KEYS, view_of_text(three), -1);
        bool given = answered(ERR_NONE, "");
        ask(BOX_UPDATE_KEYS, view_of_text(three), -1);
        tap_ok(given && answered(ERR_SYSTEM, "already"), SUBJECT, "keys are given once");
        ask(BOX_UPDATE, (view){}, fd);
        bool lacks = answered(ERR_BAD_FILE, "versions");
        ask(BOX_UPDATE, flags, -1);
        tap_ok(lacks && answered(ERR_BAD_FILE, "no update in this"), SUBJECT, "an ask without its parts");
        ask(BOX_UPDATE, flags, fd);
        ask(BOX_ROLL_BACK, (view){}, -1);
        bool busy = answered(ERR_KEY_BUSY, "worked on");
        settle();
        tap_ok(busy && answered(ERR_NONE, "version 2.0.0\npcr4 "), SUBJECT,
               "one thing at a time; an update is installed");
        tap_ok(atomic_load(&facts.settled) == 0, SUBJECT, "and is to be started next");
        uint8_t bytes[2048];
        emit    e = emit_into(bytes, sizeof bytes);
        machine_update_say(&m, &e);
        view all = {e.bytes, e.len};
        tap_ok(text_contains(all, VIEW("slot a\nproven yes\nother_version 2.0.0\nother_state next\n"))
                       && text_contains(all, VIEW("update_keys set\n"))
                       && text_contains(all, VIEW("security_epoch 2\n")),
               SUBJECT, "and all of it is told");
        ask(BOX_ROLL_BACK, (view){}, -1);
        tap_ok(answered(ERR_NONE, "version 2.0.0"), SUBJECT, "the other slot can be asked for");
        close(fd);
        fd = offered("1");
        ask(BOX_UPDATE, flags, fd);
        tap_ok(answered(ERR_BAD_SIGNATURE, "Only one") && m.update.bundle == -1, SUBJECT, "one signature is too few");
        close(fd);
}

static void test_volume(void)
{
        notice why = {};
        begin(false);
        turn(1000);
        tap_ok(failed(machine_update_from_volume(&m, &why))
                       && text_contains(notice_view(&why), VIEW("lethe.update")),
               SUBJECT, "a drive without an update");
        (void)!failed(update_keys_keep(tree_root, &m.kept, view_of_text(three), &why));
        close(offered("12"));
        tree_folder("/config");
        tree_bytes("/config/lethe.update", tree_read("/offered"));
        bool begun = !failed(machine_update_from_volume(&m, &why));
        bool twice = failed(machine_update_from_volume(&m, &why));
        settle();
        tap_ok(begun && twice && text_contains(notice_view(&m.update.said), VIEW("2.0.0 is started next")), SUBJECT,
               "one with an update");
        begun = !failed(machine_roll_back(&m, &why)) && failed(machine_roll_back(&m, &why));
        settle();
        tap_ok(begun && m.update.facts.env.first == SLOT_B, SUBJECT, "and back, from the console");
}

static void test_reset(void)
{
        uint8_t bytes[4096];
        begin(false);
        if (pwrite(m.kept_fd, "vault", 5, 0) != 5 || failed(kept_set_u64(&m.kept, VIEW("epoch"), 2))
            || failed(machine_keep(&m)))
                abort();
        ask(BOX_FACTORY_RESET, VIEW("forget"), -1);
        tap_ok(answered(ERR_BAD_BODY, "words") && m.phase == PHASE_RUNNING, SUBJECT, "a reset wants its words");
        ask(BOX_FACTORY_RESET, VIEW(BOX_RESET_WORD), -1);
        tap_ok(answered(ERR_NONE, "") && m.phase == PHASE_DRAIN && m.again && m.reset, SUBJECT,
               "then lethed ends first");
        machine_reset_state(&m);
        bool empty = true;
        for (off_t at = 0; pread(m.kept_fd, bytes, sizeof bytes, at) == sizeof bytes; at += (off_t)sizeof bytes)
                for (size_t i = 0; i < sizeof bytes; i++)
                        empty = empty && bytes[i] == 0;
        kept k;
        tap_ok(empty && !failed(kept_read(m.kept_fd, &k)) && k.state == KEPT_FRESH && m.kept.len == 0, SUBJECT,
               "and nothing is left");
}

int main(void)
{
        if (failed(secret_setup()))
                abort();
        made_keys_make();
        for (size_t i = 0; i < UPDATE_KEYS; i++)
                snprintf(three + i * (UPDATE_KEY_BYTES + 1), UPDATE_KEY_BYTES + 2, "%.*s\n", (int)UPDATE_KEY_BYTES,
                         (const char *)made_set.lines[i]);
        tree_make();
        test_proof();
        test_failure();
        test_asked();
        test_volume();
        test_reset();
        tree_remove();
        return tap_done();
}
