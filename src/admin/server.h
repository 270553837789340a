/* admin/server: the management listener: health, metrics, the management API and its page. */
#ifndef ADMIN_SERVER_H
#define ADMIN_SERVER_H

#include "admin/exchange.h"
#include "base/board.h"
#include "base/box_facts.h"
#include "base/box_wire.h"
#include "ipc/wire.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/tls.h"
#include "route/catalog.h"

typedef struct admin_server admin_server;

/* Everything is borrowed for the server's life, but the listening socket, which is taken. */
typedef struct admin_setup {
        net_loop *loop;
        const catalog *catalog;
        const board *board; /* may be mapped read-only */
        const box_facts *facts; /* null: not on the appliance */
        tls_server *tls;    /* null: plain, for tests */
        int listen_fd;
        int control; /* to the supervisor: reload is asked there */
        const char *version, *commit;
        bool in_state;    /* the configuration is in the state */
        bool set_up;      /* and is not there yet: the catalog is empty */
        view claim;       /* the code by which the box is claimed meanwhile; empty: none */
        status_certificates certificates; /* without the time */
        box_identity identity; /* of the certificates, for the appliance's console */
        uint64_t (*wall_s)(void);
} admin_setup;

/* Serves from the loop's next turn on. err NO_ROOM, SYSTEM */
err admin_server_new(const admin_setup *setup, admin_server **out);

/* A (new) pair to the keeper; the descriptor is taken. */
void admin_server_keeper(admin_server *s, int fd);

/* The channel to PID 1 of the appliance; the descriptor is taken. */
void admin_server_box(admin_server *s, int fd);
/* The memory that updates are gathered in; the descriptor stays the caller's. */
void admin_server_bundle(admin_server *s, int fd);
void admin_server_tell_box(admin_server *s, box_op op, view payload);

/* WIRE_RELOADED has come. */
void admin_server_reloaded(admin_server *s, const wire_message *m);

/* Takes no more requests, gives running ones a moment, then stops the loop. */
void admin_server_stop(admin_server *s);

/* After the loop has ended. */
void admin_server_free(admin_server *s);

#endif
