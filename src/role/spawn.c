#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/event.h"
#include "role/supervise.h"

static const char *const programs[] = {[ROLE_KEEPER] = "lethe-keeper",
                                       [ROLE_RESOLVER] = "lethe-resolver",
                                       [ROLE_ADMIN] = "lethe-admin",
                                       [ROLE_RELAY] = "lethe-relay"};

child *spawn_find(supervisor *s, role_id role)
{
        for (size_t i = 0; i < CHILDREN; i++)
                if (s->children[i].in_use && s->children[i].role == role && s->children[i].pid != 0)
                        return &s->children[i];
        return nullptr;
}

child *spawn_child(supervisor *s, role_id role)
{
        for (size_t i = 0; i < CHILDREN; i++)
                if (!s->children[i].in_use) {
                        s->children[i] = (child){.role = role, .in_use = true, .wanted = true, .control = -1};
                        return &s->children[i];
                }
        return nullptr;
}

void spawn_tell(child *c, wire_type type, uint32_t slot, uint64_t number)
{
        const wire_message m = {.type = type, .slot = slot, .number = number};
        /* Who cannot hear it has died: its death is on its way. */
        if (c != nullptr && c->control >= 0)
                (void)!failed(wire_send(c->control, &m, -1));
}

static void grant(const child *c, grant_id what, uint32_t slot, uint64_t number, int fd)
{
        const wire_message m = {.type = WIRE_GRANT, .what = what, .slot = slot, .number = number};
        if (fd >= 0 && c != nullptr && c->control >= 0)
                (void)!failed(wire_send(c->control, &m, fd));
}

/* A role that has been told to start and is not ready yet reads only answers to its own questions. */
static void pair(const child *a, const child *b, grant_id what, uint32_t slot)
{
        int ends[2];
        if (a == nullptr || b == nullptr || !a->ready || !b->ready
            || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
                return;
        grant(a, what, slot, 0, ends[0]);
        grant(b, what, slot, 0, ends[1]);
        close(ends[0]);
        close(ends[1]);
}

static void sync_keeper(supervisor *s, child *keeper)
{
        for (size_t i = 0; i < GENERATIONS; i++)
                if (s->generations[i].state != GENERATION_NONE)
                        spawn_names(s, &s->generations[i]);
        for (uint32_t i = 0; i < LIMIT_COLUMNS; i++) {
                if (s->rings[i].fd < 0)
                        continue;
                spawn_ring(s, i);
                if (s->rings[i].dead)
                        spawn_tell(keeper, WIRE_RING_DEAD, i, 0);
        }
}

void spawn_connect(supervisor *s, child *c)
{
        switch (c->role) {
        case ROLE_KEEPER:
                sync_keeper(s, c);
                pair(c, spawn_find(s, ROLE_ADMIN), GRANT_KEEPER, 0);
                break;
        case ROLE_ADMIN:
                pair(spawn_find(s, ROLE_KEEPER), c, GRANT_KEEPER, 0);
                break;
        case ROLE_RELAY:
                pair(spawn_find(s, ROLE_RESOLVER), c, GRANT_RESOLVER, c->slot);
                break;
        case ROLE_RESOLVER:
                for (size_t i = 0; i < CHILDREN; i++)
                        if (s->children[i].in_use && s->children[i].role == ROLE_RELAY)
                                pair(c, &s->children[i], GRANT_RESOLVER, s->children[i].slot);
                break;
        case ROLE_SUPERVISOR:
        case ROLE_COUNT:
                break;
        }
}

void spawn_ring(supervisor *s, uint32_t slot)
{
        const child *keeper = spawn_find(s, ROLE_KEEPER);
        if (keeper != nullptr && keeper->ready)
                grant(keeper, GRANT_RING, slot, s->rings[slot].generation, s->rings[slot].fd);
}

void spawn_names(supervisor *s, const generation *g)
{
        static const char *const names[] = {"lethe.json", "policy.json"};
        child                   *keeper = spawn_find(s, ROLE_KEEPER);
        for (uint16_t what = 0; keeper != nullptr && keeper->ready && what < 2; what++) {
                snapshots *files = &s->generations[g - s->generations].files;
                int        fd = snapshot_open(s, files, names[what]);
                if (fd < 0)
                        continue;
                const wire_message m = {.type = WIRE_GENERATION, .what = what, .number = g->number};
                (void)!failed(wire_send(keeper->control, &m, fd));
                close(fd);
        }
}

static void grant_keeper(supervisor *s, child *c)
{
        grant(c, GRANT_BOARD, 0, 0, s->board_fd);
        grant(c, GRANT_LEASE, 0, 0, s->lease_fd);
        grant(c, GRANT_LEDGER, 0, 0, s->ledger_fd);
        grant(c, GRANT_VAULT_KEY, 0, 0, s->vault_key_fd);
        grant(c, GRANT_STATE, 0, 0, s->state);
        grant(c, GRANT_KEY_FILE, 0, 0, s->key_file);
        grant(c, GRANT_CONSOLE, 0, 0, s->console);
        grant(c, GRANT_TPM, 0, 0, s->tpm);
        grant(c, GRANT_RING_WAKE, 0, 0, s->ring_wake);
        grant(c, GRANT_BOX_FACTS, 0, 0, s->box == nullptr ? -1 : s->box_facts);
}

static void grant_relay(supervisor *s, child *c)
{
        uint32_t number = s->generations[c->generation].number;
        grant(c, GRANT_BOARD, c->slot, number, s->board_fd);
        grant(c, GRANT_LEASE, 0, 0, s->lease_fd);
        grant(c, GRANT_RING, c->slot, number, s->rings[c->slot].fd);
        grant(c, GRANT_RING_WAKE, 0, 0, s->ring_wake);
        grant(c, GRANT_LISTEN, c->socket, 0, s->listeners[c->socket]);
}

static void grants(supervisor *s, child *c)
{
        switch (c->role) {
        case ROLE_KEEPER:
                grant_keeper(s, c);
                break;
        case ROLE_RESOLVER:
                grant(c, GRANT_RESOLV_CONF, 0, 0, s->resolv_conf);
                break;
        case ROLE_ADMIN:
                grant(c, GRANT_LISTEN, 0, 0, s->admin_listener);
                grant(c, GRANT_BOARD, 0, 0, s->board_fd);
                grant(c, GRANT_BOX_FACTS, 0, 0, s->box == nullptr ? -1 : s->box_facts);
                grant(c, GRANT_BUNDLE, 0, 0, s->bundle);
                grant(c, GRANT_BOX, 0, 0, s->box_channel);
                grant(c, GRANT_CLAIM, 0, 0, s->claim);
                break;
        case ROLE_RELAY:
                grant_relay(s, c);
                break;
        case ROLE_SUPERVISOR:
        case ROLE_COUNT:
                break;
        }
        spawn_tell(c, WIRE_START, 0, holds_config(s) ? START_CONFIG_IN_STATE : 0);
}

/* Only what an async-signal-safe child may do. */
[[noreturn]] static void become(const supervisor *s, role_id role, int control)
{
        const char *argv[] = {programs[role], nullptr};
        char       *envp[] = {nullptr};
        sigset_t    none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, nullptr);
        /* A terminal's signal reaches the whole group; only the supervisor decides what ends. */
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        signal(SIGPIPE, SIG_IGN);
        /* What the operator's shell gave is not a role's to read or write; standard error is the log. */
        bool quiet = dup2(s->null, STDIN_FILENO) >= 0 && dup2(s->null, STDOUT_FILENO) >= 0;
        if (quiet && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && dup2(control, WIRE_CONTROL_FD) == WIRE_CONTROL_FD) {
                if (control == WIRE_CONTROL_FD)
                        fcntl(control, F_SETFD, 0);
                execveat(s->programs, programs[role], (char *const *)(uintptr_t)argv, envp, 0);
        }
        _exit(127);
}

err spawn_start(supervisor *s, child *c)
{
        assert(c->pid == 0);
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
                return FAIL(SYSTEM);
        pid_t parent = getpid(), pid = fork();
        if (pid == 0) {
                if (getppid() != parent)
                        _exit(127);
                become(s, c->role, ends[1]);
        }
        close(ends[1]);
        if (pid < 0) {
                close(ends[0]);
                return FAIL(SYSTEM);
        }
        c->pid = pid;
        c->control = ends[0];
        c->ready = false;
        c->unanswered = 0;
        c->started_ms = clock_ms();
        c->start_at_ms = 0;
        if (c->role == ROLE_RELAY) {
                board_column *column = &s->board->columns[c->slot];
                atomic_store(&column->generation, s->generations[c->generation].number);
                atomic_store(&column->in_use, (uint32_t)pid);
        }
        grants(s, c);
        return OK;
}
