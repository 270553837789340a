/* fault: what the model name asks the mock vendor to do wrong, or otherwise than usual. */
#ifndef VENDOR_FAULT_H
#define VENDOR_FAULT_H

#include "text.h"

typedef struct fault {
#define FAULT(name, fallback, what) uint64_t name;
#include "fault.def"
#undef FAULT
        slice fixture; /* name of a .sse transcript to send */
        slice raw;     /* name of a file to send instead of a response */
        slice finish;  /* finish_reason */
        slice code;    /* error code, with status */
} fault;

/* false: the name starts with "mock:" and holds a key nobody knows or a value that is no number. */
bool fault_parse(slice model, fault *out);

/* All keys, one line each, for --help. */
void fault_manual(text *out);

#endif
