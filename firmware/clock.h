/* firmware/clock: what time it is, as far as anyone here can know. The floor is the later of the image's day and the
 * last time that a better source than the clock chip bore out: the clock is never set below it. */
#ifndef FIRMWARE_CLOCK_H
#define FIRMWARE_CLOCK_H

#include "base/result.h"

#include <stdint.h>

typedef enum clock_source { CLOCK_SOURCE_CHIP, CLOCK_SOURCE_IMAGE } clock_source;

enum : int64_t { CLOCK_JUMP_US = 1000 * 1000000, CLOCK_DAY_US = 86400ll * 1000000, CLOCK_SLEW_US = 100000 };
constexpr uint64_t CLOCK_SPAN_S = 20 * 365 * 86400ULL;

/* Which to believe: a chip that is before the floor, or twenty years behind it, is wrong. */
clock_source clock_judge(uint64_t now_s, uint64_t floor_s);
/* Sets the kernel's clock where it must. err SYSTEM: the kernel refused */
err clock_settle(uint64_t floor_s, clock_source *source);

/* What becomes of the word of time servers. */
typedef enum clock_verdict {
        CLOCK_SLEW,    /* so little that the clock is led there */
        CLOCK_STEP,
        CLOCK_BEYOND,  /* below the floor, or twenty years behind the image */
        CLOCK_FAR,     /* further than 1000 s, and one server alone says so */
        CLOCK_DENIED,  /* the dates of vendors' answers say another time */
} clock_verdict;

/* How far the clock is behind: less than a century, either way. */
typedef struct clock_word {
        int64_t  offset_us; /* as time servers say */
        unsigned agree;     /* servers; at least 1 */
        bool     dated;     /* two hosts or more have said a date */
        int64_t  dates_us;  /* their median */
} clock_word;

/* Against dates, servers that agree are believed within a day, and one alone within 1000 s: the dates are good to
 * seconds, but a relay that lies is to have no more of the clock than a time server that does. */
clock_verdict clock_judge_servers(int64_t now_us, const clock_word *w, uint64_t floor_s);

/* err SYSTEM: the kernel refused */
err clock_add(int64_t offset_us, clock_verdict how);

/* The hypervisor's clock, or the chip's, now. False: there is none. */
bool clock_of_host(const char *root, uint64_t *now_s);
bool clock_of_chip(const char *root, uint64_t *now_s);

#endif
