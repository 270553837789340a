/* firmware/role: a program that PID 1 starts beside lethed: without capabilities, with a user of its own, an empty
 * root, and the descriptors it is given. */
#ifndef FIRMWARE_ROLE_H
#define FIRMWARE_ROLE_H

#include <sys/types.h>

#include "base/result.h"

/* Nobody of the kernel's; SERVICE_UID is lethed's. */
enum : uint32_t { ROLE_UID_CONSOLE = 102, ROLE_UID_NETWORK = 103 };
enum : size_t { ROLE_DESCRIPTORS = 8 };
enum : uint64_t { ROLE_SILENT_MS = 60000 };

typedef struct role_start {
        const char *program; /* below the root, as "/bin/lethe-console" */
        const char *name;    /* what it is called by; null: its path */
        bool        networked; /* it stays in the box's network */
        uint32_t    uid;
        uint64_t    locked_bytes; /* of memory, at most */
        int         fds[ROLE_DESCRIPTORS]; /* the role's 0, 1, 2, ...; -1: /dev/null. They stay the caller's */
        size_t      count;
} role_start;

/* Its process. err SYSTEM: the kernel has none for it */
err role_start_process(const char *root, const role_start *r, pid_t *pid);

#endif
