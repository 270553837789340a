/* The network: every connection is a pair of ends; bytes wait in the sender's process, then on the wire, and arrive in
 * pieces of 1 to 1500, cut anew each time. What the owner of an end is told, and when, is what net/conn.h promises. */
#include <assert.h>
#include <string.h>

#include "base/limit.h"
#include "sim/net_sim.h"

/* What the relay may queue beyond its mark: what came of one read, rewritten. */
enum : size_t { PIECE_BYTES = 1500, SLACK_BYTES = 64 * 1024 };
enum : uint64_t { LINGER_MS = 1000, GOODBYE_MS = 30000 };

struct net_listener {
        net_loop *loop;
        net_accept setup;
        net_conn *queue[256]; /* dialled, not taken yet */
        size_t queued, connections, handshakes;
        bool stopped, paused, of_relay;
};

static net_conn *all;
static net_listener *newest;
static uint64_t numbers;

static void arrive_in(net_conn *from, uint64_t us);
static void arrive_later(net_conn *from);
static void take_waiting(net_listener *n);

static const char *side_of(const net_conn *c)
{
        if (c->of_relay)
                return c->listener != nullptr ? "relay<caller" : "relay>vendor";
        return c->listener != nullptr ? "vendor" : "caller";
}

/* Whatever the owner asks of an end that is gone would be a use after free in the product. */
static void must_live(const net_conn *c, const char *call)
{
        if (c->state == SIM_GONE)
                sim_fail("%s on connection %llu (%s), which is gone", call, (unsigned long long)c->number, side_of(c));
}

static net_conn *conn_new(net_loop *l)
{
        net_conn *c = sim_alloc(sizeof *c);
        c->loop = l;
        c->number = ++numbers;
        c->older = all;
        c->kernel_room = sim_between(8 * 1024, 128 * 1024);
        c->fresh = true;
        all = c;
        return c;
}

/* ---- accounting of a listener ---- */

static void handshake_over(net_conn *c, bool good)
{
        if (!c->handshaking)
                return;
        c->handshaking = false;
        net_timer_clear(c->loop, &c->timer);
        net_listener *n = c->listener;
        n->handshakes--;
        if (!good && n->setup.failed != nullptr)
                n->setup.failed(n->setup.ctx);
}

static void uncount(net_conn *c)
{
        if (!c->counted)
                return;
        c->counted = false;
        c->listener->connections--;
        take_waiting(c->listener);
}

/* ---- the end of an end ---- */

static void say_end(net_conn *c, sim_end end)
{
        if (c->end != END_NONE && end != END_RESET)
                return;
        c->end = end;
        arrive_later(c);
}

static void destroy(net_conn *c, sim_end end)
{
        if (c->state == SIM_GONE)
                return;
        handshake_over(c, false);
        net_timer_clear(c->loop, &c->timer);
        c->state = SIM_GONE;
        c->user = (net_user){};
        if (c->dirty) {
                net_conn **at = &c->loop->dirty;
                while (*at != c)
                        at = &(*at)->next_dirty;
                *at = c->next_dirty;
        }
        c->dirty = false;
        c->out_len = 0;
        if (end == END_RESET && c->wire_len > 0)
                c->wire_len = sim_below(c->wire_len + 1);
        say_end(c, end);
        uncount(c);
}

static void told_end(net_conn *c, net_end why)
{
        static const char *const whys[] = {"clean", "cut", "unreachable", "TLS failed", "certificate", "timeout"};
        net_user user = c->user;
        void *ctx = c->ctx;
        sim_say("conn %llu %s: ended, %s", (unsigned long long)c->number, side_of(c), whys[why]);
        destroy(c, END_FIN);
        if (user.closed != nullptr)
                user.closed(ctx, why);
}

/* ---- the way out ---- */

static void goodbye_progress(net_conn *c)
{
        if (c->out_len > 0 || c->end != END_NONE)
                return;
        say_end(c, END_GOODBYE);
        net_timer_set(c->loop, &c->timer, LINGER_MS);
}

static void note_queue(net_conn *c)
{
        if (c->out_len >= LIMIT_QUEUE_HIGH_BYTES) {
                c->was_high = true;
        } else if (c->was_high && c->out_len < LIMIT_QUEUE_LOW_BYTES) {
                c->was_high = false;
                if (c->user.drained != nullptr && c->state == SIM_OPEN)
                        c->user.drained(c->ctx);
        }
}

static void flush(net_conn *c)
{
        size_t room = c->kernel_room > c->wire_len ? c->kernel_room - c->wire_len : 0;
        size_t n = c->out_len < room ? c->out_len : room;
        if (n < c->out_len && c->out_len - n < c->glue)
                n = c->out_len > c->glue ? c->out_len - c->glue : c->out_len;
        if (n > 0) {
                sim_room(&c->wire, &c->wire_room, c->wire_len + n);
                memcpy(c->wire + c->wire_len, c->out, n);
                memmove(c->out, c->out + n, c->out_len - n);
                c->wire_len += n;
                c->out_len -= n;
                c->taken += n;
                c->moved_us = sim_now_us();
                arrive_later(c);
        }
        note_queue(c);
        if (c->state == SIM_LEAVING)
                goodbye_progress(c);
}

void conn_flush_dirty(net_loop *l)
{
        while (l->dirty != nullptr) {
                net_conn *c = l->dirty;
                l->dirty = c->next_dirty;
                c->dirty = false;
                flush(c);
        }
}

static void mark_dirty(net_conn *c)
{
        if (c->dirty)
                return;
        c->dirty = true;
        c->next_dirty = c->loop->dirty;
        c->loop->dirty = c;
}

void net_write(net_conn *c, view plain)
{
        must_live(c, "net_write");
        assert(c->state == SIM_OPEN && c->end == END_NONE);
        if (plain.len == 0)
                return;
        if (c->fresh)
                c->begun_us = sim_now_us();
        c->fresh = false;
        sim_room(&c->out, &c->out_room, c->out_len + plain.len);
        memcpy(c->out + c->out_len, plain.data, plain.len);
        c->out_len += plain.len;
        if (c->of_relay && c->out_len > LIMIT_QUEUE_HIGH_BYTES + SLACK_BYTES)
                sim_fail("%zu bytes wait for %s", c->out_len, side_of(c));
        mark_dirty(c);
        note_queue(c);
}

size_t net_unsent(const net_conn *c)
{
        must_live(c, "net_unsent");
        return c->out_len;
}

size_t net_held(const net_conn *c)
{
        must_live(c, "net_held");
        return c->out_len;
}

uint64_t net_taken(const net_conn *c)
{
        must_live(c, "net_taken");
        return c->taken;
}

/* ---- the way in ---- */

/* The piece is in memory of its own that is gone after the call, so that nobody keeps a pointer into it. */
static void give(net_conn *to, net_conn *from)
{
        size_t n = sim_between(1, from->wire_len < PIECE_BYTES ? from->wire_len : PIECE_BYTES);
        if (from->wire_len - n + from->out_len < from->glue)
                n = from->wire_len;
        uint8_t *piece = sim_alloc(n);
        memcpy(piece, from->wire, n);
        memmove(from->wire, from->wire + n, from->wire_len - n);
        from->wire_len -= n;
        to->moved_us = sim_now_us();
        to->user.data(to->ctx, (view){piece, n});
        memset(piece, 0xdd, n);
        sim_free(piece);
}

static void end_arrives(net_conn *to, sim_end end)
{
        if (to->state == SIM_LEAVING) {
                destroy(to, END_FIN);
                return;
        }
        if (to->state == SIM_HANDSHAKE)
                told_end(to, NET_CUT);
        else if (end == END_RESET || (end == END_FIN && to->tls))
                told_end(to, NET_CUT);
        else
                told_end(to, NET_CLEAN);
}

/* Bytes that nobody reads any more: the sender learns it by a reset. */
static void into_the_void(net_conn *from)
{
        bool had = from->wire_len > 0;
        from->wire_len = 0;
        if (from->state != SIM_GONE && had && from->peer != nullptr) {
                net_conn *gone = from->peer;
                gone->end = END_RESET;
                arrive_later(gone);
        }
        if (from->state != SIM_GONE)
                flush(from);
}

/* What has come is given; the end of it only when nothing is left before it. */
static void arrive(net_conn *from, net_conn *to)
{
        if (to->state == SIM_LEAVING)
                from->wire_len = 0;
        /* One read of the system may be several pieces: a pause in the middle comes too late for what was read. */
        for (uint64_t pieces = sim_between(1, 3); pieces > 0 && from->wire_len > 0; pieces--) {
                if (to->state != SIM_OPEN || (to->paused && sim_chance(50)))
                        break;
                give(to, from);
        }
        if (from->state != SIM_GONE)
                flush(from);
        bool heard = to->state >= SIM_OPEN ? to->state != SIM_GONE && !(to->paused && to->state == SIM_OPEN) : true;
        if (heard && from->wire_len == 0 && from->end != END_NONE)
                end_arrives(to, from->end);
}

static void on_arrive(void *ctx)
{
        net_conn *from = ctx, *to = from->peer;
        /* While this runs nothing else is scheduled: what goes on follows at once, not after another latency. */
        if (to == nullptr || to->state == SIM_GONE)
                into_the_void(from);
        else
                arrive(from, to);
        from->coming = false;
        if (to != nullptr && (to->state == SIM_OPEN || to->state == SIM_LEAVING)
            && (from->wire_len > 0 || from->end != END_NONE))
                arrive_in(from, sim_below(200));
}

static void arrive_in(net_conn *from, uint64_t us)
{
        net_conn *to = from->peer;
        if (from->coming || (to != nullptr && to->paused && to->state == SIM_OPEN))
                return;
        from->coming = true;
        sim_later(us, on_arrive, from);
}

static void arrive_later(net_conn *from) { arrive_in(from, from->latency_us + sim_below(200)); }

void net_pause(net_conn *c)
{
        must_live(c, "net_pause");
        c->paused = true;
}

void net_resume(net_conn *c)
{
        must_live(c, "net_resume");
        if (!c->paused)
                return;
        c->paused = false;
        c->moved_us = sim_now_us();
        if (c->peer != nullptr && (c->peer->wire_len > 0 || c->peer->end != END_NONE))
                arrive_later(c->peer);
}

/* ---- closing ---- */

void net_own(net_conn *c, const net_user *user, void *ctx)
{
        must_live(c, "net_own");
        c->user = *user;
        c->ctx = ctx;
}

void net_abort(net_conn *c, bool reset)
{
        must_live(c, "net_abort");
        sim_say("conn %llu %s: aborts%s", (unsigned long long)c->number, side_of(c), reset ? " with a reset" : "");
        destroy(c, reset ? END_RESET : END_FIN);
}

static void on_linger_over(void *ctx) { destroy(ctx, END_FIN); }

void net_close(net_conn *c)
{
        must_live(c, "net_close");
        if (c->state != SIM_OPEN) {
                net_abort(c, false);
                return;
        }
        sim_say("conn %llu %s: closes", (unsigned long long)c->number, side_of(c));
        c->user = (net_user){};
        c->state = SIM_LEAVING;
        c->timer = (net_timer){.fire = on_linger_over, .ctx = c};
        net_timer_set(c->loop, &c->timer, c->of_relay ? GOODBYE_MS : 20 * GOODBYE_MS);
        if (c->peer != nullptr && (c->peer->wire_len > 0 || c->peer->end != END_NONE))
                arrive_later(c->peer);
        mark_dirty(c);
}

void sim_half_close(net_conn *c)
{
        conn_flush_dirty(c->loop);
        say_end(c, END_GOODBYE);
}

void sim_cut(net_conn *c)
{
        conn_flush_dirty(c->loop);
        destroy(c, END_FIN);
}

net_peer net_peer_of(const net_conn *c) { return c->address; }

bool net_resumed(const net_conn *c) { return c->tls && c->number % 3 == 0; }

static void on_opened(void *ctx);

void net_secure(net_conn *c, tls_client *, view)
{
        must_live(c, "net_secure");
        c->tls = true;
        sim_later(c->latency_us, on_opened, c);
}

void sim_glue(net_conn *c, size_t bytes) { c->glue = bytes; }

uint64_t sim_begun_us(const net_conn *c) { return c->peer == nullptr ? 0 : c->peer->begun_us; }

bool sim_warm(const net_conn *c) { return c->peer != nullptr && c->peer->begun_us > c->peer->opened_us; }

void sim_begin_again(net_conn *c)
{
        if (c->peer != nullptr)
                c->peer->fresh = true;
}

/* ---- listening and dialling ---- */

net_listener *net_listen(net_loop *l, int, const net_accept *a)
{
        net_listener *n = sim_alloc(sizeof *n);
        n->loop = l;
        n->setup = *a;
        newest = n;
        return n;
}

net_listener *sim_newest_listener(void) { return newest; }

void sim_of_relay(net_listener *n) { n->of_relay = true; }

size_t net_listener_connections(const net_listener *n) { return n->connections; }

void net_listener_stop(net_listener *n)
{
        n->stopped = true;
        while (n->queued > 0)
                told_end(n->queue[--n->queued], NET_UNREACHABLE);
}

static void on_opened(void *ctx)
{
        net_conn *c = ctx;
        if (c->state == SIM_GONE)
                return;
        if (c->state == SIM_HANDSHAKE)
                c->state = SIM_OPEN;
        if (c->state != SIM_OPEN)
                return;
        handshake_over(c, true);
        c->moved_us = c->opened_us = sim_now_us();
        if (c->user.opened != nullptr)
                c->user.opened(c->ctx);
        if (c->peer != nullptr && (c->peer->wire_len > 0 || c->peer->end != END_NONE))
                arrive_later(c->peer);
}

static void on_handshake_late(void *ctx) { told_end(ctx, NET_TIMEOUT); }

static void accept_one(net_listener *n, net_conn *dialled)
{
        net_conn *c = conn_new(n->loop);
        c->of_relay = n->of_relay;
        c->listener = n;
        c->latency_us = dialled->latency_us;
        c->tls = dialled->tls = dialled->tls || n->setup.tls != nullptr;
        c->address = (net_peer){.family = 4, .address = {198, 18, 0, (uint8_t)dialled->number}, .port = 40000};
        c->peer = dialled;
        dialled->peer = c;
        dialled->state = c->state = SIM_HANDSHAKE;
        const net_user *user = nullptr;
        void *ctx = n->setup.arrived(n->setup.ctx, c, &user);
        if (ctx == nullptr) {
                destroy(c, END_RESET);
                return;
        }
        c->user = *user;
        c->ctx = ctx;
        c->handshaking = c->counted = true;
        n->connections++;
        n->handshakes++;
        c->timer = (net_timer){.fire = on_handshake_late, .ctx = c};
        net_timer_set(n->loop, &c->timer, n->setup.handshake_ms);
        if (dialled->mute)
                return;
        sim_later(c->latency_us * 3 + sim_below(1000), on_opened, c);
        sim_later(c->latency_us * 3 + sim_below(1000), on_opened, dialled);
}

static bool has_room(const net_listener *n)
{
        return !n->paused && n->connections < n->setup.max_connections && n->handshakes < n->setup.max_handshakes;
}

static void take_waiting(net_listener *n)
{
        while (n->queued > 0 && !n->stopped && has_room(n)) {
                net_conn *c = n->queue[0];
                memmove(n->queue, n->queue + 1, --n->queued * sizeof n->queue[0]);
                if (c->state == SIM_CONNECTING)
                        accept_one(n, c);
        }
}

static void on_reach(void *ctx)
{
        net_conn *c = ctx;
        net_listener *n = c->place.listener;
        if (c->state != SIM_CONNECTING)
                return;
        if (c->place.way == WAY_TLS_FAILS || c->place.way == WAY_CERTIFICATE)
                told_end(c, c->place.way == WAY_CERTIFICATE ? NET_CERTIFICATE : NET_TLS_FAILED);
        else if (c->place.way == WAY_REFUSED || n == nullptr || n->stopped || n->queued == 256)
                told_end(c, NET_UNREACHABLE);
        else if (has_room(n))
                accept_one(n, c);
        else
                n->queue[n->queued++] = c;
}

static net_conn *dial(net_loop *l, const sim_place *to, const net_user *user, void *ctx)
{
        net_conn *c = conn_new(l);
        c->user = *user;
        c->ctx = ctx;
        c->place = *to;
        c->latency_us = to->latency_us;
        if (to->way != WAY_BLACKHOLE)
                sim_later(to->latency_us * 2 + sim_below(500), on_reach, c);
        return c;
}

net_conn *net_dial(net_loop *l, const net_target *t, const net_user *user, void *ctx)
{
        sim_place to = {};
        sim_place_of(t, &to);
        net_conn *c = dial(l, &to, user, ctx);
        c->of_relay = true;
        c->tls = t->tls != nullptr;
        return c;
}

net_conn *sim_dial(net_listener *n, const net_user *user, void *ctx, bool mute)
{
        const sim_place to = {n, WAY_GOOD, sim_between(50, 20000)};
        net_conn *c = dial(sim_loop, &to, user, ctx);
        c->mute = mute;
        return c;
}

void sim_look(const sim_patience *p)
{
        uint64_t now = sim_now_us();
        for (const net_conn *c = all; c != nullptr; c = c->older) {
                if (!c->of_relay || c->state != SIM_OPEN)
                        continue;
                uint64_t still = now - c->moved_us;
                if (c->listener != nullptr && c->out_len > 0 && still > p->caller_us)
                        sim_fail("a caller took no byte for %llu ms, and its connection stands",
                                 (unsigned long long)still / 1000);
                if (c->listener == nullptr && !c->paused && still > p->vendor_us)
                        sim_fail("a vendor said nothing for %llu ms, and its connection stands",
                                 (unsigned long long)still / 1000);
        }
}

void sim_open_connections(size_t out[static 2])
{
        out[0] = out[1] = 0;
        for (const net_conn *c = all; c != nullptr; c = c->older)
                if (c->of_relay && c->state != SIM_GONE)
                        out[c->listener == nullptr]++;
}

/* ---- what the simulation has no use for: penalties of sources, and a system's bound of descriptors ---- */

bool net_penalise(net_conn *c, uint32_t)
{
        must_live(c, "net_penalise");
        return false;
}

void net_listener_pause(net_listener *n, bool paused)
{
        n->paused = paused;
        take_waiting(n);
}

net_sockets net_sockets_of(const net_loop *)
{
        size_t open[2];
        sim_open_connections(open);
        return (net_sockets){.now = open[0] + open[1]};
}
