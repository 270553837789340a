/* covers: console_role.c role.c machine_console.c */
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "firmware/machine.h"
#include "firmware/role.h"
#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "console_role";
static machine    m;

#ifdef __SANITIZE_ADDRESS__
static constexpr bool SANITIZED = true;
#else
static constexpr bool SANITIZED = false;
#endif

/* ---- the role: this very program, put into the tree under its name ---- */

static uint32_t open_descriptors(void)
{
        uint32_t count = 0;
        for (int fd = 0; fd < 256; fd++)
                count += fcntl(fd, F_GETFD) != -1;
        return count;
}

/* What it finds around it, as text of an ask; then it asks for what it is told as bits of items. */
static int play_role(void)
{
        static console_record r;
        console_ask           a = {.asked = CONSOLE_ASK, .item = CONSOLE_ABOUT};
        DIR                  *d = opendir("/");
        int                   names = 0;
        for (; d != nullptr && readdir(d) != nullptr;)
                names++;
        a.text_len = (uint32_t)snprintf(a.text, sizeof a.text, "uid %u names %d fds %u nnp %d", getuid(), names,
                                        open_descriptors(), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
        if (send(CONSOLE_CHANNEL_FD, &a, sizeof a, 0) < 0)
                return 1;
        for (uint32_t wish = 0; recv(CONSOLE_CHANNEL_FD, &r, sizeof r, 0) == sizeof r;) {
                if (r.told == CONSOLE_ANSWER)
                        return 5;
                if (wish++ > 0)
                        continue;
                a = (console_ask){.asked = CONSOLE_FORGET};
                (void)send(CONSOLE_CHANNEL_FD, &a, sizeof a, 0);
                a = (console_ask){.asked = CONSOLE_ASK, .item = CONSOLE_POWER_OFF};
                (void)send(CONSOLE_CHANNEL_FD, &a, sizeof a, 0);
        }
        return 0;
}

static void put_role(void)
{
        struct stat s;
        tree_file("/bin/lethe-console", "");
        int from = open("/proc/self/exe", O_RDONLY), to = open(tree_path("/bin/lethe-console"), O_WRONLY);
        if (fstat(from, &s) != 0 || sendfile(to, from, nullptr, (size_t)s.st_size) != s.st_size)
                abort();
        close(from);
        close(to);
        chmod(tree_path("/bin/lethe-console"), 0755);
        tree_folder("/run");
}

/* ---- its PID 1 ---- */

static bool heard(console_role *r, console_ask *a)
{
        struct pollfd p = {.fd = r->channel, .events = POLLIN};
        return poll(&p, 1, 5000) > 0 && console_role_hear(r, a);
}

static void test_birth(void)
{
        console_role r;
        console_ask  a = {};
        console      c;
        int          keeper[2];
        console_begin(&c);
        console_role_begin(&r);
        tap_ok(!failed(console_role_start_due(&r, "/no/such/root", &c, -1, 1)) && r.pid == 0, SUBJECT,
               "a box without the program goes on");
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, keeper) != 0)
                abort();
        (void)!failed(console_role_start_due(&r, tree_root, &c, keeper[0], 1000));
        char want[64];
        snprintf(want, sizeof want, getuid() == 0 ? "uid %u names 2 fds 6 nnp 1" : "uid %u", 
                 getuid() == 0 ? ROLE_UID_CONSOLE : getuid());
        bool good = r.pid > 0 && heard(&r, &a);
        a.text[sizeof a.text - 1] = '\0';
        tap_ok(good && strncmp(a.text, want, strlen(want)) == 0, SUBJECT,
               "it is nobody, sees no file, and has five descriptors");
        printf("# %s\n", a.text);
        int status = 0;
        kill(r.pid, SIGKILL);
        waitpid(r.pid, &status, 0);
        console_role_died(&r, 2000);
        tap_ok(r.channel < 0 && r.start_at_ms == 2200, SUBJECT, "after its death it waits 0.2 s");
        (void)!failed(console_role_start_due(&r, tree_root, &c, keeper[0], 2100));
        tap_ok(r.pid == 0, SUBJECT, "and not less");
        (void)!failed(console_role_start_due(&r, tree_root, &c, keeper[0], 2200));
        tap_ok(r.pid > 0, SUBJECT, "then it is back");
        kill(r.pid, SIGKILL);
        waitpid(r.pid, &status, 0);
        console_role_died(&r, 2300);
        tap_ok(r.start_at_ms == 2700, SUBJECT, "a second death waits twice as long");
}

/* A peer that only this test is. */
static void test_words(void)
{
        static console_record record, got;
        console_role          r;
        console_ask           a = {};
        int                   ends[2];
        console_role_begin(&r);
        console_role_show(&r, &record, 1);
        tap_ok(r.shown.told == 0, SUBJECT, "nobody is shown nothing");
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
                abort();
        r.channel = ends[0];
        r.pid = fork();
        if (r.pid == 0) {
                pause();
                _exit(0);
        }
        record.items = 5;
        record.memory_bytes = 77;
        console_role_show(&r, &record, 1);
        tap_ok(recv(ends[1], &got, sizeof got, 0) == sizeof got && got.told == CONSOLE_SHOW && got.items == 5
                       && got.memory_bytes == 77,
               SUBJECT, "what is new is sent");
        record.memory_bytes = 78;
        console_role_show(&r, &record, 2);
        tap_ok(recv(ends[1], &got, sizeof got, 0) < 0, SUBJECT, "what is not is not");
        console_role_answer(&r, VIEW("Done."));
        tap_ok(recv(ends[1], &got, sizeof got, 0) == sizeof got && got.told == CONSOLE_ANSWER && got.text_len == 5,
               SUBJECT, "an answer");
        tap_ok(!console_role_hear(&r, &a), SUBJECT, "silence is nothing");
        uint64_t now = 10;
        for (record.items = 6; r.deaf_since_ms == 0 && now < 5000; record.items++)
                console_role_show(&r, &record, now++);
        console_role_show(&r, &record, now + ROLE_SILENT_MS - 1000);
        tap_ok(r.deaf_since_ms != 0 && kill(r.pid, 0) == 0 && waitpid(r.pid, nullptr, WNOHANG) == 0, SUBJECT,
               "one that takes nothing is waited for");
        console_role_show(&r, &record, now + 2 * ROLE_SILENT_MS);
        int status = 0;
        tap_ok(waitpid(r.pid, &status, 0) > 0 && WTERMSIG(status) == SIGKILL, SUBJECT, "for a minute");
        r.pid = fork();
        if (r.pid == 0) {
                pause();
                _exit(0);
        }
        (void)send(ends[1], "short", 5, 0);
        tap_ok(!console_role_hear(&r, &a) && waitpid(r.pid, &status, 0) > 0 && WTERMSIG(status) == SIGKILL, SUBJECT,
               "one that breaks the contract is killed");
        r.pid = 0;
        a = (console_ask){.asked = CONSOLE_ASK, .item = CONSOLE_ITEMS};
        (void)send(ends[1], &a, sizeof a, 0);
        tap_ok(!console_role_hear(&r, &a), SUBJECT, "an item that is none is none");
        close(ends[0]);
        close(ends[1]);
}

static bool until(bool (*done)(void))
{
        for (uint64_t end = clock_ms() + 10000; clock_ms() < end; usleep(2000)) {
                int status;
                machine_turn(&m, clock_ms());
                machine_hear_console(&m, clock_ms());
                for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
                        machine_reaped(&m, pid, status, clock_ms());
                if (done())
                        return true;
        }
        return false;
}

static bool lives(void) { return m.attendant.pid > 0; }
static bool is_off(void) { return m.phase == PHASE_OFF; }
static bool died(void) { return m.facts.death.role != nullptr; }

static void test_machine(void)
{
        machine_begin(&m, tree_root);
        m.phase = PHASE_REFUSED;
        tap_ok(until(lives), SUBJECT, "a box that is refused has a console too");
        tap_ok(until(is_off) && !m.again, SUBJECT, "its person can power it off");
        machine_begin(&m, tree_root);
        m.phase = PHASE_REFUSED;
        m.facts.vault = SCREEN_VAULT_SEALED;
        tree_file("/proc/meminfo", "MemTotal: 9 kB\nMemAvailable:   1024 kB\n");
        tap_ok(until(lives) && m.attendant.pid > 0, SUBJECT, "it is started once");
        machine_show(&m, clock_ms());
        tap_ok((m.attendant.shown.items >> CONSOLE_UNLOCK & 1) != 0 && m.attendant.shown.memory_bytes == 1024 * 1024,
               SUBJECT, "a sealed vault can be unlocked, and how much memory there is for it is told");
        kill(m.attendant.pid, SIGKILL);
        tap_ok(until(died) && strcmp(m.facts.death.role, "console") == 0, SUBJECT, "its death is on the screen");
        if (m.attendant.pid > 0)
                kill(m.attendant.pid, SIGKILL);
}

int main(int argc, char *argv[])
{
        if (argc > 0 && strcmp(argv[0], "/bin/lethe-console") == 0)
                return play_role();
        signal(SIGPIPE, SIG_IGN);
        tree_make();
        put_role();
        test_words();
        /* With sanitizers this program wants a loader, and in an empty root there is none. */
        if (!SANITIZED) {
                test_birth();
                test_machine();
        }
        tree_remove();
        return tap_done();
}
