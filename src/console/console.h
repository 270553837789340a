/* console/console: the role that owns the keyboard and the screen of the box. It holds no file and no secret but what
 * is being typed. */
#ifndef CONSOLE_CONSOLE_H
#define CONSOLE_CONSOLE_H

/* Descriptors as base/console_wire.h says, the sandbox closed. Returns when PID 1 is gone. */
int console_serve(void);

#endif
