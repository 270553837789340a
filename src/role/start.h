/* role/start: what the start of every role needs. */
#ifndef ROLE_START_H
#define ROLE_START_H

#include "base/arena.h"
#include "base/result.h"
#include "codec/config_json.h"

/* Tells the supervisor why this role cannot start. `code` is a stable word, `text` says what to do. */
void start_refuse(int control, const char *code, const char *text);

/* Puts the file's name before a fault's text: a compiler knows the place and not the file. */
void start_name_file(config_fault *fault, const char *name);

/* A configuration or policy file, whole; `out` is initialised here, also after an error.
 * err SYSTEM; NO_ROOM: larger than such a file may be */
err start_read(int fd, region *out);

#endif
