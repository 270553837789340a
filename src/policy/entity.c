#include "policy/entity.h"

#include <assert.h>

static const entity_row rows[ENTITY_COUNT] = {
#define ENTITY(id, label, group, shortest, text) {#id, label, GROUP_##group, shortest, text},
#include "policy/entity.def"
#undef ENTITY
};

const entity_row *entity_describe(entity_id id)
{
        assert(id < ENTITY_COUNT);
        return &rows[id];
}

const char *entity_group_name(entity_group g)
{
        static const char *const names[GROUP_COUNT] = {"@secret", "@gov_id", "@finance", "@contact", "@network"};
        assert(g < GROUP_COUNT);
        return names[g];
}

const char *region_name(region_id r)
{
        static const char *const names[REGION_COUNT] = {"US", "CN", "DE", "FR", "GB"};
        assert(r < REGION_COUNT);
        return names[r];
}
