/* fault: what the model name or a row of the table asks the mock vendor to do wrong, or otherwise than usual. */
#ifndef VENDOR_FAULT_H
#define VENDOR_FAULT_H

#include "text.h"

typedef struct fault {
#define FAULT(name, fallback, what) uint64_t name;
#include "fault.def"
#undef FAULT
        slice fixture;   /* name of a .sse transcript to send */
        slice raw;       /* name of a file to send instead of a response */
        slice finish;    /* finish_reason */
        slice code;      /* error code, with status or in an error event */
        slice after;     /* form of Retry-After */
        slice dialect;   /* whose form the error body has */
        slice body;      /* what stands in place of the error body */
        slice endless;   /* what a stream has too much of */
        slice usage;     /* what is odd about usage */
        slice prefill;   /* the only way this model lets an answer be continued */
        slice lognormal; /* MEDIAN_MS:SIGMA of the first token */
} fault;

/* Nothing out of the ordinary. */
void fault_clear(fault *out);

/* What a model name holds behind "mock:"; empty when it begins otherwise. */
slice fault_words(slice model);

/* Adds "key=value,key,...". false: a key nobody knows, or a value that is no number. */
bool fault_add(slice words, fault *out);

/* All keys, one line each, for --help. */
void fault_manual(text *out);

#endif
