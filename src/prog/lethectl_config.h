/* prog/lethectl_config: the configuration that a box keeps in its vault, read and written through the admin plane. */
#ifndef PROG_LETHECTL_CONFIG_H
#define PROG_LETHECTL_CONFIG_H

#include "prog/lethectl_admin.h"

/* One file of the set. Names are those below a configuration folder; one that ends in .key is secret. */
typedef struct config_part {
        char name[64];
        view bytes; /* borrowed */
} config_part;

enum : size_t { CONFIG_PARTS = LIMIT_UPSTREAMS + 6, CONFIG_FILE_BYTES = 2 * 1024 * 1024 };

typedef struct config_send {
        const config_part *parts;
        size_t             count;
        const uint8_t     *seal_key; /* 32 bytes: secret files go sealed to it */
        const char        *opens;    /* "person", "key-file", "tpm"; null: as it is */
        bool               partial;  /* the other files stay */
} config_send;

/* Sends a set and waits until it serves. Prints why not, with file, line and column. *generation is the one that serves
 * then. */
verdict config_put(https_client *h, const config_send *send, uint64_t *generation);

/* The text of one file. err NO_TARGET, and what remote_ask says */
err config_fetch(https_client *h, const char *name, region *text, https_why *why);

/* Prints a refused configuration: FILE:LINE:COLUMN: CODE at POINTER: TEXT. Returns REFUSED. */
verdict refuse_configuration(const https_answer *a);

/* Writes a file for its owner alone. err SYSTEM */
err file_write_secret(const char *folder, const char *name, view bytes);

#endif
