/* route/fault: what a vendor's failure means: for the caller, for the next target, for the account.
 * src  protocols of the vendors (OpenAI error reference and the compatible vendors' tables), read 2026-11-20 */
#ifndef ROUTE_FAULT_H
#define ROUTE_FAULT_H

#include "base/result.h"
#include "base/view.h"

typedef enum fault_class : uint8_t {
        FAULT_BAD_REQUEST,  /* the caller's own making: vendor's message passes */
        FAULT_CONTEXT,      /* prompt too long: also the caller's */
        FAULT_FILTER,       /* content filter: also the caller's */
        FAULT_NOT_FOUND,    /* the vendor does not know the model */
        FAULT_TOO_LARGE,
        FAULT_AUTH,         /* our key is refused */
        FAULT_BILLING,      /* our account is empty */
        FAULT_RATE,
        FAULT_OVERLOADED,
        FAULT_SERVER,
        FAULT_TIMEOUT,
        FAULT_NETWORK,      /* nothing of the request was processed for sure */
        FAULT_CERTIFICATE,
        FAULT_CUT,          /* broke off after it had begun */
        FAULT_BROKEN,       /* its answer does not follow its protocol */
        FAULT_CLASSES
} fault_class;

typedef struct fault_row {
        err_code answer;    /* what the caller is told */
        bool     elsewhere; /* another target may heal it */
        bool     callers;   /* the caller's own making: status, message, code and param of the vendor pass */
        bool     billed;    /* the vendor may have charged for it: accounted as estimated */
} fault_row;

const fault_row *fault_describe(fault_class c);

/* From a vendor's status and the code and type of its error object (may be empty). Code before status: a 400 may be a
 * rate limit in disguise, a 429 an empty account. */
fault_class fault_of_status(uint16_t status, view code, view type);

#endif
