/* dialect/restoring: where a dialect hands its lanes of text to be restored. policy/ stands beside dialect/, so what
 * restores comes in as functions; relay/ binds them to policy/restore. */
#ifndef DIALECT_RESTORING_H
#define DIALECT_RESTORING_H

#include "base/arena.h"
#include "base/emit.h"
#include "base/view.h"

typedef struct restoring {
        void  *ctx;
        size_t lane_bytes; /* size of one lane's state */
        void (*begin)(void *ctx, void *lane, bool json_source);
        void (*feed)(void *ctx, void *lane, view delta, emit *out);
        void (*flush)(void *ctx, void *lane, emit *out);
        size_t (*room)(void *ctx, const void *lane, size_t delta_len);
} restoring;

/* The kinds of growing strings in a chat answer. */
typedef enum lane_kind : uint8_t {
        LANE_CONTENT, LANE_REFUSAL,
        LANE_REASONING, /* reasoning_content */
        LANE_THOUGHT,   /* reasoning */
        LANE_ARGUMENTS, LANE_CALL, LANE_INPUT,
        LANE_KINDS
} lane_kind;

typedef struct lane {
        lane_kind    kind;
        uint32_t     choice, tool;
        bool         over;
        const restoring *by;
        void        *state;
        struct lane *next;
} lane;

typedef struct lane_list {
        lane  *first;
        size_t count;
} lane_list;

/* The lane, made on first use. Null when LIMIT_LANES or the arena are exhausted. */
lane *lane_find(lane_list *l, const restoring *r, arena *a, const lane *key);

/* One piece of a lane: a raw JSON string range in, what goes on instead out. */
typedef struct lane_piece {
        view raw;
        bool last;    /* the lane ends here: what was held back comes out */
        bool changed; /* false: the raw bytes may stay */
        view text;    /* when changed: raw JSON, in the arena */
} lane_piece;

/* Decodes the piece, restores it and escapes it again. False: no room. */
bool lane_pass(lane *l, lane_piece *p, arena *a);

#endif
