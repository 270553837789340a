/* route/fault: what a vendor's failure means: for the caller, for the next try, for breakers, for the account.
 * src  protocols of the vendors (OpenAI error reference and the compatible vendors' tables), read 2026-11-20 */
#ifndef ROUTE_FAULT_H
#define ROUTE_FAULT_H

#include "base/result.h"
#include "base/view.h"

typedef enum fault_class : uint8_t {
        FAULT_BAD_REQUEST,  /* the caller's own making: vendor's message passes */
        FAULT_CONTEXT,      /* prompt too long: also the caller's; a larger context window heals it */
        FAULT_FILTER,       /* content filter: also the caller's */
        FAULT_NOT_FOUND,    /* the vendor does not know the model */
        FAULT_TOO_LARGE,
        FAULT_AUTH,         /* our key is refused */
        FAULT_BILLING,      /* our account is empty */
        FAULT_RATE,
        FAULT_OVERLOADED,
        FAULT_SERVER,
        FAULT_TIMEOUT,
        FAULT_SLOW,         /* no content within the alias's first_token_ms, while another target was left */
        FAULT_NETWORK,      /* nothing of the request was processed for sure */
        FAULT_CERTIFICATE,
        FAULT_CUT,          /* broke off after it had begun */
        FAULT_BROKEN,       /* its answer does not follow its protocol */
        FAULT_LOST_RACE,    /* another copy answered first: nobody's fault */
        FAULT_CLASSES
} fault_class;

typedef enum fault_where : uint8_t {
        WHERE_NOWHERE,  /* trying again changes nothing */
        WHERE_LARGER,   /* a target with a larger context window */
        WHERE_TARGET,   /* another target */
        WHERE_KEY,      /* another key of the same upstream, or another target */
        WHERE_ELSEWHERE, /* rather another target; the same again, after a pause, when there is none */
        WHERE_ANYWHERE, /* once more where it was, as long as the alias is in order of preference, then elsewhere */
} fault_where;

/* Whose breaker hears of it. */
typedef enum fault_blame : uint8_t {
        BLAME_NOBODY,
        BLAME_KEY,      /* set aside after three in a row */
        BLAME_RATE,     /* the key (and its group) is parked, no breaker */
        BLAME_MODEL,    /* the model at this upstream */
        BLAME_UPSTREAM, /* the upstream as a whole */
} fault_blame;

typedef struct fault_row {
        err_code    answer;  /* what the caller is told */
        fault_where where;   /* what may heal it */
        fault_blame blame;
        bool        callers; /* the caller's own making: status, message, code and param of the vendor pass */
        bool        billed;  /* the vendor may have charged for it: accounted as estimated, tried again at most once */
} fault_row;

const fault_row *fault_describe(fault_class c);
/* Closed vocabulary for metrics and answers: "rate", "timeout", ... */
const char *fault_name(fault_class c);

/* What a vendor said of its failure; views may be empty. */
typedef struct fault_said {
        uint16_t    status; /* below 400: an error inside an answer that called itself a success, or in its stream */
        const char *vendor; /* the upstream's "vendor"; null: of none we know */
        view        code, type, message;
} fault_said;

/* Code before status: a 400 may be a rate limit in disguise, a 429 an empty account. Vendors' own codes are rows of
 * fault_vendor.def; text is looked at last, in its first 2 KiB, for the sentences listed there, and never for numbers:
 * it may quote the prompt. */
fault_class fault_of(const fault_said *s);

#endif
