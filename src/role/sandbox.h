/* role/sandbox: what a role gives up before it reads its first hostile byte. The tables are in sandbox.c, one per role.
 */
#ifndef ROLE_SANDBOX_H
#define ROLE_SANDBOX_H

#include "base/result.h"
#include "ipc/wire.h"

/* At the very start of a role: no new privileges, not dumpable, no core, umask, empty environment, every descriptor but
 * 0 to 3 closed. err SYSTEM */
err sandbox_enter(role_id role);
/* The same, and these descriptors stay too, closed on exec: what the box's PID 1 gave lethed. -1 is none.
 * err SYSTEM: one of them is not open */
err sandbox_enter_keeping(role_id role, const int *kept, size_t count);

/* When all files are open: Landlock (no path, no TCP but what the role needs; an event says when the kernel has none),
 * then the role's seccomp filter; a call that is not on its list ends the process. Cannot be undone.
 * The build without sandbox (LETHE_NO_SANDBOX, sanitizers only) says so by an event. err SYSTEM */
err sandbox_close(role_id role);

#endif
