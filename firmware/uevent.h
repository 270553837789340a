/* firmware/uevent: what the kernel says of devices that come. */
#ifndef FIRMWARE_UEVENT_H
#define FIRMWARE_UEVENT_H

#include "base/result.h"
#include "base/view.h"

typedef struct uevent {
        view action, modalias; /* in the message; empty when it does not say */
        bool lost;             /* there were more than the kernel could keep: look at everything again */
} uevent;

/* False when it is not a message of the kernel's form: `ACTION@PATH` and fields `NAME=VALUE`, each ended by a zero. */
bool uevent_parse(view message, uevent *out);

/* A socket that hears them. -1 when there is none */
int uevent_listen(void);
/* The next one, whose bytes go into `bytes`; false when there is none for now. Only the kernel is heard. */
bool uevent_next(int fd, uint8_t *bytes, size_t cap, uevent *out);

#endif
