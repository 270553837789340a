#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/box_wire.h"
#include "role/supervise.h"
#include "support/tap.h"

static const char SUBJECT[] = "alive";

enum : uint64_t { ASK_MS = 5000 };

static pid_t sleeper(void)
{
        pid_t pid = fork();
        if (pid == 0)
                for (;;)
                        pause();
        return pid;
}

/* Questions until the child is killed, answered as `answers` says each time; -1: it lives after `most`. */
static int asked_until_killed(supervisor *s, child *c, int most, bool answers)
{
        int      ends[2], asked = 0, status;
        uint64_t now = 1000000;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends) != 0)
                return -2;
        c->control = ends[0];
        c->pid = sleeper();
        c->unanswered = 0;
        s->ask_at_ms = 0;
        bool dead = false;
        for (; asked < most && !dead; asked++) {
                wire_message m;
                int          fd;
                alive_turn(s, now += ASK_MS);
                alive_turn(s, now);
                bool came = !failed(wire_receive(ends[1], &m, &fd)) && m.type == WIRE_ALIVE;
                if (came && answers)
                        c->unanswered = 0;
                usleep(came ? 0 : 50000);
                dead = waitpid(c->pid, &status, WNOHANG) == c->pid && WIFSIGNALED(status);
        }
        if (!dead) {
                kill(c->pid, SIGKILL);
                waitpid(c->pid, &status, 0);
        }
        close(ends[0]);
        close(ends[1]);
        return dead ? asked - 1 : -1;
}

static void test_children(void)
{
        static supervisor s = {.box_channel = -1};
        child            *c = &s.children[0];
        *c = (child){.role = ROLE_RELAY, .in_use = true, .ready = true};
        tap_ok(asked_until_killed(&s, c, 20, true) == -1, SUBJECT, "who answers is left alone");
        tap_ok(asked_until_killed(&s, c, 20, false) == 3, SUBJECT, "a relay is killed when three questions are open");
        c->role = ROLE_KEEPER;
        tap_ok(asked_until_killed(&s, c, 20, false) == 12, SUBJECT, "the keeper, who waits for disks, when twelve are");
        c->ready = false;
        tap_ok(asked_until_killed(&s, c, 20, false) == -1, SUBJECT, "who is not ready yet is not asked");
}

static void test_box(void)
{
        static supervisor s;
        int               ends[2], fd;
        box_message       m;
        bool good = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends) == 0;
        s.box_channel = ends[0];
        alive_turn(&s, 1000000);
        good = good && !failed(box_receive(ends[1], &m, &fd)) && m.op == BOX_TELL_ALIVE;
        tap_ok(good, SUBJECT, "the box is told that the supervisor turns");
        alive_turn(&s, 1000000 + ASK_MS - 1);
        tap_ok(box_receive(ends[1], &m, &fd).code == ERR_AGAIN, SUBJECT, "now and then, not at each turn");
        close(ends[0]);
        close(ends[1]);
}

int main(void)
{
        test_children();
        test_box();
        return tap_done();
}
