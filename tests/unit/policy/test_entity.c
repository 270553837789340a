#include "policy/entity.h"

#include "base/limit.h"
#include "support/tap.h"

static const char SUBJECT[] = "entity";

/* A label followed by x is not the beginning of another label followed by x. */
static bool labels_are_apart(void)
{
        for (entity_id a = 0; a < ENTITY_COUNT; a++) {
                for (entity_id b = 0; b < ENTITY_COUNT; b++) {
                        view   one = view_of_text(entity_describe(a)->label);
                        view   two = view_of_text(entity_describe(b)->label);
                        if (a != b && two.len > one.len && two.data[one.len] == 'X' && view_starts(two, one))
                                return false;
                        if (a != b && view_equal(one, two))
                                return false;
                }
        }
        return true;
}

static bool labels_are_capitals(void)
{
        for (entity_id e = 0; e < ENTITY_COUNT; e++) {
                view label = view_of_text(entity_describe(e)->label);
                if (label.len < 3 || label.len > 8)
                        return false;
                for (size_t i = 0; i < label.len; i++)
                        if (label.data[i] < 'A' || label.data[i] > 'Z')
                                return false;
        }
        return true;
}

int main(void)
{
        tap_ok(labels_are_capitals(), SUBJECT, "labels are three to eight capitals");
        tap_ok(labels_are_apart(), SUBJECT, "no label with its x is the beginning of another");
        tap_ok((size_t)ENTITY_COUNT <= LIMIT_ENTITIES, SUBJECT, "a usage record has a counter for each");
        tap_ok(view_equal(view_of_text(entity_describe(ENTITY_IBAN)->name), VIEW("IBAN")), SUBJECT,
               "a row has the name that policy files use");
        tap_ok(view_equal(view_of_text(entity_group_name(GROUP_SECRET)), VIEW("@secret")), SUBJECT,
               "a group has its name with the @");
        tap_ok(view_equal(view_of_text(region_name(REGION_GB)), VIEW("GB")), SUBJECT, "a region has its country code");
        return tap_done();
}
