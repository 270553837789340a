/* admin/query: what stands behind the question mark of a management address. Pure. */
#ifndef ADMIN_QUERY_H
#define ADMIN_QUERY_H

#include "base/result.h"
#include "base/view.h"

enum : size_t { QUERY_VALUE = 256 };

typedef struct query_value {
        char text[QUERY_VALUE]; /* decoded, with its NUL */
        bool there;
} query_value;

/* "a=1&b=x%2Fy" into the values of `names` (null-terminated list), in its order. A name without "=" has an empty value.
 * err OUT_OF_RANGE: an unknown name, one that stands twice, a bad escape, a control character or not UTF-8, too long */
err query_read(view query, const char *const names[], query_value *out);

#endif
