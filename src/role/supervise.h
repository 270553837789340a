/* role/supervise: the parent of all roles. It binds, passes descriptors, starts what dies, and reads no file but to
 * copy its bytes: no parser runs here.
 *
 * Files: supervise.c the loop; spawn.c processes and grants; generation.c relays old and new; snapshot.c the files of a
 * generation; stored.c the files that the keeper hands over; shared.c memory that outlives processes. */
#ifndef ROLE_SUPERVISE_H
#define ROLE_SUPERVISE_H

#include <sys/types.h>

#include "base/board.h"
#include "base/box_facts.h"
#include "base/result.h"
#include "ipc/wire.h"

constexpr size_t SNAPSHOTS = LIMIT_UPSTREAMS + 8;

/* The bytes of one file as they were when its generation first asked for it: a relay that dies and is started again
 * reads what its sisters read, whatever an editor has done to the folder since. */
typedef struct snapshot {
        char name[LIMIT_NAME_BYTES * 4];
        int  fd; /* sealed memfd; -1: free */
} snapshot;

typedef struct snapshots {
        snapshot rows[SNAPSHOTS];
        size_t   count;
} snapshots;

typedef enum generation_state : uint8_t {
        GENERATION_NONE,
        GENERATION_STARTING,
        GENERATION_SERVING,
        GENERATION_DRAINING
} generation_state;

typedef struct generation {
        generation_state state;
        uint32_t         number;
        snapshots        files;
        uint64_t         set;   /* files of the state: number of the set they are; 0: of a folder */
        bool             trial; /* they are not stored yet: the keeper stores them before this generation serves */
} generation;

/* A configuration as the keeper handed it over. */
typedef struct stored_set {
        snapshots files;
        uint64_t  number; /* 0: there is none */
} stored_set;

constexpr size_t GENERATIONS = LIMIT_LEDGER_GENERATIONS;
constexpr size_t CHILDREN = LIMIT_COLUMNS + 3;

typedef struct child {
        role_id  role;
        bool     in_use;
        bool     wanted;   /* to be started again when it dies */
        pid_t    pid;      /* 0: not running */
        int      control;  /* -1 when not running */
        bool     ready;
        bool     renewing; /* told to stop because its files changed: started again without being a death */
        uint32_t generation; /* relays: index into generations */
        bool     has_slot;   /* relays: slot is this process's, or kept for its next start */
        uint32_t slot;       /* relays: column of the board, ring */
        uint32_t socket;     /* relays: which listening socket */
        uint32_t deaths;     /* in a row */
        uint32_t unanswered; /* WIRE_ALIVE in a row */
        uint64_t started_ms, start_at_ms;
} child;

/* A ring whose relay is gone stays until the keeper has read it. */
typedef struct ring_row {
        int      fd; /* -1: free */
        bool     dead;
        uint32_t generation;
} ring_row;

typedef struct supervisor {
        /* what the command line said */
        int         config; /* the folder; -1: the configuration is in the state */
        int         claim;  /* the file with the claim code; -1: none */
        int         state, key_file, resolv_conf; /* -1: none */
        int         tpm; /* -1: none */
        int         listeners[LIMIT_RELAYS];
        uint32_t    relays;
        int         admin_listener;
        int         console; /* a pair with the console of the box; -1: none */
        int         bundle;      /* memfd of BOX_BUNDLE_BYTES for the admin role; -1: no appliance */
        int         box_channel; /* to PID 1 of the appliance (base/box_wire); -1: no appliance */
        int         programs; /* folder of the executables */
        int         null;     /* /dev/null to read: standard input and output of every role */
        int         box_facts; /* base/box_facts memfd; -1: this is no box */
        /* shared memory */
        int         board_fd, lease_fd, ledger_fd, vault_key_fd, ring_wake;
        board      *board;
        const box_facts *box; /* null: this is no box */
        uint32_t    clones;   /* as of the generation that serves */
        ring_row    rings[LIMIT_COLUMNS];
        /* processes */
        child       children[CHILDREN];
        generation  generations[GENERATIONS];
        uint32_t    last_generation;
        uint32_t    been_up; /* bit per role_id: has been ready since the start of the box */
        int         signals;
        /* reload in progress: who asked; index of the generation that starts, -1: none */
        int         starting;
        bool        reload_asked;
        bool        reload_again; /* asked while one was starting, which may have read older files: once more */
        uint8_t     admin_digest[32]; /* of the files the admin role reads, in the generation that serves */
        uint64_t    renew_admin_at_ms; /* 0: not due */
        /* configuration in the state */
        snapshots    coming; /* files of a set whose end the keeper has not said yet */
        stored_set   stored, staged;
        bool         told;     /* the keeper has said what it keeps: the other roles have been started */
        bool         try_due;  /* `staged` is to be tried */
        bool         keep_asked; /* the keeper is storing what the generation that starts has shown to serve */
        uint64_t     retry_at_ms; /* what is stored did not serve: tried again then; 0: not due */
        uint32_t     retries;
        config_fault fault; /* of the generation that starts */
        config_fault said;  /* the last one an operator was told */
        /* ending */
        bool        stopping, hard;
        uint64_t    ask_at_ms; /* when roles are asked again whether they are alive */
        uint64_t    stop_began_ms;
        uint64_t    stop_at_ms; /* when patience ends */
        int         phase;
        int         exit_status;
} supervisor;

/* Makes shared memory, closes the supervisor's sandbox, starts the roles and runs until a signal ends it.
 * Returns the exit status: 0 clean, 1 the box refused, 2 the configuration is at fault. */
int supervise(supervisor *s);

/* ---- between the files ---- */

err  shared_make(supervisor *s);
int  shared_ring(void);

/* A read-only descriptor of a file as this generation knows it; null: as it is now. -1 with errno. */
int  snapshot_open(supervisor *s, snapshots *g, const char *name);
/* Takes a sealed memory as the file of that name; there is room. */
void snapshot_add(snapshots *g, const char *name, int memory);
/* One number for the bytes of several files (null-terminated list). */
void snapshot_digest(supervisor *s, snapshots *g, const char *const names[], uint8_t digest[static 32]);
void snapshots_forget(snapshots *g);

/* stored.c: the configuration in the state. Whether the state holds it: */
static inline bool holds_config(const supervisor *s) { return s->config < 0; }
/* A word of the keeper; takes the descriptor. */
void stored_message(supervisor *s, const wire_message *m, int fd);
/* The files that the next generation is to have. err NO_TARGET: there is no configuration; SYSTEM */
err  stored_fill(supervisor *s, generation *g);
/* All relays of a trial are ready: asks the keeper to store it. False: it must not serve yet. */
bool stored_settled(supervisor *s, const generation *g);
/* The staged set cannot even be tried. */
void stored_drop(supervisor *s);
/* A generation has failed, or the keeper has died. */
void stored_failed(supervisor *s, const generation *g);
void stored_keeper_died(supervisor *s);
/* Begins what is due. */
void stored_turn(supervisor *s);

child *spawn_child(supervisor *s, role_id role);
/* Starts the process of a child row and grants it what its role holds. err SYSTEM */
err    spawn_start(supervisor *s, child *c);
child *spawn_find(supervisor *s, role_id role);
void   spawn_tell(child *c, wire_type type, uint32_t slot, uint64_t number);
/* A role is ready: gives it its pairs with the others, and a keeper all rings and names. */
void   spawn_connect(supervisor *s, child *c);
/* Tells the keeper, when there is one, of a ring, or of a generation's names. */
void   spawn_ring(supervisor *s, uint32_t slot);
void   spawn_names(supervisor *s, const generation *g);

/* Its relays are ready: it serves, the one before drains. */
void generation_serve(supervisor *s, generation *g);
void generation_blame(supervisor *s, const char *code, const char *text);
/* Starts the next generation. err NO_ROOM while too many are still draining, SYSTEM; s->fault says it, and whoever
 * asked for a reload has been answered. */
err  generation_begin(supervisor *s);
/* A fresh column and ring: those of a dead relay stay its own until the keeper has read them. False: none is free. */
bool relay_slot_renew(supervisor *s, child *c);
/* Its process has died: the keeper is told to read the ring to its end. */
void relay_slot_dead(supervisor *s, child *c);
/* A relay is ready, has refused or has died: moves its generation on. */
void generation_relay_ready(supervisor *s, const child *c);
void generation_fail(supervisor *s);
void generation_collect(supervisor *s);

/* Asks all roles now and then, and kills who does not answer; tells the appliance that the supervisor itself turns. */
void alive_turn(supervisor *s, uint64_t now_ms);

#endif
