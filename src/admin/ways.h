/* admin/ways: what the board knows of the ways to vendors, as documents: every alias with its targets, every upstream
 * with its keys, and why one would be chosen now. Names are the operator's own; nothing in it is of a request. */
#ifndef ADMIN_WAYS_H
#define ADMIN_WAYS_H

#include "base/board.h"
#include "base/emit.h"
#include "route/catalog.h"
#include "route/health.h"

typedef struct ways_facts {
        const catalog *catalog;
        const board *board;
        uint64_t now_ms; /* of the relays' clock */
} ways_facts;

constexpr size_t WAYS_BYTES = 2 * 1024 * 1024; /* room that no document of a whole box fills */

/* {"routes":[...],"upstreams":[...]}. `model`: only this alias and its upstreams; -1: all. */
void ways_write(const ways_facts *f, int model, emit *out);

typedef struct ways_question {
        int model;
        int key; /* of a caller; -1: nobody in particular */
        bool downgrade;
        uint32_t chars;
} ways_question;

/* Chooses some hundred times, since keys are drawn, and says how often each way was taken and why the others were not.
 * {"model":...,"chosen":{...} or null,"why":...,"ways":[...]} */
void ways_write_explain(const ways_facts *f, const ways_question *q, emit *out);

/* For metrics; each key, upstream and model counts once. */
typedef struct ways_counts {
        uint64_t breakers[HEALTH_KINDS][BREAKER_HALF_OPEN + 1];
        uint64_t keys_parked, keys_disabled;
} ways_counts;
void ways_count(const ways_facts *f, ways_counts *out);

const char *ways_kind_name(health_kind k);
const char *ways_state_name(breaker_state s);

#endif
