/* firmware/watchdog: hardware that starts the box again when nothing feeds it: opened with the first lethed, fed while
 * one lives. */
#ifndef FIRMWARE_WATCHDOG_H
#define FIRMWARE_WATCHDOG_H

#include <stdint.h>

enum : uint64_t { WATCHDOG_FEED_MS = 10000 };

typedef struct watchdog {
        int      fd; /* -1: there is none, or it is not opened yet */
        bool     looked;
        uint64_t feed_at_ms;
} watchdog;

void watchdog_begin(watchdog *w);
/* Opens it at the first call, and feeds it when its time has come. */
void watchdog_feed(watchdog *w, const char *root, uint64_t now_ms);

#endif
