#include "firmware/clock.h"

#include <fcntl.h>
#include <linux/rtc.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "firmware/file.h"
#include "firmware/text.h"

clock_source clock_judge(uint64_t now_s, uint64_t floor_s)
{
        return now_s >= floor_s && now_s - floor_s <= CLOCK_SPAN_S ? CLOCK_SOURCE_CHIP : CLOCK_SOURCE_IMAGE;
}

err clock_settle(uint64_t floor_s, clock_source *source)
{
        *source = clock_judge(clock_wall_s(), floor_s);
        if (*source == CLOCK_SOURCE_CHIP)
                return OK;
        struct timespec t = {.tv_sec = (time_t)floor_s};
        return clock_settime(CLOCK_REALTIME, &t) == 0 ? OK : FAIL(SYSTEM);
}

static int64_t apart(int64_t a, int64_t b) { return a < b ? b - a : a - b; }

clock_verdict clock_judge_servers(int64_t now_us, const clock_word *w, uint64_t floor_s)
{
        int64_t then_s = (now_us + w->offset_us) / 1000000, far = apart(w->offset_us, 0);
        if (then_s < (int64_t)floor_s || then_s > (int64_t)(floor_s + CLOCK_SPAN_S))
                return CLOCK_BEYOND;
        if (w->dated && apart(w->offset_us, w->dates_us) > (w->agree < 2 ? CLOCK_JUMP_US : CLOCK_DAY_US))
                return CLOCK_DENIED;
        if (far > CLOCK_JUMP_US && w->agree < 2 && !w->dated)
                return CLOCK_FAR;
        return far < CLOCK_SLEW_US ? CLOCK_SLEW : CLOCK_STEP;
}

err clock_add(int64_t offset_us, clock_verdict how)
{
        if (how == CLOCK_SLEW) {
                const struct timeval slow = {.tv_usec = offset_us};
                return adjtime(&slow, nullptr) == 0 ? OK : FAIL(SYSTEM);
        }
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        int64_t         us = now.tv_sec * 1000000 + now.tv_nsec / 1000 + offset_us;
        struct timespec then = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
        return how == CLOCK_STEP && us > 0 && clock_settime(CLOCK_REALTIME, &then) == 0 ? OK : FAIL(SYSTEM);
}

bool clock_of_host(const char *root, uint64_t *now_s)
{
        uint8_t         bytes[64];
        view            name;
        file_path       at;
        struct timespec t;
        /* Cards have such clocks too, which count from anywhere. */
        if (failed(file_read(root, "/sys/class/ptp/ptp0/clock_name", bytes, sizeof bytes, &name))
            || !view_equal(text_line(&name), VIEW("KVM virtual PTP"))
            || failed(file_path_make(&at, root, "/dev/ptp0", (view){})))
                return false;
        int fd = open(at.text, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        /* As clock_gettime(2) numbers the clock behind a descriptor. */
        bool good = clock_gettime((clockid_t)(~(uint32_t)fd << 3 | 3), &t) == 0 && t.tv_sec > 0;
        close(fd);
        *now_s = (uint64_t)t.tv_sec;
        return good;
}

bool clock_of_chip(const char *root, uint64_t *now_s)
{
        file_path       at;
        struct rtc_time r = {};
        int fd = failed(file_path_make(&at, root, "/dev/rtc0", (view){})) ? -1 : open(at.text, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        bool good = ioctl(fd, RTC_RD_TIME, &r) == 0;
        close(fd);
        struct tm t = {.tm_sec = r.tm_sec, .tm_min = r.tm_min, .tm_hour = r.tm_hour, .tm_mday = r.tm_mday,
                       .tm_mon = r.tm_mon, .tm_year = r.tm_year};
        time_t s = good ? timegm(&t) : -1;
        *now_s = s < 0 ? 0 : (uint64_t)s;
        return s >= 0;
}
