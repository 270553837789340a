/* role/resolver_cache: names and their last good addresses. Pure: time is an argument. */
#ifndef ROLE_RESOLVER_CACHE_H
#define ROLE_RESOLVER_CACHE_H

#include "base/view.h"
#include "ipc/resolve.h"

enum : uint32_t {
        RESOLVER_NAMES = 512,
        RESOLVER_TTL_MIN_S = 5,
        RESOLVER_TTL_MAX_S = 300,
        RESOLVER_FAILED_S = 5,       /* a failure is believed so long */
        RESOLVER_STALE_S = 3600,     /* the last good addresses are kept so long when DNS fails */
        RESOLVER_PATIENCE_MS = 1800, /* so long somebody waits for news who could go on with those (RFC 8767, 5) */
};

constexpr uint32_t RESOLVER_TO_ITS_END = UINT32_MAX;

typedef struct resolver_name {
        char           text[LIMIT_HOST_BYTES]; /* empty: the place is free */
        resolve_answer good;                   /* count 0: there never was one */
        uint64_t       good_ms;                /* when it came */
        uint64_t       failed_ms;              /* when the newest failure came; 0: the newest answer was good */
        uint64_t       used_ms;
        uint64_t       asked_ms; /* when the question under way began */
        bool           asking;   /* a question is under way */
} resolver_name;

typedef struct resolver_cache {
        resolver_name names[RESOLVER_NAMES];
} resolver_cache;

/* What to do with a question; `answer` is filled where there is one. */
typedef enum resolver_verdict : uint8_t {
        RESOLVER_ANSWER,  /* answer */
        RESOLVER_REFRESH, /* answer, and ask again for those who come later */
        RESOLVER_ASK      /* ask, answer when it comes */
} resolver_verdict;

/* 1 to 253 of a-z 0-9 . - _, NUL-terminated within its field. */
bool resolver_name_valid(const char name[static LIMIT_HOST_BYTES]);

/* The name's place. A new name takes the one that was used longest ago; null when all are being asked for. */
resolver_name *resolver_cache_find(resolver_cache *c, const char *name, uint64_t now_ms);

/* The verdict for one question. A question under way is asked no second time: then RESOLVER_ANSWER or RESOLVER_ASK
 * come as well, and `asking` says it. */
resolver_verdict resolver_cache_look(const resolver_name *n, uint64_t now_ms, resolve_answer *answer);

/* A question begins. */
void resolver_cache_asked(resolver_name *n, uint64_t now_ms);

/* How long those who wait for the question under way go on waiting before they are told the outcome as it is now;
 * RESOLVER_TO_ITS_END when there is nothing to tell them yet. */
uint32_t resolver_cache_wait_ms(const resolver_name *n, uint64_t now_ms);

/* The question's outcome: addresses with their smallest TTL, or none. */
void resolver_cache_good(resolver_name *n, const resolve_answer *found, uint64_t now_ms);
void resolver_cache_failed(resolver_name *n, uint64_t now_ms);

/* What everyone who waited hears. */
void resolver_cache_outcome(const resolver_name *n, uint64_t now_ms, resolve_answer *answer);

#endif
