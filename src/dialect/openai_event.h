/* dialect/openai_event: one event of a chat completion stream: what it means and what changes in it.
 *
 * The caller gets the vendor's bytes, edited only where a placeholder is put back, where usage is hidden that was not
 * asked for, and where a lane's held-back end must come out before its finish. */
#ifndef DIALECT_OPENAI_EVENT_H
#define DIALECT_OPENAI_EVENT_H

#include "base/arena.h"
#include "base/result.h"
#include "codec/edit.h"
#include "dialect/openai_usage.h"
#include "dialect/restoring.h"

typedef struct openai_stream {
        openai_usage    usage;        /* last statement */
        const restoring *restoring;   /* null: nothing to put back */
        arena           *arena; /* of the exchange: lanes and the scanner live here */
        json_scan       *scan;  /* reused from event to event; null before the first */
        lane_list        lanes;
        uint64_t         content_events; /* events that carried text: an estimate of tokens */
        bool             hide_usage;
        bool             finished; /* a finish_reason was seen */
        bool             done;     /* [DONE] was seen */
} openai_stream;

typedef struct openai_event {
        bool drop;    /* not for the caller */
        bool content; /* carries text, refusal, reasoning or tool call: the commit point */
        bool error;   /* an error object instead of a chunk */
        bool done;    /* the terminator */
        view extra;   /* not empty: data of an event that goes out before this one (the end of a held-back lane) */
} openai_event;

void openai_stream_begin(openai_stream *s, arena *a, const restoring *r, bool hide_usage);

/* in   data  one event's data, alive until the edits are written
 *      turn  memory for this event's edits, another arena than the stream's; the caller takes it back afterwards
 * err  UPSTREAM_BROKEN when it is no JSON object, NO_ROOM */
err openai_stream_event(openai_stream *s, view data, arena *turn, edits *e, openai_event *out);

#endif
