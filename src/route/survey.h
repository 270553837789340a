/* route/survey: the ways of one alias with what the board knows of them now: for the relay's choice, for admin's view.
 */
#ifndef ROUTE_SURVEY_H
#define ROUTE_SURVEY_H

#include "base/board.h"
#include "route/health.h"
#include "route/pick.h"

/* Fills `ways` (room for PICK_WAYS), returns how many. Reads only. */
size_t survey_ways(const catalog *c, const board *b, const catalog_model *m, uint64_t now_ms, pick_way *ways);

#endif
