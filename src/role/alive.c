/* Roles that hang. A turn of any role takes milliseconds: who does not answer for so long that no load explains it is
 * killed, and started again like one that died. */
#include <signal.h>

#include "base/box_wire.h"
#include "base/clock.h"
#include "base/event.h"
#include "role/supervise.h"

enum : uint64_t { ASK_MS = 5000 };
/* A disk may hold up the keeper, which waits for each of its writes. */
enum : uint32_t { MISSED_MOST = 3, MISSED_MOST_KEEPER = 12 };

static void ask(child *c)
{
        uint32_t most = c->role == ROLE_KEEPER ? MISSED_MOST_KEEPER : MISSED_MOST;
        if (c->unanswered >= most) {
                event(EVENT_ROLE_HANGS, c->role, (int64_t)(c->unanswered * ASK_MS));
                kill(c->pid, SIGKILL);
                return;
        }
        c->unanswered++;
        spawn_tell(c, WIRE_ALIVE, 0, 0);
}

/* Counted in questions, not in time: a machine that slept has asked nobody meanwhile. */
void alive_turn(supervisor *s, uint64_t now_ms)
{
        if (now_ms < s->ask_at_ms)
                return;
        s->ask_at_ms = now_ms + ASK_MS;
        for (size_t i = 0; i < CHILDREN; i++) {
                child *c = &s->children[i];
                if (c->in_use && c->pid != 0 && c->ready)
                        ask(c);
        }
        if (s->box_channel >= 0) {
                const box_message alive = {.op = BOX_TELL_ALIVE};
                (void)!failed(box_send(s->box_channel, &alive, -1));
        }
}
