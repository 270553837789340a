/* firmware/box_channel: PID 1's end of base/box_wire. Whoever is at the other end may be hostile: it costs PID 1 a few
 * messages in a while, no wait and no memory. */
#ifndef FIRMWARE_BOX_CHANNEL_H
#define FIRMWARE_BOX_CHANNEL_H

#include "base/box_wire.h"

enum : uint64_t { BOX_CHANNEL_PERIOD_MS = 500 };
enum : uint32_t { BOX_CHANNEL_MESSAGES = 32 }; /* taken in one period */

typedef struct box_channel {
        int      fd; /* -1: lethed does not run, or has gone */
        uint64_t period_ms; /* when it began */
        uint32_t taken;     /* in it */
} box_channel;

void box_channel_begin(box_channel *c);
/* A new pair; the one before ends. *theirs is the caller's. err SYSTEM */
err  box_channel_open(box_channel *c, int *theirs);
void box_channel_end(box_channel *c);
/* What to poll for reading: -1 while the other side has had its share. */
int  box_channel_poll(const box_channel *c, uint64_t now_ms);
/* Hands over what has come. A descriptor is closed when the function returns, unless it was taken: *fd is -1 then.
 * The function may answer. */
void box_channel_hear(box_channel *c, uint64_t now_ms, void (*take)(void *ctx, const box_message *m, int *fd),
                      void *ctx);
/* An answer to (op, number). Lost when the other side does not read. */
void box_channel_answer(box_channel *c, uint32_t op, uint32_t number, err_code code, view bytes);

#endif
