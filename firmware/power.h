/* firmware/power: the button, and the two ways to end. */
#ifndef FIRMWARE_POWER_H
#define FIRMWARE_POWER_H

#include "base/view.h"

enum : size_t { POWER_BUTTONS = 8 };

/* Input devices with a power key; they go without asking which. */
typedef struct power {
        int    fds[POWER_BUTTONS];
        size_t count;
} power;

void power_open(power *p, const char *root);
/* Reads what a button says; true when it was pressed. */
bool power_pressed(int fd);
/* In what an input device said: the power key went down. */
bool power_event(view events);
/* Whether the bits of keys that a device has hold the power key. */
bool power_has_key(view bits);

/* Ctrl-Alt-Del becomes SIGINT instead of an end at once. */
void power_take_keys(void);
/* Does not return on the box. */
void power_end(bool again);

#endif
