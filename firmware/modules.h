/* firmware/modules: drivers for what is plugged in. Two tables of the image say which: /lib/modules/alias has lines
 * `PATTERN MODULE`, /lib/modules/order has lines `MODULE DEPENDENCY...`, dependencies in the order of loading. */
#ifndef FIRMWARE_MODULES_H
#define FIRMWARE_MODULES_H

#include "firmware/text.h"

enum : size_t { MODULES_MOST = 512 };

/* Gives one module to the kernel. */
typedef bool (*modules_load)(void *context, view name);

typedef struct modules {
        view         alias, order; /* mapped files; empty after modules_forget */
        modules_load load;
        void        *context;
        bool         tried[MODULES_MOST]; /* by line of `order` */
        size_t       loaded, failed;
        view         last_failed; /* in `order` */
} modules;

/* Maps the tables of the image. err SYSTEM, said */
err modules_begin(modules *m, const char *root, notice *why);
/* Loads with the kernel's own call, from /lib/modules. */
bool modules_load_file(void *root, view name);

/* Everything the alias of a device asks for, dependencies first, each once. */
void modules_for_alias(modules *m, view modalias);
/* One by name; nothing when the image does not have it. */
void modules_by_name(modules *m, view name);
/* Every device that is there: all `modalias` files below /sys/devices. */
void modules_cold_plug(modules *m, const char *root);

/* Unmaps the tables and deletes /lib/modules: nothing is loaded from here on. */
void modules_forget(modules *m, const char *root);

#endif
