/* usage/names: the names behind the indices of a generation, cut from its catalog: all the keeper needs of it. */
#ifndef USAGE_NAMES_H
#define USAGE_NAMES_H

#include "base/limit.h"

typedef struct usage_names {
        uint16_t project_count, model_count, vendor_count;
        char     projects[LIMIT_PROJECTS][LIMIT_NAME_BYTES];
        char     models[LIMIT_MODELS][LIMIT_NAME_BYTES * 2];
        char     vendors[LIMIT_UPSTREAMS][LIMIT_NAME_BYTES];
} usage_names;

#endif
