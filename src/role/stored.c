/* The configuration in the state: the keeper hands its files over, a generation is made of them. What is new is tried
 * first and stored by the keeper before it serves, so that what runs is what the next start will find. */
#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/event.h"
#include "role/supervise.h"

enum : uint64_t { RETRY_FIRST_MS = 2000, RETRY_MOST_MS = 60000 };

static void set_forget(stored_set *set)
{
        snapshots_forget(&set->files);
        *set = (stored_set){};
}

static const generation *serving(const supervisor *s)
{
        for (size_t i = 0; i < GENERATIONS; i++)
                if (s->generations[i].state == GENERATION_SERVING)
                        return &s->generations[i];
        return nullptr;
}

/* ---- what the keeper says ---- */

static void file_came(supervisor *s, const wire_message *m, int fd)
{
        if (fd < 0)
                return;
        if (s->coming.count == SNAPSHOTS)
                close(fd);
        else
                snapshot_add(&s->coming, m->name, fd);
}

/* A set whose number of files is not the one that was said has lost some on its way: it is none. */
static void set_came(supervisor *s, const wire_message *m, stored_set *out)
{
        set_forget(out);
        if (s->coming.count == m->slot) {
                *out = (stored_set){.files = s->coming, .number = m->number};
                s->coming = (snapshots){};
        } else {
                event(EVENT_CONFIG_FAILED, ERR_BAD_FILE, ROLE_SUPERVISOR);
                snapshots_forget(&s->coming);
        }
}

static void retry_now(supervisor *s)
{
        s->retries = 0;
        s->retry_at_ms = clock_ms();
}

/* The other roles read the configuration as they start, so they wait until it is known whether there is one. */
static void start_others(supervisor *s)
{
        static const role_id others[] = {ROLE_RESOLVER, ROLE_ADMIN};
        s->told = true;
        for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
                child *c = spawn_child(s, others[i]);
                assert(c != nullptr);
                if (failed(spawn_start(s, c)))
                        c->start_at_ms = clock_ms() + 100;
        }
}

static void stored_came(supervisor *s, const wire_message *m)
{
        set_came(s, m, &s->stored);
        const generation *now = serving(s);
        if (s->stored.number != 0 && (now == nullptr || now->set != s->stored.number))
                retry_now(s);
        if (!s->told)
                start_others(s);
}

/* Stored: what was staged is what the next start will find. */
static void kept(supervisor *s, uint64_t number)
{
        if (s->staged.number != number)
                return;
        set_forget(&s->stored);
        s->stored = s->staged;
        s->staged = (stored_set){};
        generation *g = s->starting < 0 ? nullptr : &s->generations[s->starting];
        if (g != nullptr && g->set == number && s->keep_asked) {
                s->keep_asked = false;
                generation_serve(s, g);
        } else {
                s->keep_asked = false;
                retry_now(s);
        }
}

static void lost(supervisor *s, uint64_t number)
{
        if (s->staged.number != number)
                return;
        generation *g = s->starting < 0 ? nullptr : &s->generations[s->starting];
        s->keep_asked = false;
        set_forget(&s->staged);
        if (g == nullptr || g->set != number || !g->trial)
                return;
        generation_blame(s, "NOT_STORED",
                         "the configuration serves but could not be written into the vault; nothing has changed");
        generation_fail(s);
}

void stored_message(supervisor *s, const wire_message *m, int fd)
{
        if (m->what == CONFIG_FILE) {
                file_came(s, m, fd);
                return;
        }
        if (fd >= 0)
                close(fd);
        switch ((config_word)m->what) {
        case CONFIG_STORED:
                stored_came(s, m);
                return;
        case CONFIG_STAGED:
                set_came(s, m, &s->staged);
                s->try_due = true;
                return;
        case CONFIG_KEPT:
                kept(s, m->number);
                return;
        case CONFIG_LOST:
                lost(s, m->number);
                return;
        case CONFIG_FILE:
                return;
        }
}

void stored_keeper_died(supervisor *s)
{
        if (!holds_config(s))
                return;
        snapshots_forget(&s->coming);
        s->keep_asked = s->try_due = false;
        set_forget(&s->staged);
        if (s->starting < 0 || !s->generations[s->starting].trial)
                return;
        generation_blame(s, "KEEPER_DIED", "the keeper ended before the configuration was stored; try again");
        generation_fail(s);
}

/* ---- generations ---- */

err stored_fill(supervisor *s, generation *g)
{
        const stored_set *from = s->try_due ? &s->staged : &s->stored;
        g->trial = s->try_due;
        g->set = from->number;
        if (from->number == 0) {
                generation_blame(s, "NO_CONFIG", "there is no configuration yet, or the vault is sealed");
                *g = (generation){};
                return FAIL(NO_TARGET);
        }
        for (size_t i = 0; i < from->files.count; i++) {
                int fd = fcntl(from->files.rows[i].fd, F_DUPFD_CLOEXEC, 0);
                if (fd < 0) {
                        generation_blame(s, "SYSTEM", "the system refused a descriptor for the new generation");
                        snapshots_forget(&g->files);
                        *g = (generation){};
                        return FAIL(SYSTEM);
                }
                snapshot_add(&g->files, from->files.rows[i].name, fd);
        }
        s->try_due = false;
        return OK;
}

static void tell_tried(supervisor *s, uint64_t number, uint16_t serves)
{
        const wire_message m = {.type = WIRE_CONFIG_TRIED, .what = serves, .number = number};
        child             *keeper = spawn_find(s, ROLE_KEEPER);
        if (keeper != nullptr)
                (void)!failed(wire_send(keeper->control, &m, -1));
}

void stored_drop(supervisor *s)
{
        if (!s->try_due)
                return;
        s->try_due = false;
        tell_tried(s, s->staged.number, 0);
        set_forget(&s->staged);
}

bool stored_settled(supervisor *s, const generation *g)
{
        if (!g->trial)
                return true;
        if (!s->keep_asked)
                tell_tried(s, g->set, 1);
        s->keep_asked = true;
        return false;
}

void stored_failed(supervisor *s, const generation *g)
{
        if (g->trial && !s->keep_asked) {
                tell_tried(s, g->set, 0);
                set_forget(&s->staged);
        }
        if (!holds_config(s) || g->trial || serving(s) != nullptr)
                return;
        /* Nothing serves: a clock that is set later, or memory that comes free, may be all that lacks. */
        uint64_t wait = RETRY_FIRST_MS << (s->retries < 5 ? s->retries : 5);
        s->retries++;
        s->retry_at_ms = clock_ms() + (wait < RETRY_MOST_MS ? wait : RETRY_MOST_MS);
}

void stored_turn(supervisor *s)
{
        if (!holds_config(s) || s->stopping || s->starting >= 0)
                return;
        bool retry = s->retry_at_ms != 0 && clock_ms() >= s->retry_at_ms;
        if (!s->try_due && !retry)
                return;
        if (!s->try_due)
                s->retry_at_ms = 0;
        s->fault = (config_fault){};
        (void)!failed(generation_begin(s));
}
