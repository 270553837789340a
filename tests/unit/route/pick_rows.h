/* A box of targets and keys to choose among, for the tests of the choice. */
#ifndef TESTS_UNIT_ROUTE_PICK_ROWS_H
#define TESTS_UNIT_ROUTE_PICK_ROWS_H

#include <stdlib.h>
#include <string.h>

#include "route/pick.h"
#include "support/tap.h"

static const char SUBJECT[] = "pick";

static catalog *box;
static catalog_model model;
static pick_way ways[PICK_WAYS];
static uint8_t tries[LIMIT_UPSTREAMS];
static uint64_t seed = 1;

static uint64_t chance(void)
{
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        return seed * 0x2545f4914f6cdd1d;
}

/* `targets` targets, each of an upstream of its own with `keys` keys. */
static size_t lay_out(size_t targets, size_t keys, catalog_strategy strategy)
{
        size_t n = 0;
        memset(box, 0, sizeof *box);
        memset(tries, 0, sizeof tries);
        box->upstream_count = targets;
        model = (catalog_model){.target_count = (uint8_t)targets, .strategy = strategy};
        for (size_t t = 0; t < targets; t++) {
                catalog_upstream *u = &box->upstreams[t];
                snprintf(u->name, sizeof u->name, "up%zu", t);
                u->credential_count = (uint8_t)keys;
                model.targets[t] = (catalog_target){.upstream = (uint16_t)t, .weight = 100, .max_chars = UINT32_MAX};
                snprintf(model.targets[t].model, sizeof model.targets[t].model, "m%zu", t);
                for (size_t k = 0; k < keys; k++) {
                        snprintf(u->credentials[k].name, sizeof u->credentials[k].name, "key%u-%u", (uint8_t)t,
                                 (uint8_t)k);
                        u->credentials[k].weight = 100;
                        ways[n++] = (pick_way){.target = (uint8_t)t, .credential = (uint8_t)k, .cost = 100};
                }
        }
        return n;
}

static pick_ask asking(void)
{
        return (pick_ask){.catalog = box,
                          .model = &model,
                          .where = WHERE_ANYWHERE,
                          .last_target = -1,
                          .last_credential = -1,
                          .upstream_tries = tries,
                          .random = chance()};
}

#endif
