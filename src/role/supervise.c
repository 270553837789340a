#include "role/supervise.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/emit.h"
#include "base/event.h"
#include "role/sandbox.h"

enum : uint64_t { BACKOFF_FIRST_MS = 100, BACKOFF_MOST_MS = 30000, HEALTHY_MS = 60000, STOP_DRAIN_MS = 10000,
                STOP_EXPORT_MS = 10000, ONE_COMMAND_MS = 2000 };

/* Ending goes through these in order. */
enum : int { PHASE_RUN, PHASE_DRAIN, PHASE_EXPORT, PHASE_OVER };

/* The one place where text of a role comes out while it runs: a file and its place, never a value of it. */
static void say_fault(const config_fault *f)
{
        uint8_t line[1024];
        emit    e = emit_into(line, sizeof line);
        emit_text(&e, "lethed: ");
        if (f->line != 0) {
                emit_text(&e, "line ");
                emit_u64(&e, f->line);
                emit_text(&e, ", column ");
                emit_u64(&e, f->column);
                emit_text(&e, ": ");
        }
        emit_text(&e, f->code);
        if (f->pointer[0] != '\0') {
                emit_text(&e, " at ");
                emit_text(&e, f->pointer);
        }
        emit_text(&e, ": ");
        emit_text(&e, f->text);
        emit_byte(&e, '\n');
        /* As in base/event: nobody who has stopped reading the log may stop the box. */
        struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
        if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0) {
                [[maybe_unused]] ssize_t ignored = write(STDERR_FILENO, line, e.len);
        }
}

/* ---- deaths ---- */

static void ring_done(supervisor *s, uint32_t slot)
{
        if (slot >= LIMIT_COLUMNS || s->rings[slot].fd < 0 || !s->rings[slot].dead)
                return;
        close(s->rings[slot].fd);
        s->rings[slot] = (ring_row){.fd = -1};
        board_retire(s->board, slot);
        generation_collect(s);
}

static void start_later(supervisor *s, child *c)
{
        uint64_t now = clock_ms();
        c->deaths = now - c->started_ms >= HEALTHY_MS ? 1 : c->deaths + 1;
        uint64_t wait = 0;
        if (c->deaths > 1) {
                uint32_t doublings = c->deaths - 2 < 10 ? c->deaths - 2 : 10;
                wait = BACKOFF_FIRST_MS << doublings;
                wait = wait > BACKOFF_MOST_MS ? BACKOFF_MOST_MS : wait;
                event(EVENT_ROLE_BACKOFF, c->role, (int64_t)wait);
        }
        c->start_at_ms = now + wait;
        if (c->start_at_ms == 0)
                c->start_at_ms = 1;
        atomic_fetch_add(&s->board->restarts, 1);
}

/* A dead relay's slot belongs to its dead; a new one gets a new slot. */
static void relay_replace(supervisor *s, child *c)
{
        relay_slot_dead(s, c);
        if (!c->wanted || s->stopping)
                c->in_use = false;
}

/* The box is still starting, as far as this role goes: whoever started it learns by its exit status what is wrong. */
static bool first_start(const supervisor *s, const child *c)
{
        /* What the state holds can be corrected over the management plane, which must be there for it. */
        if (c->role == ROLE_RELAY && holds_config(s))
                return false;
        return c->role == ROLE_RELAY ? atomic_load(&s->board->generation) == 0 : (s->been_up >> c->role & 1) == 0;
}

static bool heard(supervisor *s, child *c);

/* The bit of a role stands while one process of it serves: the relays of an old generation end long after the new. */
static void role_down(supervisor *s, role_id role)
{
        for (size_t i = 0; i < CHILDREN; i++)
                if (s->children[i].in_use && s->children[i].role == role && s->children[i].ready)
                        return;
        atomic_fetch_and(&s->board->roles_up, ~(1u << role));
}

static void died(supervisor *s, child *c, int status)
{
        /* It may have said more than was read so far, why it refused to start for one. The first silence may be the
         * kernel's word that it left our own words unread. */
        for (int silences = 0; silences < 2;)
                silences += !heard(s, c);
        close(c->control);
        c->control = -1;
        c->pid = 0;
        bool was_ready = c->ready;
        c->ready = false;
        role_down(s, c->role);
        bool expected = !c->wanted || s->stopping || c->renewing;
        if (!expected)
                event(EVENT_ROLE_DIED, c->role, status);
        if (c->role == ROLE_KEEPER) {
                atomic_store(&s->board->keeper, KEEPER_DOWN);
                stored_keeper_died(s);
        }
        if (s->phase == PHASE_EXPORT && c->role == ROLE_KEEPER && status != 0)
                s->exit_status = 1;
        if (c->role == ROLE_RELAY) {
                relay_replace(s, c);
                if (s->starting >= 0 && c->generation == (uint32_t)s->starting)
                        generation_fail(s);
        }
        if (!was_ready && first_start(s, c) && !s->stopping) {
                /* It has never been up: starting again would only repeat it. */
                s->exit_status = s->exit_status != 0 ? s->exit_status : 1;
                s->hard = s->stopping = true;
        }
        if (c->renewing) {
                c->renewing = false;
                c->start_at_ms = clock_ms();
        } else if (c->in_use && c->wanted && !s->stopping)
                start_later(s, c);
        else if (c->role == ROLE_RELAY)
                c->in_use = false;
        generation_collect(s);
}

static void reap(supervisor *s)
{
        for (;;) {
                int   status;
                pid_t pid = waitpid(-1, &status, WNOHANG);
                if (pid <= 0)
                        return;
                for (size_t i = 0; i < CHILDREN; i++)
                        if (s->children[i].in_use && s->children[i].pid == pid)
                                died(s, &s->children[i], status);
        }
}

/* ---- messages ---- */

static snapshots *files_of(supervisor *s, const child *c)
{
        if (c->role == ROLE_RELAY)
                return &s->generations[c->generation].files;
        for (size_t i = 0; i < GENERATIONS; i++)
                if (s->generations[i].state == GENERATION_SERVING)
                        return &s->generations[i].files;
        return nullptr;
}

static void answer_open(supervisor *s, const child *c, const wire_message *m)
{
        int          fd = snapshot_open(s, files_of(s, c), m->name);
        wire_message answer = {.type = WIRE_FILE, .number = fd < 0 ? (uint64_t)errno : 0};
        (void)!failed(wire_send(c->control, &answer, fd));
        if (fd >= 0)
                close(fd);
}

static void role_ready(supervisor *s, child *c)
{
        c->ready = true;
        s->been_up |= 1u << c->role;
        atomic_fetch_or(&s->board->roles_up, 1u << c->role);
        spawn_connect(s, c);
        if (c->role == ROLE_RELAY)
                generation_relay_ready(s, c);
}

static void refused(supervisor *s, const child *c, const wire_message *m)
{
        /* Relay, resolver and admin read the same file: what is wrong with it is said once. */
        if (memcmp(&s->said, &m->fault, sizeof s->said) != 0)
                say_fault(&m->fault);
        s->said = m->fault;
        if (c->role == ROLE_RELAY && s->starting >= 0 && c->generation == (uint32_t)s->starting)
                s->fault = m->fault;
        if (s->exit_status == 0 && first_start(s, c))
                s->exit_status = c->role == ROLE_KEEPER ? 1 : 2;
}

static void reload(supervisor *s)
{
        if (s->stopping)
                return;
        s->reload_asked = true;
        s->reload_again = s->starting >= 0;
        if (s->reload_again)
                return;
        s->fault = (config_fault){};
        if (failed(generation_begin(s)))
                say_fault(&s->fault);
}

/* Takes the descriptor. */
static void message(supervisor *s, child *c, const wire_message *m, int fd)
{
        if (m->type == WIRE_CONFIG && c->role == ROLE_KEEPER && holds_config(s)) {
                stored_message(s, m, fd);
                return;
        }
        if (fd >= 0)
                close(fd);
        /* Whoever serves reads what strangers wrote: it gets no more files, and no word of its own into the log. */
        if (c->ready && (m->type == WIRE_OPEN || m->type == WIRE_READY || m->type == WIRE_REFUSED))
                return;
        switch ((wire_type)m->type) {
        case WIRE_OPEN:
                answer_open(s, c, m);
                return;
        case WIRE_READY:
                role_ready(s, c);
                return;
        case WIRE_REFUSED:
                refused(s, c, m);
                return;
        case WIRE_RELOAD:
                if (c->role == ROLE_ADMIN)
                        reload(s);
                return;
        case WIRE_RING_DONE:
                if (c->role == ROLE_KEEPER)
                        ring_done(s, m->slot);
                return;
        case WIRE_ALIVE:
                c->unanswered = 0;
                return;
        case WIRE_DRAINED:
        case WIRE_FILE:
        case WIRE_GRANT:
        case WIRE_START:
        case WIRE_DRAIN:
        case WIRE_STOP:
        case WIRE_RELOADED:
        case WIRE_RING_DEAD:
        case WIRE_GENERATION:
        case WIRE_CONFIG:
        case WIRE_CONFIG_TRIED:
                return;
        }
}

/* One message, if one is there. */
static bool heard(supervisor *s, child *c)
{
        struct pollfd one = {.fd = c->control, .events = POLLIN};
        wire_message  m;
        int           fd;
        if (poll(&one, 1, 0) <= 0 || failed(wire_receive(c->control, &m, &fd)))
                return false;
        message(s, c, &m, fd);
        return true;
}

/* Who has closed its channel, or speaks out of form, cannot be told to end. */
static void listen_to(supervisor *s, child *c)
{
        if (!heard(s, c) && c->pid != 0)
                kill(c->pid, SIGKILL);
}

/* ---- ending ---- */

static bool any_relay(const supervisor *s)
{
        for (size_t i = 0; i < CHILDREN; i++)
                if (s->children[i].in_use && s->children[i].role == ROLE_RELAY && s->children[i].pid != 0)
                        return true;
        return false;
}

static void kill_all(supervisor *s, bool relays_only)
{
        for (size_t i = 0; i < CHILDREN; i++)
                if (s->children[i].in_use && s->children[i].pid != 0
                    && (!relays_only || s->children[i].role == ROLE_RELAY))
                        kill(s->children[i].pid, SIGKILL);
}

static void stop_begin(supervisor *s)
{
        s->stopping = true;
        s->phase = PHASE_DRAIN;
        s->stop_began_ms = clock_ms();
        s->stop_at_ms = s->stop_began_ms + STOP_DRAIN_MS;
        atomic_store(&s->board->draining, 1);
        for (size_t i = 0; i < CHILDREN; i++)
                if (s->children[i].in_use && s->children[i].role == ROLE_RELAY)
                        spawn_tell(&s->children[i], WIRE_DRAIN, 0, STOP_DRAIN_MS - 1000);
        /* Nobody accepts any more: who still comes is better refused now than left waiting for the end. */
        for (uint32_t i = 0; i < s->relays; i++)
                (void)shutdown(s->listeners[i], SHUT_RD);
}

static void stop_step(supervisor *s)
{
        bool late = clock_ms() >= s->stop_at_ms;
        if (s->hard) {
                /* Whatever was counted since the last export is lost. */
                s->exit_status = s->exit_status != 0 ? s->exit_status : 1;
                kill_all(s, false);
                s->phase = PHASE_OVER;
                return;
        }
        if (s->phase == PHASE_DRAIN) {
                if (any_relay(s) && !late)
                        return;
                kill_all(s, true);
                if (any_relay(s))
                        return;
                child *keeper = spawn_find(s, ROLE_KEEPER);
                if (keeper == nullptr)
                        s->exit_status = 1;
                spawn_tell(keeper, WIRE_STOP, 0, 0);
                s->phase = PHASE_EXPORT;
                s->stop_at_ms = clock_ms() + STOP_EXPORT_MS;
                late = false; /* the relays were; the keeper has its own time */
        }
        if (s->phase == PHASE_EXPORT) {
                child *keeper = spawn_find(s, ROLE_KEEPER);
                if (keeper != nullptr && !late)
                        return;
                if (keeper != nullptr)
                        s->exit_status = 1;
                kill_all(s, false);
                s->phase = PHASE_OVER;
        }
}

static void on_signal(supervisor *s)
{
        struct signalfd_siginfo info;
        while (read(s->signals, &info, sizeof info) == sizeof info) {
                if (info.ssi_signo == SIGCHLD)
                        reap(s);
                else if (info.ssi_signo == SIGHUP)
                        reload(s);
                else if (s->stopping)
                        /* Ctrl-C comes from the terminal and again from whoever started us: that is one command. */
                        s->hard = s->hard || clock_ms() - s->stop_began_ms >= ONE_COMMAND_MS;
                else
                        stop_begin(s);
        }
}

/* ---- the loop ---- */

static void renew_admin(supervisor *s, uint64_t now)
{
        child *admin = spawn_find(s, ROLE_ADMIN);
        if (s->renew_admin_at_ms == 0 || now < s->renew_admin_at_ms || admin == nullptr || !admin->ready)
                return;
        s->renew_admin_at_ms = 0;
        admin->renewing = true;
        spawn_tell(admin, WIRE_STOP, 0, 0);
}

static void start_due(supervisor *s)
{
        uint64_t now = clock_ms();
        renew_admin(s, now);
        for (size_t i = 0; i < CHILDREN; i++) {
                child *c = &s->children[i];
                if (!c->in_use || c->start_at_ms == 0 || c->start_at_ms > now || s->stopping)
                        continue;
                if (c->role == ROLE_RELAY && !relay_slot_renew(s, c)) {
                        c->start_at_ms = now + BACKOFF_FIRST_MS;
                        continue;
                }
                if (failed(spawn_start(s, c)))
                        c->start_at_ms = now + BACKOFF_FIRST_MS;
        }
}

static int wait_ms(const supervisor *s)
{
        uint64_t now = clock_ms(), next = now + 1000;
        if (s->renew_admin_at_ms != 0 && s->renew_admin_at_ms < next)
                next = s->renew_admin_at_ms;
        if (s->stopping && s->stop_at_ms < next)
                next = s->stop_at_ms;
        if (s->retry_at_ms != 0 && s->starting < 0 && s->retry_at_ms < next)
                next = s->retry_at_ms;
        for (size_t i = 0; i < CHILDREN; i++)
                if (s->children[i].in_use && s->children[i].start_at_ms != 0 && s->children[i].start_at_ms < next)
                        next = s->children[i].start_at_ms;
        return next <= now ? 0 : (int)(next - now);
}

static void turn(supervisor *s)
{
        struct pollfd fds[CHILDREN + 1];
        child        *of[CHILDREN + 1];
        nfds_t        n = 0;
        fds[n++] = (struct pollfd){.fd = s->signals, .events = POLLIN};
        for (size_t i = 0; i < CHILDREN; i++)
                if (s->children[i].in_use && s->children[i].control >= 0) {
                        of[n] = &s->children[i];
                        fds[n++] = (struct pollfd){.fd = s->children[i].control, .events = POLLIN};
                }
        if (poll(fds, n, wait_ms(s)) < 0)
                return;
        /* Words before deaths: what a role said last must be heard. */
        for (nfds_t i = 1; i < n; i++)
                if ((fds[i].revents & POLLIN) != 0 && of[i]->control == fds[i].fd)
                        listen_to(s, of[i]);
        if ((fds[0].revents & POLLIN) != 0)
                on_signal(s);
        if (s->reload_again && s->starting < 0 && !s->stopping)
                reload(s);
        stored_turn(s);
}

static err signals_take(supervisor *s)
{
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGHUP);
        signal(SIGPIPE, SIG_IGN);
        if (sigprocmask(SIG_BLOCK, &set, nullptr) != 0)
                return FAIL(SYSTEM);
        s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        return s->signals < 0 ? FAIL(SYSTEM) : OK;
}

static err start_all(supervisor *s)
{
        static const role_id first[] = {ROLE_KEEPER, ROLE_RESOLVER, ROLE_ADMIN};
        /* Of a configuration in the state nobody knows before the keeper has said what there is. */
        size_t count = holds_config(s) ? 1 : sizeof first / sizeof *first;
        for (size_t i = 0; i < count; i++) {
                child *c = spawn_child(s, first[i]);
                assert(c != nullptr);
                TRY(spawn_start(s, c));
        }
        return holds_config(s) ? OK : generation_begin(s);
}

int supervise(supervisor *s)
{
        s->starting = -1;
        if (failed(shared_make(s)) || failed(signals_take(s)) || failed(sandbox_close(ROLE_SUPERVISOR))
            || failed(start_all(s))) {
                kill_all(s, false);
                return 1;
        }
        while (s->phase != PHASE_OVER) {
                turn(s);
                alive_turn(s, clock_ms());
                if (s->stopping)
                        stop_step(s);
                else
                        start_due(s);
        }
        while (waitpid(-1, nullptr, 0) > 0)
                continue;
        return s->exit_status;
}
