#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "relay/upstream_int.h"
#include "route/address.h"

/* Happy eyeballs, RFC 8305: one address after the other, the next one when the former has failed or after 250 ms, and
 * whichever stands first wins. What must stand is TLS too: a path that swallows large packets connects and then says
 * nothing. */

typedef enum racer_state : uint8_t {
        RACER_DIALS,   /* TCP; without a proxy TLS too */
        RACER_ASKS,    /* the proxy for a tunnel */
        RACER_SECURES, /* TLS through the tunnel */
} racer_state;

typedef struct racer {
        dialing *race;
        net_conn *conn; /* null: not begun, or lost */
        tunnel *tunnel;
        racer_state state;
        bool refused; /* by the proxy: its address is none the worse for it */
} racer;

struct dialing {
        grave grave;
        upstreams *side;
        const dialing_user *user;
        void *ctx;
        net_timer deadline, stagger;
        net_question question;
        catalog_address addresses[LIMIT_ADDRESSES]; /* in the order of their turns */
        racer racers[LIMIT_ADDRESSES];              /* one each */
        uint16_t upstream;
        uint8_t count, next, running;
        bool over;
};

static const catalog_upstream *row_of(const dialing *d) { return &d->side->setup.catalog->upstreams[d->upstream]; }
static way *way_of(const dialing *d) { return &d->side->ways[d->upstream]; }
static bool proxied(const dialing *d) { return row_of(d)->proxy.host[0] != '\0'; }

static void count(const dialing *d, counter_id c)
{
        atomic_fetch_add_explicit(&d->side->setup.column->counters[c], 1, memory_order_relaxed);
}

/* ---- what is remembered of addresses ---- */

static bool is_dead(const way *w, const catalog_address *a, uint64_t now_ms)
{
        for (size_t i = 0; i < LIMIT_ADDRESSES; i++)
                if (w->dead[i].until_ms > now_ms && address_equal(&w->dead[i].address, a))
                        return true;
        return false;
}

static void forget(way *w, const catalog_address *a)
{
        for (size_t i = 0; i < LIMIT_ADDRESSES; i++)
                if (w->dead[i].until_ms != 0 && address_equal(&w->dead[i].address, a))
                        w->dead[i] = (dead_address){};
}

static void remember(way *w, const catalog_address *a, uint64_t now_ms)
{
        forget(w, a);
        dead_address *oldest = &w->dead[0];
        for (size_t i = 1; i < LIMIT_ADDRESSES; i++)
                if (w->dead[i].until_ms < oldest->until_ms)
                        oldest = &w->dead[i];
        *oldest = (dead_address){*a, now_ms + ADDRESS_DEAD_MS};
        if (a->family == 6)
                w->v6_bad_until_ms = now_ms + ADDRESS_DEAD_MS;
}

/* Who had 250 ms more than the winner and still does not stand is as good as dead. */
static void remember_winner(const dialing *d, size_t winner, uint64_t now_ms)
{
        way *w = way_of(d);
        for (size_t i = 0; i < winner; i++)
                if (d->racers[i].conn != nullptr)
                        remember(w, &d->addresses[i], now_ms);
        forget(w, &d->addresses[winner]);
        if (d->addresses[winner].family == 6)
                w->v6_bad_until_ms = 0;
        w->dial_failed = false;
}

/* ---- the ends ---- */

static void racer_stop(racer *r)
{
        if (r->conn != nullptr)
                net_abort(r->conn, false);
        r->conn = nullptr;
        tunnel_end(r->tunnel);
        r->tunnel = nullptr;
}

void dialing_cancel(dialing *d)
{
        if (d->over)
                return;
        d->over = true;
        net_timer_clear(d->side->setup.loop, &d->deadline);
        net_timer_clear(d->side->setup.loop, &d->stagger);
        net_resolve_cancel(d->side->setup.resolver, &d->question);
        for (size_t i = 0; i < d->next; i++)
                racer_stop(&d->racers[i]);
        graveyard_bury(&d->side->graves, &d->grave);
}

static void fail(dialing *d, attempt_end why)
{
        way_of(d)->dial_failed = true;
        dialing_cancel(d);
        d->user->failed(d->ctx, why);
}

static void win(racer *r)
{
        dialing *d = r->race;
        net_conn *c = r->conn;
        remember_winner(d, (size_t)(r - d->racers), net_now_ms(d->side->setup.loop));
        if (proxied(d))
                count(d, COUNTER_tunnels);
        r->conn = nullptr;
        dialing_cancel(d);
        d->user->opened(d->ctx, c);
}

static void on_deadline(void *ctx)
{
        dialing *d = ctx;
        for (size_t i = 0; i < d->next; i++)
                if (d->racers[i].conn != nullptr)
                        remember(way_of(d), &d->addresses[i], net_now_ms(d->side->setup.loop));
        /* Behind a proxy nobody knows who was silent; for sure is only that the vendor got nothing. */
        fail(d, proxied(d) ? ATTEMPT_NETWORK : ATTEMPT_TIMEOUT);
}

/* Only for failures found inside dialing_begin, which may not call back. */
static void on_stillborn(void *ctx) { fail(ctx, ATTEMPT_NETWORK); }

/* ---- the race ---- */

static void race_on(void *ctx);

static void lose(racer *r)
{
        dialing *d = r->race;
        racer_stop(r);
        if (!r->refused)
                remember(way_of(d), &d->addresses[r - d->racers], net_now_ms(d->side->setup.loop));
        d->running--;
        race_on(d);
}

static void refused_by_proxy(racer *r, uint16_t status)
{
        event(EVENT_PROXY_REFUSED, r->race->upstream, status);
        r->refused = true;
        lose(r);
}

static void ask_proxy(racer *r)
{
        enum : size_t { QUESTION_BYTES = 2048 };
        uint8_t bytes[QUESTION_BYTES];
        emit e = emit_into(bytes, sizeof bytes);
        err asked = tunnel_ask(&r->race->side->setup, r->race->upstream, &e);
        if (asked.code == ERR_NO_TARGET)
                event(EVENT_HOST_UNBOUND, r->race->upstream, 0);
        r->state = RACER_ASKS;
        r->tunnel = failed(asked) ? nullptr : tunnel_begin();
        bool good = r->tunnel != nullptr;
        if (good)
                net_write(r->conn, (view){bytes, e.len});
        wipe(bytes, sizeof bytes);
        if (good)
                return;
        r->refused = true;
        lose(r);
}

static void on_opened(void *ctx)
{
        racer *r = ctx;
        if (r->state == RACER_DIALS && proxied(r->race))
                ask_proxy(r);
        else
                win(r);
}

static void on_data(void *ctx, view in)
{
        racer *r = ctx;
        view early = {};
        uint16_t status = 0;
        if (r->state != RACER_ASKS) {
                lose(r);
                return;
        }
        tunnel_step step = tunnel_feed(r->tunnel, in, &early, &status);
        if (step == TUNNEL_MORE)
                return;
        if (step == TUNNEL_REFUSED || net_unsent(r->conn) > 0) {
                refused_by_proxy(r, status);
                return;
        }
        tunnel_end(r->tunnel);
        r->tunnel = nullptr;
        r->state = RACER_SECURES;
        net_secure(r->conn, r->race->side->setup.tls[r->race->upstream], early);
}

static void on_closed(void *ctx, net_end why)
{
        racer *r = ctx;
        r->conn = nullptr;
        /* Somebody who is not the vendor answers: no other address is tried, or whoever leads one name astray would
         * only have to cut the rest. */
        if (why == NET_CERTIFICATE)
                fail(r->race, ATTEMPT_CERTIFICATE);
        else if (r->state == RACER_ASKS)
                refused_by_proxy(r, 0);
        else
                lose(r);
}

static const net_user racer_user = {.opened = on_opened, .data = on_data, .closed = on_closed};

static bool racer_start(dialing *d, size_t i)
{
        const catalog_upstream *row = row_of(d);
        bool through = proxied(d);
        net_target to = {.family = d->addresses[i].family, .port = through ? row->proxy.port : row->port};
        memcpy(to.address, d->addresses[i].bytes, sizeof to.address);
        if (!through)
                to.tls = d->side->setup.tls[d->upstream];
        d->racers[i] = (racer){.race = d};
        d->racers[i].conn = net_dial(d->side->setup.loop, &to, &racer_user, &d->racers[i]);
        if (d->racers[i].conn == nullptr) {
                remember(way_of(d), &d->addresses[i], net_now_ms(d->side->setup.loop));
                return false;
        }
        count(d, COUNTER_upstream_connects);
        d->running++;
        return true;
}

/* The next address that can be dialled has its turn. False: nobody is left who could win. */
static bool advance(dialing *d)
{
        while (d->next < d->count)
                if (racer_start(d, d->next++)) {
                        if (d->next < d->count)
                                net_timer_set(d->side->setup.loop, &d->stagger, DIALING_STAGGER_MS);
                        return true;
                }
        net_timer_clear(d->side->setup.loop, &d->stagger);
        return d->running > 0;
}

static void race_on(void *ctx)
{
        if (!advance(ctx))
                fail(ctx, ATTEMPT_NETWORK);
}

/* ---- whose turn is when ---- */

/* Those that are dead or not, one family after the other in turn. */
static void line_up(dialing *d, const catalog_address *of, size_t count, bool dead)
{
        const way *w = way_of(d);
        uint64_t now = net_now_ms(d->side->setup.loop);
        uint8_t family = w->v6_bad_until_ms > now ? 4 : 6;
        size_t at[2] = {}, turn = 0; /* where each family's search goes on */
        for (size_t missed = 0; missed < 2; turn ^= 1) {
                uint8_t wanted = turn == 0 ? family : 10 - family;
                size_t *i = &at[turn];
                while (*i < count && (of[*i].family != wanted || is_dead(w, &of[*i], now) != dead))
                        ++*i;
                missed = *i == count ? missed + 1 : 0;
                if (*i < count)
                        d->addresses[d->count++] = of[(*i)++];
        }
}

static void addresses_found(dialing *d, const catalog_address *found, size_t count)
{
        const catalog_upstream *row = row_of(d);
        catalog_address may[LIMIT_ADDRESSES];
        size_t n = 0;
        for (size_t i = 0; i < count; i++) {
                if (proxied(d) || address_allowed(&found[i], row->local, row->local_count))
                        may[n++] = found[i];
                else
                        event(EVENT_ADDRESS_REFUSED, d->upstream, found[i].family);
        }
        line_up(d, may, n, false);
        line_up(d, may, n, true);
}

static void on_resolved(void *ctx, const resolve_answer *answer)
{
        dialing *d = ctx;
        catalog_address found[LIMIT_ADDRESSES];
        for (uint32_t i = 0; i < answer->count; i++) {
                found[i] = (catalog_address){.family = answer->addresses[i].family};
                memcpy(found[i].bytes, answer->addresses[i].bytes, sizeof found[i].bytes);
        }
        addresses_found(d, found, answer->count);
        race_on(d);
}

/* False: there is no way to find out. */
static bool look_up(dialing *d)
{
        const catalog_upstream *row = row_of(d);
        bool through = proxied(d);
        const char *host = through ? row->proxy.host : row->host;
        const catalog_address *fixed = through ? row->proxy.addresses : row->addresses;
        size_t fixed_count = through ? row->proxy.address_count : row->address_count;
        catalog_address literal;
        if (fixed_count > 0)
                addresses_found(d, fixed, fixed_count);
        else if (address_parse(view_of_text(host), &literal))
                addresses_found(d, &literal, 1);
        else
                return net_resolve(d->side->setup.resolver, &d->question, host);
        return advance(d);
}

dialing *dialing_begin(upstreams *u, uint16_t upstream, const dialing_user *user, void *ctx)
{
        dialing *d = calloc(1, sizeof *d);
        if (d == nullptr)
                return nullptr;
        d->side = u;
        d->upstream = upstream;
        d->user = user;
        d->ctx = ctx;
        d->deadline = (net_timer){.fire = on_deadline, .ctx = d};
        d->stagger = (net_timer){.fire = race_on, .ctx = d};
        d->question = (net_question){.answered = on_resolved, .ctx = d};
        net_timer_set(u->setup.loop, &d->deadline, u->setup.catalog->settings.connect_ms);
        if (!look_up(d)) {
                d->deadline.fire = on_stillborn;
                net_timer_set(u->setup.loop, &d->deadline, 0);
        }
        return d;
}
