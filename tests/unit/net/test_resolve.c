#include "net/resolve.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/tap.h"

static const char SUBJECT[] = "resolve";

static net_loop *loop;
static net_resolver *resolver;
static int role = -1; /* the other end */

typedef struct asked {
        net_question question;
        int times;
        resolve_answer answer;
} asked;

static int awaited;

static void on_answered(void *ctx, const resolve_answer *a)
{
        asked *q = ctx;
        q->times++;
        q->answer = *a;
        if (--awaited == 0)
                net_loop_stop(loop);
}

static asked fresh(void) { return (asked){.question = {.answered = on_answered}}; }

static bool ask(asked *q, const char *name)
{
        q->question.ctx = q;
        return net_resolve(resolver, &q->question, name);
}

static void channel(void)
{
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
                abort();
        net_resolver_channel(resolver, ends[0]);
        if (role >= 0)
                close(role);
        role = ends[1];
}

static resolve_request heard(void)
{
        resolve_request r = {};
        if (recv(role, &r, sizeof r, MSG_DONTWAIT) != sizeof r)
                r.id = 0;
        return r;
}

static void answer(uint64_t id, uint32_t count)
{
        resolve_answer a = {.id = id, .count = count, .ttl_s = 60};
        a.addresses[0].family = 4;
        a.addresses[0].bytes[0] = 7;
        (void)!send(role, &a, sizeof a, 0);
}

static void on_late(void *ctx)
{
        (void)ctx;
        net_loop_stop(loop);
}

/* Runs until so many answers came, or a while. */
static void wait_for(int answers)
{
        net_timer late = {.fire = on_late};
        awaited = answers;
        net_timer_set(loop, &late, answers == 0 ? 30 : 2000);
        net_loop_run(loop);
        net_timer_clear(loop, &late);
}

static void test_answers(void)
{
        asked a = fresh(), b = fresh(), c = fresh();
        tap_ok(!ask(&a, "one.example") && a.times == 0, SUBJECT, "without a resolver the answer is no, at once");
        channel();
        tap_ok(ask(&a, "one.example") && ask(&b, "two.example") && ask(&c, "three.example"), SUBJECT,
               "questions are sent");
        resolve_request first = heard(), second = heard(), third = heard();
        tap_ok(strcmp(first.name, "one.example") == 0 && strcmp(third.name, "three.example") == 0
                       && first.id != second.id && second.id != third.id,
               SUBJECT, "each with its name and a number of its own");
        answer(second.id, 1);
        answer(first.id, 0);
        tap_ok(a.times == 0 && b.times == 0, SUBJECT, "no answer comes from inside a question");
        wait_for(2);
        tap_ok(b.times == 1 && b.answer.count == 1 && b.answer.addresses[0].bytes[0] == 7 && a.times == 1
                       && a.answer.count == 0 && c.times == 0,
               SUBJECT, "an answer finds its question, in any order");
        answer(second.id, 1);
        answer(999999, 1);
        answer(third.id, 1);
        wait_for(1);
        tap_ok(c.times == 1 && b.times == 1, SUBJECT, "answers to nobody are nothing");
        bool again = ask(&a, "one.example");
        answer(heard().id, LIMIT_ADDRESSES + 1);
        wait_for(1);
        tap_ok(again && a.times == 2 && a.answer.failed == 1 && a.answer.count == 0, SUBJECT,
               "an answer with too many addresses is a failure");
}

static void test_cancel(void)
{
        asked a = fresh(), b = fresh();
        bool good = ask(&a, "one.example") && ask(&b, "two.example");
        uint64_t one = heard().id, two = heard().id;
        net_resolve_cancel(resolver, &a.question);
        net_resolve_cancel(resolver, &a.question);
        answer(one, 1);
        answer(two, 1);
        wait_for(1);
        tap_ok(good && a.times == 0 && b.times == 1, SUBJECT, "a cancelled question is not answered");
        tap_ok(ask(&a, "one.example"), SUBJECT, "and may be asked again");
        answer(heard().id, 1);
        wait_for(1);
        tap_ok(a.times == 1, SUBJECT, "with an answer");
}

static void test_lost(void)
{
        asked a = fresh(), b = fresh();
        bool good = ask(&a, "one.example") && ask(&b, "two.example");
        close(role);
        role = -1;
        wait_for(2);
        tap_ok(good && a.times == 1 && a.answer.failed == 1 && b.times == 1 && b.answer.failed == 1, SUBJECT,
               "a resolver that dies fails what was open");
        tap_ok(!ask(&a, "one.example"), SUBJECT, "and takes no more");
        channel();
        tap_ok(ask(&a, "one.example"), SUBJECT, "until there is another");
        awaited = 100;
        channel();
        tap_ok(a.times == 2 && a.answer.failed == 1, SUBJECT, "a new channel fails what was open on the old one");
        good = ask(&a, "one.example");
        (void)!send(role, "short", 5, 0);
        wait_for(1);
        tap_ok(good && a.times == 3 && a.answer.failed == 1 && !ask(&a, "x"), SUBJECT,
               "a message of another size ends the channel");
        channel();
        int filled = 0;
        bool full = false;
        static asked many[5000];
        while (!full && filled < 5000) {
                many[filled] = fresh();
                full = !ask(&many[filled], "one.example");
                filled++;
        }
        tap_ok(full && filled > 1 && many[filled - 1].times == 0 && many[filled - 1].question.id == 0, SUBJECT,
               "a full queue says no instead of waiting");
        for (int i = 0; i < filled; i++)
                net_resolve_cancel(resolver, &many[i].question);
        wait_for(0);
}

int main(void)
{
        loop = net_loop_new();
        resolver = loop == nullptr ? nullptr : net_resolver_new(loop);
        if (resolver == nullptr)
                return 1;
        test_answers();
        test_cancel();
        test_lost();
        net_resolver_channel(resolver, -1);
        return tap_done();
}
