#include "base/view.h"

#include <stdckdint.h>

bool view_decimal(view v, uint64_t max, uint64_t *out)
{
        if (v.len == 0 || (v.len > 1 && v.data[0] == '0'))
                return false;
        uint64_t n = 0;
        for (size_t i = 0; i < v.len; i++) {
                if (v.data[i] < '0' || v.data[i] > '9')
                        return false;
                if (ckd_mul(&n, n, 10u) || ckd_add(&n, n, (uint64_t)(v.data[i] - '0')))
                        return false;
        }
        if (n > max)
                return false;
        *out = n;
        return true;
}
