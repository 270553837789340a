/* firmware/disks: the two volumes the box works with, found among all that are there. */
#ifndef FIRMWARE_DISKS_H
#define FIRMWARE_DISKS_H

#include "firmware/file.h"
#include "firmware/label.h"
#include "firmware/text.h"

typedef struct disks_found {
        size_t     count;                 /* volumes that fit */
        char       name[FILE_NAME_BYTES]; /* of the first: below /dev and /sys/class/block */
        label_kind kind;                  /* config drive only */
        uint64_t   bytes;
} disks_found;

/* Volumes labelled LETHECFG. */
void disks_find_config(const char *root, disks_found *out);
/* Partitions named lethe-state. */
void disks_find_state(const char *root, disks_found *out);

/* Exactly one, or a sentence. err SYSTEM */
err disks_judge_config(const disks_found *f, notice *why);
err disks_judge_state(const disks_found *f, notice *why);

/* The disk that a partition is on. False when that is not to be told. */
bool disks_parent(const char *root, const char *partition, char out[static FILE_NAME_BYTES]);
/* Partitions named lethe-esp on that disk: how many, and the first one's name. err NO_ROOM */
err disks_find_boot(const char *root, const char *disk, char out[static FILE_NAME_BYTES], size_t *count);

/* The value of a line NAME=VALUE of a uevent file; empty when there is none. */
view disks_field(view uevent, view name);

#endif
