/* admin/role_name: what an operator calls a role. */
#ifndef ADMIN_ROLE_NAME_H
#define ADMIN_ROLE_NAME_H

#include "ipc/wire.h"

static inline const char *role_name(role_id role)
{
        switch (role) {
        case ROLE_KEEPER:
                return "keeper";
        case ROLE_RESOLVER:
                return "resolver";
        case ROLE_ADMIN:
                return "admin";
        case ROLE_RELAY:
                return "relay";
        case ROLE_SUPERVISOR:
                return "supervisor";
        case ROLE_COUNT:
                break;
        }
        return "unknown";
}

#endif
