/* firmware/updater: a short-lived child of PID 1, the only process that ever mounts the boot partition. It sees its own
 * mounts alone, and they end with it. */
#ifndef FIRMWARE_UPDATER_H
#define FIRMWARE_UPDATER_H

#include <sys/types.h>

#include "firmware/boot_files.h"

typedef enum updater_op : uint8_t { UPDATER_LOOK, UPDATER_INSTALL, UPDATER_MARK_GOOD, UPDATER_ROLL_BACK } updater_op;

enum : uint64_t { UPDATER_PATIENCE_MS = 600000 };

/* What a child is started for. Everything is borrowed until updater_start returns. */
typedef struct updater_job {
        updater_op         op;
        const char        *root;    /* before every path: "" on the box */
        const char        *folder;  /* tests: in the place of the boot partition; null: it is found and mounted */
        const char        *state;   /* the partition lethe-state: the boot partition is on the same disk */
        const image       *image;   /* that runs */
        const update_keys *keys;
        uint32_t           least_epoch;
        bool               older;
        int                bundle;  /* UPDATER_INSTALL: what may be an update */
} updater_job;

typedef struct updater_report {
        bool       done;    /* nothing follows */
        uint32_t   percent;
        err_code   code;    /* with done */
        notice     why;     /* with a code */
        boot_facts facts;   /* with done and without a code: as it is now */
        char       version[64]; /* installed, or rolled back to */
        uint8_t    pcr4[32], pcr11[32]; /* foretold for it; UPDATER_INSTALL */
} updater_report;

typedef struct updater {
        pid_t          pid; /* 0: none runs */
        int            pipe;
        updater_op     op;
        uint64_t       started_ms;
        updater_report report; /* the last that came */
} updater;

void updater_begin(updater *u);
/* err SYSTEM: one runs, or the kernel has no process for it */
err  updater_start(updater *u, const updater_job *job, uint64_t now_ms);
/* Reads what the child has said; kills one that takes too long. */
void updater_hear(updater *u, uint64_t now_ms);
/* The child has ended: u->report is its last word, or says that it died. */
void updater_reaped(updater *u);

#endif
