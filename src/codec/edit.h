/* codec/edit: a document and what changes in it, as byte ranges; everything outside them goes on to the last digit. */
#ifndef CODEC_EDIT_H
#define CODEC_EDIT_H

#include "base/arena.h"
#include "base/result.h"
#include "base/view.h"

typedef struct edit {
        size_t start, end; /* range of the original that goes; empty for an insertion */
        view   text;       /* what comes instead; borrowed, lives as long as the list */
} edit;

typedef struct edits {
        arena *arena;
        edit  *list;  /* in the arena, sorted by start, not overlapping */
        size_t count, room;
        size_t removed, added; /* bytes, sums over the list */
} edits;

void edits_init(edits *e, arena *arena);

/* Adds one behind all others; it may begin where the last one ends. err NO_ROOM; asserts the order. */
err edits_add(edits *e, size_t start, size_t end, view text);

/* Adds one wherever it belongs, behind those that begin at the same place; for the few that come late.
 * err NO_ROOM; asserts that it overlaps none. */
err edits_insert(edits *e, size_t start, size_t end, view text);

/* Replaces the text of the first edit that starts at `start`. The edit must exist. */
void edits_change(edits *e, size_t start, view text);

/* Bytes of the edited document. */
size_t edits_length(const edits *e, size_t doc_len);

/* Walks the edited document in pieces. All zero is its beginning; any number of cursors may walk one list. What lies
 * before a cursor must not be edited any more. */
typedef struct edit_cursor {
        size_t next;   /* index of the next edit */
        size_t at;     /* offset in the original */
        size_t in_text; /* 0: in the original; else 1 + bytes already given of the text of edit `next` */
} edit_cursor;

/* The next piece, never empty, at most `most` bytes; false at the end. Pieces are borrowed from doc or list. */
bool edit_next(const edits *e, view doc, edit_cursor *c, size_t most, view *piece);

#endif
