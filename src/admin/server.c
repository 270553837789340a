#include "admin/server.h"

#include <stdlib.h>

#include "admin/conn.h"
#include "admin/dates.h"
#include "admin/handle.h"
#include "admin/identity.h"
#include "admin/metrics.h"

enum : uint64_t { STOP_STEP_MS = 20 };
/* One that waited in the kernel may arrive while the place of the one that left is not yet free. */
enum : size_t { PLACES = LIMIT_ADMIN_CONNECTIONS + 4 };
enum : unsigned { STOP_STEPS = 100 };

struct admin_server {
        conn_shared shared;
        admin_setup setup;
        net_listener *listener;
        net_timer minute, stop;
        identity_teller identity;
        dates_teller dates;
        unsigned stop_steps;
        uint8_t metrics[METRICS_BYTES];
        admin_conn conns[PLACES];
};

static void *on_arrived(void *ctx, net_conn *net, const net_user **user)
{
        admin_server *s = ctx;
        for (size_t i = 0; i < PLACES; i++)
                if (s->conns[i].net == nullptr) {
                        *user = conn_start(&s->conns[i], &s->shared, net);
                        return &s->conns[i];
                }
        return nullptr;
}

static void publish(void *ctx)
{
        admin_server *s = ctx;
        emit out = emit_into(s->metrics, sizeof s->metrics);
        const metrics_facts facts = {.ways = {s->setup.catalog, s->setup.board, net_now_ms(s->setup.loop)},
                                     .version = s->setup.version,
                                     .commit = s->setup.commit,
                                     .now_s = s->setup.wall_s(),
                                     .server_expires_s = s->shared.box.certificates.server.expires_s,
                                     .admin_expires_s = s->shared.box.certificates.admin.expires_s};
        metrics_write(&facts, &out);
        s->shared.box.metrics = (view){out.bytes, out.len};
        net_timer_set(s->setup.loop, &s->minute, LIMIT_ADMIN_METRICS_MS);
}

static err start(admin_server *s)
{
        admin_box *box = &s->shared.box;
        *box = (admin_box){.loop = s->setup.loop,
                           .board = s->setup.board,
                           .facts = s->setup.facts,
                           .catalog = s->setup.catalog,
                           .version = s->setup.version,
                           .commit = s->setup.commit,
                           .bundle = -1,
                           .control = s->setup.control};
        box->wall_s = s->setup.wall_s;
        box->access = (admin_access){.catalog = s->setup.catalog,
                                     .board = s->setup.board,
                                     .in_state = s->setup.in_state,
                                     .any_host = s->setup.set_up};
        box->access.has_claim = s->setup.in_state && access_read_claim(s->setup.claim, box->access.claim);
        box->certificates = s->setup.certificates;
        TRY(keeper_link_init(&box->keeper, s->setup.loop));
        TRY(box_link_init(&box->link, s->setup.loop));
        const net_accept accept = {.arrived = on_arrived,
                                   .ctx = s,
                                   .tls = s->setup.tls,
                                   .handshake_ms = LIMIT_ADMIN_HEAD_MS,
                                   .max_connections = LIMIT_ADMIN_CONNECTIONS,
                                   .max_handshakes = LIMIT_ADMIN_CONNECTIONS};
        s->listener = net_listen(s->setup.loop, s->setup.listen_fd, &accept);
        return s->listener != nullptr ? OK : FAIL(SYSTEM);
}

err admin_server_new(const admin_setup *setup, admin_server **out)
{
        admin_server *s = calloc(1, sizeof *s);
        if (s == nullptr)
                return FAIL(NO_ROOM);
        s->setup = *setup;
        s->shared.catalog = setup->catalog;
        s->minute.fire = publish;
        s->minute.ctx = s;
        err e = start(s);
        if (failed(e)) {
                free(s);
                return e;
        }
        publish(s);
        *out = s;
        return OK;
}

void admin_server_keeper(admin_server *s, int fd) { keeper_link_attach(&s->shared.box.keeper, fd); }

void admin_server_bundle(admin_server *s, int fd) { s->shared.box.bundle = fd; }

void admin_server_box(admin_server *s, int fd)
{
        admin_box *box = &s->shared.box;
        identity_end(&s->identity);
        dates_end(&s->dates);
        box_link_attach(&box->link, fd);
        identity_begin(&s->identity, box->board, &box->keeper, &box->link, &s->setup.identity);
        dates_begin(&s->dates, s->setup.catalog, box->board, &box->link);
}

void admin_server_tell_box(admin_server *s, box_op op, view payload)
{
        box_link_tell(&s->shared.box.link, op, payload);
}

void admin_server_reloaded(admin_server *s, const wire_message *m) { handle_reloaded(&s->shared.box, m); }

/* Answers are on their way until the network has let go of every connection. */
static void stop_step(void *ctx)
{
        admin_server *s = ctx;
        if (net_listener_connections(s->listener) == 0 || ++s->stop_steps >= STOP_STEPS)
                net_loop_stop(s->setup.loop);
        else
                net_timer_set(s->setup.loop, &s->stop, STOP_STEP_MS);
}

void admin_server_stop(admin_server *s)
{
        if (s->shared.stopping)
                return;
        s->shared.stopping = true;
        net_timer_clear(s->setup.loop, &s->minute);
        net_listener_stop(s->listener);
        for (size_t i = 0; i < PLACES; i++)
                if (s->conns[i].net != nullptr)
                        conn_retire(&s->conns[i]);
        s->stop.fire = stop_step;
        s->stop.ctx = s;
        net_timer_set(s->setup.loop, &s->stop, STOP_STEP_MS);
}

void admin_server_free(admin_server *s)
{
        for (size_t i = 0; i < PLACES; i++)
                if (s->conns[i].net != nullptr)
                        conn_drop(&s->conns[i]);
        identity_end(&s->identity);
        dates_end(&s->dates);
        keeper_link_end(&s->shared.box.keeper);
        box_link_end(&s->shared.box.link);
        free(s);
}
