/* route/catalog_residency: where requests may be worked on, and whether what is left of an alias serves every size. */
#ifndef ROUTE_CATALOG_RESIDENCY_H
#define ROUTE_CATALOG_RESIDENCY_H

#include "route/catalog_read.h"

/* The optional "residency" of an upstream; enters tags that are new. */
err catalog_residency_declare(const catalog_reader *r, const config_node *node, catalog_tags *out);
/* That of a model or a key: tags that some upstream carries. */
err catalog_residency_demand(const catalog_reader *r, const config_node *node, catalog_tags *out);

/* After the key's models: each must have a target in the key's residency, for every size of text.
 * err BAD_CONFIG IMPOSSIBLE_RESIDENCY, naming the place of the model */
err catalog_residency_check(const catalog_reader *r, const config_node *node, const catalog_key *key);

/* Which targets count. */
typedef struct catalog_claim {
        catalog_tags residency; /* besides the model's own */
        bool         downgrade; /* lesser models too */
} catalog_claim;

/* At least one target counts. */
bool catalog_any_target(const catalog *c, const catalog_model *m, catalog_claim claim);
/* The smallest size of text (bytes) that no target takes which counts; above LIMIT_BODY_BYTES there is none. */
uint64_t catalog_unserved(const catalog *c, const catalog_model *m, catalog_claim claim);

#endif
