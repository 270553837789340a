/* firmware/machine_update: what the machine holds of updates (machine_update.c). */
#ifndef FIRMWARE_MACHINE_UPDATE_H
#define FIRMWARE_MACHINE_UPDATE_H

#include "firmware/updater.h"

typedef struct machine_update {
        updater     child;
        const char *folder;     /* tests: in the place of the boot partition */
        boot_facts  facts;      /* as last looked at; running SLOT_NONE: nothing is known */
        bool        looked;     /* once, after the state partition was found */
        bool        admin_spoke; /* since lethed's start: its management plane is there */
        bool        proven;     /* nothing is left to do for the running image */
        uint64_t    began_ms, up_since_ms, try_at_ms, now_ms;
        uint64_t    good_after_ms; /* 0: not looked up yet */
        int         bundle;     /* -1: none */
        bool        older;
        bool        asked;      /* the admin role waits for what the child does */
        uint32_t    asked_op, asked_number;
        notice      said;       /* how the last work ended */
} machine_update;

void machine_update_begin(machine_update *u);

#endif
