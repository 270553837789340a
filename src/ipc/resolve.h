/* ipc/resolve: what a relay asks the resolver role, and what it hears: one struct a message over a SOCK_SEQPACKET pair.
 */
#ifndef IPC_RESOLVE_H
#define IPC_RESOLVE_H

#include <stdint.h>

#include "base/limit.h"

typedef struct resolve_request {
        uint64_t id;   /* the relay's own; comes back */
        char     name[LIMIT_HOST_BYTES]; /* lower case, NUL-terminated */
} resolve_request;

typedef struct resolve_answer {
        uint64_t id;
        uint32_t failed; /* 1: no address; count is 0 then */
        uint32_t ttl_s;
        uint32_t count;
        uint32_t reserved;
        struct {
                uint8_t family; /* 4 or 6 */
                uint8_t bytes[16];
        } addresses[LIMIT_ADDRESSES];
} resolve_answer;

#endif
