/* http: the mock vendor's own reader of HTTP/1.1 requests. */
#ifndef VENDOR_HTTP_H
#define VENDOR_HTTP_H

#include "text.h"

typedef struct http_request {
        slice method, path; /* point into the input; the path without its query */
        slice bearer;       /* after "Authorization: Bearer " */
        bool close;         /* the connection ends with this exchange */
        bool expect;        /* the caller waits for 100 Continue */
        slice body;
        size_t head_len, used; /* bytes of the head; of head and body as sent */
} http_request;

typedef enum http_verdict { HTTP_PARTIAL, HTTP_WHOLE, HTTP_BAD } http_verdict;

/* Looks at everything received so far. `scratch` holds a chunked body after decoding.
 * HTTP_PARTIAL with head_len > 0: the head is whole and the body is on its way; less than `used` is not enough. */
http_verdict http_parse(slice input, http_request *out, text *scratch);

#endif
