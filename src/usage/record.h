/* usage/record: the only thing a relay can tell the keeper: numbers in a fixed shape, through shared memory.
 *
 * A ring has one writer (a relay process) and one reader (the keeper). The writer reserves the records an exchange may
 * need before it admits it, so that an ending always finds room. The ring outlives both processes: the supervisor
 * holds its descriptor. */
#ifndef USAGE_RECORD_H
#define USAGE_RECORD_H

#include <stdint.h>

#include "base/limit.h"
#include "base/result.h"
#include "chat/ending.h"
#include "chat/tokens.h"

typedef enum usage_kind : uint8_t { USAGE_EXCHANGE = 1, USAGE_ATTEMPT = 2 } usage_kind;
typedef enum usage_basis : uint8_t {
        USAGE_NONE = 0,
        USAGE_REPORTED = 1,
        USAGE_ESTIMATED = 2,
        USAGE_NOT_BILLED = 3
} usage_basis;

constexpr uint16_t USAGE_NO_INDEX = UINT16_MAX;

/* Little endian, 192 bytes, three cache lines. Unused fields are zero. */
typedef struct usage_record {
        uint8_t  version;    /* 1 */
        uint8_t  kind;       /* usage_kind */
        uint8_t  ending;     /* exchange: ending */
        uint8_t  basis;      /* attempt: usage_basis */
        uint8_t  suspect;    /* attempt: 1 when the vendor's statement was impossible */
        uint8_t  streamed;
        uint16_t project;    /* indices of the generation's catalog, or USAGE_NO_INDEX */
        uint16_t model;
        uint16_t vendor;
        uint32_t generation;
        uint32_t attempts;   /* exchange: how many were made */
        uint32_t ttft_ms;    /* exchange: request complete to first content; UINT32_MAX: none came */
        uint32_t duration_ms;
        uint32_t reserved;
        uint64_t sequence;   /* of this ring, from 1, without gaps; set by ring_commit */
        uint64_t tokens[TOKENS_CLASSES];     /* attempt */
        uint16_t redactions[LIMIT_ENTITIES]; /* exchange: acted on, per entity id; saturates */
        uint8_t  zero[48];
} usage_record;
static_assert(sizeof(usage_record) == 192);
static_assert(alignof(usage_record) == 8);

typedef struct usage_ring usage_ring; /* fixed layout over a memfd of usage_ring_bytes() */

size_t usage_ring_bytes(void);

/* Formats fresh, zeroed memory (once, by the supervisor's child before its relay starts) or checks existing.
 * err BAD_FILE when it is another layout; SYSTEM */
err usage_ring_format(void *memory, size_t bytes, usage_ring **out);
err usage_ring_attach(void *memory, size_t bytes, usage_ring **out);

/* Random and never 0: two rings that served the same slot one after the other are told apart by it. */
uint64_t usage_ring_identity(const usage_ring *r);

/* Writer. Reserves `count` records; false when that many are not free: do not admit. */
bool usage_ring_reserve(usage_ring *r, uint32_t count);
/* Gives reserved records back that will not be written. */
void usage_ring_release(usage_ring *r, uint32_t count);
/* Writes one reserved record. Never fails. A writer killed in here leaves no half record: it is published last. */
void usage_ring_commit(usage_ring *r, const usage_record *record);
/* Counts an admitted exchange (one that owes an EXCHANGE record). */
void usage_ring_admit(usage_ring *r);

/* Reader. The record with this sequence; false when it is not written yet. */
bool usage_ring_read(const usage_ring *r, uint64_t sequence, usage_record *out);
/* Frees all records up to and with this sequence. */
void usage_ring_consumed(usage_ring *r, uint64_t sequence);
/* Exchanges admitted so far: with the EXCHANGE records applied it says how many a dead relay lost. */
uint64_t usage_ring_admitted(const usage_ring *r);

#endif
