/* firmware/boot_files: the boot partition, mounted below `boot`: what stands in its two slots, and the four things that
 * are done with them. Called in a process of its own (firmware/updater).
 *
 * Whatever moment the power goes: one slot that has proven itself is whole, and first in order until another is. */
#ifndef FIRMWARE_BOOT_FILES_H
#define FIRMWARE_BOOT_FILES_H

#include "firmware/bundle.h"
#include "firmware/image.h"
#include "firmware/slots.h"

typedef struct boot_slot {
        bool      there;   /* an image that UEFI would start */
        slot_name name;    /* of it */
        bool      known;   /* its manifest is there, and what follows */
        char      version[64], commit[64];
        uint32_t  epoch;
        uint64_t  built_s;
} boot_slot;

typedef struct boot_facts {
        boot_slot slot[SLOT_COUNT];
        slot_env  env;
        bool      env_good; /* grub/env could be read */
        slot_id   running;  /* SLOT_NONE: not to be told */
        bool      on_trial; /* the running one has not proven itself */
        bool      by_grub;  /* whose count of tries holds */
} boot_facts;

/* What is known of what was started. */
typedef struct boot_started {
        view         entry;   /* as systemd-boot names it; empty: not known */
        view         cmdline; /* the kernel's */
        const image *image;
} boot_started;

/* Called after every piece of work, with hundredths of the whole. */
typedef struct boot_progress {
        void (*step)(void *ctx, uint32_t percent);
        void *ctx;
} boot_progress;

typedef enum boot_state { BOOT_NOTHING, BOOT_PROVEN, BOOT_TO_PROVE, BOOT_FAILED } boot_state;

/* FAILED: it had its tries. */
boot_state boot_state_of(const boot_facts *f, slot_id s);

err boot_look(const char *boot, const boot_started *s, boot_facts *out, notice *why);

/* What is written: the whole bundle, which `b` was read of; its bytes may change meanwhile. */
typedef struct boot_offer {
        view          file;
        const bundle *b;
} boot_offer;

/* Into the slot that does not run; it is started next, SLOT_TRIES times at most.
 * err SYSTEM, NO_ROOM, BAD_FILE, said; the running slot is untouched then */
err boot_install(const char *boot, const boot_facts *f, const boot_offer *o, const boot_progress *p, notice *why);

/* The running slot has proven itself. */
err boot_mark_good(const char *boot, const boot_facts *f, notice *why);

/* The other slot is started next, if its bytes are what its manifest says. err SYSTEM, ROLLED_BACK, BAD_FILE, said */
err boot_roll_back(const char *boot, const boot_facts *f, uint32_t least_epoch, notice *why);

#endif
