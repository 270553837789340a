#include <assert.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/emit.h"
#include "base/event.h"
#include "role/supervise.h"

static int free_generation(const supervisor *s)
{
        for (int i = 0; i < (int)GENERATIONS; i++)
                if (s->generations[i].state == GENERATION_NONE)
                        return i;
        return -1;
}

static int free_ring(const supervisor *s)
{
        for (int i = 0; i < (int)LIMIT_COLUMNS; i++)
                if (s->rings[i].fd < 0)
                        return i;
        return -1;
}

static uint32_t free_rings(const supervisor *s)
{
        uint32_t n = 0;
        for (size_t i = 0; i < LIMIT_COLUMNS; i++)
                n += s->rings[i].fd < 0;
        return n;
}

void generation_blame(supervisor *s, const char *code, const char *text)
{
        s->fault = (config_fault){};
        emit e = emit_into((uint8_t *)s->fault.code, sizeof s->fault.code - 1);
        emit_text(&e, code);
        e = emit_into((uint8_t *)s->fault.text, sizeof s->fault.text - 1);
        emit_text(&e, text);
}

bool relay_slot_renew(supervisor *s, child *c)
{
        if (c->has_slot)
                return true; /* the process it was for could not be made */
        int slot = free_ring(s);
        int ring = slot < 0 ? -1 : shared_ring();
        if (ring < 0)
                return false;
        c->slot = (uint32_t)slot;
        c->has_slot = true;
        s->rings[slot] = (ring_row){.fd = ring, .generation = s->generations[c->generation].number};
        spawn_ring(s, (uint32_t)slot);
        return true;
}

void relay_slot_dead(supervisor *s, child *c)
{
        if (!c->has_slot)
                return;
        c->has_slot = false;
        s->rings[c->slot].dead = true;
        child *keeper = spawn_find(s, ROLE_KEEPER);
        if (keeper != nullptr && keeper->ready)
                spawn_tell(keeper, WIRE_RING_DEAD, c->slot, 0);
}

/* One that waits for its next start has nothing to drain, and must not serve the files of its generation again. */
static void relay_forget(supervisor *s, child *c)
{
        relay_slot_dead(s, c);
        c->in_use = false;
}

static child *relay_add(supervisor *s, uint32_t at, uint32_t socket)
{
        child *c = spawn_child(s, ROLE_RELAY);
        if (c == nullptr)
                return nullptr;
        c->generation = at;
        c->socket = socket;
        if (relay_slot_renew(s, c))
                return c;
        c->in_use = false;
        return nullptr;
}

static void reloaded(supervisor *s, uint64_t done, bool trial)
{
        /* Who asked later is answered by the generation that read the files later. */
        if (!trial && (!s->reload_asked || s->reload_again))
                return;
        if (!trial)
                s->reload_asked = false;
        child *admin = spawn_find(s, ROLE_ADMIN);
        const wire_message m = {.type = WIRE_RELOADED,
                                .what = trial ? RELOADED_TRIAL : RELOADED_STORED,
                                .number = done,
                                .slot = s->last_generation,
                                .fault = s->fault};
        if (admin != nullptr)
                (void)!failed(wire_send(admin->control, &m, -1));
}

err generation_begin(supervisor *s)
{
        assert(s->starting < 0);
        int  at = free_generation(s);
        bool trial = s->try_due;
        if (at < 0 || free_rings(s) < s->relays) {
                generation_blame(s, "DRAINING",
                                 "too many generations are still draining; try again when they have ended");
                stored_drop(s);
                reloaded(s, 0, trial);
                return FAIL(NO_ROOM);
        }
        generation *g = &s->generations[at];
        *g = (generation){.number = s->last_generation + 1};
        if (holds_config(s) && failed(stored_fill(s, g))) {
                stored_drop(s);
                reloaded(s, 0, trial);
                return FAIL(NO_TARGET);
        }
        g->state = GENERATION_STARTING;
        s->last_generation++;
        s->starting = at;
        spawn_names(s, g);
        for (uint32_t i = 0; i < s->relays; i++) {
                child *c = relay_add(s, (uint32_t)at, i);
                if (c == nullptr || failed(spawn_start(s, c))) {
                        generation_blame(s, "SYSTEM", "the system refused memory or a process for the new generation");
                        generation_fail(s);
                        return FAIL(SYSTEM);
                }
        }
        return OK;
}

static void retire_serving(supervisor *s, uint32_t except)
{
        for (uint32_t i = 0; i < GENERATIONS; i++)
                if (i != except && s->generations[i].state == GENERATION_SERVING)
                        s->generations[i].state = GENERATION_DRAINING;
        for (size_t i = 0; i < CHILDREN; i++) {
                child *c = &s->children[i];
                if (!c->in_use || c->role != ROLE_RELAY || c->generation == except)
                        continue;
                c->wanted = false;
                if (c->pid != 0)
                        spawn_tell(c, WIRE_DRAIN, 0, 0);
                else
                        relay_forget(s, c);
        }
}

/* Admin and resolver read the configuration too. The resolver takes new servers as it runs; admin is started again when
 * what it reads has changed, or when another machine has its random numbers too; a moment later, so that whoever asked
 * for the reload has heard of it. */
static void tell_others(supervisor *s, generation *g)
{
        enum : uint64_t { RENEW_MS = 500 };
        static const char *const read_by_admin[] = {"lethe.json", "tls/admin.crt", "tls/admin.key",
                                                    "tls/server.crt", nullptr};
        uint8_t                  digest[sizeof s->admin_digest];
        snapshot_digest(s, &g->files, read_by_admin, digest);
        uint32_t clones = s->box == nullptr ? 0 : atomic_load(&s->box->clones);
        bool changed = memcmp(digest, s->admin_digest, sizeof digest) != 0 || clones != s->clones;
        if ((g->number > 1 || holds_config(s)) && changed)
                s->renew_admin_at_ms = clock_ms() + RENEW_MS;
        s->clones = clones;
        memcpy(s->admin_digest, digest, sizeof digest);
        child *resolver = spawn_find(s, ROLE_RESOLVER);
        int    fd = snapshot_open(s, &g->files, read_by_admin[0]);
        if (resolver != nullptr && resolver->ready && fd >= 0) {
                const wire_message m = {.type = WIRE_GENERATION, .number = g->number};
                (void)!failed(wire_send(resolver->control, &m, fd));
        }
        if (fd >= 0)
                close(fd);
}

void generation_relay_ready(supervisor *s, const child *c)
{
        generation *g = &s->generations[c->generation];
        if (g->state != GENERATION_STARTING)
                return;
        bool ready = true;
        for (size_t i = 0; i < CHILDREN; i++) {
                const child *other = &s->children[i];
                if (other->in_use && other->role == ROLE_RELAY && other->generation == c->generation && !other->ready)
                        ready = false;
        }
        if (ready && stored_settled(s, g))
                generation_serve(s, g);
}

void generation_serve(supervisor *s, generation *g)
{
        bool trial = g->trial;
        g->trial = false;
        g->state = GENERATION_SERVING;
        s->starting = -1;
        atomic_store(&s->board->generation, g->number);
        retire_serving(s, (uint32_t)(g - s->generations));
        event(EVENT_GENERATION_UP, g->number, s->relays);
        tell_others(s, g);
        reloaded(s, 1, trial);
        generation_collect(s);
}

void generation_fail(supervisor *s)
{
        assert(s->starting >= 0);
        uint32_t at = (uint32_t)s->starting;
        event(EVENT_GENERATION_FAILED, s->generations[at].number, ROLE_RELAY);
        s->generations[at].state = GENERATION_DRAINING;
        s->starting = -1;
        stored_failed(s, &s->generations[at]);
        for (size_t i = 0; i < CHILDREN; i++) {
                child *c = &s->children[i];
                if (!c->in_use || c->role != ROLE_RELAY || c->generation != at)
                        continue;
                c->wanted = false;
                if (c->pid != 0)
                        kill(c->pid, SIGKILL);
                else
                        relay_forget(s, c);
        }
        if (s->fault.text[0] == '\0')
                generation_blame(s, "DIED", "a relay process of the new generation ended before it was ready");
        reloaded(s, 0, s->generations[at].trial);
        generation_collect(s);
}

void generation_collect(supervisor *s)
{
        for (uint32_t i = 0; i < GENERATIONS; i++) {
                generation *g = &s->generations[i];
                if (g->state != GENERATION_DRAINING)
                        continue;
                bool alive = false;
                for (size_t k = 0; k < CHILDREN; k++) {
                        const child *c = &s->children[k];
                        alive = alive || (c->in_use && c->role == ROLE_RELAY && c->generation == i);
                }
                for (size_t k = 0; k < LIMIT_COLUMNS; k++)
                        alive = alive || (s->rings[k].fd >= 0 && s->rings[k].generation == g->number);
                if (alive)
                        continue;
                event(EVENT_GENERATION_GONE, g->number, s->relays);
                snapshots_forget(&g->files);
                *g = (generation){};
        }
}
