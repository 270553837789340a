/* firmware/machine: the box as one object, and what it does in each phase. */
#ifndef FIRMWARE_MACHINE_H
#define FIRMWARE_MACHINE_H

#include "base/box_facts.h"
#include "firmware/box_channel.h"
#include "firmware/console_role.h"
#include "firmware/disks.h"
#include "firmware/kept.h"
#include "firmware/machine_network.h"
#include "firmware/machine_update.h"
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
        machine_net     net;
        disks_found     config, state;
        int             kept_fd; /* the partition lethe-state; -1: none */
        kept            kept;    /* what stands there; changed by kept_set, and then machine_keep */
        uint64_t        floor_s, keep_at_ms; /* of the clock; when it is kept next */
        box_dates       dates;     /* as lethed's admin role last told, when it can be; all zero: nothing */
        uint64_t        copied_ms; /* what was noted before says nothing of the time; 0: never copied */
        net_word        refused;   /* of time servers: NET_TIME when dates may yet bear it out */
        box_facts      *box_facts; /* null: not made yet */
        int             facts_fd;  /* what lethed gets of them; -1 */
        int             kernel_log; /* what the kernel says while the box runs; -1 */
        service         service;
        service_command command;
        box_channel     channel; /* to lethed's admin role */
        box_identity    identity; /* as it last told */
        machine_update  update;
        bool            reset;    /* the state is emptied when lethed has ended */
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
void machine_settle_box(machine *m);
err  machine_make_claim(machine *m, notice *why);
/* 40 bits in base32, as ABCD-EFGH. */
enum : size_t { MACHINE_CLAIM_BYTES = SCREEN_CLAIM_BYTES };
void machine_claim_text(const uint8_t random[static 5], char out[static MACHINE_CLAIM_BYTES]);
/* Opens the partition lethe-state and reads what was kept there, once. */
void machine_read_kept(machine *m);
/* Chooses the settings of the network, once config drive and kept lines were read; one turn of it; what its role says
 * (machine_network.c). */
void machine_settle_network(machine *m);
void machine_turn_network(machine *m, uint64_t now_ms);
void machine_hear_network(machine *m, uint64_t now_ms);
bool machine_network_reaped(machine *m, pid_t pid, int status, uint64_t now_ms);
/* It has the addresses it is to have. */
bool machine_network_up(const machine *m);
/* New settings, as lines of box.conf: judged, kept, and in force at once but for doors and number of relays, of which
 * `why` says so then. err SYSTEM, said: nothing has changed */
err machine_set_network(machine *m, const char *lines, notice *why);
/* The clock by chip, kept floor and host; the word of time servers; keeps the time; lethed's sight of it all; what the
 * kernel says while the box runs (machine_clock.c). */
void machine_settle_clock(machine *m);
void machine_hear_time(machine *m, const net_word *w, uint64_t now_ms);
/* The dates of vendors' answers, from a role that may lie; a line of them for BOX_STATUS. They never set the clock. */
void machine_hear_dates(machine *m, const box_dates *d, uint64_t now_ms);
void machine_say_dates(const machine *m, emit *out, uint64_t now_ms);
void machine_turn_clock(machine *m, uint64_t now_ms);
void machine_keep_clock(machine *m);
err  machine_give_facts(machine *m);
void machine_listen_to_kernel(machine *m);
void machine_hear_kernel(machine *m);
/* In its log: it has drawn new random numbers, because this machine is a copy of another. */
bool machine_is_copied(view record);
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
/* ---- updates (machine_update.c) ---- */

/* In every turn. */
void machine_update_turn(machine *m, uint64_t now_ms);
/* False: it is not the updater that has ended. */
bool machine_update_reaped(machine *m, pid_t pid);
/* Whether this image may still run on this box. err SYSTEM, said */
err  machine_epoch_check(const machine *m, notice *why);
/* For the console: from the file lethe.update of the config drive; goes on by itself, machine_update_say tells how.
 * err SYSTEM, said */
err  machine_update_from_volume(machine *m, notice *why);
err  machine_roll_back(machine *m, notice *why);
/* Lines `key value` (box_line) of slots, keys and the work that runs. */
void machine_update_say(const machine *m, emit *out);
void machine_asked_update(machine *m, const box_message *q, int *fd, uint64_t now_ms);
void machine_asked_roll_back(machine *m, const box_message *q, uint64_t now_ms);
void machine_asked_update_keys(machine *m, const box_message *q);
/* Everything the box has of its owner goes when lethed has ended; then it starts again. */
void machine_factory_reset(machine *m, uint64_t now_ms);
/* In DRAIN, when nobody writes there any more. */
void machine_reset_state(machine *m);

/* How long nothing will happen by itself. */
int machine_wait_ms(const machine *m);

#endif
