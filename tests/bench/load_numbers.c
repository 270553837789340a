#include "load.h"

#include <stdlib.h>

void numbers_add(numbers *n, double value)
{
        if (n->count == n->room) {
                n->room = n->room == 0 ? 4096 : n->room * 2;
                n->rows = realloc(n->rows, n->room * sizeof *n->rows);
                if (n->rows == nullptr)
                        abort();
        }
        n->rows[n->count++] = value;
}

static int by_size(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;
        return (x > y) - (x < y);
}

double numbers_at(numbers *n, double share)
{
        if (n->count == 0)
                return 0;
        qsort(n->rows, n->count, sizeof *n->rows, by_size);
        size_t at = (size_t)(share * (double)n->count);
        return n->rows[at < n->count ? at : n->count - 1];
}
