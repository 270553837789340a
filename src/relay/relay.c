#include "relay/relay.h"

#include <assert.h>
#include <malloc.h>
#include <stdlib.h>

#include "base/event.h"
#include "relay/exchange.h"

enum : uint64_t { HOUSEKEEPING_MS = 5000, SETTLING_MS = 10 };

static void tickets_refresh(relay *r)
{
        lease_ticket_key lent[2];
        if (failed(lease_copy_tickets(r->setup.lease, lent)))
                return;
        tls_ticket_key keys[2];
        for (int i = 0; i < 2; i++) {
                memcpy(keys[i].name, lent[i].name, sizeof keys[i].name);
                memcpy(keys[i].key, lent[i].key, sizeof keys[i].key);
                keys[i].epoch = lent[i].epoch;
        }
        tls_server_tickets(r->setup.server, keys);
        wipe(lent, sizeof lent);
        wipe(keys, sizeof keys);
}

static void cut_all(relay *r)
{
        event(EVENT_DRAIN_FORCED, r->setup.generation, (int64_t)r->exchanges);
        while (r->clients != nullptr) {
                client *c = r->clients;
                if (c->exchange != nullptr)
                        exchange_end(c->exchange, ENDING_SHED);
                client_cut(c);
        }
}

/* What connections leave in the allocator is wiped but stays with the process, because younger blocks stand above it:
 * the largest hour would decide what it holds for ever after. */
static void memory_return(relay *r)
{
        r->left = 0;
        malloc_trim(0);
}

void relay_left(relay *r)
{
        /* So often that no single time takes long: some ten megabytes. */
        enum : uint32_t { LEFT_MOST = 256 };
        if (++r->left >= LEFT_MOST)
                memory_return(r);
}

uint64_t relay_number(uint64_t *kept, const char *name)
{
        if (*kept == 0)
                *kept = secret_key_number(view_of_text(name));
        return *kept;
}

static void on_housekeeping(void *ctx)
{
        relay *r = ctx;
        arena_stock_clear(&r->chunks);
        if (!r->draining) {
                tickets_refresh(r);
                if (r->left > 0)
                        memory_return(r);
                net_timer_set(r->setup.loop, &r->housekeeping, HOUSEKEEPING_MS);
                return;
        }
        uint64_t now = net_now_ms(r->setup.loop);
        if (r->clients != nullptr && now >= r->drain_until_ms)
                cut_all(r);
        if (r->clients == nullptr && (r->exchanges == 0 || now >= r->drain_until_ms)) {
                account_wake(r);
                net_timer_clear(r->setup.loop, &r->housekeeping);
                r->setup.drained(r->setup.ctx);
                return;
        }
        /* Without a caller an exchange only finishes reading what its vendor has counted. */
        net_timer_set(r->setup.loop, &r->housekeeping, r->clients == nullptr ? SETTLING_MS : r->drain_until_ms - now);
}

static void *on_arrived(void *ctx, net_conn *conn, const net_user **user)
{
        *user = &client_user;
        return client_new(ctx, conn);
}

static void on_handshake_failed(void *ctx)
{
        relay *r = ctx;
        count(r, COUNTER_handshakes_failed, 1);
}

static void on_source_refused(void *ctx)
{
        relay *r = ctx;
        count(r, COUNTER_sources_refused, 1);
}

static bool is_balancer(void *ctx, const net_peer *from)
{
        const relay    *r = ctx;
        const catalog  *c = r->setup.catalog;
        catalog_address address = {.family = from->family};
        memcpy(address.bytes, from->address, sizeof address.bytes);
        for (size_t i = 0; i < c->balancer_count; i++)
                if (address_inside(&address, &c->balancers[i]))
                        return true;
        return false;
}

relay *relay_new(const relay_setup *s)
{
        relay *r = calloc(1, sizeof *r);
        if (r == nullptr)
                return nullptr;
        r->setup = *s;
        graveyard_begin(&r->graves, s->loop);
        r->lease_version = atomic_load_explicit(&s->lease->version, memory_order_relaxed);
        r->housekeeping = (net_timer){.fire = on_housekeeping, .ctx = r};
        r->wake = (net_timer){.fire = account_wake, .ctx = r};
        exchange_stock(r);
        for (size_t m = 0; m < s->catalog->model_count; m++)
                r->sticky = r->sticky || s->catalog->models[m].sticky == STICKY_PROMPT;
        queue_begin(r);
        pressure_begin(r);
        const upstreams_setup up = {s->loop, s->resolver, s->catalog, s->lease, s->column, s->clients};
        r->upstreams = upstreams_new(&up);
        const catalog_settings *settings = &s->catalog->settings;
        const net_accept accept = {.arrived = on_arrived, .failed = on_handshake_failed, .refused = on_source_refused,
                                   .balancer = is_balancer, .ctx = r, .tls = s->server,
                                   .handshake_ms = settings->handshake_ms, .max_connections = settings->connections,
                                   .max_handshakes = LIMIT_HANDSHAKES, .handshakes_s = LIMIT_HANDSHAKES_S,
                                   .source_connections = settings->source_connections,
                                   .source_handshakes = settings->source_handshakes};
        r->listener = net_listen(s->loop, s->listen_fd, &accept);
        if (r->upstreams == nullptr || r->listener == nullptr) {
                free(r->upstreams);
                free(r);
                return nullptr;
        }
        return r;
}

static void on_probed(void *ctx, uint16_t upstream, bool reached) { choose_probed(ctx, upstream, reached); }

static void probes_start(relay *r)
{
        const relay_setup *s = &r->setup;
        const probes_setup probing = {.loop = s->loop, .upstreams = r->upstreams, .catalog = s->catalog,
                                      .board = s->board, .column = s->column, .result = on_probed, .ctx = r};
        /* Without memory for it upstreams are found to be back by requests alone. */
        r->probes = probes_begin(&probing);
}

void relay_start(relay *r)
{
        probes_start(r);
        pressure_start(r);
        on_housekeeping(r);
}

void relay_drain(relay *r, uint64_t drain_ms)
{
        if (r->draining)
                return;
        r->draining = true;
        net_listener_stop(r->listener);
        if (r->probes != nullptr)
                probes_stop(r->probes);
        upstreams_close_idle(r->upstreams);
        /* There are few to come: what ends now goes back at once. */
        r->chunks.most = 0;
        r->drain_until_ms = net_now_ms(r->setup.loop)
                          + (drain_ms != 0 ? drain_ms : r->setup.catalog->settings.drain_ms);
        for (client *c = r->clients; c != nullptr; c = c->older)
                if (c->wait == WAIT_IDLE)
                        client_wait_for(c, WAIT_IDLE);
        net_timer_clear(r->setup.loop, &r->housekeeping);
        net_timer_set(r->setup.loop, &r->housekeeping, 0);
}
