/* route/health: what is known of one way to a vendor, as it lies in a cell of the board: a vendor key, an upstream, a
 * model at an upstream, or a limit group. Shared by all relays; read by admin. */
#ifndef ROUTE_HEALTH_H
#define ROUTE_HEALTH_H

#include "base/board.h"
#include "route/breaker.h"
#include "route/budget.h"
#include "route/catalog.h"
#include "route/fault.h"
#include "route/limiter.h"
#include "route/load.h"

typedef enum health_kind : uint8_t {
        HEALTH_KEY,
        HEALTH_UPSTREAM,
        HEALTH_MODEL,
        HEALTH_GROUP,
        HEALTH_KINDS
} health_kind;

typedef struct health {
        breaker breaker;
        load load;
        limiter limiter;            /* keys */
        budget budget;              /* upstreams */
        uint64_t parked_until_ms;   /* keys and groups: rate limit */
        uint64_t disabled_until_ms; /* keys: refused three times in a row; UINT64_MAX: until the credential changes */
        uint64_t requests_left, tokens_left; /* as the vendor's head said; UINT64_MAX: of these nothing */
        uint64_t left_until_ms;              /* void from then on */
        uint64_t attempts, failed, parked;   /* since the cell is there */
        uint64_t probed_ms;                  /* upstreams: last health probe */
        /* Upstreams: when CLOCK_MONOTONIC was 0, seconds since 1970, by the newest Date that came over TLS: so that no
         * setting of the clock makes it wrong, nor a reader that sees one of the two numbers older than the other. */
        int64_t origin_s;
        uint64_t dated_ms;                   /* CLOCK_MONOTONIC of that answer; 0: none came */
        uint32_t refused_run;                /* keys: 401 and 403 in a row */
        uint8_t disabled_for; /* keys: fault_class, AUTH or BILLING */
        uint8_t last_fault; /* fault_class; FAULT_CLASSES when none yet is 0-initialised: look at `failed` */
} health;
static_assert(sizeof(health) <= BOARD_CELL_BYTES);

/* The cells' ids. */
uint64_t health_key_id(const catalog_upstream *u, size_t credential);
uint64_t health_group_id(const catalog_upstream *u, size_t credential); /* equal for keys of one group of one vendor */
uint64_t health_upstream_id(const catalog_upstream *u);
uint64_t health_model_id(const catalog_upstream *u, const catalog_target *t);

/* A copy for looking; all zero when there is no such cell. Taken without the lock: numbers may be of two moments. */
void health_read(const board *b, int cell, health *out);

/* The breaker's constants out of the settings. */
breaker_setup health_breaker_setup(const catalog_settings *s);

#endif
