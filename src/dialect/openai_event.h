/* dialect/openai_event: one event of a chat completion stream: what it means and what changes in it.
 *
 * The caller gets the vendor's bytes, edited only where a placeholder is put back, where usage is hidden that was not
 * asked for, and where a lane's held-back end must come out before its finish. A stream that goes on with one that was
 * cut is made to look like it: the same envelope, no second role, no text twice. */
#ifndef DIALECT_OPENAI_EVENT_H
#define DIALECT_OPENAI_EVENT_H

#include "base/arena.h"
#include "base/result.h"
#include "codec/edit.h"
#include "dialect/openai_envelope.h"
#include "dialect/openai_prefill.h"
#include "dialect/openai_usage.h"
#include "dialect/restoring.h"

typedef struct openai_stream {
        openai_usage usage;         /* last statement */
        const restoring *restoring; /* null: nothing to put back */
        arena *arena;               /* of the exchange: lanes and the scanner live here */
        json_scan *scan;            /* reused from event to event; null before the first */
        lane_list lanes;
        uint64_t content_events; /* events that carried text: an estimate of tokens */
        bool hide_usage;
        bool finished; /* a finish_reason was seen */
        bool done;     /* [DONE] was seen */

        /* going on with a cut stream */
        bool keep;    /* another may have to go on with this one */
        bool odd;     /* it holds what none can go on with: more than plain text of one choice */
        bool resumed; /* it goes on with another */
        openai_repeat repeat;
        openai_envelope envelope; /* of the first that has one, in the arena */
} openai_stream;

typedef struct openai_event {
        bool drop;    /* not for the caller */
        bool content; /* carries text, refusal, reasoning or tool call: the commit point */
        bool error;   /* an error object instead of a chunk */
        bool done;    /* the terminator */
        view extra;   /* not empty: data of an event that goes out before this one (the end of a held-back lane) */
        view text;    /* of a stream that is kept: the raw text of this event, before placeholders are put back */
} openai_event;

void openai_stream_begin(openai_stream *s, arena *a, const restoring *r, bool hide_usage);

/* Behind openai_stream_begin: notes what another stream needs to go on with this one. */
void openai_stream_keep(openai_stream *s);

/* Behind openai_stream_begin: this stream goes on with `cut`, which was kept, has the same arena and has delivered
 * `said`, raw. What `said` points to stays as it is until this stream has text that goes on. */
void openai_stream_resume(openai_stream *s, const openai_stream *cut, view said);

/* in   data  one event's data, alive until the edits are written
 *      turn  memory for this event's edits, another arena than the stream's; the caller takes it back afterwards
 * err  UPSTREAM_BROKEN when it is no JSON object, NO_ROOM; the stream is as it was before the event */
err openai_stream_event(openai_stream *s, view data, arena *turn, edits *e, openai_event *out);

#endif
