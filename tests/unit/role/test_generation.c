/* Relays old and new. The test is the supervisor's loop. */
#include "role/supervise.h"

#include <sys/resource.h>

#include "stand_in.h"

static const char SUBJECT[] = "generation";
static stage      t;

static child *relay_of(uint32_t at, uint32_t socket)
{
        for (size_t i = 0; i < CHILDREN; i++) {
                child *c = &t.s->children[i];
                if (c->in_use && c->role == ROLE_RELAY && c->generation == at && c->socket == socket)
                        return c;
        }
        return nullptr;
}

static size_t relays(uint32_t at)
{
        size_t n = 0;
        for (size_t i = 0; i < CHILDREN; i++)
                n += t.s->children[i].in_use && t.s->children[i].role == ROLE_RELAY
                     && t.s->children[i].generation == at;
        return n;
}

static size_t rings_free(void)
{
        size_t n = 0;
        for (size_t i = 0; i < LIMIT_COLUMNS; i++)
                n += t.s->rings[i].fd < 0;
        return n;
}

static void ready(child *c)
{
        stage_ready(&t, c);
        generation_relay_ready(t.s, c);
}

/* What the loop does when the keeper has read all rings of the dead. */
static void rings_read(void)
{
        for (size_t i = 0; i < LIMIT_COLUMNS; i++)
                if (t.s->rings[i].fd >= 0 && t.s->rings[i].dead) {
                        close(t.s->rings[i].fd);
                        t.s->rings[i] = (ring_row){.fd = -1};
                }
        generation_collect(t.s);
}

/* Starts one and makes it serve; its index. */
static uint32_t serve_next(void)
{
        must(!failed(generation_begin(t.s)), "begin");
        uint32_t at = (uint32_t)t.s->starting;
        for (uint32_t i = 0; i < t.s->relays; i++)
                ready(relay_of(at, i));
        must(t.s->starting == -1, "serving");
        return at;
}

static void bury_all(uint32_t at)
{
        for (size_t i = 0; i < CHILDREN; i++) {
                child *c = &t.s->children[i];
                if (!c->in_use || c->role != ROLE_RELAY || c->generation != at)
                        continue;
                if (c->pid > 0) {
                        kill(c->pid, SIGKILL);
                        stage_buried(&t, c);
                }
                c->in_use = false;
        }
        generation_collect(t.s);
}

/* The answer that admin heard last; null when it has heard no more than `before` of them. */
static const wire_message *answer(const child *admin, size_t before)
{
        for (int i = 0; i < 500 && stage_count(&t, admin->pid, WIRE_RELOADED) <= before; i++)
                usleep(2000);
        const said *last = nullptr;
        for (size_t i = 0; i < t.heard_count; i++)
                if (t.heard[i].pid == admin->pid && t.heard[i].m.type == WIRE_RELOADED)
                        last = &t.heard[i];
        return stage_count(&t, admin->pid, WIRE_RELOADED) == before + 1 ? &last->m : nullptr;
}

static uint32_t the_first_serves_when_all_are_ready(void)
{
        tap_ok(!failed(generation_begin(t.s)) && t.s->starting == 0 && relays(0) == 2, SUBJECT,
               "a generation starts a relay for each listener");
        child *a = relay_of(0, 0), *b = relay_of(0, 1);
        must(a != nullptr && b != nullptr, "relays");
        tap_ok(a->slot != b->slot && rings_free() == LIMIT_COLUMNS - 2, SUBJECT, "each has a ring of its own");
        ready(a);
        tap_ok(t.s->generations[0].state == GENERATION_STARTING && atomic_load(&t.s->board->generation) == 0, SUBJECT,
               "while one relay is not ready it does not serve");
        ready(b);
        tap_ok(t.s->generations[0].state == GENERATION_SERVING && t.s->starting == -1, SUBJECT,
                "when all are, it does");
        tap_ok(atomic_load(&t.s->board->generation) == 1 && stage_logged(&t, "GENERATION_UP generation=1"), SUBJECT,
               "the board and the log say so");
        return 0;
}

static uint32_t the_next_retires_it(uint32_t old, child *admin)
{
        pid_t before[] = {relay_of(old, 0)->pid, relay_of(old, 1)->pid};
        t.s->reload_asked = true;
        must(!failed(generation_begin(t.s)), "begin");
        uint32_t at = (uint32_t)t.s->starting;
        ready(relay_of(at, 0));
        spawn_tell(relay_of(old, 0), WIRE_FILE, 0, 0);
        must(stage_heard(&t, before[0], WIRE_FILE), "mark");
        tap_ok(!stage_heard_by_now(&t, before[0], WIRE_DRAIN) && t.s->reload_asked, SUBJECT,
               "until the next serves the old is not disturbed, and nobody is told that it does");
        ready(relay_of(at, 1));
        tap_ok(stage_heard(&t, before[0], WIRE_DRAIN) && stage_heard(&t, before[1], WIRE_DRAIN), SUBJECT,
               "then every old relay is told to drain");
        tap_ok(t.s->generations[old].state == GENERATION_DRAINING && !relay_of(old, 0)->wanted, SUBJECT,
               "and is not started again");
        const wire_message *m = answer(admin, 0);
        tap_ok(m != nullptr && m->number == 1 && m->slot == 2 && !t.s->reload_asked, "reload",
               "is answered once, with the generation that serves");
        return at;
}

static void it_goes_when_all_of_it_has_gone(uint32_t old)
{
        bury_all(old);
        tap_ok(t.s->generations[old].state == GENERATION_DRAINING, SUBJECT,
                "a drained one stays while a ring of it is unread");
        rings_read();
        tap_ok(t.s->generations[old].state == GENERATION_NONE && t.s->generations[old].files.count == 0
                       && stage_logged(&t, "GENERATION_GONE generation=1"),
               SUBJECT, "then it goes, and its files with it");
}

static void one_that_fails_changes_nothing(uint32_t serving, const child *admin)
{
        t.s->reload_asked = true;
        t.s->fault = (config_fault){};
        must(!failed(generation_begin(t.s)), "begin");
        uint32_t at = (uint32_t)t.s->starting;
        child   *a = relay_of(at, 0), *b = relay_of(at, 1);
        ready(a);
        t.s->fault = (config_fault){.code = "BAD_JSON", .text = "a comma lacks", .line = 3};
        stage_hears_from(&t, b, WIRE_READY);
        kill(b->pid, SIGKILL);
        stage_buried(&t, b);
        generation_fail(t.s);
        int status = stage_buried(&t, a);
        tap_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, SUBJECT,
                "when one relay refuses, its sisters are ended");
        tap_ok(t.s->generations[serving].state == GENERATION_SERVING && atomic_load(&t.s->board->generation) == 2
                       && !stage_heard_by_now(&t, relay_of(serving, 0)->pid, WIRE_DRAIN) && t.s->starting == -1,
               SUBJECT, "the one that serves goes on");
        const wire_message *m = answer(admin, 1);
        tap_ok(m != nullptr && m->number == 0 && strcmp(m->fault.code, "BAD_JSON") == 0 && m->fault.line == 3, "reload",
               "is answered with what was wrong");
        a->in_use = b->in_use = false;
        generation_collect(t.s);
        rings_read();
        tap_ok(t.s->generations[at].state == GENERATION_NONE && rings_free() == LIMIT_COLUMNS - 2, SUBJECT,
               "nothing is left of the one that failed");
}

static void a_death_without_words_is_told(const child *admin)
{
        t.s->reload_asked = true;
        t.s->fault = (config_fault){};
        must(!failed(generation_begin(t.s)), "begin");
        uint32_t at = (uint32_t)t.s->starting;
        generation_fail(t.s);
        const wire_message *m = answer(admin, 2);
        tap_ok(m != nullptr && m->number == 0 && strcmp(m->fault.code, "DIED") == 0 && m->fault.text[0] != '\0',
                "reload",
               "is told of a relay that died without a word");
        bury_all(at);
        rings_read();
}

/* Leaves exactly this many descriptors; what was taken is in `taken`. */
static size_t starve(size_t left, int taken[static 256])
{
        struct rlimit few = {};
        getrlimit(RLIMIT_NOFILE, &few);
        few.rlim_cur = 200;
        must(setrlimit(RLIMIT_NOFILE, &few) == 0, "limit");
        size_t n = 0;
        while (n < 256 && (taken[n] = fcntl(0, F_DUPFD_CLOEXEC, 3)) >= 0)
                n++;
        for (size_t i = 0; i < left && n > 0; i++)
                close(taken[--n]);
        return n;
}

static void a_process_that_cannot_be_made(uint32_t serving, const child *admin)
{
        int  taken[256];
        bool all = true;
        for (int round = 0; round < 3; round++) {
                t.s->reload_asked = true;
                size_t n = starve(1, taken); /* enough for a ring, not for a channel */
                all = all && generation_begin(t.s).code == ERR_SYSTEM && t.s->starting == -1;
                while (n > 0)
                        close(taken[--n]);
        }
        tap_ok(all && t.s->generations[serving].state == GENERATION_SERVING, SUBJECT,
               "when no process can be made, the one that serves goes on");
        const wire_message *m = answer(admin, 5);
        tap_ok(m != nullptr && m->number == 0 && strcmp(m->fault.code, "SYSTEM") == 0, "reload",
                "says that it was the system");
        rings_read();
        size_t rows = 0, states = 0;
        for (size_t i = 0; i < CHILDREN; i++)
                rows += t.s->children[i].in_use && t.s->children[i].role == ROLE_RELAY;
        for (size_t i = 0; i < GENERATIONS; i++)
                states += t.s->generations[i].state != GENERATION_NONE;
        tap_ok(rows == 2 && states == 1 && rings_free() == LIMIT_COLUMNS - 2, SUBJECT,
                "and nothing of the try is left");
}

static void too_many(uint32_t serving, const child *admin)
{
        size_t before = relays(serving);
        for (size_t i = 0; i < GENERATIONS; i++)
                if (t.s->generations[i].state == GENERATION_NONE)
                        t.s->generations[i].state = GENERATION_STARTING; /* the oldest are still there */
        t.s->reload_asked = true;
        tap_ok(generation_begin(t.s).code == ERR_NO_ROOM && t.s->starting == -1, SUBJECT, "too many are refused");
        const wire_message *m = answer(admin, 6);
        tap_ok(m != nullptr && m->number == 0 && strcmp(m->fault.code, "DRAINING") == 0 && m->fault.text[0] != '\0',
                "reload",
               "says that others are still draining");
        for (size_t i = 0; i < GENERATIONS; i++)
                if (t.s->generations[i].state == GENERATION_STARTING)
                        t.s->generations[i].state = GENERATION_NONE;
        uint32_t numbers = t.s->last_generation;
        for (size_t i = 0; rings_free() > 1; i++)
                if (t.s->rings[i].fd < 0)
                        t.s->rings[i] = (ring_row){.fd = fcntl(0, F_DUPFD_CLOEXEC, 3), .dead = true, .generation = 99};
        t.s->reload_asked = true;
        tap_ok(generation_begin(t.s).code == ERR_NO_ROOM && t.s->last_generation == numbers, SUBJECT,
               "one that lacks a ring for each relay is not begun");
        m = answer(admin, 7);
        tap_ok(m != nullptr && strcmp(m->fault.code, "DRAINING") == 0 && relays(serving) == before, "reload",
               "says that too, and no relay was started or ended for it");
        rings_read();
}

static void one_that_waits_for_its_start_is_forgotten(void)
{
        uint32_t at = serve_next();
        child   *c = relay_of(at, 0);
        kill(c->pid, SIGKILL);
        stage_buried(&t, c);
        c->start_at_ms = clock_ms() + 60000;
        uint32_t next = serve_next();
        tap_ok(relay_of(at, 0) == nullptr && relay_of(at, 1) != nullptr && relays(next) == 2, SUBJECT,
               "a relay in back-off is not started again with the files of a generation that has been retired");
}

static size_t named(pid_t pid)
{
        return stage_count(&t, pid, WIRE_GENERATION);
}

static void others_hear_of_it(child *resolver)
{
        spawn_tell(resolver, WIRE_OPEN, 0, 0);
        must(stage_heard(&t, resolver->pid, WIRE_OPEN), "mark");
        size_t before = named(resolver->pid);
        t.s->renew_admin_at_ms = 0;
        serve_next();
        spawn_tell(resolver, WIRE_FILE, 0, 0);
        must(stage_heard(&t, resolver->pid, WIRE_FILE), "mark");
        tap_ok(named(resolver->pid) == before + 1, "resolver", "is given the new configuration");
        tap_ok(t.s->renew_admin_at_ms == 0, "admin", "stays when its files are the same");
        stage_write(&t, "config/policy.json", "{ }");
        serve_next();
        tap_ok(t.s->renew_admin_at_ms == 0, "admin", "stays when a file changed that it does not read");
        stage_write(&t, "config/lethe.json", "{ }");
        serve_next();
        uint64_t due = t.s->renew_admin_at_ms, now = clock_ms();
        tap_ok(due > now && due <= now + 500, "admin", "is renewed a moment after one changed that it reads");
}

int main(int count, char *arguments[])
{
        stand_in_if_named(count, arguments);
        stage_make(&t);
        must(!failed(shared_make(t.s)), "memory");
        stage_letters(&t, "rrrh");
        stage_write(&t, "config/lethe.json", "{}");
        child *admin = stage_start_ready(&t, ROLE_ADMIN), *resolver = stage_start_ready(&t, ROLE_RESOLVER);
        uint32_t first = the_first_serves_when_all_are_ready();
        uint32_t second = the_next_retires_it(first, admin);
        it_goes_when_all_of_it_has_gone(first);
        one_that_fails_changes_nothing(second, admin);
        a_death_without_words_is_told(admin);
        a_process_that_cannot_be_made(second, admin);
        too_many(second, admin);
        one_that_waits_for_its_start_is_forgotten();
        others_hear_of_it(resolver);
        stage_end(&t);
        return tap_done();
}
