/* firmware/machine: the box as one object, and what it does in each phase. */
#ifndef FIRMWARE_MACHINE_H
#define FIRMWARE_MACHINE_H

#include "firmware/box_channel.h"
#include "firmware/console_role.h"
#include "firmware/disks.h"
#include "firmware/kept.h"
#include "firmware/modules.h"
#include "firmware/power.h"
#include "firmware/said.h"
#include "firmware/screen.h"
#include "firmware/service.h"
#include "firmware/watchdog.h"

typedef struct machine {
        const char     *root; /* before every path: "" on the box */
        phase           phase;
        bool            entered; /* this phase has begun */
        bool            again;   /* start again instead of powering off */
        uint64_t        entered_ms, look_at_ms, heard_ms;
        int             uevents; /* -1: not heard any more */
        screen_facts    facts;
        console         console;
        console_role    attendant; /* draws on it and reads from it while it lives */
        int             keeper_pair[2]; /* lethed's end and the attendant's, for as long as the box runs; -1: none */
        modules         modules;
        power           power;
        watchdog        watchdog;
        network_cards   cards;
        disks_found     config, state;
        int             kept_fd; /* the partition lethe-state; -1: none */
        kept            kept;    /* what stands there; changed by kept_set, and then machine_keep */
        service         service;
        service_command command;
        box_channel     channel; /* to lethed's admin role */
        box_identity    identity; /* as it last told */
        said_lines      lines;
        bool            words_old; /* facts.words are of the start before */
        bool            in_state;  /* the configuration is in the vault, not on a drive */
} machine;

void machine_begin(machine *m, const char *root);
/* One turn: goes through the phases as far as they go without waiting, and draws. */
void machine_turn(machine *m, uint64_t now_ms);
/* A person or the hypervisor wants the box to go down. */
void machine_end(machine *m, bool again, uint64_t now_ms);
/* A child has ended: lethed, or an orphan of it. */
void machine_reaped(machine *m, pid_t pid, int status, uint64_t now_ms);
/* Reads what lethed wrote. */
void machine_hear(machine *m);
/* Writes m->kept. err as kept_write; SYSTEM also when there is no partition */
err machine_keep(machine *m);
/* Where the configuration comes from (machine_config.c): whether a drive is still waited for; reads it; the box's own
 * settings from it, or from what was kept; a fresh claim code in /run/claim. err SYSTEM, said */
bool machine_awaits_drive(machine *m, uint64_t now_ms);
err  machine_read_drive(machine *m, notice *why);
err  machine_settle_box(machine *m, notice *why);
err  machine_make_claim(machine *m, notice *why);
/* 40 bits in base32, as ABCD-EFGH. */
enum : size_t { MACHINE_CLAIM_BYTES = SCREEN_CLAIM_BYTES };
void machine_claim_text(const uint8_t random[static 5], char out[static MACHINE_CLAIM_BYTES]);
/* Opens the partition lethe-state and reads what was kept there, once. */
void machine_read_kept(machine *m);
/* Reads what lethed's admin role asks and tells (machine_asked.c). */
void machine_hear_box(machine *m, uint64_t now_ms);
/* Starts the console role when it is due; what it asks; that it has ended (machine_console.c). */
void machine_attend(machine *m, uint64_t now_ms);
void machine_hear_console(machine *m, uint64_t now_ms);
bool machine_console_reaped(machine *m, pid_t pid, int status, uint64_t now_ms);
/* Shows what the facts say, through the role or on the terminals themselves. */
void machine_show(machine *m, uint64_t now_ms);
/* A role of the box, or lethed, has died. `role` is static. */
void machine_count_death(machine *m, const char *role, int status);
/* How long nothing will happen by itself. */
int machine_wait_ms(const machine *m);

#endif
