/* The configuration that the keeper hands over, in the supervisor. The test is its loop, and what the keeper says. */
#include "stand_in.h"

static const char SUBJECT[] = "stored";
static stage      t;
static child     *keeper, *admin;

static void word(config_word what, uint64_t number, uint32_t slot)
{
        const wire_message m = {.type = WIRE_CONFIG, .what = what, .number = number, .slot = slot};
        stored_message(t.s, &m, -1);
}

static void file(const char *name, const char *text)
{
        wire_message m = {.type = WIRE_CONFIG, .what = CONFIG_FILE};
        int          fd = memfd_create("file", MFD_CLOEXEC);
        must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), "file");
        memcpy(m.name, name, strlen(name));
        stored_message(t.s, &m, fd);
}

static void set(config_word what, uint64_t number)
{
        file("lethe.json", "{}");
        file("policy.json", "{}");
        word(what, number, 2);
}

static child *relay(uint32_t socket)
{
        for (size_t i = 0; i < CHILDREN; i++) {
                child *c = &t.s->children[i];
                if (c->in_use && c->role == ROLE_RELAY && (int)c->generation == t.s->starting && c->socket == socket)
                        return c;
        }
        return nullptr;
}

/* Its question for a file is answered with none, and then it says what the test tells it. */
static void says_ready(child *c)
{
        must(c != nullptr && stage_hears_from(&t, c, WIRE_OPEN), "question");
        const wire_message none = {.type = WIRE_FILE, .number = ENOENT};
        must(!failed(wire_send(c->control, &none, -1)), "answer");
        must(stage_said(&t, c->pid, SAID_READ, 0, WAIT_MS) != nullptr, "read");
        stage_tell(c->pid, WIRE_READY);
        stage_ready(&t, c);
}

static void relays_ready(void)
{
        child *c[] = {relay(0), relay(1)};
        for (size_t i = 0; i < 2; i++) {
                says_ready(c[i]);
                generation_relay_ready(t.s, c[i]);
        }
}

/* The processes of generations that are not wanted any more. */
static void bury(void)
{
        for (size_t i = 0; i < CHILDREN; i++) {
                child *c = &t.s->children[i];
                if (!c->in_use || c->role != ROLE_RELAY || c->wanted)
                        continue;
                if (c->pid > 0) {
                        kill(c->pid, SIGKILL);
                        stage_buried(&t, c);
                }
                relay_slot_dead(t.s, c);
                c->in_use = false;
        }
        for (size_t i = 0; i < LIMIT_COLUMNS; i++)
                if (t.s->rings[i].fd >= 0 && t.s->rings[i].dead) {
                        close(t.s->rings[i].fd);
                        t.s->rings[i] = (ring_row){.fd = -1};
                }
        generation_collect(t.s);
}

static const wire_message *last(const child *c, wire_type type, size_t count)
{
        for (int i = 0; i < 1000 && stage_count(&t, c->pid, type) < count; i++)
                usleep(2000);
        const said *found = nullptr;
        for (size_t i = 0; i < t.heard_count; i++)
                if (t.heard[i].pid == c->pid && t.heard[i].kind == SAID_HEARD && t.heard[i].m.type == type)
                        found = &t.heard[i];
        return stage_count(&t, c->pid, type) == count ? &found->m : nullptr;
}

static bool admin_told(size_t count, uint16_t what, uint64_t done)
{
        const wire_message *m = last(admin, WIRE_RELOADED, count);
        return m != nullptr && m->what == what && m->number == done;
}

static bool keeper_told(size_t count, uint64_t number, uint16_t serves)
{
        const wire_message *m = last(keeper, WIRE_CONFIG_TRIED, count);
        return m != nullptr && m->what == serves && m->number == number;
}

static uint64_t serving(void)
{
        for (size_t i = 0; i < GENERATIONS; i++)
                if (t.s->generations[i].state == GENERATION_SERVING)
                        return t.s->generations[i].set;
        return 0;
}

static void nothing_yet(void)
{
        tap_ok(snapshot_open(t.s, nullptr, "lethe.json") < 0 && errno == ENOENT, SUBJECT,
               "before the keeper's word there is no file");
        word(CONFIG_STORED, 0, 0);
        admin = spawn_find(t.s, ROLE_ADMIN);
        tap_ok(t.s->told && admin != nullptr && spawn_find(t.s, ROLE_RESOLVER) != nullptr, SUBJECT,
               "with it the other roles are started");
        says_ready(admin);
        stored_turn(t.s);
        tap_ok(t.s->starting < 0 && serving() == 0, SUBJECT, "without a configuration no relay is");
        t.s->reload_asked = true;
        tap_ok(failed(generation_begin(t.s)) && strcmp(t.s->fault.code, "NO_CONFIG") == 0 && admin_told(1,
               RELOADED_STORED, 0),
               SUBJECT, "a reload of nothing is refused with a word");
}

static void a_trial(void)
{
        set(CONFIG_STAGED, 7);
        stored_turn(t.s);
        tap_ok(t.s->starting >= 0 && relay(0) != nullptr && relay(1) != nullptr, SUBJECT, "a staged set is tried");
        relays_ready();
        tap_ok(serving() == 0 && keeper_told(1, 7, 1), SUBJECT,
               "when all relays are ready the keeper is asked to store it");
        word(CONFIG_KEPT, 8, 0);
        tap_ok(serving() == 0, SUBJECT, "another set's word is not this one's");
        word(CONFIG_KEPT, 7, 0);
        tap_ok(serving() == 7 && t.s->stored.number == 7 && admin_told(2, RELOADED_TRIAL, 1), SUBJECT,
               "stored, it serves, and admin is told");
        int fd = snapshot_open(t.s, nullptr, "policy.json");
        tap_ok(fd >= 0, SUBJECT, "its files are what roles get from now on");
        close(fd);
}

static void one_that_fails(void)
{
        set(CONFIG_STAGED, 9);
        stored_turn(t.s);
        generation_fail(t.s);
        tap_ok(keeper_told(2, 9, 0) && admin_told(3, RELOADED_TRIAL, 0) && serving() == 7, SUBJECT,
               "one that fails is dropped, and nothing changes");
        bury();
        set(CONFIG_STAGED, 10);
        stored_turn(t.s);
        relays_ready();
        word(CONFIG_LOST, 10, 1);
        tap_ok(admin_told(4, RELOADED_TRIAL, 0) && strcmp(t.s->fault.code, "NOT_STORED") == 0 && serving() == 7,
               SUBJECT,
               "nor by one that could not be stored");
        bury();
        file("lethe.json", "{}");
        word(CONFIG_STAGED, 11, 2);
        stored_turn(t.s);
        tap_ok(t.s->starting < 0 && admin_told(5, RELOADED_TRIAL, 0) && stage_logged(&t, "CONFIG_FAILED"), SUBJECT,
               "nor by one that lost a file on its way");
}

static void the_keeper_dies(void)
{
        set(CONFIG_STAGED, 12);
        stored_turn(t.s);
        relays_ready();
        stored_keeper_died(t.s);
        tap_ok(t.s->starting < 0 && admin_told(6, RELOADED_TRIAL, 0) && strcmp(t.s->fault.code, "KEEPER_DIED") == 0
                       && serving() == 7,
               SUBJECT, "a keeper that dies in between changes nothing");
        bury();
        set(CONFIG_STORED, 7);
        stored_turn(t.s);
        tap_ok(t.s->starting < 0, SUBJECT, "the next one brings what serves");
        set(CONFIG_STORED, 12);
        stored_turn(t.s);
        tap_ok(t.s->starting >= 0, SUBJECT, "or what was stored just before: then that is what is to serve");
        relays_ready();
        tap_ok(serving() == 12, SUBJECT, "without another trial");
        bury();
}

static void a_reload(void)
{
        t.s->reload_asked = true;
        tap_ok(!failed(generation_begin(t.s)) && !t.s->generations[t.s->starting].trial, SUBJECT,
               "a reload takes what is stored");
        set(CONFIG_STAGED, 13);
        stored_turn(t.s);
        relays_ready();
        tap_ok(admin_told(7, RELOADED_STORED, 1) && serving() == 12, SUBJECT, "and is told as such");
        bury();
        stored_turn(t.s);
        relays_ready();
        word(CONFIG_KEPT, 13, 0);
        tap_ok(admin_told(8, RELOADED_TRIAL, 1) && serving() == 13, SUBJECT,
               "a set that came meanwhile is tried after it");
        bury();
}

int main(int count, char *arguments[])
{
        stand_in_if_named(count, arguments);
        stage_make(&t);
        must(!failed(shared_make(t.s)), "memory");
        close(t.s->config);
        t.s->config = -1;
        keeper = stage_start(&t, ROLE_KEEPER);
        says_ready(keeper);
        nothing_yet();
        a_trial();
        one_that_fails();
        the_keeper_dies();
        a_reload();
        stage_end(&t);
        return tap_done();
}
