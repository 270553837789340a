/* policy/fold: the detection copy of a JSON string: what a reader would see, with a map back to the raw bytes.
 *
 * The copy has escapes decoded (at any depth of JSON in JSON, HTML entities and %XX as well), full-width forms and
 * every decimal digit folded to ASCII, dash and space look-alikes made - and space, and invisible characters left
 * out. Only detectors read it; what is forwarded is the original. */
#ifndef POLICY_FOLD_H
#define POLICY_FOLD_H

#include "base/emit.h"
#include "base/view.h"

/* One window of a string: raw bytes in one go, and so the width of the map. */
constexpr size_t FOLD_WINDOW = 32 * 1024;
constexpr size_t FOLD_SHIFTS = 8 * 1024;

/* From copy byte `copy` on, the copy follows the raw window from offset `raw` on. */
typedef struct fold_shift {
        uint16_t copy, raw;
} fold_shift;

typedef struct fold {
        uint8_t    copy[FOLD_WINDOW];
        fold_shift shift[FOLD_SHIFTS]; /* sorted; where an escape or a folded character shifts one against the other */
        size_t     shifts;
        size_t     len;   /* bytes of the copy */
        size_t     taken; /* raw bytes it stands for */
} fold;

/* True when the copy of these bytes would be the bytes themselves. */
bool fold_is_plain(view raw);

/* Fills the copy from the beginning of `raw`, at most FOLD_WINDOW bytes of it and never part of a unit;
 * less where it is full of shifts.
 * in   raw   content of a JSON string that the scanner accepted, from a unit boundary to its end */
void fold_fill(fold *f, view raw);

/* Offset in the raw window of the unit that copy byte i came from; i may be the end of the copy. */
size_t fold_start_of(const fold *f, size_t i);

/* The end in the raw window of that unit. */
size_t fold_end_of(const fold *f, view raw, size_t i);

/* The first copy byte that came from raw offset `raw` or behind it. */
size_t fold_copy_of(const fold *f, size_t raw);

/* Length of the unit at the start of v (not empty): a character, or backslashes with what they escape. */
size_t fold_unit(view v, uint32_t *point);

/* Writes the raw range decoded (JSON at all depths) but not folded: the value as it was spelled. */
void fold_decode(view raw, emit *out);

#endif
