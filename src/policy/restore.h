/* policy/restore: puts values back where the vendor's answer holds their placeholders.
 *
 * A lane is one growing string of an answer. What may be the beginning of a placeholder is held back, never more than
 * the longest token less one byte; the output is the same for every way the lane is cut. */
#ifndef POLICY_RESTORE_H
#define POLICY_RESTORE_H

#include "base/emit.h"
#include "base/limit.h"
#include "base/view.h"
#include "policy/redact.h"

/* JSON_SOURCE: the lane's text is itself JSON (tool arguments), so a value is escaped once on its way in, and letters
 * and digits that stand there as \uXXXX become plain, which means the same: a placeholder is found in either spelling.
 * An unfinished escape is held back too. */
typedef enum restore_mode : uint8_t { RESTORE_TEXT, RESTORE_JSON_SOURCE } restore_mode;

typedef struct restore_lane {
        uint8_t      carry[LIMIT_TOKEN_BYTES];
        uint8_t      carried;
        uint8_t      escape[6]; /* JSON_SOURCE: the escape being read */
        uint8_t      escape_len;
        restore_mode mode;
        bool         in_url; /* inside scheme://…: placeholders stay (exfiltration by a rendered image) */
        uint8_t      url_state;
        uint32_t     restored; /* count, for evidence */
} restore_lane;

void restore_begin(restore_lane *lane, restore_mode mode);

/* Appends to `out` (decoded UTF-8) what may leave now. Room needed: restore_room(). */
void restore_feed(const redact_table *t, restore_lane *lane, view delta, emit *out);

/* The lane is over: appends what was held back. */
void restore_flush(const redact_table *t, restore_lane *lane, emit *out);

/* Most bytes restore_feed and restore_flush together can append for a delta of this length. */
size_t restore_room(const redact_table *t, const restore_lane *lane, size_t delta_len);

/* The same bytes exactly, for a delta that is known: restore_room is far above it where values are long. */
size_t restore_measure(const redact_table *t, const restore_lane *lane, view delta);

#endif
