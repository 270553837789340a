#include "base/clock.h"

#include <time.h>
#include <unistd.h>

#include "support/tap.h"

int main(void)
{
        uint64_t us = clock_us(), ms = clock_ms(), wall = clock_wall_s();
        time_t now = time(nullptr);
        usleep(20000);
        uint64_t later_us = clock_us(), later_ms = clock_ms();
        tap_ok(later_us - us >= 20000 && later_us - us < 10000000, "clock", "microseconds pass");
        tap_ok(later_ms - ms >= 19 && later_ms - ms < 10000, "clock", "milliseconds pass");
        tap_ok(ms >= us / 1000 && ms - us / 1000 < 1000, "clock", "both are one clock");
        tap_ok((uint64_t)now - wall <= 1, "clock", "the wall clock is the system's");
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        tap_ok((uint64_t)t.tv_sec + 1 >= later_ms / 1000 && (uint64_t)t.tv_sec <= later_ms / 1000 + 10, "clock",
               "the other one is monotonic");
        return tap_done();
}
