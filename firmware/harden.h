/* firmware/harden: settings of the kernel, written and read back. */
#ifndef FIRMWARE_HARDEN_H
#define FIRMWARE_HARDEN_H

#include "firmware/text.h"

typedef struct harden_row {
        const char *path;  /* below /proc/sys; a `*` stands for every folder at its place */
        const char *value; /* words; blanks and tabs are alike */
} harden_row;

extern const harden_row harden_rows[];
extern const size_t     harden_row_count;

/* Every row in its order, and as the very last no more modules. Goes on after a fault; the first is said. err SYSTEM */
err harden_kernel(const char *root, notice *why);

/* The same words. */
bool harden_same(view is, view wanted);

#endif
