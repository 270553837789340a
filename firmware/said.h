/* firmware/said: what lethed and its roles write to their log, of which the console shows the little that is listed
 * here. Whoever serves reads what strangers wrote, so its words are numbers to this file, and its sentences nothing. */
#ifndef FIRMWARE_SAID_H
#define FIRMWARE_SAID_H

#include "base/view.h"

typedef enum said_kind {
        SAID_NOTHING,   /* not for the console */
        SAID_SENTENCE,  /* lethed's own: why it does not start, or refuses a configuration */
        SAID_UP,        /* a generation of relays serves */
        SAID_ROLE_DIED, /* first: role, second: wait status */
        SAID_TPM_REFUSED, /* first: why, a keeper_tpm of ipc/keeper.h */
        SAID_SEALED, SAID_OPEN,
        SAID_BLANK,     /* there is no vault yet */
        SAID_NO_CONFIG, /* the vault is open and holds no configuration yet */
} said_kind;

typedef struct said {
        said_kind kind;
        int64_t   first, second;
        view      sentence; /* in the line */
} said;

said said_parse(view line);

/* By its number in ipc/wire.h; "a role" for any other. */
const char *said_role_name(int64_t role);

/* Lines out of pieces. What is longer than a line may be is left out whole. */
typedef struct said_lines {
        uint8_t bytes[1024];
        size_t  len;
        bool    too_long;
} said_lines;

/* Calls `take` with every line that is whole, without its end. */
void said_feed(said_lines *l, view piece, void (*take)(void *context, view line), void *context);

#endif
