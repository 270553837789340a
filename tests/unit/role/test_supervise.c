/* The supervisor's loop over stand-ins of all roles: deaths, reloads, endings. Its rows lie in memory that the test
 * shares with it. The test's own sandbox_close takes the place of the real one: stand-ins do what roles may not. */
#include "role/supervise.h"

#include "role/sandbox.h"
#include "stand_in.h"

err sandbox_close(role_id role)
{
        (void)role;
        return OK;
}

static stage  t;
static board *shared; /* the supervisor's, mapped here */

/* ---- looking at it ---- */

static const child *row_of(role_id role, uint32_t socket)
{
        const child *found = nullptr;
        for (size_t i = 0; i < CHILDREN; i++) {
                const child *c = &t.s->children[i];
                if (c->in_use && c->role == role && (role != ROLE_RELAY || c->socket == socket)
                    && (role != ROLE_RELAY || t.s->generations[c->generation].state != GENERATION_DRAINING))
                        found = c;
        }
        return found;
}

/* A child's pid once it is ready and no longer `old`; -1 when that does not come. */
static pid_t up(role_id role, uint32_t socket, pid_t old)
{
        for (uint64_t until = clock_ms() + WAIT_MS; clock_ms() < until; usleep(1000)) {
                const child *c = row_of(role, socket);
                if (c != nullptr && c->ready && c->pid != 0 && c->pid != old)
                        return c->pid;
        }
        return -1;
}

static bool becomes(bool (*condition)(void))
{
        for (uint64_t until = clock_ms() + WAIT_MS; clock_ms() < until; usleep(1000))
                if (condition())
                        return true;
        return false;
}

static bool serving(void)
{
        for (size_t i = 0; i < GENERATIONS; i++)
                if (t.s->generations[i].state == GENERATION_SERVING
                        && t.s->generations[i].number == t.s->last_generation)
                        return true;
        return false;
}

static bool logged_soon(const char *text)
{
        for (uint64_t until = clock_ms() + WAIT_MS; clock_ms() < until; usleep(1000))
                if (stage_logged(&t, text))
                        return true;
        return false;
}

/* ---- the stage ---- */

static void begin(const char *letters)
{
        stage_make(&t);
        stage_letters(&t, letters);
        stage_write(&t, "config/lethe.json", "{}");
        stage_write(&t, "config/policy.json", "{}");
        t.pid = fork();
        must(t.pid >= 0, "fork");
        if (t.pid == 0) {
                dup2(t.log, STDERR_FILENO);
                event_setup("lethed", STDERR_FILENO);
                _exit(supervise(t.s));
        }
}

static void begin_serving(const char *letters)
{
        begin(letters);
        for (role_id r = 0; r <= ROLE_RELAY; r++)
                must(up(r, 0, 0) > 0 && up(r, 1, 0) > 0, "roles");
        must(becomes(serving), "serving");
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)t.pid, t.s->board_fd);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        shared = mmap(nullptr, sizeof(board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        must(fd >= 0 && shared != MAP_FAILED, "board");
        close(fd);
}

/* Its exit status; 1000 and a signal; -1: it goes on. */
static int ended(void)
{
        int status = stage_status(t.pid);
        if (status != -1)
                t.pid = 0;
        return status == -1 ? -1 : WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void end(void)
{
        if (shared != nullptr)
                munmap(shared, sizeof *shared);
        shared = nullptr;
        for (size_t i = 0; t.pid == 0 && i < CHILDREN; i++)
                t.s->children[i].pid = 0; /* all reaped by it */
        stage_end(&t);
}

/* ---- first start ---- */

static void the_first_start_is_judged(void)
{
        static const struct {
                const char *letters;
                int         status;
                const char *line, *sentence;
        } rows[] = {{"rrrx", 2, "lethed: line 7, column 9: STAND_IN: the stand-in was told to refuse\n",
                     "a configuration that relays refuse is exit status 2, and a line with the place"},
                    {"xrrr", 1, "STAND_IN", "a vault that the keeper refuses is exit status 1"},
                    {"rrrd", 1, "ROLE_DIED", "a relay that dies before anything has served is exit status 1"}};
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                begin(rows[i].letters);
                int  status = ended();
                bool alone = waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD;
                if (!tap_ok(status == rows[i].status && stage_logged(&t, rows[i].line) && alone, "first start",
                        rows[i].sentence))
                        printf("# status %d, alone %d\n", status, alone);
                end();
        }
}

static bool in_state(pid_t pid, char letter)
{
        char path[64], stat[256] = {};
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return letter == 'Z'; /* it has been reaped as well */
        must(read(fd, stat, sizeof stat - 1) > 0, path);
        close(fd);
        const char *after = strrchr(stat, ')');
        return after != nullptr && after[2] == letter;
}

static void whoever_comes_last_is_judged_too(void)
{
        begin("rrwr");
        must(becomes(serving) && row_of(ROLE_ADMIN, 0) != nullptr, "serving");
        pid_t admin = row_of(ROLE_ADMIN, 0)->pid;
        must(stage_said(&t, admin, SAID_READ, 0, WAIT_MS) != nullptr, "admin");
        stage_tell(admin, WIRE_REFUSED);
        stage_tell_exit(admin, EXIT_REFUSED);
        tap_ok(ended() == 2 && stage_logged(&t, "STAND_IN"), "first start",
               "a configuration that admin refuses is exit status 2, also when relays were quicker");
        end();
}

static void last_words_are_heard(void)
{
        begin("rrrw");
        must(up(ROLE_ADMIN, 0, 0) > 0, "admin");
        const child *c = nullptr;
        for (int i = 0; i < 1000 && (c == nullptr || c->pid == 0); i++, usleep(1000))
                c = row_of(ROLE_RELAY, 0);
        must(c != nullptr && stage_said(&t, c->pid, SAID_READ, 0, WAIT_MS) != nullptr, "relay");
        pid_t pid = c->pid;
        kill(t.pid, SIGSTOP);
        for (int i = 0; i < 5000 && !in_state(t.pid, 'T'); i++)
                usleep(1000);
        stage_tell(pid, WIRE_DRAINED);
        stage_tell(pid, WIRE_DRAINED);
        stage_tell(pid, WIRE_REFUSED);
        stage_tell_exit(pid, EXIT_REFUSED);
        for (int i = 0; i < 5000 && !in_state(pid, 'Z'); i++)
                usleep(1000);
        kill(t.pid, SIGCONT);
        tap_ok(ended() == 2 && stage_logged(&t, "STAND_IN"), "first start",
               "why a role refused is heard when it spoke more than once and is long dead");
        end();
}

/* ---- deaths ---- */

static void a_relay_dies(void)
{
        pid_t    old = up(ROLE_RELAY, 0, 0), sister = up(ROLE_RELAY, 1, 0), keeper = up(ROLE_KEEPER, 0, 0);
        uint32_t slot = row_of(ROLE_RELAY, 0)->slot;
        uint64_t before = clock_ms();
        stage_letters(&t, "rrrx");
        kill(old, SIGKILL);
        pid_t now = up(ROLE_RELAY, 0, old);
        tap_ok(now > 0 && clock_ms() - before < 5000 && stage_logged(&t, "ROLE_DIED role=3"), "relay",
               "that dies is started again at once, and the log tells");
        tap_ok(!stage_logged(&t, "ROLE_BACKOFF"), "relay", "waits for nothing the first time");
        const said *read = stage_said(&t, now, SAID_READ, 0, WAIT_MS);
        tap_ok(read != nullptr && read->letter == 'r', "relay", "reads the files as its sister read them");
        tap_ok(row_of(ROLE_RELAY, 0)->slot != slot && t.s->rings[slot].dead && t.s->rings[slot].fd >= 0, "relay",
               "has a new ring; the old one waits for the keeper");
        tap_ok(stage_heard(&t, keeper, WIRE_RING_DEAD)
                       && stage_said(&t, keeper, SAID_HEARD, WIRE_RING_DEAD, 0)->m.slot == slot,
               "keeper", "is told which ring is dead");
        uint32_t live = row_of(ROLE_RELAY, 0)->slot;
        stage_tell(keeper, WIRE_RING_DONE | (int)(live << 8));
        stage_tell(keeper, WIRE_RING_DONE | (255 << 8));
        stage_tell(keeper, WIRE_RING_DONE | (int)(slot << 8));
        for (int i = 0; i < 1000 && atomic_load(&shared->columns[slot].in_use) != 0; i++)
                usleep(1000);
        tap_ok(t.s->rings[slot].fd == -1 && t.s->rings[live].fd >= 0 && atomic_load(&shared->columns[slot].in_use) == 0,
               "keeper", "frees a ring it has read, but none of a relay that lives");
        tap_ok(up(ROLE_RELAY, 1, 0) == sister && atomic_load(&shared->restarts) == 1, "relay", "dies alone");
        stage_letters(&t, "rrrr");
}

static void the_keeper_dies(void)
{
        pid_t old = up(ROLE_KEEPER, 0, 0), relay = up(ROLE_RELAY, 0, 0);
        atomic_store(&shared->keeper, KEEPER_OPEN);
        kill(old, SIGKILL);
        pid_t now = up(ROLE_KEEPER, 0, old);
        tap_ok(now > 0 && atomic_load(&shared->keeper) == KEEPER_DOWN, "keeper",
                "that dies is down on the board until it says more");
        for (int i = 0; i < 500 && stage_count(&t, now, WIRE_GENERATION) < 2; i++)
                usleep(1000);
        tap_ok(stage_granted(&t, now, GRANT_RING) != nullptr && stage_count(&t, now, WIRE_GENERATION) == 2, "keeper",
               "that comes back is given rings and names again");
        tap_ok(up(ROLE_RELAY, 0, 0) == relay, "keeper", "that dies takes no relay with it");
}

static void channels_are_not_to_be_played_with(void)
{
        pid_t first = up(ROLE_RESOLVER, 0, 0);
        stage_tell(first, WIRE_REFUSED);
        stage_tell(first, TELL_CLOSE);
        pid_t second = up(ROLE_RESOLVER, 0, first);
        tap_ok(!stage_logged(&t, "STAND_IN"), "resolver", "that serves has no word of its own in the log");
        tap_ok(second > 0, "resolver", "that closes its channel is ended and started again");
        t.s->children[row_of(ROLE_RESOLVER, 0) - t.s->children].deaths = 0;
        stage_tell(second, WIRE_REFUSED);
        stage_tell(second, WIRE_OPEN);
        tap_ok(stage_said(&t, second, SAID_HEARD, WIRE_FILE, 200) == nullptr && !stage_logged(&t, "STAND_IN"), "a role",
               "that serves gets no more files, and no word of its own into the log");
        stage_tell(second, TELL_BABBLE);
        tap_ok(up(ROLE_RESOLVER, 0, second) > 0, "resolver", "that says what is no message likewise");
}

/* Kills admin with this many deaths before it; what it has to wait for its next start. */
static uint64_t wait_after(uint32_t deaths, uint64_t lived_ms)
{
        child *c = &t.s->children[row_of(ROLE_ADMIN, 0) - t.s->children];
        pid_t  pid = up(ROLE_ADMIN, 0, 0);
        c->deaths = deaths;
        c->started_ms = clock_ms() - lived_ms;
        uint32_t expected = lived_ms >= 60000 ? 1 : deaths + 1;
        uint64_t began = clock_ms();
        kill(pid, SIGKILL);
        while (c->pid == pid || (c->deaths != expected && clock_ms() - began < WAIT_MS))
                usleep(500);
        uint64_t due = c->start_at_ms, waits = due <= began ? 0 : due - began;
        if (waits > 5000)
                c->start_at_ms = 1; /* no need to wait for it here */
        kill(t.pid, SIGCHLD); /* wakes the loop */
        must(up(ROLE_ADMIN, 0, pid) > 0, "admin");
        return waits;
}

static void back_off_doubles(void)
{
        static const struct {
                uint32_t    deaths;
                const char *line;
                uint64_t    ms;
        } rows[] = {{1, "ROLE_BACKOFF role=2 wait_ms=100 ", 100},     {2, "wait_ms=200 ", 200},
                    {3, "wait_ms=400 ", 400},                         {9, "wait_ms=25600 ", 25600},
                    {10, "wait_ms=30000 ", 30000},                    {4000000000, "wait_ms=30000 ", 30000}};
        bool all = true;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                uint64_t waits = wait_after(rows[i].deaths, 1000);
                /* A short wait may be over before it is looked at; the log has it. */
                bool near = rows[i].ms < 1000 || (waits >= rows[i].ms && waits < rows[i].ms + 2000);
                if (!near || !logged_soon(rows[i].line))
                        printf("# after %u deaths %llu ms\n", rows[i].deaths, (unsigned long long)waits);
                all = all && near && stage_logged(&t, rows[i].line);
        }
        tap_ok(all, "back-off", "begins with the second death in a row, doubles from 100 ms, and ends at 30 s");
        tap_ok(wait_after(10, 60001) < 1000, "back-off", "is forgotten after a minute of health");
}

static void deaths(void)
{
        begin_serving("rrrr");
        tap_ok(atomic_load(&shared->roles_up) == 15 && atomic_load(&shared->generation) == 1, "first start",
               "every role is up and generation 1 serves");
        a_relay_dies();
        the_keeper_dies();
        channels_are_not_to_be_played_with();
        back_off_doubles();
        end();
}

/* ---- reload ---- */

static const wire_message *answered(pid_t admin, size_t nth)
{
        for (int i = 0; i < 2000 && stage_count(&t, admin, WIRE_RELOADED) < nth; i++)
                usleep(1000);
        size_t n = 0;
        for (size_t i = 0; i < t.heard_count; i++)
                if (t.heard[i].pid == admin && t.heard[i].m.type == WIRE_RELOADED && ++n == nth)
                        return &t.heard[i].m;
        return nullptr;
}

static bool two_relays(void)
{
        size_t n = 0;
        for (size_t i = 0; i < CHILDREN; i++)
                n += t.s->children[i].in_use && t.s->children[i].role == ROLE_RELAY;
        return n == 2 && serving();
}

static void a_reload_that_fails_and_one_that_does_not(pid_t admin)
{
        pid_t relay = up(ROLE_RELAY, 0, 0);
        stage_letters(&t, "rrrx");
        stage_tell(admin, WIRE_RELOAD);
        const wire_message *m = answered(admin, 1);
        tap_ok(m != nullptr && m->number == 0 && strcmp(m->fault.code, "STAND_IN") == 0 && m->fault.line == 7, "reload",
               "that relays refuse is answered with their fault");
        tap_ok(up(ROLE_RELAY, 0, 0) == relay && atomic_load(&shared->generation) == 1
                       && stage_count(&t, relay, WIRE_DRAIN) == 0,
               "reload", "that fails changes nothing");
        stage_letters(&t, "rrrr");
        stage_tell(admin, WIRE_RELOAD);
        m = answered(admin, 2);
        tap_ok(m != nullptr && m->number == 1 && m->slot == 3 && stage_heard(&t, relay, WIRE_DRAIN), "reload",
               "that succeeds drains the old relays");
        tap_ok(becomes(two_relays) && atomic_load(&shared->roles_up) == 15, "reload",
               "leaves the role of relays up when the old ones have ended");
        pid_t resolver = up(ROLE_RESOLVER, 0, 0);
        stage_tell(resolver, WIRE_RELOAD);
        stage_tell(up(ROLE_RELAY, 0, 0), WIRE_RELOAD);
        stage_tell(resolver, WIRE_RING_DONE | (int)(row_of(ROLE_RELAY, 0)->slot << 8));
}

static bool starting(void) { return t.s->starting >= 0; }
static bool once_more(void) { return t.s->reload_again; }

/* A relay of the generation that starts, once it has read its files. */
static pid_t coming(uint32_t socket)
{
        for (uint64_t until = clock_ms() + WAIT_MS; clock_ms() < until; usleep(1000))
                for (size_t i = 0; i < CHILDREN; i++) {
                        const child *c = &t.s->children[i];
                        if (c->in_use && c->role == ROLE_RELAY && c->pid != 0 && c->socket == socket
                            && (int)c->generation == t.s->starting
                            && stage_said(&t, c->pid, SAID_READ, 0, WAIT_MS) != nullptr)
                                return c->pid;
                }
        return -1;
}

static void relays_told(wire_type what)
{
        for (uint32_t socket = 0; socket < 2; socket++)
                stage_tell(coming(socket), what);
}

static void one_asked_while_one_starts(pid_t admin)
{
        stage_letters(&t, "rrrw");
        uint32_t before = t.s->last_generation;
        stage_tell(admin, WIRE_RELOAD);
        must(becomes(starting), "starting");
        tap_ok(t.s->last_generation == before + 1, "reload",
                "is admin's word alone: no relay or resolver started one before");
        must(coming(0) > 0 && coming(1) > 0, "relays");
        stage_letters(&t, "rrrr");
        kill(t.pid, SIGHUP);
        must(becomes(once_more), "again");
        relays_told(WIRE_READY);
        const wire_message *m = answered(admin, 3);
        tap_ok(m != nullptr && m->number == 1 && m->slot == before + 2, "reload",
               "asked for while one starts is a generation of its own, and the answer is of it");
}

static void admin_is_renewed(pid_t admin)
{
        uint64_t restarts = atomic_load(&shared->restarts);
        stage_write(&t, "config/lethe.json", "{ }");
        kill(t.pid, SIGHUP);
        pid_t now = up(ROLE_ADMIN, 0, admin);
        tap_ok(now > 0 && stage_heard(&t, admin, WIRE_STOP) && stage_heard(&t, admin, WIRE_RELOADED), "admin",
               "is told to stop, and started again, when its files have changed");
        tap_ok(atomic_load(&shared->restarts) == restarts && !stage_logged(&t, "ROLE_DIED role=2"), "admin",
               "has not died by it");
}

static void reloads(void)
{
        begin_serving("rrrr");
        pid_t admin = up(ROLE_ADMIN, 0, 0);
        a_reload_that_fails_and_one_that_does_not(admin);
        one_asked_while_one_starts(admin);
        must(becomes(two_relays), "drained");
        admin_is_renewed(admin);
        end();
}

/* ---- ending ---- */

static void in_order(int keeper_status, int status, const char *sentence)
{
        begin_serving("hhhh");
        pid_t relay[] = {up(ROLE_RELAY, 0, 0), up(ROLE_RELAY, 1, 0)};
        pid_t keeper = up(ROLE_KEEPER, 0, 0), admin = up(ROLE_ADMIN, 0, 0);
        uint32_t last = t.s->last_generation;
        kill(t.pid, SIGTERM);
        bool first = stage_heard(&t, relay[0], WIRE_DRAIN) && stage_heard(&t, relay[1], WIRE_DRAIN);
        kill(t.pid, SIGINT); /* a terminal and whoever started us: one command */
        kill(t.pid, SIGHUP);
        stage_tell_exit(relay[0], 0);
        while (t.s->children[0].in_use && kill(relay[0], 0) == 0)
                usleep(1000);
        first = first && !stage_heard_by_now(&t, keeper, WIRE_STOP) && atomic_load(&shared->draining) == 1;
        stage_tell_exit(relay[1], 0);
        bool second = stage_heard(&t, keeper, WIRE_STOP) && kill(admin, 0) == 0 && !in_state(admin, 'Z');
        stage_tell_exit(keeper, keeper_status);
        int got = ended();
        tap_ok(first && second && got == status, "ending", sentence);
        tap_ok(t.s->last_generation == last && !stage_logged(&t, "ROLE_DIED"), "ending",
               "starts no generation, and no death of it is one");
        end();
}

static void a_second_signal(void)
{
        begin_serving("hhhh");
        pid_t relay = up(ROLE_RELAY, 0, 0);
        kill(t.pid, SIGTERM);
        must(stage_heard(&t, relay, WIRE_DRAIN), "drain");
        t.s->stop_began_ms -= 3000;
        kill(t.pid, SIGTERM);
        tap_ok(ended() == 1, "ending", "by a second signal is at once, and not clean: nothing was exported");
        end();
}

static pid_t relays_are_late(void)
{
        begin_serving("hhhh");
        pid_t relay = up(ROLE_RELAY, 0, 0), keeper = up(ROLE_KEEPER, 0, 0);
        kill(t.pid, SIGTERM);
        must(stage_heard(&t, relay, WIRE_DRAIN), "drain");
        t.s->stop_at_ms = 1;
        kill(t.pid, SIGCHLD); /* wakes the loop */
        for (int i = 0; i < 5000 && t.s->stop_at_ms == 1; i++)
                usleep(1000);
        return keeper;
}

static void patience_ends(void)
{
        pid_t keeper = relays_are_late();
        bool  heard = stage_heard(&t, keeper, WIRE_STOP);
        usleep(20000);
        bool alive = !in_state(keeper, 'Z') && kill(keeper, 0) == 0;
        if (alive)
                stage_tell_exit(keeper, 0);
        tap_ok(heard && alive && ended() == 0, "ending",
                "waits for relays only so long, and then still for the export");
        end();
        keeper = relays_are_late();
        must(stage_heard(&t, keeper, WIRE_STOP), "stop");
        t.s->stop_at_ms = 1;
        kill(t.pid, SIGCHLD);
        tap_ok(ended() == 1, "ending", "waits for the export only so long, and is not clean without it");
        end();
}

static void all_die_with_it(void)
{
        begin_serving("hhhh");
        pid_t all[5];
        for (role_id r = 0; r <= ROLE_RELAY; r++)
                all[r] = up(r, 0, 0);
        all[4] = up(ROLE_RELAY, 1, 0);
        kill(t.pid, SIGKILL);
        bool good = ended() == 1000 + SIGKILL;
        for (size_t i = 0; i < 5; i++) {
                int status = stage_status(all[i]);
                good = good && status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        }
        tap_ok(good, "ending", "of the supervisor by force ends every role");
        end();
}

int main(int count, char *arguments[])
{
        stand_in_if_named(count, arguments);
        the_first_start_is_judged();
        whoever_comes_last_is_judged_too();
        last_words_are_heard();
        deaths();
        reloads();
        in_order(0, 0, "lets relays end, then the keeper, then the rest");
        in_order(5, 1, "is not clean when the keeper's is not");
        a_second_signal();
        patience_ends();
        all_die_with_it();
        return tap_done();
}
