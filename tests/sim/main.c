/* sim [--seed S] [--seeds N] [--until STEP] [--guard NAME] [--all] [--verbose]
 *
 * Plays the histories of N seeds from S on, each in a process of its own, and prints the line that plays a failing one
 * again. `--until` ends one after that step and prints its last events; `--guard` takes the program that was built
 * without that guard (mutants.txt); `--all` goes on after a failure. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/play.h"

enum : uint64_t { MOST_STEPS = 5000000, SECOND_US = 1000000, RECOVERY_S = 400, SETTLING_S = 15, POOL_S = 70 };
enum : unsigned { MOST_REAL_S = 60 };

static struct {
        uint64_t seed, seeds;
        bool all;
        const char *program;
} order = {1, 1, false, "sim"};

/* ---- one seed ---- */

static void step(void)
{
        if (trace->step >= sim_until) {
                snprintf(trace->failure, sizeof trace->failure, "stopped at step %llu",
                         (unsigned long long)trace->step);
                _exit(2);
        }
        if (trace->step > MOST_STEPS) {
                callers_tell();
                sim_fail("no end after %llu steps", (unsigned long long)trace->step);
        }
        if (!sim_step())
                sim_fail("nothing will happen any more, and somebody waits");
        house_look();
}

static void run_for(uint64_t seconds)
{
        uint64_t until = sim_now_us() + seconds * SECOND_US;
        while (sim_now_us() < until)
                step();
}

static void on_tick(void *ctx) { sim_later(SECOND_US, on_tick, ctx); }

static void storm(void)
{
        static const uint8_t storms[] = {0, 10, 20, 40, 70, 100};
        play.storm = storms[sim_below(sizeof storms)];
        uint64_t until = sim_now_us() + sim_between(5, 60) * SECOND_US;
        sim_say("storm of %u", play.storm);
        callers_begin(sim_between(1, 10), until);
        house_trouble(until);
        while (play.callers_busy > 0)
                step();
}

static void play_seed(uint64_t seed)
{
        alarm(MOST_REAL_S);
        sim_seed(seed);
        house_begin();
        on_tick(nullptr);
        storm();
        play.storm = 0;
        house_calm();
        if (!play.draining) {
                run_for(RECOVERY_S);
                callers_calm();
                while (play.callers_busy > 0)
                        step();
        }
        callers_leave();
        run_for(SETTLING_S);
        if (!house_quiet() && !play.draining)
                sim_fail("%u s after the last caller left something of an exchange is still there",
                         (unsigned)SETTLING_S);
        if (!play.draining) {
                house_drain(0);
                run_for(1);
                house_no_vendors();
        }
        while (!house_drained())
                step();
        run_for(POOL_S);
        house_settle();
}

/* ---- many ---- */

static void tell(uint64_t seed, int status)
{
        uint64_t from = trace->lines > TRACE_LINES ? trace->lines - TRACE_LINES : 0;
        for (uint64_t i = from; i < trace->lines; i++)
                printf("# %s\n", trace->line[i % TRACE_LINES]);
        if (WIFSIGNALED(status))
                printf("# seed %llu died at step %llu of signal %d\n", (unsigned long long)seed,
                       (unsigned long long)trace->step, WTERMSIG(status));
        else
                printf("# seed %llu failed at step %llu: %s\n", (unsigned long long)seed,
                       (unsigned long long)trace->step,
                       trace->failure[0] != '\0' ? trace->failure : "the process ended");
        printf("replay: %s --seed %llu --until %llu --verbose\n", order.program, (unsigned long long)seed,
               (unsigned long long)trace->step);
        fflush(stdout);
}

static bool run_seed(uint64_t seed)
{
        memset(trace, 0, sizeof *trace);
        trace->seed = seed;
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
                play_seed(seed);
                _exit(0);
        }
        int status = 1;
        while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
                continue;
        bool good = child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
        if (!good)
                tell(seed, status);
        return good;
}

/* The same options for the program built without a guard. */
static void take_guard(char **argv, const char *name)
{
        char path[4096], self[4000];
        ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
        self[n > 0 ? n : 0] = '\0';
        if (strstr(self, "/without/") != nullptr)
                return; /* this is it */
        char *slash = strrchr(self, '/');
        if (slash != nullptr)
                *slash = '\0';
        snprintf(path, sizeof path, "%s/without/%s", self, name);
        execv(path, argv);
        fprintf(stderr, "there is no %s\n", path);
        exit(2);
}

static void options(int argc, char **argv)
{
        order.program = argv[0];
        for (int i = 1; i < argc; i++) {
                const char *value = i + 1 < argc ? argv[i + 1] : "";
                if (strcmp(argv[i], "--all") == 0) {
                        order.all = true;
                } else if (strcmp(argv[i], "--verbose") == 0) {
                        sim_verbose = true;
                } else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0) {
                        order.seed = strtoull(value, nullptr, 10), i++;
                } else if (i + 1 < argc && strcmp(argv[i], "--seeds") == 0) {
                        order.seeds = strtoull(value, nullptr, 10), i++;
                } else if (i + 1 < argc && strcmp(argv[i], "--until") == 0) {
                        sim_until = strtoull(value, nullptr, 10), i++;
                } else if (i + 1 < argc && strcmp(argv[i], "--guard") == 0) {
                        take_guard(argv, value);
                        i++;
                } else {
                        fprintf(stderr,
                                "sim [--seed S] [--seeds N] [--until STEP] [--guard NAME] [--all] [--verbose]\n");
                        exit(2);
                }
        }
}

static struct {
        uint64_t seeds, bad, steps, whole, refused, broken, attempts, reported, rare[TRACE_RARE];
} sum;

static void add_up(bool good)
{
        sum.seeds++;
        sum.bad += !good;
        sum.steps += trace->step;
        sum.whole += trace->whole;
        sum.refused += trace->refused;
        sum.broken += trace->broken;
        sum.attempts += trace->attempts;
        sum.reported += trace->reported;
        for (size_t i = 0; i < TRACE_RARE; i++)
                sum.rare[i] += trace->rare[i];
}

static void tell_sum(void)
{
        static const char *const rare[TRACE_RARE] = {"failovers",       "hedges",      "hedges won", "continuations",
                                                     "breakers opened", "keys parked", "waited",     "queued"};
        printf("# %llu seeds from %llu on, %llu failed; %llu steps; answers: %llu whole, %llu refused, %llu broken "
               "off\n",
               (unsigned long long)sum.seeds, (unsigned long long)order.seed, (unsigned long long)sum.bad,
               (unsigned long long)sum.steps, (unsigned long long)sum.whole, (unsigned long long)sum.refused,
               (unsigned long long)sum.broken);
        printf("# attempts: %llu, %llu with the vendor's own usage", (unsigned long long)sum.attempts,
               (unsigned long long)sum.reported);
        for (size_t i = 0; i < TRACE_RARE; i++)
                printf("; %s: %llu", rare[i], (unsigned long long)sum.rare[i]);
        printf("\n");
}

int main(int argc, char **argv)
{
        options(argc, argv);
        trace = mmap(nullptr, sizeof *trace, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (trace == MAP_FAILED)
                return 2;
        for (uint64_t i = 0; i < order.seeds && (sum.bad == 0 || order.all); i++)
                add_up(run_seed(order.seed + i));
        tell_sum();
        return sum.bad == 0 ? 0 : 1;
}
