/* firmware/image: what this image says of itself: /etc/lethe/image, lines `version V`, `commit C`, `epoch SECONDS`,
 * `kernel RELEASE`. */
#ifndef FIRMWARE_IMAGE_H
#define FIRMWARE_IMAGE_H

#include "firmware/text.h"

typedef struct image {
        char     version[64], commit[64], kernel[64];
        uint64_t epoch_s; /* when it was built; no clock is before */
} image;

/* False when a line is missing, unknown, twice there, or has no such value. */
bool image_parse(view text, image *out);
/* err SYSTEM, said */
err image_read(const char *root, image *out, notice *why);

#endif
