/* policy/redact: finds and replaces in the strings of one request, in steps, and remembers what it replaced.
 *
 * The caller walks the body's JSON and hands over every string that is not on a functional path. Text is decoded
 * for detection only; what changes is a range of the original bytes. */
#ifndef POLICY_REDACT_H
#define POLICY_REDACT_H

#include "base/arena.h"
#include "base/result.h"
#include "base/view.h"
#include "codec/edit.h"
#include "policy/policy.h"

/* Where a value stood; only values from restorable places are put back into answers (pii.md (c), provenance). */
typedef enum redact_role : uint8_t {
        FROM_SYSTEM = 1, FROM_USER = 2, FROM_ASSISTANT = 4, FROM_TOOL = 8, FROM_OTHER = 16
} redact_role;

/* One distinct value that was pseudonymised in this request. */
typedef struct redact_entry {
        entity_id entity;
        uint8_t   roles;   /* redact_role bits of all places it stood in */
        bool      pending; /* stood in the message whose role is not known yet */
        view      token;   /* LABEL x BODY, in the arena */
        view      value;   /* as last spelled, decoded UTF-8, in the arena */
        uint64_t  digest[4]; /* the keyed hash the body is cut from */
} redact_entry;

typedef struct redactor redactor;

/* in   key      K_scope: 32 bytes, the pseudonym key of the project (pii.md (c)); borrowed for the redactor's life
 *      edits    receives the replacements, in order; shared with the dialect's own edits
 * Null when the arena is full. */
redactor *redact_begin(const policy *p, const uint8_t key[static 32], arena *a, edits *e);

/* Hands over one string: its raw range in doc (without quotes). `role` 0: not known yet, see redact_message_role.
 * The range is content the JSON scanner accepted. What is found does not depend on how the budget is cut.
 * Must be finished (redact_step done) before the next one. */
void redact_string(redactor *r, view doc, size_t start, size_t end, uint8_t role);

/* The document was moved (its bytes are the same). */
void redact_rebase(redactor *r, const uint8_t *doc);

/* Works through at most *budget bytes (counted down); a small budget is saved up until it pays for a window of
 * FOLD_WINDOW bytes. done: the string is finished.
 * err PII_BLOCKED (redact_blocked names the entity), POLICY_LIMIT (more than LIMIT_REDACTIONS, or a collision that
 *     cannot be told apart), NO_ROOM; sticky */
err redact_step(redactor *r, size_t *budget, bool *done);

/* The message is over: its strings were of this role. */
void redact_message_role(redactor *r, uint8_t role);

/* The entity that blocked. Only after PII_BLOCKED. */
entity_id redact_blocked(const redactor *r);

/* How often each entity was acted on (for usage evidence): counts[ENTITY_COUNT]. */
const uint32_t *redact_counts(const redactor *r);

/* The table of placeholders of this request, for restoring. */
typedef struct redact_table {
        const redact_entry *entries; /* sorted by token */
        size_t              count;
        size_t              longest; /* bytes of the longest token; 0 when there is none */
        size_t              shortest;
        size_t              longest_value; /* bytes of the longest value */
} redact_table;

/* After the last string: entries whose roles include a restorable one (user, assistant, tool).
 * Valid as long as the arena. err NO_ROOM */
err redact_finish(redactor *r, redact_table *out);

#endif
