/* Test Anything Protocol for C tests: rows before code, names as sentences. */
#ifndef TESTS_SUPPORT_TAP_H
#define TESTS_SUPPORT_TAP_H

#include <stdbool.h>
#include <stdio.h>

static int tap_run, tap_bad;

/* One result. Returns `good`. */
static inline bool tap_ok(bool good, const char *subject, const char *sentence)
{
        tap_run++;
        if (!good)
                tap_bad++;
        printf("%sok %d - %s: %s\n", good ? "" : "not ", tap_run, subject, sentence);
        fflush(stdout);
        return good;
}

static inline void tap_skip(const char *subject, const char *why)
{
        tap_run++;
        printf("ok %d - %s # SKIP %s\n", tap_run, subject, why);
}

/* The plan, and the exit status. */
static inline int tap_done(void)
{
        printf("1..%d\n", tap_run);
        return tap_bad == 0 ? 0 : 1;
}

#endif
