/* policy/context: words near a number that say what it is. */
#ifndef POLICY_CONTEXT_H
#define POLICY_CONTEXT_H

#include "policy/detect.h"

enum : uint8_t {
        CUE_PHONE = 1,
        CUE_CARD = 2,
        CUE_SSN = 4,
        CUE_VERSION = 8, /* a dotted number is a version or a section */
        CUE_OTHER = 16,  /* some other kind of number: an order, a ticket, a build */
};

/* The cues in the same line: 48 characters before a number and 24 after. */
typedef struct context {
        uint8_t all;
        uint8_t nearest; /* of the last cue before the number, else of those after it */
} context;

/* The cues around [start, end). Whole words in Latin script, where _, - and a change to capitals end a word; any place
 * in Chinese, Japanese and Korean. */
context context_of(const scan *s, size_t start, size_t end);

#endif
