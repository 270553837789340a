#include "firmware/updater.h"

#include <signal.h>
#include <sys/wait.h>

#include "bundles.h"
#include "firmware/file.h"
#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "updater";

static const image running = {.version = "1.0.0", .commit = "abc", .epoch_s = 500};
static updater     u;
static char        text[BUNDLE_MANIFEST_BYTES], boot[128];

static void partition(void)
{
        uint8_t env[SLOT_ENV_BYTES];
        made_text(text, sizeof text, 'o', "1.0.0", 1, 500);
        tree_file("/boot/slots/a", text);
        tree_file("/boot/EFI/Linux/lethe_1_a.efi", "old");
        tree_folder("/boot/bios/a");
        slot_env_write(&(slot_env){SLOT_A, {true, false}, {0, 0}}, env);
        tree_bytes("/boot/grub/env", (view){env, sizeof env});
        tree_file("/proc/cmdline", "quiet\n");
        snprintf(boot, sizeof boot, "%s/boot", tree_root);
}

static updater_job job(updater_op op, int fd)
{
        return (updater_job){.op = op, .root = tree_root, .folder = boot, .image = &running, .keys = &made_set,
                             .least_epoch = 1, .bundle = fd};
}

/* Runs it to its end; how its last word is. */
static err_code runs(const updater_job *j)
{
        if (failed(updater_start(&u, j, 5)) || !failed(updater_start(&u, j, 5)))
                abort();
        for (int i = 0; i < 5000 && waitpid(u.pid, nullptr, WNOHANG) == 0; i++, usleep(1000))
                updater_hear(&u, 6);
        updater_reaped(&u);
        return u.report.done && u.pid == 0 && u.pipe == -1 ? u.report.code : ERR_COUNT;
}

static int bundle_file(size_t len)
{
        tree_bytes("/offered", (view){made, len});
        return open(tree_path("/offered"), O_RDONLY | O_CLOEXEC);
}

static void test_work(void)
{
        updater_job j = job(UPDATER_LOOK, -1);
        tap_ok(runs(&j) == ERR_NONE && u.report.facts.running == SLOT_A && !u.report.facts.slot[SLOT_B].there, SUBJECT,
               "it looks");
        made_text(text, sizeof text, 'n', "2.0.0", 1, 600);
        size_t len = made_bundle(text, "2.0.0", 1, "12", 'n');
        j = job(UPDATER_INSTALL, bundle_file(len));
        tap_ok(runs(&j) == ERR_NONE && strcmp(u.report.version, "2.0.0") == 0 && u.report.facts.slot[SLOT_B].there
                       && u.report.percent == 100,
               SUBJECT, "it installs, and says how far it is");
        len = made_bundle(text, "2.0.0", 1, "1", 'n');
        j = job(UPDATER_INSTALL, bundle_file(len));
        tap_ok(runs(&j) == ERR_BAD_SIGNATURE && u.report.why.len > 0, SUBJECT, "or says why not");
        j = job(UPDATER_INSTALL, -1);
        tap_ok(runs(&j) == ERR_SYSTEM && u.report.why.len > 0, SUBJECT, "what cannot be read");
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0)
                abort();
        j = job(UPDATER_INSTALL, ends[0]);
        tap_ok(runs(&j) == ERR_SYSTEM, SUBJECT, "what is no file");
        j = job(UPDATER_MARK_GOOD, -1);
        tap_ok(runs(&j) == ERR_NONE && u.report.facts.env.first == SLOT_A, SUBJECT, "it marks");
        j = job(UPDATER_ROLL_BACK, -1);
        tap_ok(runs(&j) == ERR_NONE && strcmp(u.report.version, "2.0.0") == 0 && u.report.facts.env.first == SLOT_B,
               SUBJECT, "it makes the other slot the next");
}

static void test_ends(void)
{
        int         ends[2];
        updater_job j = job(UPDATER_LOOK, -1);
        if (failed(updater_start(&u, &j, 5)))
                abort();
        kill(u.pid, SIGKILL);
        waitpid(u.pid, nullptr, 0);
        /* It may have been quicker. */
        bool spoke = (updater_hear(&u, 6), u.report.done);
        updater_reaped(&u);
        tap_ok(spoke || (u.report.code == ERR_SYSTEM && u.report.why.len > 0), SUBJECT,
               "of one that dies it is said");
        if (pipe2(ends, O_CLOEXEC) != 0)
                abort();
        updater_begin(&u);
        u.pipe = ends[0];
        u.pid = fork();
        if (u.pid == 0)
                for (;;)
                        pause();
        u.started_ms = 10;
        (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
        updater_hear(&u, 10 + UPDATER_PATIENCE_MS - 1);
        bool lives = kill(u.pid, 0) == 0 && waitpid(u.pid, nullptr, WNOHANG) == 0;
        updater_hear(&u, 10 + UPDATER_PATIENCE_MS);
        int status = 0;
        waitpid(u.pid, &status, 0);
        updater_reaped(&u);
        tap_ok(lives && WIFSIGNALED(status) && u.report.code == ERR_SYSTEM, SUBJECT,
               "one that takes too long is ended");
        close(ends[1]);
}

static void test_no_disk(void)
{
        updater_job j = job(UPDATER_LOOK, -1);
        j.folder = nullptr;
        j.state = "vda3";
        tap_ok(runs(&j) == ERR_SYSTEM && u.report.why.len > 0, SUBJECT, "a box whose disk has no boot partition");
}

int main(void)
{
        if (failed(secret_setup()))
                abort();
        made_keys_make();
        tree_make();
        updater_begin(&u);
        partition();
        test_work();
        test_ends();
        test_no_disk();
        tree_remove();
        return tap_done();
}
