/* policy/detect: finds values in a detection copy (policy/fold). One pass over a class table; every detector is hand
 * written, bounded in how far it looks, and pure.
 *
 * A value counts without a context word only where its written form or its check makes chance hits rarer than one in
 * a thousand; the cues are in policy/context. */
#ifndef POLICY_DETECT_H
#define POLICY_DETECT_H

#include "base/view.h"
#include "policy/entity.h"
#include "policy/policy.h"

/* How certain a finding is; decides between overlapping ones. */
typedef enum finding_rank : uint8_t { RANK_SHAPE = 2, RANK_CHECKED, RANK_CHECKED_CUED, RANK_SECRET } finding_rank;

typedef struct finding {
        uint32_t     start, end; /* in the copy */
        entity_id    entity;
        finding_rank rank;
        uint8_t      region; /* phone numbers: region_id, or REGION_COUNT when the shape names none */
} finding;

constexpr size_t SCAN_FINDINGS = 2048;
/* Left of what a scan may report it wants so many bytes for context; right of it so many to read a value whole. */
constexpr size_t SCAN_LEFT = 320;
constexpr size_t SCAN_RIGHT = 1024;

typedef struct scan {
        view                   text;
        uint64_t               regions;
        const policy_decision *decide; /* ENTITY_COUNT; what is allowed is not reported */
        size_t                 from;   /* findings that start before belong to an earlier window */
        bool                   last;   /* nothing follows text */
        size_t                 open;   /* start of a secret that runs into the end of a text that goes on; SIZE_MAX */
        entity_id              open_entity;
        size_t                 horizon; /* out: findings from here on belong to the next window */
        size_t                 count;
        finding                found[SCAN_FINDINGS]; /* sorted, not overlapping */
} scan;

/* Scans s->text. The caller has set text, regions, decide, from and last. */
void detect(scan *s);

/* For detectors: takes a finding, resolving overlaps with those taken before. */
void detect_take(scan *s, finding f);
/* A secret from `start` on touches the end of the text and may go on. */
void detect_open(scan *s, size_t start, entity_id entity);

static inline bool detect_wants(const scan *s, entity_id e) { return s->decide[e].action != POLICY_ALLOW; }

/* Byte classes. */
enum : uint8_t {
        BYTE_DIGIT = 1,  /* 0-9 */
        BYTE_LETTER = 2, /* A-Z a-z */
        BYTE_HEX = 4,
        BYTE_WORD = 8,   /* letters, digits, - and _ : base64url */
        BYTE_MAIL = 16,  /* in the local part of an address */
        BYTE_B64 = 32,   /* base64 with its padding */
        BYTE_START = 64, /* a detector starts here */
};
extern const uint8_t byte_class[256];

static inline bool byte_is(uint8_t c, uint8_t classes) { return (byte_class[c] & classes) != 0; }

/* The byte at i, 0 beyond the ends. */
static inline uint8_t scan_at(const scan *s, size_t i) { return i < s->text.len ? s->text.data[i] : 0; }

/* A value that starts at i, or ends before i, does not stand inside a longer word or number. */
bool edge_left(const scan *s, size_t i);
bool edge_right(const scan *s, size_t i);

/* Each looks at what its trigger at `at` may mean and returns where the scan goes on, beyond `at`. */
size_t detect_number(scan *s, size_t at);
size_t detect_iban(scan *s, size_t at);
size_t detect_email(scan *s, size_t at);
size_t detect_ipv6(scan *s, size_t at);
size_t detect_secret(scan *s, size_t at);
size_t detect_private_key(scan *s, size_t at);

#endif
