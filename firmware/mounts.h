/* firmware/mounts: the file systems of the box. All are in memory but the config drive, which is read-only. */
#ifndef FIRMWARE_MOUNTS_H
#define FIRMWARE_MOUNTS_H

#include "firmware/text.h"

typedef struct mounts_row {
        const char   *source, *at, *type, *options;
        unsigned long flags; /* MS_* */
} mounts_row;

/* /dev, /proc, /sys, /run. */
extern const mounts_row mounts_first[];
extern const size_t     mounts_first_count;

/* In that order. err SYSTEM, said */
err mounts_make(const char *root, notice *why);
/* Read-only from here on, as /proc/mounts shows. err SYSTEM, said */
err mounts_lock_root(notice *why);
/* Whether `mounts` (as /proc/mounts) says that what is mounted last at `at` is read-only. */
bool mounts_read_only(view mounts, view at);

/* The config drive, for the user that the relay runs as. `type` is vfat or iso9660. err SYSTEM, said */
err  mounts_config(const char *root, const char *device, const char *type, notice *why);
void mounts_leave_config(const char *root);

#endif
