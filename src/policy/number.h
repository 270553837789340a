/* policy/number: runs of digits that belong together, and the kinds of value they may be. */
#ifndef POLICY_NUMBER_H
#define POLICY_NUMBER_H

#include "policy/detect.h"

typedef struct digit_group {
        uint32_t start, len;
        uint8_t  sep; /* what joins it to the next: space - . /  ) ( ; 0 for the last. ) and ( stand for their mixes */
} digit_group;

constexpr size_t PHRASE_GROUPS = 40;

/* Groups of digits joined by single separators. */
typedef struct phrase {
        digit_group g[PHRASE_GROUPS];
        size_t      count;
        uint32_t    end;
} phrase;

/* Digits of the groups [first, past). */
static inline size_t phrase_digits(const phrase *p, size_t first, size_t past)
{
        size_t n = 0;
        for (size_t k = first; k < past; k++)
                n += p->g[k].len;
        return n;
}

/* Some groups of a phrase, [first, past), as one number. */
typedef struct number {
        const phrase *p;
        size_t        first, past;
        size_t        digits;
        uint32_t      start, end; /* in the text; start includes a bracket before the first group */
        uint8_t       sep;        /* the one separator of all groups; 0: there is none; '?': they differ */
        char          text[33];   /* the digits, at most 32, with a NUL */
} number;

/* False when the groups have more than 32 digits. */
bool number_make(const scan *s, const phrase *p, size_t first, size_t past, number *out);

/* The groups have exactly these lengths: "3-2-4". */
bool number_shaped(const number *n, const char *lengths);
bool number_all_equal(const number *n);

/* Each tries the number that begins with group `first`, takes what it finds and returns the group behind it; 0 when
 * it found nothing. */
size_t number_phone(scan *s, const phrase *p, size_t first);
size_t number_card(scan *s, const phrase *p, size_t first);
size_t number_ssn(scan *s, const phrase *p, size_t first);
size_t number_cn_id(scan *s, const phrase *p, size_t first);
size_t number_ipv4(scan *s, const phrase *p, size_t first);

#endif
