/* firmware/clock: a time to start with. The kernel takes that of the clock chip; a box with a dead battery gets the day
 * its image was built, so that nothing waits for a time server. */
#ifndef FIRMWARE_CLOCK_H
#define FIRMWARE_CLOCK_H

#include "base/result.h"

#include <stdint.h>

typedef enum clock_source { CLOCK_SOURCE_CHIP, CLOCK_SOURCE_IMAGE } clock_source;

/* Which to believe: a chip that is before the image, or ten years behind it, is wrong. */
clock_source clock_judge(uint64_t now_s, uint64_t image_epoch_s);

/* Sets the kernel's clock where it must. err SYSTEM: the kernel refused */
err clock_settle(uint64_t image_epoch_s, clock_source *source);

#endif
