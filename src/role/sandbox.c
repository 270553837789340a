/* role/sandbox: the tables of what each role may still ask of the kernel, and the three doors they are kept by:
 * limits and process flags, Landlock, seccomp. To let a role make one more call, add a row to its table below. */
#include "role/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <seccomp.h>

#include "base/event.h"
#include "base/limit.h"

/* A call and the arguments it may have; several rows of one call are alternatives. */
typedef struct allowance {
        int                   call;
        unsigned              tests; /* how many of `when` must hold */
        struct scmp_arg_cmp   when[2];
} allowance;

/* clang-format off */
#define CALL(name)                      {.call = SCMP_SYS(name)}
#define IF_EQ(name, arg, value)         {.call = SCMP_SYS(name), .tests = 1, .when = {{(arg), SCMP_CMP_EQ, (value), 0}}}
#define IF_CLEAR(name, arg, bits)       {.call = SCMP_SYS(name), .tests = 1, .when = { \
                                                {(arg), SCMP_CMP_MASKED_EQ, (bits), 0}}}
#define SOCKET(family, type)            {.call = SCMP_SYS(socket), .tests = 2, .when = { \
                                                {0, SCMP_CMP_EQ, (family), 0}, {1, SCMP_CMP_MASKED_EQ, 0xff, (type)}}}
#define OPTION(level, name)             {.call = SCMP_SYS(setsockopt), .tests = 2, .when = { \
                                                {1, SCMP_CMP_EQ, (level), 0}, {2, SCMP_CMP_EQ, (name), 0}}}

/* Memory without execution, bytes on descriptors that are there, waiting, time, randomness, ending. */
static const allowance everyone[] = {
        CALL(read), CALL(write), CALL(readv), CALL(writev), CALL(close), CALL(recvmsg), CALL(sendmsg),
        CALL(recvfrom), IF_EQ(sendto, 4, 0 /* no address: a pair's other end */),
        IF_CLEAR(mmap, 2, PROT_EXEC), IF_CLEAR(mprotect, 2, PROT_EXEC),
        CALL(munmap), CALL(mremap), CALL(madvise), CALL(brk), CALL(mlock), CALL(munlock),
        CALL(epoll_wait), CALL(epoll_pwait), CALL(epoll_ctl), CALL(poll), CALL(ppoll), CALL(futex),
        CALL(clock_gettime), CALL(gettimeofday), CALL(getrandom), CALL(fstat), CALL(getpid), CALL(gettid),
        IF_EQ(fcntl, 1, F_GETFD), IF_EQ(fcntl, 1, F_SETFD), IF_EQ(fcntl, 1, F_GETFL), IF_EQ(fcntl, 1, F_SETFL),
        CALL(rt_sigprocmask), CALL(rt_sigaction), CALL(rt_sigreturn), CALL(restart_syscall),
        IF_EQ(tgkill, 2, 6 /* SIGABRT: a failed assertion */), CALL(exit), CALL(exit_group),
};

/* A TCP connection that is there, or comes from a listener. */
static const allowance connections[] = {
        CALL(accept4), CALL(shutdown), CALL(getsockopt), CALL(getsockname), CALL(getpeername), IF_EQ(ioctl, 1, FIONBIO),
        OPTION(SOL_SOCKET, SO_KEEPALIVE), OPTION(SOL_SOCKET, SO_LINGER),
        OPTION(IPPROTO_TCP, TCP_NODELAY), OPTION(IPPROTO_TCP, TCP_KEEPIDLE), OPTION(IPPROTO_TCP, TCP_KEEPINTVL),
        OPTION(IPPROTO_TCP, TCP_KEEPCNT), OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT), OPTION(IPPROTO_TCP, TCP_NOTSENT_LOWAT),
};

/* To vendors. */
static const allowance dialing[] = {
        SOCKET(AF_INET, SOCK_STREAM), SOCKET(AF_INET6, SOCK_STREAM), CALL(connect),
};

/* To name servers; and the configuration of a generation that names others. */
static const allowance questions[] = {
        SOCKET(AF_INET, SOCK_DGRAM), SOCKET(AF_INET6, SOCK_DGRAM), CALL(sendto), CALL(recvfrom), CALL(pread64),
        OPTION(IPPROTO_TCP, TCP_FASTOPEN_CONNECT), /* c-ares, when an answer is too long for a datagram */
};

/* The state, on a descriptor that came open. */
static const allowance state[] = {
        CALL(pread64), CALL(pwrite64), CALL(fsync), CALL(fdatasync), CALL(lseek), CALL(fadvise64),
        CALL(timerfd_create), CALL(timerfd_settime), CALL(timerfd_gettime),
};

/* The configuration in the state, handed to the supervisor as memory that nobody changes. */
static const allowance handing[] = {CALL(memfd_create), IF_EQ(fcntl, 1, F_ADD_SEALS)};

/* An update as it comes, into memory that came with a fixed size; 3: its pages are given back. */
static const allowance gathering[] = {
        CALL(pwrite64), IF_EQ(fallocate, 1, 3 /* FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE */),
};

/* The supervisor starts roles, and a filter outlives exec: what a role needs until it closes its own sandbox stands
 * here too, so the supervisor itself cannot be kept from making sockets. It is kept from binding addresses, from files
 * but for reading (openat2 shows its flags to Landlock only), and from all that has no row. */
static const allowance supervising[] = {
        CALL(fork), CALL(vfork), CALL(execve), CALL(execveat), CALL(wait4), CALL(waitid), CALL(kill),
        CALL(pidfd_open), CALL(pidfd_send_signal), CALL(sendfile),
        IF_CLEAR(clone, 0, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
                 CLONE_NEWCGROUP),
        IF_CLEAR(openat, 2, O_ACCMODE | O_CREAT | O_TRUNC), IF_CLEAR(open, 1, O_ACCMODE | O_CREAT | O_TRUNC),
        CALL(openat2), CALL(newfstatat), CALL(statx), CALL(access), CALL(faccessat2), CALL(readlink), CALL(readlinkat),
        CALL(getdents64), CALL(getcwd), CALL(chdir), CALL(fcntl), CALL(dup), CALL(dup2), CALL(dup3), CALL(close_range),
        CALL(pipe2), CALL(socketpair), CALL(listen), CALL(setsockopt), CALL(eventfd2), CALL(epoll_create1),
        CALL(flock), CALL(signalfd4), CALL(memfd_create), CALL(memfd_secret), CALL(ftruncate), CALL(mlock2),
        CALL(prctl), CALL(arch_prctl), CALL(seccomp), CALL(landlock_create_ruleset), CALL(landlock_add_rule),
        CALL(landlock_restrict_self), CALL(prlimit64), CALL(getrlimit), CALL(setrlimit), CALL(umask),
        CALL(set_tid_address), CALL(set_robust_list), CALL(rseq), CALL(sched_getaffinity), CALL(sched_yield),
        CALL(getuid), CALL(geteuid), CALL(getgid), CALL(getegid), CALL(getppid), CALL(setsid), CALL(setpgid),
        CALL(sysinfo), CALL(uname), CALL(sigaltstack), CALL(rt_sigtimedwait), CALL(rt_sigsuspend), CALL(pause),
        CALL(clock_nanosleep), CALL(nanosleep), CALL(tgkill),
};

typedef struct list {
        const allowance *rows;
        size_t           count;
} list;
#define LIST(rows) {(rows), sizeof(rows) / sizeof((rows)[0])}

constexpr uint64_t MIB = 1024 * 1024;

/* The largest number of descriptors, of bytes of address space; what Landlock leaves of TCP; the calls. */
static const struct role_row {
        uint64_t descriptors, address_space; /* 0: as inherited */
        bool     may_connect, may_read_files;
        list     lists[8];
} roles[ROLE_CONSOLE + 1] = {
        [ROLE_KEEPER]     = {LIMIT_COLUMNS + 192, 2048 * MIB, false, false,
                             {LIST(everyone), LIST(state), LIST(handing)}},
        [ROLE_RESOLVER]   = {1024, 512 * MIB, true, false,
                             {LIST(everyone), LIST(connections), LIST(dialing), LIST(questions)}},
        [ROLE_ADMIN]      = {256, 512 * MIB, false, false, {LIST(everyone), LIST(connections), LIST(gathering)}},
        [ROLE_RELAY]      = {LIMIT_CONNECTIONS + 2 * LIMIT_EXCHANGES + LIMIT_POOL_IDLE + 64, 0, true, false,
                             {LIST(everyone), LIST(connections), LIST(dialing)}},
        /* Argon2id of a slot that someone made on a larger machine; files are descriptors that came open. */
        [ROLE_CONSOLE]    = {16, 1280 * MIB, false, false, {LIST(everyone)}},
        [ROLE_SUPERVISOR] = {0, 0, true, true,
                             {LIST(everyone), LIST(connections), LIST(dialing), LIST(questions), LIST(state),
                              LIST(supervising), LIST(gathering)}},
};
/* clang-format on */

static err standard_descriptors_open(void)
{
        /* With one of them closed, a later socket would take its number and get the events. */
        for (int fd = 0; fd <= STDERR_FILENO; fd++)
                if (fcntl(fd, F_GETFD) == -1)
                        return FAIL(SYSTEM);
        return OK;
}

#ifdef LETHE_NO_SANDBOX

/* Sanitizers read /proc, reserve terabytes of address space and trace themselves. */
static err harden_process(role_id role)
{
        (void)role;
        return OK;
}

err sandbox_close(role_id role)
{
        (void)roles[role];
        event(EVENT_UNSANDBOXED, role, 0);
        return OK;
}

#else

/* A call that libraries probe for: it fails instead of ending the process. */
typedef struct refusal {
        int call, error;
} refusal;

/* Probed by the C library, libuv and c-ares, which all do without. */
static const refusal probes[] = {
        {SCMP_SYS(io_uring_setup), ENOSYS}, {SCMP_SYS(clone3), ENOSYS},
};

static const refusal leaf_probes[] = {
        {SCMP_SYS(newfstatat), EACCES}, {SCMP_SYS(statx), EACCES}, {SCMP_SYS(readlink), EACCES},
        {SCMP_SYS(prlimit64), EPERM}, {SCMP_SYS(sched_getaffinity), EPERM}, {SCMP_SYS(sysinfo), EPERM},
        {SCMP_SYS(uname), EPERM},
};

static err lower_limit(int which, uint64_t value)
{
        struct rlimit now;
        if (getrlimit((__rlimit_resource_t)which, &now) != 0)
                return FAIL(SYSTEM);
        rlim_t most = now.rlim_max < value ? now.rlim_max : value;
        return setrlimit((__rlimit_resource_t)which, &(struct rlimit){most, most}) == 0 ? OK : FAIL(SYSTEM);
}

static err refuse(scmp_filter_ctx filter, const refusal *rows, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint16_t)rows[i].error), rows[i].call, 0) != 0)
                        return FAIL(SYSTEM);
        return OK;
}

static void release_filter(scmp_filter_ctx *filter)
{
        if (*filter != nullptr)
                seccomp_release(*filter);
}

/* libuv makes its ring while the role is still opening files, and a ring is a door past every later filter. */
static err refuse_rings(void)
{
        [[gnu::cleanup(release_filter)]] scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
        if (filter == nullptr)
                return FAIL(SYSTEM);
        TRY(refuse(filter, probes, 1));
        return seccomp_load(filter) == 0 ? OK : FAIL(SYSTEM);
}

static err harden_process(role_id role)
{
        TRY(lower_limit(RLIMIT_CORE, 0));
        if (roles[role].descriptors > 0)
                TRY(lower_limit(RLIMIT_NOFILE, roles[role].descriptors));
        if (roles[role].address_space > 0)
                TRY(lower_limit(RLIMIT_AS, roles[role].address_space));
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
                return FAIL(SYSTEM);
        /* Older kernels do not know it; the filter forbids executable memory all the same. */
        (void)prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0);
        return refuse_rings();
}

/* What this kernel's Landlock can forbid, by its ABI. */
static uint64_t file_rights(int abi)
{
        uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
        if (abi >= 2)
                rights |= LANDLOCK_ACCESS_FS_REFER;
        if (abi >= 3)
                rights |= LANDLOCK_ACCESS_FS_TRUNCATE;
        if (abi >= 5)
                rights |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
        return rights;
}

static err close_paths(role_id role)
{
        long abi = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
        if (abi < 1) {
                event(EVENT_NO_LANDLOCK, 0, role);
                return OK;
        }
        constexpr uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
                                     LANDLOCK_ACCESS_FS_EXECUTE;
        struct landlock_ruleset_attr rules = {.handled_access_fs = file_rights((int)abi)};
        if (roles[role].may_read_files)
                rules.handled_access_fs &= ~reading;
        if (abi >= 4)
                rules.handled_access_net = LANDLOCK_ACCESS_NET_BIND_TCP |
                                           (roles[role].may_connect ? 0 : LANDLOCK_ACCESS_NET_CONNECT_TCP);
        if (abi >= 6)
                rules.scoped = LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL;
        int set = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
        if (set < 0)
                return FAIL(SYSTEM);
        /* No rule is added: what is handled is denied everywhere. */
        long done = syscall(SYS_landlock_restrict_self, set, 0);
        close(set);
        return done == 0 ? OK : FAIL(SYSTEM);
}

static err allow(scmp_filter_ctx filter, const list *l)
{
        for (size_t i = 0; i < l->count; i++) {
                const allowance *a = &l->rows[i];
                if (seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, a->call, a->tests, a->when) != 0)
                        return FAIL(SYSTEM);
        }
        return OK;
}

static err close_calls(role_id role)
{
        [[gnu::cleanup(release_filter)]] scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
        if (filter == nullptr)
                return FAIL(SYSTEM);
        /* A tree instead of a chain: a call costs its depth, not its place in the tables. */
        if (seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) != 0 ||
            seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) != 0 ||
            seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0)
                return FAIL(SYSTEM);
        for (size_t i = 0; i < sizeof roles[role].lists / sizeof(list); i++)
                TRY(allow(filter, &roles[role].lists[i]));
        TRY(refuse(filter, probes, sizeof probes / sizeof probes[0]));
        if (role != ROLE_SUPERVISOR)
                TRY(refuse(filter, leaf_probes, sizeof leaf_probes / sizeof leaf_probes[0]));
        return seccomp_load(filter) == 0 ? OK : FAIL(SYSTEM);
}

err sandbox_close(role_id role)
{
        assert(role <= ROLE_CONSOLE);
        TRY(close_paths(role));
        return close_calls(role);
}

#endif

err sandbox_enter(role_id role) { return sandbox_enter_keeping(role, nullptr, 0); }

/* All from `first` on but the kept ones. */
static err close_others(int first, const int *kept, size_t count)
{
        for (int next = first;;) {
                int stays = -1;
                for (size_t i = 0; i < count; i++)
                        if (kept[i] >= next && (stays < 0 || kept[i] < stays))
                                stays = kept[i];
                unsigned last = stays < 0 ? ~0U : (unsigned)stays - 1;
                if (stays != next && close_range((unsigned)next, last, 0) != 0)
                        return FAIL(SYSTEM);
                if (stays < 0)
                        return OK;
                if (fcntl(stays, F_SETFD, FD_CLOEXEC) != 0)
                        return FAIL(SYSTEM);
                next = stays + 1;
        }
}

err sandbox_enter_keeping(role_id role, const int *kept, size_t count)
{
        assert(role <= ROLE_CONSOLE);
        TRY(standard_descriptors_open());
        int first = role == ROLE_SUPERVISOR ? WIRE_CONTROL_FD : WIRE_CONTROL_FD + 1;
        TRY(close_others(first, kept, count));
        if (clearenv() != 0)
                return FAIL(SYSTEM);
        umask(077);
        return harden_process(role);
}
