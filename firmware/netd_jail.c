/* What is left to the network role once it runs; firmware/role.c has taken files, user and capabilities. libseccomp is
 * of the relay's sandbox; this filter is short enough to be written out. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "firmware/netd.h"

enum : unsigned { X32 = 0x40000000 };

#define LOAD(field)       BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define UNLESS(n, skip)   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (n), 0, (skip))
#define RETURN(what)      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_##what)
#define ALLOW(call)       UNLESS(SYS_##call, 1), RETURN(ALLOW)

err netd_filter(void)
{
        struct sock_filter rows[] = {
                LOAD(arch), UNLESS(AUDIT_ARCH_X86_64, 2), LOAD(nr),
                BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32, 0, 1), RETURN(KILL_PROCESS),
                ALLOW(recvmsg), ALLOW(recvfrom), ALLOW(sendto), ALLOW(sendmsg), ALLOW(poll), ALLOW(ppoll),
                ALLOW(clock_gettime), ALLOW(gettimeofday), ALLOW(getrandom), ALLOW(connect), ALLOW(close),
                ALLOW(exit_group), ALLOW(rt_sigreturn), ALLOW(restart_syscall), ALLOW(brk),
                /* A socket for datagrams to a time server, and for nothing else. */
                UNLESS(SYS_socket, 7), LOAD(args[0]), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 1, 0),
                UNLESS(AF_INET6, 4), LOAD(args[1]), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff), UNLESS(SOCK_DGRAM, 1),
                RETURN(ALLOW),
                RETURN(KILL_PROCESS),
        };
        const struct sock_fprog program = {.len = sizeof rows / sizeof *rows, .filter = rows};
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
                return FAIL(SYSTEM);
        return OK;
}

static bool most(__rlimit_resource_t which, rlim_t n) { return setrlimit(which, &(struct rlimit){n, n}) == 0; }

err netd_jail(void)
{
        if (!most(RLIMIT_FSIZE, 0) || !most(RLIMIT_NOFILE, 16) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
                return FAIL(SYSTEM);
        return netd_filter();
}
