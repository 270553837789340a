/* firmware/phase: the states of the box and the one table of how they follow. */
#ifndef FIRMWARE_PHASE_H
#define FIRMWARE_PHASE_H

/* Entered from top to bottom. A fault before the lock does not skip it: without modules the power button is dead, and
 * without the lock the box is open. */
typedef enum phase {
        PHASE_EARLY,   /* mounts, the kernel's own words */
        PHASE_MODULES, /* drivers for what is plugged in, until disks and network are there */
        PHASE_LOCK,    /* settings of the kernel, the last one: no more modules */
        PHASE_CONFIG,  /* the config drive */
        PHASE_STATE,   /* the partition that holds the vault */
        PHASE_NETWORK, /* a link, addresses, routes */
        PHASE_RUNNING, /* lethed is started whenever it is not there */
        PHASE_REFUSED, /* something is wrong: the console says what; nothing serves */
        PHASE_DRAIN,   /* lethed ends */
        PHASE_OFF,     /* power off, or start again */
        PHASE_COUNT
} phase;

typedef enum cause {
        CAUSE_NONE,
        CAUSE_DONE,   /* the phase has reached its end */
        CAUSE_FAILED, /* it cannot */
        CAUSE_POWER,  /* a person, or the hypervisor, wants the box to go down */
        CAUSE_COUNT
} cause;

phase phase_next(phase now, cause why);
/* As the console shows it. */
const char *phase_name(phase p);

#endif
