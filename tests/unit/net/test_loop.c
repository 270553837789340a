#include "net/loop.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/tap.h"

static const char SUBJECT[] = "loop";

static net_loop *loop;

/* ---- deadlines ---- */

enum : size_t { MANY = 500 };

typedef struct mark {
        net_timer timer;
        uint64_t want_ms, fired_ms;
        int times;
        void (*then)(struct mark *m);
} mark;

static mark marks[MANY];
static size_t fired_count;
static mark *fired[MANY * 2];

static void on_fire(void *ctx)
{
        mark *m = ctx;
        m->times++;
        m->fired_ms = net_now_ms(loop);
        if (fired_count < MANY * 2)
                fired[fired_count++] = m;
        if (m->then != nullptr)
                m->then(m);
}

static void set(mark *m, uint64_t in_ms)
{
        m->timer.fire = on_fire;
        m->timer.ctx = m;
        m->want_ms = net_now_ms(loop) + in_ms;
        net_timer_set(loop, &m->timer, in_ms);
}

static void reset(void)
{
        for (size_t i = 0; i < MANY; i++)
                marks[i] = (mark){};
        fired_count = 0;
}

static void test_order(void)
{
        reset();
        unsigned random = 12345;
        for (size_t i = 0; i < MANY; i++) {
                random = random * 1103515245 + 12345;
                set(&marks[i], (random >> 16) % 60);
        }
        /* Some later, some earlier, some not at all. */
        for (size_t i = 0; i < MANY; i += 7)
                set(&marks[i], 30 + i % 40);
        for (size_t i = 3; i < MANY; i += 7)
                set(&marks[i], i % 10);
        size_t cleared = 0;
        for (size_t i = 5; i < MANY; i += 7, cleared++)
                net_timer_clear(loop, &marks[i].timer);
        net_loop_run(loop);
        bool once = true, late = true, order = true;
        for (size_t i = 0; i < MANY; i++) {
                once = once && marks[i].times == (i % 7 == 5 ? 0 : 1) && !net_timer_pending(&marks[i].timer);
                late = late && (marks[i].times == 0 || marks[i].fired_ms >= marks[i].want_ms);
        }
        for (size_t i = 1; i < fired_count; i++)
                order = order && fired[i - 1]->fired_ms <= fired[i]->fired_ms
                        && (fired[i - 1]->want_ms <= fired[i]->want_ms || fired[i - 1]->fired_ms == fired[i]->fired_ms);
        tap_ok(once && fired_count == MANY - cleared, SUBJECT, "each deadline fires once, a cleared one never");
        tap_ok(late, SUBJECT, "none before its time");
        tap_ok(order, SUBJECT, "in the order of their times");
}

static void push_back(mark *m)
{
        /* The other one is put off again and again, which costs the heap nothing. */
        if (m->times < 10) {
                set(&marks[1], 30);
                set(m, 5);
        }
}

static void clear_others(mark *m)
{
        (void)m;
        for (size_t i = 1; i < 20; i++)
                net_timer_clear(loop, &marks[i].timer);
}

static void again_once(mark *m)
{
        if (m->times == 1)
                set(m, 0);
}

static void test_changes(void)
{
        reset();
        set(&marks[0], 5);
        set(&marks[1], 30);
        marks[0].then = push_back;
        net_loop_run(loop);
        tap_ok(marks[1].times == 1 && marks[1].fired_ms >= marks[1].want_ms && marks[0].times == 10, SUBJECT,
               "a deadline put off again and again fires at the last of its times");
        reset();
        set(&marks[0], 1000);
        set(&marks[0], 5000);
        set(&marks[0], 10);
        uint64_t began = net_now_ms(loop);
        net_loop_run(loop);
        tap_ok(marks[0].times == 1 && marks[0].fired_ms - began < 900, SUBJECT,
               "an earlier time counts after a later one");
        reset();
        for (size_t i = 0; i < 20; i++)
                set(&marks[i], 10);
        for (size_t i = 0; i < 20; i++)
                marks[i].then = clear_others;
        net_loop_run(loop);
        tap_ok(fired_count == 1 || (fired_count == 2 && marks[0].times == 1), SUBJECT,
               "one that is cleared by another of the same moment does not fire");
        reset();
        marks[0].then = again_once;
        set(&marks[0], 0);
        net_loop_run(loop);
        tap_ok(marks[0].times == 2, SUBJECT, "it may be set again while it fires");
        net_timer_clear(loop, &marks[0].timer);
        tap_ok(!net_timer_pending(&marks[0].timer), SUBJECT, "clearing one that is not set does nothing");
}

/* ---- tasks ---- */

typedef struct chore {
        net_task task;
        int times;
        void (*then)(void);
} chore;

static chore chores[5];
static char ran[32];
static size_t ran_len;

static void on_run(void *ctx)
{
        chore *c = ctx;
        c->times++;
        ran[ran_len++] = (char)('a' + (c - chores));
        if (c->then != nullptr)
                c->then();
}

static void begin_chores(void)
{
        for (size_t i = 0; i < 5; i++)
                chores[i] = (chore){.task = {.run = on_run, .ctx = &chores[i]}};
        ran_len = 0;
}

static bool ran_is(const char *want)
{
        ran[ran_len] = '\0';
        size_t i = 0;
        while (want[i] != '\0' && want[i] == ran[i])
                i++;
        return want[i] == '\0' && i == ran_len;
}

static void queue(size_t i) { net_task_queue(loop, &chores[i].task); }

static void then_again(void)
{
        if (chores[0].times < 3)
                queue(0);
}

static void then_cancel(void)
{
        net_task_cancel(loop, &chores[1].task);
        net_task_cancel(loop, &chores[3].task);
        net_task_cancel(loop, &chores[0].task);
        queue(4);
        queue(1);
        net_task_cancel(loop, &chores[1].task);
        queue(3);
}

static void test_tasks(void)
{
        begin_chores();
        queue(0);
        queue(1);
        queue(0);
        queue(2);
        tap_ok(ran_len == 0, SUBJECT, "work is postponed");
        net_loop_run(loop);
        tap_ok(ran_is("abc"), SUBJECT, "then done once, in order");
        begin_chores();
        chores[0].then = then_again;
        queue(0);
        queue(1);
        net_loop_run(loop);
        tap_ok(ran_is("abaa"), SUBJECT, "what is queued while work runs has its turn after it");
        begin_chores();
        chores[0].then = then_cancel;
        for (size_t i = 0; i < 4; i++)
                queue(i);
        net_loop_run(loop);
        tap_ok(ran_is("aced"), SUBJECT, "what is cancelled while work runs is not done, and may be queued again");
        begin_chores();
        queue(0);
        queue(1);
        net_task_cancel(loop, &chores[1].task);
        net_task_cancel(loop, &chores[1].task);
        queue(2);
        net_task_cancel(loop, &chores[0].task);
        net_task_cancel(loop, &chores[2].task);
        queue(3);
        net_loop_run(loop);
        tap_ok(ran_is("d"), SUBJECT, "cancelling first, last and twice leaves the others");
}

/* ---- watched descriptors ---- */

static int pipe_ends[2];
static net_watch *watch;
static int readable_times;

static void on_readable(void *ctx)
{
        char c;
        (void)ctx;
        readable_times++;
        if (read(pipe_ends[0], &c, 1) == 1)
                return;
        net_watch_stop(watch);
        watch = nullptr;
}

static void say(mark *m)
{
        (void)m;
        if (m->times < 3) {
                (void)!write(pipe_ends[1], "x", 1);
                set(m, 2);
        } else {
                close(pipe_ends[1]);
        }
}

static void stop(mark *m)
{
        (void)m;
        net_loop_stop(loop);
}

static void test_watch(void)
{
        if (pipe(pipe_ends) != 0)
                abort();
        reset();
        marks[0].then = say;
        set(&marks[0], 2);
        watch = net_watch_start(loop, pipe_ends[0], on_readable, nullptr);
        net_loop_run(loop);
        tap_ok(readable_times == 3 && watch == nullptr, SUBJECT, "a watched descriptor tells of bytes and of its end");
        close(pipe_ends[0]);
        tap_ok(net_watch_start(loop, -1, on_readable, nullptr) == nullptr, SUBJECT,
               "what is no descriptor cannot be watched");
        reset();
        marks[0].then = stop;
        set(&marks[0], 1);
        set(&marks[1], 60000);
        net_loop_run(loop);
        tap_ok(marks[0].times == 1 && net_timer_pending(&marks[1].timer), SUBJECT,
               "a stopped loop returns with work left");
        net_timer_clear(loop, &marks[1].timer);
        net_loop_run(loop);
        tap_ok(true, SUBJECT, "and ends by itself when nothing is left");
}

/* ---- standing still ---- */

static uint64_t heard_ms;
static int pipes[2];

static void on_heard(void *ctx)
{
        char byte;
        (void)ctx;
        if (read(pipes[0], &byte, 1) == 1)
                heard_ms = net_now_ms(loop);
        net_timer_clear(loop, &marks[0].timer);
}

static void on_over(mark *m)
{
        (void)m;
        net_loop_stop(loop);
}

/* Another process stops this one for so long, and lets a peer speak `speaks_ms` after the beginning. */
static void stand_still(unsigned stop_ms, unsigned speaks_ms)
{
        pid_t me = getpid(), child = fork();
        if (child == 0) {
                usleep(20'000);
                kill(me, SIGSTOP);
                usleep((speaks_ms < stop_ms ? speaks_ms : stop_ms) * 1000);
                bool spoken = speaks_ms < stop_ms && write(pipes[1], "x", 1) == 1;
                usleep((stop_ms - (spoken ? speaks_ms : stop_ms)) * 1000);
                kill(me, SIGCONT);
                usleep(spoken ? 0 : (speaks_ms - stop_ms) * 1000);
                _exit(spoken || write(pipes[1], "x", 1) == 1 ? 0 : 1);
        }
        reset();
        heard_ms = 0;
        set(&marks[0], 100);
        set(&marks[1], stop_ms + 600);
        marks[1].then = on_over;
        net_loop_run(loop);
        waitpid(child, nullptr, 0);
}

static void test_stood(void)
{
        tap_ok(pipe(pipes) == 0, SUBJECT, "a pipe");
        net_watch *w = net_watch_start(loop, pipes[0], on_heard, nullptr);
        bool all = true;
        for (int i = 0; i < 5; i++) {
                stand_still(400, 50);
                all = all && heard_ms > 0 && marks[0].times == 0;
        }
        tap_ok(all, SUBJECT, "after standing still, what peers have said is heard before deadlines end them");
        stand_still(1200, 1300);
        tap_ok(heard_ms > 0 && marks[0].times == 0, SUBJECT, "after a long while, what is on its way too");
        stand_still(400, 900);
        tap_ok(marks[0].times == 1 && marks[0].fired_ms - marks[0].want_ms < 450, SUBJECT,
               "but who says nothing has had his time");
        net_watch_stop(w);
        close(pipes[0]);
        close(pipes[1]);
}

int main(void)
{
        loop = net_loop_new();
        if (loop == nullptr)
                return 1;
        test_order();
        test_changes();
        test_tasks();
        test_watch();
        test_stood();
        return tap_done();
}
