/* firmware/netd: the network role: a process of its own that reads what the network says and cannot do anything with it
 * but tell PID 1 (net_wire.h). It holds its channel and sockets that PID 1 has opened for it, no path, no capability,
 * and the calls of netd_jail.c. */
#ifndef FIRMWARE_NETD_H
#define FIRMWARE_NETD_H

#include "base/result.h"

/* The name it is started by, and what `lethe-init` of that name does. Ends when PID 1 has gone. */
extern const char NETD_NAME[];
int               netd_main(void);
/* The loop alone, for tests: returns when the channel has closed. */
void netd_serve(void);

/* No file, no more descriptors than it needs, no call but a few. err SYSTEM */
err netd_jail(void);
/* The last part of it: the calls. */
err netd_filter(void);

#endif
