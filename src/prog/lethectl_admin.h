/* prog/lethectl_admin: a running lethed's admin plane, as seen by lethectl. */
#ifndef PROG_LETHECTL_ADMIN_H
#define PROG_LETHECTL_ADMIN_H

#include "codec/config_json.h"
#include "ipc/keeper.h"
#include "prog/lethectl.h"
#include "prog/lethectl_https.h"

/* Connects nothing yet. Reads token and CA. err with *why */
err admin_client(const lethectl *c, https_client **out, https_why *why);

/* 64 hexadecimal digits in either case, with colons or spaces between them. */
bool fingerprint_read(view text, uint8_t out[static 32]);

/* Where the vault is closed, a box that keeps its certificates in it shows one that nobody has signed: has a person
 * compare it with the console. `fingerprint` is what --fingerprint would have said then, or empty. Prints why not. */
verdict known_for_sealed(const lethectl *c, char fingerprint[static 65]);

/* One request; an answer that is no 2xx is the err of its code, with its message in *why.
 * out  a  the answer; end its body when the call did not fail */
err remote_ask(https_client *h, const https_request *q, https_answer *a, https_why *why);

/* JSON of the admin plane into what the keeper's operations answer; pure, lethectl_told.c.
 * err BAD_FILE: not of the form */
err told_status(view json, keeper_status *out);
err told_list(view json, region *out);
err told_exports(view json, region *out); /* keeper_export_listed[] */
err told_hash(view json, uint8_t out[static 32]);
err told_number(view json, const char *key, uint64_t *out);

/* GET /admin/v1/setup. */
typedef struct told_setup_doc {
        bool    unclaimed; /* no configuration: a claim code counts */
        bool    open, sealed, tpm;
        uint8_t seal_key[32];
        keeper_status status; /* open, seal key and key slots alone */
} told_setup_doc;
err told_setup(view json, told_setup_doc *out);

/* The complaint in an error document: code, message, file ("" when there is none) and place (0 when there is none).
 * err BAD_FILE */
typedef struct told_complaint {
        char file[128];
        config_fault fault;
} told_complaint;
err told_error(view json, told_complaint *out);

#endif
