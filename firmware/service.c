#include "firmware/service.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum : rlim_t { DESCRIPTORS = 262144, PROCESSES = 256, LOCKED_BYTES = 64 * 1024 * 1024 };
enum : int { NOT_STARTED = 127, CAPABILITIES_MOST = 64, GIFT_ASIDE_FD = 512 };

static void option(service_command *c, size_t *at, const char *name, const char *value)
{
        c->argv[(*at)++] = name;
        c->argv[(*at)++] = value;
}

err service_command_make(service_command *c, const char *root, const box *b, const char *state, bool keyed,
                         bool in_state)
{
        size_t at = 0;
        *c = (service_command){};
        TRY(file_path_make(&c->program, root, "/bin/lethed", (view){}));
        TRY(file_path_make(&c->config, root, "/config/config", (view){}));
        TRY(file_path_make(&c->claim, root, "/run/claim", (view){}));
        TRY(file_path_make(&c->key_file, root, "/config/vault.key", (view){}));
        TRY(file_path_make(&c->resolvers, root, "/run/resolv.conf", (view){}));
        TRY(file_path_make(&c->state, root, "/dev/", view_of_text(state)));
        c->argv[at++] = "lethed";
        if (in_state) {
                c->argv[at++] = "--config-in-state";
                option(c, &at, "--claim", c->claim.text);
        } else {
                option(c, &at, "--config", c->config.text);
        }
        option(c, &at, "--state", c->state.text);
        if (keyed)
                option(c, &at, "--key-file", c->key_file.text);
        option(c, &at, "--listen", b->listen);
        option(c, &at, "--admin", b->admin);
        option(c, &at, "--resolv-conf", c->resolvers.text);
        if (b->relays != 0) {
                emit e = emit_into((uint8_t *)c->relays, sizeof c->relays - 1);
                emit_u64(&e, b->relays);
                option(c, &at, "--relays", c->relays);
        }
        c->arguments = at;
        return OK;
}

void service_give_tpm(service_command *c, const char *root)
{
        /* The kernel's resource manager, not the chip: what a dead holder has left in it is given back. */
        if (!file_exists(root, "/dev/tpmrm0") || c->arguments + 2 >= SERVICE_ARGUMENTS
            || failed(file_path_make(&c->tpm, root, "/dev/tpmrm0", (view){}))
            || chown(c->tpm.text, SERVICE_UID, SERVICE_UID) != 0 || chmod(c->tpm.text, 0600) != 0)
                return;
        option(c, &c->arguments, "--tpm", c->tpm.text);
}

err service_give(service_command *c, const char *name, int fd)
{
        size_t i = 0;
        while (i < c->gift_count && strcmp(c->gifts[i].option, name) != 0)
                i++;
        if (i == c->gift_count) {
                if (i == SERVICE_GIFTS || c->arguments + 2 >= SERVICE_ARGUMENTS)
                        return FAIL(NO_ROOM);
                service_gift *g = &c->gifts[c->gift_count++];
                *g = (service_gift){.option = name};
                emit e = emit_into((uint8_t *)g->number, sizeof g->number - 1);
                emit_u64(&e, (uint64_t)SERVICE_GIFT_FD + i);
                option(c, &c->arguments, name, g->number);
        }
        c->gifts[i].fd = fd;
        return OK;
}

void service_begin(service *s) { *s = (service){.words = -1}; }

uint64_t service_backoff_ms(uint32_t deaths)
{
        uint64_t wait = SERVICE_BACKOFF_FIRST_MS;
        for (uint32_t i = 1; i < deaths && wait < SERVICE_BACKOFF_MOST_MS; i++)
                wait *= 2;
        return wait < SERVICE_BACKOFF_MOST_MS ? wait : SERVICE_BACKOFF_MOST_MS;
}

/* Not everyone may raise one: in a test what is there has to do. */
static bool limit(__rlimit_resource_t which, rlim_t most)
{
        struct rlimit now;
        if (setrlimit(which, &(struct rlimit){most, most}) == 0)
                return true;
        return getrlimit(which, &now) == 0 && now.rlim_max < most
               && setrlimit(which, &(struct rlimit){now.rlim_max, now.rlim_max}) == 0;
}

static bool leave_root(void)
{
        if (getuid() != 0)
                return true;
        for (int i = 0; i < CAPABILITIES_MOST; i++)
                if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1 && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) != 0)
                        return false;
        return setgroups(0, nullptr) == 0 && setresgid(SERVICE_UID, SERVICE_UID, SERVICE_UID) == 0
               && setresuid(SERVICE_UID, SERVICE_UID, SERVICE_UID) == 0 && setuid(0) != 0;
}

/* Aside first: one gift may stand on the number of another. */
static bool hand_over(const service_command *c)
{
        int aside[SERVICE_GIFTS];
        for (size_t i = 0; i < c->gift_count; i++)
                if ((aside[i] = fcntl(c->gifts[i].fd, F_DUPFD_CLOEXEC, GIFT_ASIDE_FD)) < 0)
                        return false;
        for (size_t i = 0; i < c->gift_count; i++)
                if (dup2(aside[i], SERVICE_GIFT_FD + (int)i) < 0)
                        return false;
        return true;
}

[[noreturn]] static void become(const service_command *c, int words)
{
        char    *envp[] = {nullptr};
        sigset_t none;
        sigemptyset(&none);
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        bool good = null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(words, STDOUT_FILENO) >= 0
                    && dup2(words, STDERR_FILENO) >= 0 && hand_over(c) && setsid() >= 0 && limit(RLIMIT_CORE, 0)
                    && limit(RLIMIT_NOFILE, DESCRIPTORS) && limit(RLIMIT_MEMLOCK, LOCKED_BYTES) && leave_root()
                    && limit(RLIMIT_NPROC, PROCESSES) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                    && sigprocmask(SIG_SETMASK, &none, nullptr) == 0;
        umask(077);
        if (good)
                execve(c->program.text, (char *const *)(uintptr_t)c->argv, envp);
        _exit(NOT_STARTED);
}

err service_start_due(service *s, const service_command *c, uint64_t now_ms)
{
        if (s->pid != 0 || now_ms < s->start_at_ms)
                return OK;
        int ends[2];
        s->start_at_ms = now_ms + SERVICE_BACKOFF_MOST_MS;
        if (pipe2(ends, O_CLOEXEC) != 0)
                return FAIL(SYSTEM);
        (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
        pid_t pid = fork();
        if (pid == 0)
                become(c, ends[1]);
        close(ends[1]);
        if (pid < 0) {
                close(ends[0]);
                return FAIL(SYSTEM);
        }
        s->pid = pid;
        s->words = ends[0];
        s->started_ms = now_ms;
        return OK;
}

void service_alive(service *s) { s->silent_ms = 0; }

void service_judge(service *s, uint64_t now_ms)
{
        /* A machine that stood still for an hour has not heard for one turn. */
        enum : uint64_t { TURN_MOST_MS = 1000 };
        uint64_t turn = now_ms - s->judged_ms;
        s->judged_ms = now_ms;
        s->silent_ms = s->pid == 0 ? 0 : s->silent_ms + (turn < TURN_MOST_MS ? turn : TURN_MOST_MS);
        if (s->silent_ms < SERVICE_SILENT_MS)
                return;
        s->silent_ms = 0;
        kill(s->pid, SIGKILL);
}

void service_died(service *s, uint64_t now_ms)
{
        if (s->words >= 0)
                close(s->words);
        s->words = -1;
        s->pid = 0;
        s->deaths = now_ms - s->started_ms >= SERVICE_STABLE_MS ? 1 : s->deaths + 1;
        s->start_at_ms = now_ms + service_backoff_ms(s->deaths);
}

bool service_drain(service *s, uint64_t now_ms)
{
        if (s->pid == 0)
                return true;
        if (!s->draining) {
                s->draining = true;
                s->kill_at_ms = now_ms + SERVICE_DRAIN_MS;
                kill(s->pid, SIGTERM);
        } else if (now_ms >= s->kill_at_ms) {
                kill(s->pid, SIGKILL);
        }
        return false;
}
