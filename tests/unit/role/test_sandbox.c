/* Each row: a call, and what each role gets for it once its sandbox is closed. Every try runs in a child of its own. */
#include "role/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/tap.h"

#ifdef LETHE_NO_SANDBOX

int main(void)
{
        pid_t child = fork();
        if (child == 0)
                _exit(!failed(sandbox_enter(ROLE_RELAY)) && !failed(sandbox_close(ROLE_RELAY)) && environ == nullptr
                              ? 0
                              : 1);
        int status = 0;
        waitpid(child, &status, 0);
        tap_ok(status == 0, "sanitizer build", "clears the environment and says that there is no sandbox");
        return tap_done();
}

#else

static int listener, pair[2], state_file;

/* What a try reports: 0 done, otherwise errno. */
static int result(long value) { return value < 0 ? errno : 0; }

static int open_to_write(void) { return result(open("/tmp/lethe-sandbox-test", O_WRONLY | O_CREAT, 0600)); }
static int open_to_read(void) { return result(open("/etc/hostname", O_RDONLY)); }
static int make_folder(void) { return result(mkdir("/tmp/lethe-sandbox-test", 0700)); }
static int remove_file(void) { return result(unlink("/tmp/lethe-sandbox-test")); }
static int rename_file(void) { return result(rename("/tmp/lethe-a", "/tmp/lethe-b")); }
static int look_at_path(void) { return result(syscall(SYS_newfstatat, AT_FDCWD, "/", nullptr, 0)); }
/* The roles are static: the supervisor's filter need not let a loader map code. */
static int execute(void) { return result(execl("/proc/self/exe", "true", "nothing", nullptr)); }
static int trace(void) { return result(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)); }
static int read_other(void)
{
        struct iovec none = {};
        return result(process_vm_readv(getppid(), &none, 1, &none, 1, 0));
}
static int make_process(void) { return result(syscall(SYS_fork)); }
static int make_thread(void) { return result(syscall(SYS_clone3, nullptr, 0)); }
static int make_ring(void) { return result(syscall(SYS_io_uring_setup, 4, nullptr)); }
static int make_memfd(void) { return result(memfd_create("lethe", 0)); }
static int make_pair(void)
{
        int two[2];
        return result(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, two));
}
static int new_namespace(void) { return result(unshare(CLONE_NEWUSER)); }
static int load_bpf(void) { return result(syscall(SYS_bpf, 0, nullptr, 0)); }
static int kill_parent(void) { return result(kill(getppid(), 0)); }
static int tcp_socket(void) { return result(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }
static int udp_socket(void) { return result(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)); }
static int raw_socket(void) { return result(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)); }
static int unix_socket(void) { return result(socket(AF_UNIX, SOCK_STREAM, 0)); }
static int packet_socket(void) { return result(socket(AF_PACKET, SOCK_DGRAM, 0)); }
static int bind_socket(void)
{
        struct sockaddr_in any = {.sin_family = AF_INET};
        return result(bind(listener, (struct sockaddr *)&any, sizeof any));
}
static int connect_socket(void)
{
        /* An address of a family that no protocol has: the kernel's own refusal shows that the call was let through. */
        struct sockaddr none = {.sa_family = AF_UNSPEC};
        return connect(pair[0], &none, sizeof none) < 0 && errno == EINVAL ? 0 : errno;
}
static int accept_socket(void)
{
        int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
        return fd < 0 && errno == EAGAIN ? 0 : result(fd);
}
static int no_delay(void)
{
        int on = 1;
        return result(setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
}
static int attach_filter(void) { return setsockopt(pair[0], SOL_SOCKET, SO_ATTACH_FILTER, "", 0) < 0 ? errno : 0; }
static int map_plain(void)
{
        void *p = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return p == MAP_FAILED || mremap(p, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED ? errno : 0;
}
static int map_executable(void)
{
        return mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}
static int make_executable(void) { return result(mprotect(&pair, 1, PROT_READ | PROT_EXEC)); }
static int write_state(void)
{
        char byte = 1;
        return pwrite(state_file, &byte, 1, 0) == 1 && pread(state_file, &byte, 1, 0) == 1 && fsync(state_file) == 0
                       ? 0
                       : errno;
}
static int pass_descriptor(void)
{
        char           byte = 1, space[CMSG_SPACE(sizeof(int))] = {};
        struct iovec   bytes = {&byte, 1};
        struct msghdr  m = {.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
        struct cmsghdr head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(space, &head, sizeof head);
        memcpy(CMSG_DATA((struct cmsghdr *)(void *)space), &pair[0], sizeof(int));
        return sendmsg(pair[0], &m, 0) == 1 && recvmsg(pair[1], &m, MSG_CMSG_CLOEXEC) == 1 ? 0 : errno;
}
static int wait_a_moment(void)
{
        struct pollfd one = {.fd = pair[1], .events = POLLIN};
        return result(poll(&one, 1, 1));
}
static int describe(void)
{
        struct stat s;
        return result(fstat(pair[0], &s));
}
static int raise_limit(void) { return result(setrlimit(RLIMIT_CORE, &(struct rlimit){1, 1})); }

/* What the supervisor does all day. */
static int start_program(void)
{
        pid_t child = fork();
        if (child == 0) {
                _exit(execute());
        }
        int status = 1;
        return child < 0 || waitpid(child, &status, 0) != child ? errno : status;
}

/* A role closes its own sandbox inside the supervisor's, and still works. */
static int start_role(void)
{
        pid_t child = fork();
        if (child == 0)
                _exit(failed(sandbox_enter(ROLE_RELAY)) || failed(sandbox_close(ROLE_RELAY)) || tcp_socket() != 0);
        int status = 1;
        return child < 0 || waitpid(child, &status, 0) != child ? errno : status;
}

static constexpr int DIES = -1; /* by SIGSYS */
static constexpr int DENIED = -2; /* by SIGSYS, or by Landlock where the filter lets it pass */

static const struct row {
        const char *sentence;
        int (*attempt)(void);
        int expected[ROLE_COUNT]; /* errno, 0 done */
} rows[] = {
        /* clang-format off */
        /*                                               keeper   resolver admin    relay    supervisor */
        {"opens a file for writing",     open_to_write,   {DIES,    DIES,    DIES,    DIES,    DIES}},
        {"opens a file for reading",     open_to_read,    {DIES,    DIES,    DIES,    DIES,    0}},
        {"makes a folder",               make_folder,     {DIES,    DIES,    DIES,    DIES,    DIES}},
        {"removes a file",               remove_file,     {DIES,    DIES,    DIES,    DIES,    DIES}},
        {"renames a file",               rename_file,     {DIES,    DIES,    DIES,    DIES,    DIES}},
        {"looks at a path",              look_at_path,    {EACCES,  EACCES,  EACCES,  EACCES,  EFAULT}},
        {"executes another program",     execute,         {DIES,    DIES,    DIES,    DIES,    0}},
        {"is traced",                    trace,           {DIES,    DIES,    DIES,    DIES,    DIES}},
        {"reads another's memory",       read_other,      {DIES,    DIES,    DIES,    DIES,    DIES}},
        {"forks",                        make_process,    {DIES,    DIES,    DIES,    DIES,    0}},
        {"makes a thread",               make_thread,     {ENOSYS,  ENOSYS,  ENOSYS,  ENOSYS,  ENOSYS}},
        {"makes an io_uring",            make_ring,       {ENOSYS,  ENOSYS,  ENOSYS,  ENOSYS,  ENOSYS}},
        {"makes a memory file",          make_memfd,      {0,       DIES,    DIES,    DIES,    0}},
        {"makes a socket pair",          make_pair,       {DIES,    DIES,    DIES,    DIES,    0}},
        {"makes a namespace",            new_namespace,   {DIES,    DIES,    DIES,    DIES,    DIES}},
        {"loads a BPF program",          load_bpf,        {DIES,    DIES,    DIES,    DIES,    DIES}},
        {"signals its parent",           kill_parent,     {DIES,    DIES,    DIES,    DIES,    DENIED}},
        {"makes a TCP socket",           tcp_socket,      {DIES,    0,       DIES,    0,       0}},
        {"makes a UDP socket",           udp_socket,      {DIES,    0,       DIES,    DIES,    0}},
        {"makes a raw socket",           raw_socket,      {DIES,    DIES,    DIES,    DIES,    DIES}},
        {"makes a UNIX socket",          unix_socket,     {DIES,    DIES,    DIES,    DIES,    DIES}},
        {"makes a packet socket",        packet_socket,   {DIES,    DIES,    DIES,    DIES,    DIES}},
        {"binds an address",             bind_socket,     {DIES,    DIES,    DIES,    DIES,    DIES}},
        {"connects",                     connect_socket,  {DIES,    0,       DIES,    0,       0}},
        {"accepts",                      accept_socket,   {DIES,    0,       0,       0,       0}},
        {"sets TCP_NODELAY",             no_delay,        {DIES,    0,       0,       0,       0}},
        {"attaches a socket filter",     attach_filter,   {DIES,    DIES,    DIES,    DIES,    EINVAL}},
        {"maps and grows memory",        map_plain,       {0,       0,       0,       0,       0}},
        {"maps executable memory",       map_executable,  {DIES,    DIES,    DIES,    DIES,    DIES}},
        {"makes memory executable",      make_executable, {DIES,    DIES,    DIES,    DIES,    DIES}},
        {"writes the state",             write_state,     {0,       DIES,    DIES,    DIES,    0}},
        {"passes a descriptor",          pass_descriptor, {0,       0,       0,       0,       0}},
        {"waits on descriptors",         wait_a_moment,   {0,       0,       0,       0,       0}},
        {"looks at a descriptor",        describe,        {0,       0,       0,       0,       0}},
        {"raises its core limit",        raise_limit,     {EPERM,   EPERM,   EPERM,   EPERM,   DENIED}},
        {"starts a program",             start_program,   {DIES,    DIES,    DIES,    DIES,    0}},
        {"starts a role in its sandbox", start_role,      {DIES,    DIES,    DIES,    DIES,    0}},
        /* clang-format on */
};

static const char *const names[ROLE_COUNT] = {"keeper", "resolver", "admin", "relay", "supervisor"};

/* As a role has them: descriptors from 4 on, opened after sandbox_enter. */
static bool open_what_roles_have(void)
{
        listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        state_file = (int)memfd_create("state", 0);
        struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        return listener >= 0 && state_file >= 0 &&
               bind(listener, (struct sockaddr *)&loopback, sizeof loopback) == 0 && listen(listener, 1) == 0 &&
               socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0;
}

/* 0 or errno of the try; DIES after SIGSYS; anything else is a fault of the test. */
static int try_in_child(role_id role, int (*attempt)(void))
{
        pid_t child = fork();
        if (child == 0) {
                int quiet = open("/dev/null", O_WRONLY);
                dup2(quiet, STDERR_FILENO);
                if (failed(sandbox_enter(role)) || !open_what_roles_have() || failed(sandbox_close(role)))
                        _exit(255);
                _exit(attempt());
        }
        int status = 0;
        waitpid(child, &status, 0);
        if (WIFSIGNALED(status))
                return WTERMSIG(status) == SIGSYS ? DIES : 1000 + WTERMSIG(status);
        return WEXITSTATUS(status);
}

static void tables_hold(void)
{
        for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
                for (role_id role = 0; role < ROLE_COUNT; role++) {
                        int want = rows[r].expected[role], got = try_in_child(role, rows[r].attempt);
                        bool good = want == DENIED ? got == DIES || got == EPERM || got == 0 : got == want;
                        if (!tap_ok(good, names[role], rows[r].sentence))
                                printf("# wanted %d, got %d (-1 is death by SIGSYS)\n", want, got);
                }
}

static int entered_clean(void)
{
        struct rlimit core, files;
        getrlimit(RLIMIT_CORE, &core);
        getrlimit(RLIMIT_NOFILE, &files);
        mode_t mask = umask(0);
        bool   good = environ == nullptr && mask == 077 && core.rlim_max == 0 && files.rlim_max <= 256 &&
                    prctl(PR_GET_DUMPABLE) == 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
                    fcntl(3, F_GETFD) != -1 && fcntl(4, F_GETFD) == -1 && fcntl(9, F_GETFD) == -1;
        return good ? 0 : 1;
}

static void entering_clears(void)
{
        pid_t child = fork();
        if (child == 0) {
                for (int fd = 3; fd < 10; fd++)
                        dup2(STDOUT_FILENO, fd);
                _exit(failed(sandbox_enter(ROLE_ADMIN)) ? 2 : entered_clean());
        }
        int status = 0;
        waitpid(child, &status, 0);
        tap_ok(status == 0, "sandbox_enter", "clears environment, descriptors, limits and dumps");
}

static int kept_what_was_named(void)
{
        const int kept[] = {8, -1, 3, 5};
        for (int fd = 3; fd < 10; fd++)
                dup2(STDOUT_FILENO, fd);
        if (failed(sandbox_enter_keeping(ROLE_SUPERVISOR, kept, 4)))
                return 2;
        for (int fd = 3; fd < 10; fd++) {
                bool named = fd == 3 || fd == 5 || fd == 8;
                if (fcntl(fd, F_GETFD) != (named ? FD_CLOEXEC : -1))
                        return 1;
        }
        return failed(sandbox_enter_keeping(ROLE_SUPERVISOR, &(int){9}, 1)) ? 0 : 3;
}

static void entering_keeps(void)
{
        pid_t child = fork();
        if (child == 0)
                _exit(kept_what_was_named());
        int status = 0;
        waitpid(child, &status, 0);
        tap_ok(status == 0, "sandbox_enter_keeping", "leaves what was named, closed on exec, and nothing else");
}

/* The appliance's console is started by its PID 1, beside the roles of lethed. */
static void console_holds(void)
{
        static const struct {
                const char *sentence;
                int (*attempt)(void);
                int expected;
        } tries[] = {{"opens a file for writing", open_to_write, DIES},
                     {"opens a file for reading", open_to_read, DIES},
                     {"executes another program", execute, DIES},
                     {"forks", make_process, DIES},
                     {"is traced", trace, DIES},
                     {"makes a thread", make_thread, ENOSYS}};
        for (size_t i = 0; i < sizeof tries / sizeof *tries; i++)
                tap_ok(try_in_child(ROLE_CONSOLE, tries[i].attempt) == tries[i].expected, "console", tries[i].sentence);
}

static void closed_standard_descriptor(void)
{
        pid_t child = fork();
        if (child == 0) {
                close(STDERR_FILENO);
                _exit(failed(sandbox_enter(ROLE_RELAY)) ? 0 : 1);
        }
        int status = 0;
        waitpid(child, &status, 0);
        tap_ok(status == 0, "sandbox_enter",
               "refuses to start without a standard error: a socket would take its number");
}

static void failed_assertion_aborts(void)
{
        pid_t child = fork();
        if (child == 0) {
                if (failed(sandbox_enter(ROLE_RELAY)) || failed(sandbox_close(ROLE_RELAY)))
                        _exit(255);
                abort();
        }
        int status = 0;
        waitpid(child, &status, 0);
        tap_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "relay", "dies of its own assertion as SIGABRT");
}

static void landlock_is_told(void)
{
        int said[2];
        if (pipe(said) != 0)
                return;
        pid_t child = fork();
        if (child == 0) {
                dup2(said[1], STDERR_FILENO);
                _exit(failed(sandbox_enter(ROLE_RELAY)) || failed(sandbox_close(ROLE_RELAY)));
        }
        close(said[1]);
        char    line[512] = {};
        ssize_t n = read(said[0], line, sizeof line - 1);
        close(said[0]);
        waitpid(child, nullptr, 0);
        bool has = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 1;
        tap_ok(has ? n == 0 : strstr(line, "NO_LANDLOCK") != nullptr, "sandbox_close",
               "says by an event when the kernel has no Landlock, and only then");
}

int main(int count, char **arguments)
{
        (void)arguments;
        if (count > 1)
                return 0;
        tables_hold();
        entering_clears();
        entering_keeps();
        console_holds();
        closed_standard_descriptor();
        failed_assertion_aborts();
        landlock_is_told();
        return tap_done();
}

#endif
