/* firmware/cmdline: whether the kernel was started as it must be: its command line, its own log, no swap. */
#ifndef FIRMWARE_CMDLINE_H
#define FIRMWARE_CMDLINE_H

#include "firmware/text.h"

/* Every word is one of the table, and those that a promise stands on are there. err SYSTEM, said */
err cmdline_check(view words, notice *why);
/* Whether the command line has this word; console=ttyS0 also with a speed behind it. */
bool cmdline_has(view words, view word);
/* The kernel's log says that it zeroes what it frees: a word of another kind can switch that off. err SYSTEM, said */
err cmdline_check_log(view log, notice *why);
/* /proc/swaps holds no more than its headline. err SYSTEM, said */
err cmdline_check_swaps(view swaps, notice *why);

/* The three of them, from the running kernel. The first fault is said. */
err cmdline_check_kernel(const char *root, notice *why);

#endif
