/* admin/access: who may ask what: the operators of the configuration by their tokens; while the state holds no
 * configuration, whoever can read the claim code on the box's console; while the vault is sealed, unlocking alone. */
#ifndef ADMIN_ACCESS_H
#define ADMIN_ACCESS_H

#include "base/board.h"
#include "base/result.h"
#include "codec/http1.h"
#include "route/catalog.h"

enum : size_t { ACCESS_CLAIM = 8 }; /* characters of a claim code: 40 bits in base32 */

typedef struct admin_access {
        const catalog *catalog; /* of no operators: nobody has a token yet */
        const board   *board;
        bool           in_state; /* the configuration is in the state */
        bool           any_host; /* there is no configuration that says by which names the box is called */
        bool           has_claim;
        char           claim[ACCESS_CLAIM];
        uint32_t       wrong;      /* wrong claim codes that are not forgotten yet */
        uint64_t       forgive_ms; /* when the next one is */
} admin_access;

/* Reads a code as a person or a file has it: lower case, dashes and blanks do not count. False: it is none. */
bool access_read_claim(view text, char out[static ACCESS_CLAIM]);

/* *wait_s: with UPSTREAM_RATE, how long to wait.
 * err NO_KEY; SEALED: nothing but unlocking is answered; UPSTREAM_RATE: too many wrong claim codes */
err access_judge(admin_access *a, const http1_head *head, uint64_t now_ms, uint32_t *wait_s);

#endif
