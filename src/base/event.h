/* base/event: the only log call of a running role. It takes numbers, never bytes, so nothing of a request can
 * reach it. The whole vocabulary is event.def. */
#ifndef BASE_EVENT_H
#define BASE_EVENT_H

#include <stdint.h>

typedef enum event_id : uint16_t {
#define EVENT(name, level, first, second, text) EVENT_##name,
#include "base/event.def"
#undef EVENT
        EVENT_COUNT
} event_id;

/* Names the process in its lines. `role` is a static word. Lines go to descriptor `fd` (2 unless told). */
void event_setup(const char *role, int fd);

/* One line: `<role> <LEVEL> <name> <first>=<n> <second>=<n> <sentence>`. Never blocks, never fails: what a full pipe
 * has no room for is lost, and of one kind more than 20 in a second are only counted. */
void event(event_id id, int64_t first, int64_t second);

#endif
