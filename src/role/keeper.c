#include <errno.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/event.h"
#include "base/registers.h"
#include "base/secret.h"
#include "role/keeper_state.h"
#include "role/start.h"

/* A wake-up through the eventfd can be lost with the relay that owed it. */
enum : int { TURN_MS = 1000 };

/* Secret memory can only be mapped, never read. err BAD_FILE when it is smaller than `bytes`; SYSTEM */
static err map_grant(int fd, size_t bytes, void **out)
{
        struct stat s;
        if (fstat(fd, &s) != 0)
                return FAIL(SYSTEM);
        if (s.st_size < 0 || (size_t)s.st_size < bytes)
                return FAIL(BAD_FILE);
        void *p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
                return FAIL(SYSTEM);
        *out = p;
        return OK;
}

static void replace(int *place, int fd)
{
        if (*place >= 0)
                close(*place);
        *place = fd;
}

static err ledger_granted(keeper *k, int fd)
{
        void *memory = nullptr;
        TRY(map_grant(fd, ledger_bytes(), &memory));
        return ledger_open(memory, ledger_bytes(), clock_wall_s(), &k->ledger);
}

static err memory_granted(keeper *k, grant_id what, int fd)
{
        void *p = nullptr;
        if (what == GRANT_BOARD && k->board == nullptr) {
                TRY(map_grant(fd, sizeof *k->board, &p));
                k->board = p;
                return board_valid(k->board) ? OK : FAIL(BAD_FILE);
        }
        if (what == GRANT_LEASE && k->lease == nullptr) {
                TRY(map_grant(fd, sizeof *k->lease, &p));
                k->lease = p;
        }
        if (what == GRANT_VAULT_KEY && k->page == nullptr) {
                TRY(map_grant(fd, KEEPER_PAGE_BYTES, &p));
                k->page = p;
        }
        return what == GRANT_LEDGER && k->ledger == nullptr ? ledger_granted(k, fd) : OK;
}

/* Takes the descriptor. The ledger must come before what is counted in it. */
static err granted(keeper *k, const wire_message *m, int fd)
{
        err e = OK;
        switch ((grant_id)m->what) {
        case GRANT_BOARD:
        case GRANT_LEASE:
        case GRANT_LEDGER:
        case GRANT_VAULT_KEY:
                e = memory_granted(k, (grant_id)m->what, fd);
                break;
        case GRANT_RING:
                e = keeper_ring_granted(k, m->slot, (uint32_t)m->number, fd);
                break;
        case GRANT_RING_WAKE:
                replace(&k->wake, fd);
                return OK;
        case GRANT_KEEPER:
                keeper_line_granted(&k->admin, fd);
                return OK;
        case GRANT_CONSOLE:
                keeper_line_granted(&k->console, fd);
                return OK;
        case GRANT_STATE:
                replace(&k->state, fd);
                return OK;
        case GRANT_KEY_FILE:
                replace(&k->key_file, fd);
                return OK;
        case GRANT_BOX_FACTS:
                if (k->box == nullptr)
                        k->box = box_facts_map(fd);
                break;
        case GRANT_TPM:
                replace(&k->tpm, fd);
                return OK;
        case GRANT_LISTEN:
        case GRANT_RESOLVER:
        case GRANT_RESOLV_CONF:
        case GRANT_BOX:
        case GRANT_BUNDLE:
        case GRANT_CLAIM:
                break;
        }
        close(fd);
        return e;
}

/* One message of the supervisor; takes its descriptor. err as granted */
static err control_message(keeper *k, const wire_message *m, int fd)
{
        switch ((wire_type)m->type) {
        case WIRE_GRANT:
                return fd >= 0 ? granted(k, m, fd) : OK;
        case WIRE_GENERATION:
                if (fd >= 0)
                        keeper_generation(k, m, fd);
                break;
        case WIRE_RING_DEAD:
                keeper_ring_dead(k, m->slot);
                break;
        case WIRE_CONFIG_TRIED:
                keeper_config_tried(k, m);
                break;
        case WIRE_ALIVE:
                (void)!failed(wire_send(k->control, m, -1));
                break;
        case WIRE_STOP:
                k->phase = KEEPER_STOPS;
                break;
        case WIRE_OPEN:
        case WIRE_READY:
        case WIRE_REFUSED:
        case WIRE_DRAINED:
        case WIRE_RELOAD:
        case WIRE_RING_DONE:
        case WIRE_CONFIG:
        case WIRE_FILE:
        case WIRE_START:
        case WIRE_DRAIN:
        case WIRE_RELOADED:
                break;
        }
        if (fd >= 0)
                close(fd);
        return OK;
}

static err grants(keeper *k)
{
        for (;;) {
                wire_message m;
                int          fd;
                TRY(wire_receive(k->control, &m, &fd));
                if (m.type == WIRE_START) {
                        k->in_state = m.number == START_CONFIG_IN_STATE;
                        return OK;
                }
                TRY(control_message(k, &m, fd));
        }
}

static bool grants_whole(const keeper *k)
{
        return k->board != nullptr && k->lease != nullptr && k->ledger != nullptr && k->page != nullptr && k->state >= 0
               && k->wake >= 0;
}

/* What an operator is told for each way the vault does not open. The last row is for all others. */
static const struct {
        err_code    code;
        const char *word, *text;
} vault_faults[] = {
        {ERR_ROLLED_BACK, "ROLLED_BACK",
         "The state file is older than the one this run has already used: an old copy was put in its place. Put the "
         "newest "
         "copy back; to go back on purpose, stop lethed and start it again."},
        {ERR_BAD_CREDENTIAL, "BAD_CREDENTIAL",
         "The key file does not open the state file. Give the key file that 'lethectl vault init' made for it, exactly "
         "32 "
         "bytes."},
        {ERR_AGAIN, "IN_USE",
         "Another process, such as lethectl, is at work on the state file. Start again when it has ended."},
        {ERR_BAD_FILE, "BAD_FILE",
         "The vault is cut, damaged or of another format. Put a copy of the state back; without one empty it (a box: "
         "'factory reset' in its menu) and bring a backup in by 'lethectl vault import', or begin anew."},
        {ERR_NONE, "SYSTEM",
         "The state file cannot be read, written or synced, or memory cannot be locked. Check the disk and "
         "RLIMIT_MEMLOCK."},
};

static void refuse_vault(const keeper *k, err_code code)
{
        size_t i = 0;
        while (vault_faults[i].code != code && vault_faults[i].code != ERR_NONE)
                i++;
        start_refuse(k->control, vault_faults[i].word, vault_faults[i].text);
}

static keeper *keeper_make(int control, const keeper_build *build)
{
        keeper *k = mmap(nullptr, sizeof *k, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (k == MAP_FAILED)
                return nullptr;
        k->build = build;
        k->control = control;
        k->wake = k->admin.fd = k->console.fd = k->state = k->key_file = k->tpm = -1;
        k->console.unlocks_only = true;
        return k;
}

keeper *keeper_open(int control, const keeper_build *build)
{
        keeper *k = keeper_make(control, build);
        if (k == nullptr)
                return nullptr;
        if (failed(secret_setup()) || failed(secret_lock(k, sizeof *k))) {
                start_refuse(k->control, "SYSTEM", "Memory for secrets cannot be locked. Raise RLIMIT_MEMLOCK.");
                return nullptr;
        }
        seal_make(&k->pair);
        err e = grants(k);
        if (e.code == ERR_GONE)
                return nullptr;
        if (failed(e) || !grants_whole(k)) {
                start_refuse(k->control, "BAD_GRANT",
                             "The supervisor granted other memory than the keeper expects: the programs are not of one "
                             "build. "
                             "Install them together.");
                return nullptr;
        }
        e = k->in_state ? OK : keeper_first_policy(k);
        if (failed(e)) {
                start_refuse(k->control, "NO_POLICY", "policy.json cannot be opened in the configuration folder.");
                return nullptr;
        }
        e = keeper_vault_attach(k);
        if (failed(e)) {
                refuse_vault(k, e.code);
                return nullptr;
        }
        return k;
}

static bool readable(int fd)
{
        struct pollfd p = {.fd = fd, .events = POLLIN};
        return poll(&p, 1, 0) > 0;
}

/* All that the supervisor has said, before any record is read: the names of a generation come before its records. */
static void control_turn(keeper *k)
{
        while (k->phase == KEEPER_RUNS && readable(k->control)) {
                wire_message m;
                int          fd;
                if (failed(wire_receive(k->control, &m, &fd))) {
                        k->phase = KEEPER_ORPHANED;
                        return;
                }
                err e = control_message(k, &m, fd);
                if (failed(e))
                        event(EVENT_USAGE_REFUSED, m.slot, e.code);
        }
}

static void wake_turn(const keeper *k)
{
        uint64_t n;
        if (readable(k->wake)) {
                [[maybe_unused]] ssize_t ignored = read(k->wake, &n, sizeof n);
        }
}

static int wait_ms(const keeper *k, bool more)
{
        uint64_t                 now = clock_ms(), wait = more ? 0 : TURN_MS;
        const keeper_line *const lines[] = {&k->admin, &k->console};
        for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
                uint64_t due = lines[i]->answer_due_ms;
                if (due != 0 && due < now + wait)
                        wait = due > now ? due - now : 0;
        }
        return (int)wait;
}

int keeper_serve(keeper *k)
{
        wire_message ready = {.type = WIRE_READY};
        if (failed(wire_send(k->control, &ready, -1)))
                return 1;
        bool blank = k->store.info.generation == 0;
        atomic_store(&k->board->keeper, store_is_open(&k->store) ? KEEPER_OPEN : blank ? KEEPER_BLANK : KEEPER_SEALED);
        event(EVENT_ROLE_READY, atomic_load(&k->board->generation), getpid());
        if (!store_is_open(&k->store) && k->tpm_state >= KEEPER_TPM_OTHER_START)
                event(EVENT_TPM_REFUSED, (int64_t)k->tpm_state, 0);
        if (blank)
                event(EVENT_VAULT_BLANK, 0, 0);
        else if (!store_is_open(&k->store))
                event(EVENT_VAULT_SEALED, (int64_t)k->store.info.generation, 0);
        keeper_config_tell(k);
        for (bool more = false; k->phase == KEEPER_RUNS;) {
                struct pollfd fds[] = {
                        {.fd = k->control, .events = POLLIN},
                        {.fd = k->wake, .events = POLLIN},
                        {.fd = k->admin.answer_due_ms != 0 ? -1 : k->admin.fd, .events = POLLIN},
                        {.fd = k->console.answer_due_ms != 0 ? -1 : k->console.fd, .events = POLLIN},
                };
                registers_cover();
                if (poll(fds, sizeof fds / sizeof *fds, wait_ms(k, more)) < 0 && errno != EINTR)
                        return 1;
                registers_uncover();
                wake_turn(k);
                control_turn(k);
                more = keeper_rings_turn(k);
                keeper_clone_turn(k);
                keeper_tpm_turn(k);
                keeper_tickets_turn(k, clock_ms());
                keeper_line_turn(k, &k->admin);
                keeper_line_turn(k, &k->console);
        }
        keeper_rings_end(k);
        uint64_t sequence;
        bool     clean = k->phase == KEEPER_STOPS;
        err      e = store_is_open(&k->store) ? keeper_export(k, clean ? "final" : "period", clean, &sequence) : OK;
        keeper_staging_end(k);
        keeper_vault_end(k);
        return clean && !failed(e) ? 0 : 1;
}
