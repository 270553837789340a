#include "firmware/role.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "firmware/file.h"

enum : int { NOT_STARTED = 127, CAPABILITIES_MOST = 64 };

static bool limit(__rlimit_resource_t which, rlim_t most)
{
        struct rlimit now;
        if (getrlimit(which, &now) != 0)
                return false;
        if (now.rlim_max < most && getuid() != 0)
                most = now.rlim_max;
        return setrlimit(which, &(struct rlimit){most, most}) == 0;
}

/* A folder with nothing in it becomes all there is of files; no network, and nobody else's messages. In a test without
 * root's rights nothing of this can be had. */
static bool leave_view(const char *root, bool networked)
{
        file_path empty;
        if (getuid() != 0)
                return true;
        return !failed(file_path_make(&empty, root, "/run/empty", (view){}))
               && unshare(CLONE_NEWNS | (networked ? 0 : CLONE_NEWNET) | CLONE_NEWIPC | CLONE_NEWUTS) == 0
               && chroot(empty.text) == 0 && chdir("/") == 0;
}

static bool leave_root(uint32_t uid)
{
        if (getuid() != 0)
                return true;
        for (int i = 0; i < CAPABILITIES_MOST; i++)
                if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1 && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) != 0)
                        return false;
        return setgroups(0, nullptr) == 0 && setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0
               && setuid(0) != 0;
}

/* Each to its number; first all out of the way of those numbers. */
static bool take_descriptors(const role_start *r)
{
        int high[ROLE_DESCRIPTORS];
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        for (size_t i = 0; i < r->count; i++) {
                high[i] = fcntl(r->fds[i] >= 0 ? r->fds[i] : null, F_DUPFD_CLOEXEC, (int)ROLE_DESCRIPTORS);
                if (high[i] < 0)
                        return false;
        }
        for (size_t i = 0; i < r->count; i++)
                if (dup2(high[i], (int)i) != (int)i)
                        return false;
        return close_range((unsigned)r->count, ~0U, CLOSE_RANGE_CLOEXEC) == 0;
}

[[noreturn]] static void become(const char *root, const role_start *r, int program)
{
        char       *envp[] = {nullptr};
        const char *argv[] = {r->name != nullptr ? r->name : r->program, nullptr};
        sigset_t    none;
        sigemptyset(&none);
        /* Opened while there is still a path to it: a static program needs nothing else. */
        bool good = program >= 0 && setsid() >= 0 && take_descriptors(r) && limit(RLIMIT_CORE, 0)
                    && limit(RLIMIT_MEMLOCK, r->locked_bytes) && leave_view(root, r->networked) && leave_root(r->uid)
                    && limit(RLIMIT_NPROC, 1) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                    && sigprocmask(SIG_SETMASK, &none, nullptr) == 0;
        umask(077);
        if (good)
                execveat(program, "", (char *const *)(uintptr_t)argv, envp, AT_EMPTY_PATH);
        _exit(NOT_STARTED);
}

err role_start_process(const char *root, const role_start *r, pid_t *pid)
{
        file_path at, empty;
        if (failed(file_path_make(&at, root, r->program, (view){}))
            || failed(file_path_make(&empty, root, "/run/empty", (view){})))
                return FAIL(SYSTEM);
        (void)mkdir(empty.text, 0555);
        int   program = open(at.text, O_PATH | O_CLOEXEC);
        pid_t child = fork();
        if (child == 0)
                become(root, r, program < 0 ? -1 : fcntl(program, F_DUPFD_CLOEXEC, (int)ROLE_DESCRIPTORS));
        if (program >= 0)
                close(program);
        if (child < 0)
                return FAIL(SYSTEM);
        *pid = child;
        return OK;
}
