/* policy/entity: what can be found, one row each (entity.def): name, label of its placeholder, group; and regions. */
#ifndef POLICY_ENTITY_H
#define POLICY_ENTITY_H

#include <stdint.h>

#include "base/view.h"

typedef enum entity_id : uint8_t {
#define ENTITY(id, label, group, shortest, text) ENTITY_##id,
#include "policy/entity.def"
#undef ENTITY
        ENTITY_COUNT
} entity_id;

typedef enum entity_group : uint8_t {
        GROUP_SECRET, GROUP_GOV_ID, GROUP_FINANCE, GROUP_CONTACT, GROUP_NETWORK, GROUP_COUNT
} entity_group;

typedef struct entity_row {
        const char  *name;     /* as in policy files */
        const char  *label;    /* 3 to 8 capital letters; no label followed by x is a prefix of another */
        entity_group group;
        uint8_t      shortest; /* alphanumerics of the shortest value, for the mask rule */
        const char  *text;     /* what it is, for operators */
} entity_row;

const entity_row *entity_describe(entity_id id);
const char       *entity_group_name(entity_group g); /* with its @ */

/* Countries whose own shapes a policy can switch on. International forms are always on. */
typedef enum region_id : uint8_t { REGION_US, REGION_CN, REGION_DE, REGION_FR, REGION_GB, REGION_COUNT } region_id;

const char *region_name(region_id r);

static inline bool region_on(uint64_t regions, region_id r) { return (regions >> r & 1) != 0; }

#endif
