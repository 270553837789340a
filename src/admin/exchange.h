/* admin/exchange: one request as its handler sees it. A handler answers exactly once, now or later; when the caller
 * leaves earlier the exchange is ended and whatever it waits for is forgotten. */
#ifndef ADMIN_EXCHANGE_H
#define ADMIN_EXCHANGE_H

#include "admin/box_link.h"
#include "admin/access.h"
#include "admin/fault.h"
#include "admin/keeper_link.h"
#include "admin/metrics.h"
#include "admin/status.h"
#include "base/arena.h"
#include "base/board.h"
#include "base/box_facts.h"
#include "base/view.h"
#include "route/catalog.h"

typedef struct admin_exchange admin_exchange;

/* What all exchanges of the role share. */
typedef struct admin_box {
        net_loop *loop;
        const board *board;
        const box_facts *facts; /* null: not on the appliance */
        const catalog *catalog;
        const char *version, *commit;
        int control; /* to the supervisor */
        keeper_link keeper;
        box_link link;          /* to PID 1 of the appliance */
        int bundle;             /* memory of BOX_BUNDLE_BYTES for an update; -1: none */
        admin_exchange *upload; /* who fills it; null: nobody */
        view metrics;           /* the published snapshot */
        admin_exchange *reload; /* who waits for WIRE_RELOADED; null: nobody */
        bool reloading;         /* the supervisor has not answered yet */
        uint16_t reload_what;   /* reloaded_word that is waited for */
        admin_access access;
        status_certificates certificates; /* as they were at the start; admin_certificates says the time */
        uint64_t (*wall_s)(void);
} admin_box;

struct admin_exchange {
        admin_box *box;
        view rest; /* of the path, behind the route's prefix */
        view query; /* behind the question mark, as sent */
        view body;
        arena memory; /* ends with the exchange */
        keeper_call call;
        box_call box_call;
        uint64_t uploaded; /* bytes */
        region file;        /* an export, assembled from its parts */
        uint64_t sequence;  /* of that export */
        keeper_export_file asked; /* which of its files */
        net_timer timer;
        void *work; /* a handler's own, in `memory` */
};

/* One answer. `extra` is whole header lines, or empty. All views are copied. */
typedef struct admin_reply {
        uint16_t status;
        view type; /* of the content */
        view body;
        view extra;
} admin_reply;

/* The certificates, and what time it is. */
status_certificates admin_certificates(const admin_box *box);

void admin_answer(admin_exchange *x, const admin_reply *r);

/* The forms that handlers use. */
void admin_answer_json(admin_exchange *x, uint16_t status, view body);
void admin_answer_error(admin_exchange *x, err_code code);
/* A struct from the keeper, into `out`. False: it has been answered why not. */
bool admin_taken(admin_exchange *x, err_code code, view answer, void *out, size_t len);
/* A refused body or configuration, with its place. `file` may be empty. */
void admin_answer_fault(admin_exchange *x, uint16_t status, const config_fault *f, view file);

/* Room for a JSON document in the exchange's memory, and its answer; a document that did not fit is an error. */
emit admin_document(admin_exchange *x);
void admin_answer_document(admin_exchange *x, uint16_t status, const emit *document);

/* The memory for updates: begins empty, takes what comes, is empty again. err NO_BOX, BOX_BUSY; NO_ROOM */
err admin_upload_begin(admin_exchange *x);
err admin_upload_take(admin_exchange *x, view piece);
void admin_upload_end(admin_exchange *x);

/* Asks the keeper. `done` gets the exchange. */
void admin_ask(admin_exchange *x, keeper_op op, view payload, void (*done)(void *ctx, err_code code, view answer));

#endif
