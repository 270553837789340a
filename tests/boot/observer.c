/* A first process that leaves a second one behind and becomes the box's own. What the second one sees of the running
 * box, as root, it writes to the second serial line: settings, mounts, processes, sockets, what the kernel refuses. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_BYTES = 512, WAIT_S = 80, KEEPER_UID = 100, CONSOLE_UID = 102, NETWORK_UID = 103, STRANGER_UID = 4242 };

static FILE *out;
static pid_t keeper;

/* ---- what is there ---- */

static void say_file(const char *kind, const char *name, const char *path)
{
        char  line[4096];
        FILE *file = fopen(path, "re");
        while (file && fgets(line, sizeof line, file)) {
                line[strcspn(line, "\n")] = 0;
                fprintf(out, "%s %s %s\n", kind, name, line);
        }
        if (file)
                fclose(file);
}

static void say_settings(const char *folder)
{
        char path[PATH_BYTES];
        DIR *d = opendir(folder);
        for (struct dirent *e; d && (e = readdir(d));) {
                if (e->d_name[0] == '.')
                        continue;
                snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
                if (e->d_type == DT_DIR)
                        say_settings(path);
                else
                        say_file("sysctl", path + strlen("/proc/sys/"), path);
        }
        if (d)
                closedir(d);
}

static bool name_of(pid_t pid, char name[static 64])
{
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/comm", pid);
        FILE *file = fopen(path, "re");
        bool  good = file && fgets(name, 64, file);
        if (file)
                fclose(file);
        name[good ? strcspn(name, "\n") : 0] = 0;
        return good;
}

/* A kernel thread has no program. */
static bool has_program(pid_t pid)
{
        char path[64], to[PATH_BYTES];
        snprintf(path, sizeof path, "/proc/%d/exe", pid);
        return readlink(path, to, sizeof to) > 0;
}

static void say_links(const char *name, pid_t pid)
{
        static const char *const rows[] = {"root", "ns/mnt", "ns/net", "ns/ipc", "ns/uts", "ns/user"};
        char                     path[64], mine[64], to[PATH_BYTES] = {}, first[PATH_BYTES] = {};
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                snprintf(path, sizeof path, "/proc/%d/%s", pid, rows[i]);
                snprintf(mine, sizeof mine, "/proc/1/%s", rows[i]);
                memset(to, 0, sizeof to);
                memset(first, 0, sizeof first);
                bool good = readlink(path, to, sizeof to - 1) > 0 && readlink(mine, first, sizeof first - 1) > 0;
                fprintf(out, "view %s %s %s\n", name, rows[i], !good            ? "hidden"
                                                               : i == 0         ? to
                                                               : strcmp(to, first) ? "its own"
                                                                                : "the box's");
        }
}

static void say_processes(void)
{
        char path[64], name[64];
        DIR *d = opendir("/proc");
        for (struct dirent *e; d && (e = readdir(d));) {
                pid_t pid = atoi(e->d_name);
                if (pid <= 0 || pid == getpid() || !name_of(pid, name) || !has_program(pid))
                        continue;
                fprintf(out, "process %s\n", name);
                snprintf(path, sizeof path, "/proc/%d/status", pid);
                say_file("status", name, path);
                say_links(name, pid);
        }
        if (d)
                closedir(d);
}

static void say_sockets(void)
{
        static const char *const rows[] = {"tcp", "tcp6", "udp", "udp6", "udplite", "raw", "raw6", "packet"};
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                char path[64];
                snprintf(path, sizeof path, "/proc/1/net/%s", rows[i]);
                say_file("socket", rows[i], path);
        }
}

/* ---- what the kernel refuses ---- */

static int answer(long value) { return value < 0 ? errno : 0; }
static int try_memory(void) { return answer(open("/dev/mem", O_RDWR)); }
static int try_port(void) { return answer(open("/dev/port", O_RDWR)); }
static int try_iopl(void) { return answer(iopl(3)); }
static int try_module(void) { return answer(syscall(SYS_init_module, "\x7f" "ELF", 4, "")); }
static int try_module_file(void) { return answer(syscall(SYS_finit_module, open("/init", O_RDONLY), "", 0)); }
static int try_kexec(void) { return answer(syscall(SYS_kexec_load, 0, 0, nullptr, 0)); }
static int try_kexec_file(void) { return answer(syscall(SYS_kexec_file_load, -1, -1, 0, "", 0)); }
static int try_trace(void) { return answer(ptrace(PTRACE_ATTACH, keeper, nullptr, nullptr)); }
static int try_rings(void) { return answer(syscall(SYS_io_uring_setup, 1, (char[256]){})); }
static int try_faults(void) { return answer(syscall(SYS_userfaultfd, 0)); }
static int try_mount(void) { return answer(mount("none", "/run", "tmpfs", 0, "")); }
static int try_root(void) { return answer(setuid(0)); }
static int try_user(void) { return answer(unshare(CLONE_NEWUSER)); }
static int try_view(void) { return answer(unshare(CLONE_NEWNS)); }
static int try_restart(void) { return answer(reboot(RB_ENABLE_CAD)); }
static int try_kill(void) { return answer(kill(1, SIGKILL)); }
static int try_root_folder(void) { return answer(open("/new", O_WRONLY | O_CREAT, 0600)); }
static int try_kernel_log(void) { return answer(open("/dev/kmsg", O_RDONLY)); }
static int try_kcore(void) { return answer(open("/proc/kcore", O_RDONLY)); }
static int try_screen(void) { return answer(open("/dev/vcsa", O_RDONLY)); }
static int try_terminal(void) { return answer(open("/dev/tty0", O_RDWR)); }
static int try_swap(void) { return answer(syscall(SYS_swapon, "/dev/vda3", 0)); }

static int try_their_memory(void)
{
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/mem", keeper);
        int fd = open(path, O_RDONLY);
        return fd < 0 ? errno : answer(pread(fd, path, 1, 0x400000));
}

static int try_program(void)
{
        struct bpf_insn code[] = {{.code = 0xb7}, {.code = 0x95}};
        union bpf_attr  a = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insns = (uint64_t)code, .insn_cnt = 2,
                             .license = (uint64_t)"GPL"};
        return answer(syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof a));
}

static int try_counters(void)
{
        struct perf_event_attr a = {.type = PERF_TYPE_SOFTWARE, .size = sizeof a, .config = PERF_COUNT_SW_CPU_CLOCK};
        return answer(syscall(SYS_perf_event_open, &a, keeper, -1, -1, 0));
}

static int try_state(void)
{
        int fd = open("/dev/vda3", O_RDWR);
        return fd < 0 ? errno : 0;
}

static const struct {
        const char *name;
        int (*attempt)(void);
        bool as_root; /* root is refused too */
} tries[] = {
        {"/dev/mem", try_memory, true},
        {"/dev/port", try_port, true},
        {"iopl", try_iopl, true},
        {"init_module", try_module, true},
        {"finit_module", try_module_file, true},
        {"kexec_load", try_kexec, true},
        {"kexec_file_load", try_kexec_file, true},
        {"ptrace", try_trace, true},
        {"/proc/PID/mem", try_their_memory, true},
        {"/proc/kcore", try_kcore, true},
        {"io_uring_setup", try_rings, true},
        {"a file on the root", try_root_folder, true},
        {"a user namespace", try_user, true},
        {"bpf", try_program, false},
        {"perf_event_open", try_counters, false},
        {"userfaultfd", try_faults, false},
        {"mount", try_mount, false},
        {"setuid 0", try_root, false},
        {"a mount namespace", try_view, false},
        {"reboot", try_restart, false},
        {"kill PID 1", try_kill, false},
        {"swapon", try_swap, false},
        {"the kernel's log", try_kernel_log, false},
        {"what is on the screen", try_screen, false},
        {"the terminal", try_terminal, false},
        {"the state partition", try_state, false},
};

static void attempt(const char *who, uid_t uid, size_t i)
{
        int   status = 0;
        pid_t pid = fork();
        if (pid == 0) {
                if (uid != 0
                    && (setgroups(0, nullptr) != 0 || setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0))
                        _exit(255);
                _exit(tries[i].attempt());
        }
        waitpid(pid, &status, 0);
        int error = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        const char *name = error > 0 && error != 255 ? strerrorname_np(error) : nullptr;
        fprintf(out, "try %s: %s: %s\n", who, tries[i].name, error == 0 ? "DONE" : name ? name : "no answer");
}

static void say_refusals(void)
{
        for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
                if (tries[i].as_root)
                        attempt("root", 0, i);
                attempt("the relay's user", KEEPER_UID, i);
                attempt("the console's user", CONSOLE_UID, i);
                attempt("the network's user", NETWORK_UID, i);
                attempt("a stranger", STRANGER_UID, i);
        }
}

/* ---- */

static bool find_keeper(void)
{
        char  name[64];
        bool  relay = false, console = false, network = false;
        DIR  *d = opendir("/proc");
        for (struct dirent *e; d && (e = readdir(d));) {
                pid_t pid = atoi(e->d_name);
                if (pid <= 0 || !name_of(pid, name))
                        continue;
                if (strcmp(name, "lethe-keeper") == 0)
                        keeper = pid;
                relay = relay || strcmp(name, "lethe-relay") == 0;
                console = console || strncmp(name, "lethe-console", 13) == 0;
                network = network || strcmp(name, "lethe-network") == 0;
        }
        if (d)
                closedir(d);
        return keeper > 0 && relay && console && network;
}

[[noreturn]] static void observe(void)
{
        for (int i = 0; i < WAIT_S && !find_keeper(); i++)
                sleep(1);
        sleep(5);
        mknod("/dev/ttyS1", S_IFCHR | 0600, makedev(4, 65));
        out = fopen("/dev/ttyS1", "we");
        if (!out)
                _exit(1);
        say_settings("/proc/sys");
        mount("securityfs", "/sys/kernel/security", "securityfs", 0, "");
        say_file("lockdown", "is", "/sys/kernel/security/lockdown");
        umount("/sys/kernel/security");
        say_file("mount", "of PID 1", "/proc/1/mounts");
        say_file("cmdline", "is", "/proc/cmdline");
        say_file("module", "loaded", "/proc/modules");
        bool full = access("/lib/modules", F_OK) == 0 && rmdir("/lib/modules") != 0 && errno == ENOTEMPTY;
        fprintf(out, "modules %s\n", full ? "lie on the root" : "are gone");
        say_processes();
        say_sockets();
        say_refusals();
        fprintf(out, "observed\n");
        fclose(out);
        _exit(0);
}

int main(void)
{
        if (fork() == 0)
                observe();
        /* PID 1 starts a role of its own file. This one stays: gone while it runs, it would keep the root writable. */
        if (rename("/init", "/observer") == 0 && rename("/first", "/init") == 0)
                execl("/init", "/init", nullptr);
        return 1;
}
