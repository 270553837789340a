/* role/start: what the start of every role needs. */
#ifndef ROLE_START_H
#define ROLE_START_H

#include "base/arena.h"
#include "base/result.h"

/* Tells the supervisor why this role cannot start. `code` is a stable word, `text` says what to do. */
void start_refuse(int control, const char *code, const char *text);

/* A configuration or policy file, whole; `out` is initialised here, also after an error.
 * err SYSTEM; NO_ROOM: larger than such a file may be */
err start_read(int fd, region *out);

#endif
