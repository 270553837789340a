/* firmware/image: what this image says of itself: /etc/lethe/image, lines `version V`, `commit C`, `epoch SECONDS`,
 * `kernel RELEASE`, `security NUMBER`, `root SHA256`. */
#ifndef FIRMWARE_IMAGE_H
#define FIRMWARE_IMAGE_H

#include "firmware/text.h"

typedef struct image {
        char     version[64], commit[64], kernel[64];
        uint32_t security; /* the security epoch: no image of a lower one is started once this one has proven itself */
        uint64_t epoch_s;  /* when it was built; no clock is before */
        uint8_t  root[32]; /* SHA-256 of the list of the root's files: `root` of manifest.json. What the image says of
                              itself: a TPM's PCR 11 is the proof */
} image;

/* False when a line is missing, unknown, twice there, or has no such value. */
bool image_parse(view text, image *out);
/* err SYSTEM, said */
err image_read(const char *root, image *out, notice *why);

#endif
