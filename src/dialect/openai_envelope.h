/* dialect/openai_envelope: what all chunks of one stream have in common: id, created, model, system_fingerprint.
 * A stream that goes on with another gets that one's. */
#ifndef DIALECT_OPENAI_ENVELOPE_H
#define DIALECT_OPENAI_ENVELOPE_H

#include "base/arena.h"
#include "base/emit.h"
#include "base/result.h"
#include "codec/edit.h"
#include "codec/json_scan.h"

enum : size_t { OPENAI_ENVELOPE_MEMBERS = 4 };

/* Path ids of the members start here in a table that embeds OPENAI_ENVELOPE_PATHS. */
enum : uint16_t { OPENAI_ENVELOPE = 120, OPENAI_ENVELOPE_LAST = 123 };

#define OPENAI_ENVELOPE_PATHS                                                                      \
        {"id", OPENAI_ENVELOPE}, {"created", OPENAI_ENVELOPE + 1}, {"model", OPENAI_ENVELOPE + 2}, \
                {"system_fingerprint", OPENAI_ENVELOPE + 3}

typedef struct openai_envelope {
        view value[OPENAI_ENVELOPE_MEMBERS]; /* raw JSON; empty: it has none */
} openai_envelope;

/* Where they stand in one chunk. All zero: nowhere. */
typedef struct openai_envelope_places {
        struct {
                size_t start, end;
        } at[OPENAI_ENVELOPE_MEMBERS];
        size_t inside; /* behind the chunk's first brace */
        bool alone;    /* the chunk has no member that stays */
} openai_envelope_places;

/* Takes a token, no key, whose path id lies in [OPENAI_ENVELOPE, OPENAI_ENVELOPE_LAST]. */
void openai_envelope_token(openai_envelope_places *p, const json_token *t);

/* Keeps, in the arena, what the chunk has and the envelope has not. err NO_ROOM */
err openai_envelope_note(openai_envelope *v, const openai_envelope_places *p, view chunk, arena *a);

/* The edits that give the chunk this envelope; what the envelope has not becomes null. err NO_ROOM */
err openai_envelope_change(const openai_envelope *v, const openai_envelope_places *p, view chunk, edits *e);

/* Writes `"id":"x",` and so on; places given: only those that the chunk has not. */
void openai_envelope_write(const openai_envelope *v, const openai_envelope_places *but, emit *out);

/* Most bytes of it. */
size_t openai_envelope_room(const openai_envelope *v);

#endif
