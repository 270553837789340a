#include "base/result.h"

#include <assert.h>

static const err_row rows[ERR_COUNT] = {
#define ERR(name, http, type, code, text) [ERR_##name] = {http, type, code, text},
#include "base/result.def"
#undef ERR
};

const err_row *err_describe(err_code code)
{
        assert(code < ERR_COUNT);
        return &rows[code];
}
