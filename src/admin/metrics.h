/* admin/metrics: the box's counters as OpenMetrics text.
 * src  OpenMetrics 1.0 (RFC draft-richih-opsawg-openmetrics-00), text format; read 2026-11-20 */
#ifndef ADMIN_METRICS_H
#define ADMIN_METRICS_H

#include "base/board.h"
#include "base/emit.h"

constexpr size_t METRICS_BYTES = 16 * 1024; /* room that metrics_write never fills */

/* in  version, commit  of the software
 *     now_s            UTC seconds of this snapshot */
void metrics_write(const board *b, const char *version, const char *commit, uint64_t now_s, emit *out);

#endif
