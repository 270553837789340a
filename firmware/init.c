/* lethe-init: PID 1 of the box. Signals, buttons and words come in; firmware/machine.c decides. It never ends. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "firmware/machine.h"
#include "firmware/netd.h"

static int signals_take(void)
{
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        signal(SIGPIPE, SIG_IGN);
        sigprocmask(SIG_BLOCK, &set, nullptr);
        return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void reap(machine *m)
{
        int status;
        for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
                machine_reaped(m, pid, status, clock_ms());
}

static void on_signals(machine *m, int fd)
{
        struct signalfd_siginfo info;
        while (read(fd, &info, sizeof info) == sizeof info) {
                if (info.ssi_signo == SIGINT || info.ssi_signo == SIGTERM)
                        machine_end(m, info.ssi_signo == SIGINT, clock_ms());
        }
        reap(m);
}

static void wait_for_news(machine *m, int signals)
{
        struct pollfd fds[6 + POWER_BUTTONS];
        nfds_t        n = 0;
        fds[n++] = (struct pollfd){.fd = signals, .events = POLLIN};
        fds[n++] = (struct pollfd){.fd = m->service.words, .events = POLLIN};
        fds[n++] = (struct pollfd){.fd = m->uevents, .events = POLLIN};
        fds[n++] = (struct pollfd){.fd = box_channel_poll(&m->channel, clock_ms()), .events = POLLIN};
        fds[n++] = (struct pollfd){.fd = m->attendant.channel, .events = POLLIN};
        fds[n++] = (struct pollfd){.fd = m->net.role.channel, .events = POLLIN};
        for (size_t i = 0; i < m->power.count; i++)
                fds[n++] = (struct pollfd){.fd = m->power.fds[i], .events = POLLIN};
        if (poll(fds, n, machine_wait_ms(m)) <= 0)
                return;
        if ((fds[1].revents & POLLIN) != 0)
                machine_hear(m);
        if (fds[3].revents != 0)
                machine_hear_box(m, clock_ms());
        if ((fds[4].revents & POLLIN) != 0)
                machine_hear_console(m, clock_ms());
        if (fds[5].revents != 0)
                machine_hear_network(m, clock_ms());
        for (nfds_t i = 6; i < n; i++)
                if ((fds[i].revents & POLLIN) != 0 && power_pressed(fds[i].fd))
                        machine_end(m, false, clock_ms());
        if ((fds[0].revents & POLLIN) != 0)
                on_signals(m, signals);
}

/* Hyper-V and Xen end a guest by having its kernel start /sbin/poweroff or /sbin/reboot, which are links to this. */
static int ask(const char *name)
{
        view word = view_of_text(name);
        while (word.len > 0 && memchr(word.data, '/', word.len) != nullptr)
                word = view_slice(word, 1, word.len);
        if (view_equal(word, VIEW("poweroff")))
                return kill(1, SIGTERM) == 0 ? 0 : 1;
        if (view_equal(word, VIEW("reboot")))
                return kill(1, SIGINT) == 0 ? 0 : 1;
        static const char text[] = "lethe-init: is the first process of the appliance and of no use elsewhere; "
                                   "see firmware/README.md\n";
        [[maybe_unused]] ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
        return 2;
}

/* Where the kernel had no console to give, these numbers would go to whatever is opened first. There is no /dev yet. */
static void fill_standard(void)
{
        int fd;
        do
                fd = open("/", O_RDONLY | O_DIRECTORY);
        while (fd >= 0 && fd <= STDERR_FILENO);
        if (fd > STDERR_FILENO)
                close(fd);
}

int main(int argc, char *argv[])
{
        static machine m;
        if (argc > 0 && strcmp(argv[0], NETD_NAME) == 0)
                return netd_main();
        if (getpid() != 1)
                return ask(argc > 0 ? argv[0] : "");
        (void)setrlimit(RLIMIT_CORE, &(struct rlimit){});
        (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        fill_standard();
        int signals = signals_take();
        machine_begin(&m, "");
        for (;;) {
                machine_turn(&m, clock_ms());
                if (m.phase == PHASE_OFF)
                        power_end(m.again);
                wait_for_news(&m, signals);
        }
}
