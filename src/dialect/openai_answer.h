/* dialect/openai_answer: a whole (not streamed) answer: its usage, and placeholders put back, in steps. */
#ifndef DIALECT_OPENAI_ANSWER_H
#define DIALECT_OPENAI_ANSWER_H

#include "base/arena.h"
#include "base/result.h"
#include "dialect/openai_usage.h"
#include "dialect/restoring.h"

typedef struct openai_answer {
        openai_usage     usage;
        bool             error; /* known when it is done: an error although the status said success */
        bool             answers, complains; /* has choices or data; has a code or a message beside them or instead */
        const restoring *restoring;
        arena           *arena;
        view             doc;
        region          *out;    /* the rewritten answer; used only when something may be put back */
        json_scan       *scan;
        size_t           copied; /* of doc, into out */
        bool             in_text; /* inside a string that is being restored */
        size_t           text_at, text_end;
        lane             text_lane;
} openai_answer;

/* in   doc  the whole answer; it and `memory` live until the last step
 *      out  empty region; stays empty when r is null: the answer goes on as it is. err NO_ROOM */
err openai_answer_begin(openai_answer *a, view doc, const restoring *r, arena *memory, region *out);

/* Works through at most *budget bytes (counted down). err UPSTREAM_BROKEN when it is no JSON object, NO_ROOM */
err openai_answer_step(openai_answer *a, size_t *budget, bool *done);

#endif
