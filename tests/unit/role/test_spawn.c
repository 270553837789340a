/* Processes and what they are given. */
#include "role/supervise.h"

#include "stand_in.h"

static const char SUBJECT[] = "spawn";
static stage      t;

typedef struct given {
        grant_id what;
        int      fd;
        uint32_t slot;
        uint64_t number;
} given;

/* These and no others, before START. */
static bool granted_exactly(pid_t pid, const given *rows, size_t count)
{
        if (stage_said(&t, pid, SAID_HEARD, WIRE_START, WAIT_MS) == nullptr)
                return false;
        bool good = stage_count(&t, pid, WIRE_GRANT) == count;
        for (size_t i = 0; i < count; i++) {
                const said *h = stage_granted(&t, pid, rows[i].what);
                good = good && h != nullptr && h->inode == inode_of(rows[i].fd) && h->m.slot == rows[i].slot
                       && h->m.number == rows[i].number && h < stage_said(&t, pid, SAID_HEARD, WIRE_START, 0);
        }
        return good;
}

static void born_right(const child *c, const char *name)
{
        static const struct {
                uint32_t    fact;
                const char *sentence;
        } rows[] = {{NO_ENVIRONMENT, "is born without environment"},
                    {NO_ARGUMENTS, "is born without arguments"},
                    {SIGNALS_IGNORED, "leaves a terminal's signals to the supervisor"},
                    {SIGNALS_OPEN, "has no signal blocked"},
                    {NULL_STREAMS, "has nothing to read, and no output but the log"},
                    {NOTHING_ELSE_OPEN, "holds no descriptor but its channel"},
                    {DIES_WITH_PARENT, "asks to die with the supervisor"}};
        const said *h = stage_said(&t, c->pid, SAID_BORN, 0, WAIT_MS);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                tap_ok(h != nullptr && (h->facts & rows[i].fact) != 0, name, rows[i].sentence);
}

static void each_role_has_its_own(void)
{
        const supervisor *s = t.s;
        const given       keeper[] = {{GRANT_BOARD, s->board_fd, 0, 0},   {GRANT_LEASE, s->lease_fd, 0, 0},
                                      {GRANT_LEDGER, s->ledger_fd, 0, 0}, {GRANT_VAULT_KEY, s->vault_key_fd, 0, 0},
                                      {GRANT_STATE, s->state, 0, 0},      {GRANT_KEY_FILE, s->key_file, 0, 0},
                                      {GRANT_TPM, s->tpm, 0, 0},          {GRANT_RING_WAKE, s->ring_wake, 0, 0}};
        const given       resolver[] = {{GRANT_RESOLV_CONF, s->resolv_conf, 0, 0}};
        const given       admin[] = {{GRANT_LISTEN, s->admin_listener, 0, 0},
                                     {GRANT_BOARD, s->board_fd, 0, 0},
                                     {GRANT_BUNDLE, s->bundle, 0, 0},
                                     {GRANT_BOX, s->box_channel, 0, 0},
                                     {GRANT_CLAIM, s->claim, 0, 0}};
        child            *c[] = {stage_start(&t, ROLE_KEEPER), stage_start(&t, ROLE_RESOLVER), stage_start(&t,
                ROLE_ADMIN)};
        tap_ok(granted_exactly(c[0]->pid, keeper, 8), "keeper",
               "is given board, lease, ledger, vault key, state, key file, TPM and bell, and nothing else");
        tap_ok(granted_exactly(c[1]->pid, resolver, 1), "resolver", "is given the name servers' file and nothing else");
        tap_ok(granted_exactly(c[2]->pid, admin, 5), "admin",
               "is given its listener, the board, room for updates, box channel, claim code, and nothing else");
        born_right(c[0], "keeper");
        born_right(c[1], "resolver");
        born_right(c[2], "admin");
        tap_ok(!c[0]->ready && c[0]->started_ms > 0 && c[0]->start_at_ms == 0, SUBJECT, "a start is not being ready");
        tap_ok(spawn_find(t.s, ROLE_ADMIN) == c[2] && spawn_find(t.s, ROLE_RELAY) == nullptr, SUBJECT,
               "a role is found when it runs");
}

static child *relay(void)
{
        child *c = spawn_child(t.s, ROLE_RELAY);
        c->socket = 1;
        must(relay_slot_renew(t.s, c) && !failed(spawn_start(t.s, c)), "relay");
        return c;
}

static child *a_relay_has_its_own(void)
{
        supervisor *s = t.s;
        s->generations[0] = (generation){.state = GENERATION_STARTING, .number = 5};
        child      *other = relay(), *c = relay();
        const given rows[] = {{GRANT_BOARD, s->board_fd, c->slot, 5}, {GRANT_LEASE, s->lease_fd, 0, 0},
                              {GRANT_RING, s->rings[c->slot].fd, c->slot, 5}, {GRANT_RING_WAKE, s->ring_wake, 0, 0},
                              {GRANT_LISTEN, s->listeners[1], 1, 0}};
        tap_ok(granted_exactly(c->pid, rows, 5), "relay",
                "is given board, lease, its ring, bell and its listener, no more");
        born_right(c, "relay");
        const board_column *column = &s->board->columns[c->slot];
        tap_ok(atomic_load(&column->in_use) == (uint32_t)c->pid && atomic_load(&column->generation) == 5, "relay",
               "has its column of the board");
        tap_ok(other->slot != c->slot, "relay", "shares neither column nor ring with a sister");
        uint32_t slot = c->slot;
        tap_ok(relay_slot_renew(s, c) && c->slot == slot, "relay", "keeps a slot that no process has used");
        kill(other->pid, SIGKILL);
        stage_buried(&t, other);
        other->in_use = false;
        return c;
}

static void pairs_wait_for_both(child *c)
{
        child *resolver = spawn_find(t.s, ROLE_RESOLVER);
        stage_ready(&t, c);
        spawn_connect(t.s, c);
        spawn_tell(c, WIRE_FILE, 0, 0);
        tap_ok(stage_heard(&t, c->pid, WIRE_FILE) && stage_granted(&t, c->pid, GRANT_RESOLVER) == nullptr, "pair",
               "no relay is paired with a resolver that is not ready");
        stage_ready(&t, resolver);
        spawn_connect(t.s, resolver);
        spawn_tell(c, WIRE_GENERATION, 0, 0);
        spawn_tell(resolver, WIRE_FILE, 0, 0);
        bool        both = stage_heard(&t, c->pid, WIRE_GENERATION) && stage_heard(&t, resolver->pid, WIRE_FILE);
        const said *here = stage_granted(&t, c->pid, GRANT_RESOLVER), *there = stage_granted(&t, resolver->pid,
                GRANT_RESOLVER);
        tap_ok(both && here != nullptr && there != nullptr && here->inode != there->inode, "pair",
               "when it is, each has an end");
        tap_ok(there != nullptr && there->m.slot == c->slot, "pair", "the resolver knows whose end it has");
}

static void a_keeper_learns_all(child *of_ring)
{
        child *keeper = spawn_find(t.s, ROLE_KEEPER), *admin = spawn_find(t.s, ROLE_ADMIN);
        spawn_ring(t.s, of_ring->slot);
        spawn_names(t.s, &t.s->generations[0]);
        stage_ready(&t, keeper);
        tap_ok(stage_granted(&t, keeper->pid, GRANT_RING) == nullptr && stage_count(&t, keeper->pid,
                WIRE_GENERATION) == 0,
               "keeper", "hears of no ring and no names before it is ready");
        spawn_connect(t.s, keeper);
        tap_ok(stage_heard(&t, keeper->pid, WIRE_RING_DEAD), "keeper", "hears then of rings whose relay is gone");
        spawn_tell(keeper, WIRE_FILE, 0, 0);
        must(stage_heard(&t, keeper->pid, WIRE_FILE), "mark");
        size_t      rings = stage_count(&t, keeper->pid, WIRE_GRANT) - 8;
        const said *ring = stage_granted(&t, keeper->pid, GRANT_RING);
        tap_ok(rings == 2 && ring != nullptr && ring->m.number == 5 && stage_count(&t, keeper->pid,
                WIRE_RING_DEAD) == 1,
               "keeper", "is given every ring, with its generation");
        tap_ok(stage_count(&t, keeper->pid, WIRE_GENERATION) == 2, "keeper",
                "is given configuration and policy of each generation");
        tap_ok(stage_granted(&t, keeper->pid, GRANT_KEEPER) == nullptr, "pair",
                "no keeper is paired with an admin that is not ready");
        stage_ready(&t, admin);
        spawn_connect(t.s, admin);
        spawn_tell(keeper, WIRE_OPEN, 0, 0);
        spawn_tell(admin, WIRE_OPEN, 0, 0);
        bool both = stage_heard(&t, keeper->pid, WIRE_OPEN) && stage_heard(&t, admin->pid, WIRE_OPEN);
        tap_ok(both && stage_granted(&t, keeper->pid, GRANT_KEEPER) != nullptr
                       && stage_granted(&t, admin->pid, GRANT_KEEPER) != nullptr,
               "pair", "when it is, each has an end");
}

static void what_lacks_is_not_granted(void)
{
        t.s->key_file = t.s->tpm = -1;
        child *c = stage_start(&t, ROLE_KEEPER);
        tap_ok(stage_heard(&t, c->pid, WIRE_START) && stage_granted(&t, c->pid, GRANT_KEY_FILE) == nullptr, "keeper",
               "is given no key file when the command line names none");
        tap_ok(stage_granted(&t, c->pid, GRANT_TPM) == nullptr, "keeper", "and no TPM when there is none");
        kill(c->pid, SIGKILL);
        stage_buried(&t, c);
        c->in_use = false;
        char path[256];
        stage_path(&t, "bin/lethe-resolver", path);
        must(unlink(path) == 0, path);
        c = stage_start(&t, ROLE_RESOLVER);
        int status = stage_buried(&t, c);
        tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == 127, SUBJECT,
                "a program that is not there is a death like others");
        spawn_tell(nullptr, WIRE_STOP, 0, 0);
        spawn_tell(c, WIRE_STOP, 0, 0);
        tap_ok(true, SUBJECT, "telling a role that does not run harms nobody");
        c->in_use = false;
        for (size_t i = 0; i < CHILDREN; i++)
                if (!t.s->children[i].in_use)
                        must(spawn_child(t.s, ROLE_RELAY) != nullptr, "row");
        tap_ok(spawn_child(t.s, ROLE_RELAY) == nullptr, SUBJECT, "there are no more processes than rows");
}

static void a_role_dies_with_its_supervisor(void)
{
        pid_t between = fork();
        if (between == 0) {
                child *c = spawn_child(t.s, ROLE_ADMIN);
                _exit(c == nullptr || failed(spawn_start(t.s, c)) ? 1 : (pause(), 0));
        }
        const said *born = nullptr;
        for (int i = 0; i < 1000 && born == nullptr; i++) {
                stage_listen(&t, 10);
                for (size_t k = 0; k < t.heard_count; k++)
                        born = t.heard[k].kind == SAID_BORN ? &t.heard[k] : born;
        }
        kill(between, SIGKILL);
        stage_status(between);
        int status = born == nullptr ? 0 : stage_status(born->pid);
        tap_ok(status > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, SUBJECT,
               "a role dies when its supervisor is killed, even one that does not listen");
        for (size_t i = 0; i < CHILDREN; i++)
                t.s->children[i] = (child){.control = -1};
}

int main(int count, char *arguments[])
{
        stand_in_if_named(count, arguments);
        stage_make(&t);
        /* As the supervisor has them, who reads them from a descriptor. */
        sigset_t blocked;
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGCHLD);
        sigaddset(&blocked, SIGUSR1);
        sigprocmask(SIG_BLOCK, &blocked, nullptr);
        must(!failed(shared_make(t.s)), "memory");
        stage_letters(&t, "hhhh");
        stage_write(&t, "config/lethe.json", "{}");
        stage_write(&t, "config/policy.json", "{}");
        a_role_dies_with_its_supervisor();
        each_role_has_its_own();
        child *c = a_relay_has_its_own();
        pairs_wait_for_both(c);
        a_keeper_learns_all(c);
        what_lacks_is_not_granted();
        stage_end(&t);
        return tap_done();
}
