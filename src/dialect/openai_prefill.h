/* dialect/openai_prefill: the last message of the assistant that another target goes on with, and what it says again.
 *
 * All text here is raw: the inside of JSON strings that the scanner accepted, one behind the other. Each began and
 * ended between two characters, so together they are the inside of one JSON string too.
 * src  DeepSeek "Chat Prefix Completion", Mistral "Prefix", Moonshot "Partial Mode"; read 2026-11-21 */
#ifndef DIALECT_OPENAI_PREFILL_H
#define DIALECT_OPENAI_PREFILL_H

#include "base/arena.h"
#include "base/emit.h"
#include "base/result.h"

/* Writes a message of the assistant that says `said`, as the last element of an array.
 * in  flag   the member that tells the vendor to go on with it ("prefix", "partial"); empty: none
 *     alone  the array is empty otherwise */
void openai_prefill_write(view said, view flag, bool alone, emit *out);

/* Most bytes of it. */
size_t openai_prefill_room(view said, view flag);

/* Some vendors send the prefill back at the beginning of their answer, others the rest alone. Nobody says which, so an
 * answer that begins like the prefill is held back as long as it does: when all of it has come it is left out, when it
 * differs before it was the rest. */
typedef struct openai_repeat {
        view said;                                   /* borrowed until it is empty: nothing is expected any more */
        size_t at;                                   /* bytes of it that came again and are held back */
        uint8_t pending[4], pending_len, pending_at; /* what is left of an escape of it, decoded */
} openai_repeat;

/* In: one piece of the answer's text; `last`: there will be no other. Out: what of it may go on; `changed`: it is not
 * the piece itself, and lies in the arena or in the prefill.
 * err UPSTREAM_BROKEN  the prefill came again, but it may as well be the rest: it is shorter than four bytes, or is
 *                      itself one thing said again and again
 *     NO_ROOM */
err openai_repeat_take(openai_repeat *r, view *piece, bool last, arena *a, bool *changed);

#endif
