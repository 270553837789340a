/* admin/metrics: the box's counters as OpenMetrics text.
 * src  OpenMetrics 1.0 (RFC draft-richih-opsawg-openmetrics-00), text format; read 2026-11-20 */
#ifndef ADMIN_METRICS_H
#define ADMIN_METRICS_H

#include "admin/ways.h"
#include "base/emit.h"

constexpr size_t METRICS_BYTES = 32 * 1024; /* room that metrics_write never fills */

typedef struct metrics_facts {
        ways_facts ways;
        const char *version, *commit; /* of the software */
        uint64_t now_s;               /* UTC seconds of this snapshot */
        uint64_t server_expires_s, admin_expires_s; /* of their certificates; 0: not known */
} metrics_facts;

void metrics_write(const metrics_facts *f, emit *out);

#endif
