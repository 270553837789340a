/* route/pick: which target and which vendor key comes next. Pure: what is known of every way comes in as numbers (from
 * route/survey), the choice and its reasons go out. The same function serves requests and `lethectl routes explain`. */
#ifndef ROUTE_PICK_H
#define ROUTE_PICK_H

#include "route/catalog.h"
#include "route/fault.h"

/* Why a way was not taken; closed vocabulary, in the order of looking. */
#define PICK_WHYS(ROW)                                                                    \
        ROW(OK, "ok", "it is the one that would be taken")                                \
        ROW(RESIDENCY, "residency", "its residency is not allowed for this key or model") \
        ROW(CONSENT, "consent", "a lesser model, and the caller has not consented")       \
        ROW(SIZE, "size", "not meant for a prompt of this size")                          \
        ROW(CONTEXT, "context", "its context window is too small")                        \
        ROW(PREFILL, "prefill", "cannot continue an answer")                              \
        ROW(TRIED, "tried", "tried before in this exchange")                              \
        ROW(VENDOR, "vendor", "its upstream was tried twice in this exchange")            \
        ROW(DISABLED, "disabled", "the vendor refused this key")                          \
        ROW(PARKED, "parked", "the key waits for its rate limit")                         \
        ROW(BUSY, "busy", "as many attempts run as it takes")                             \
        ROW(OPEN, "open", "a breaker is open")                                            \
        ROW(LATER, "later", "another way is preferred")

typedef enum pick_why : uint8_t {
#define ROW(name, word, text) PICK_##name,
        PICK_WHYS(ROW)
#undef ROW
                PICK_WHY_COUNT
} pick_why;
const char *pick_why_name(pick_why w); /* "open" */
const char *pick_why_text(pick_why w);

/* One way: a target of the alias with one key of its upstream's pool. */
typedef struct pick_way {
        uint8_t target, credential;
        /* known, from the board */
        uint64_t parked_ms; /* from now; 0: not parked. Group and vendor's "nothing left" included */
        bool disabled, busy;
        bool open;        /* one of its breakers would refuse */
        uint64_t open_ms; /* until it may be probed; 0: at once, or not open */
        double cost;      /* route/load: the larger the worse */
        uint8_t tries;    /* of this way in this exchange */
        /* found */
        pick_why why;
} pick_way;

enum : size_t { PICK_WAYS = LIMIT_TARGETS * LIMIT_POOL_KEYS };

typedef struct pick_ask {
        const catalog *catalog;
        const catalog_model *model;
        const catalog_key *key; /* null: nobody in particular (explain) */
        bool downgrade;         /* the caller consents (key or header) */
        bool prefill;           /* only targets that continue an answer */
        uint32_t chars;         /* text bytes of the request */
        uint32_t context_over;  /* only targets with more context than this; 0: any (unknown counts as small then) */
        uint64_t sticky;        /* hash of the prompt's beginning; 0: none. Rendezvous over the ways */
        fault_where where;      /* after a fault: what may heal it; WHERE_ANYWHERE at first */
        int last_target, last_credential; /* of the failed attempt; -1 */
        const uint8_t *upstream_tries;    /* per upstream of the catalog, in this exchange */
        uint64_t random;
} pick_ask;

typedef struct pick_result {
        int way;          /* index in `ways`; -1: none */
        bool last;        /* no way can be used: this one is open, and may be asked as the last */
        uint64_t wait_ms; /* way -1 or last: after so long one is free of its parking; UINT64_MAX: waiting does not
                             help */
        pick_why why;     /* way -1: the reason that stands in the way of the most promising one */
} pick_result;

/* Judges every way (sets `why`) and chooses. `count` ways of one model, at most PICK_WAYS.
 *
 * Lesser models come after everything else. Within what is left, another key of the failed target first, then targets
 * not tried yet, then the same again where the fault allows it; among these the alias's strategy names targets, and
 * keys are drawn: the better of two. With `sticky` the draw is a rendezvous hash by names and weights, so that it moves
 * only when its way is gone or costs more than four times the median. */
pick_result pick_choose(const pick_ask *ask, pick_way *ways, size_t count);

#endif
