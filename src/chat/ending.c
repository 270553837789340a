#include "chat/ending.h"

#include <assert.h>

static const struct {
        const char *code, *field;
} rows[ENDING_COUNT] = {
#define ROW(name, code, field) [ENDING_##name] = {code, field},
        ENDINGS(ROW)
#undef ROW
};

const char ending_continued[] = "-C";
const char ending_mended[] = "-M";

const char *ending_code(ending e)
{
        assert(e < ENDING_COUNT);
        return rows[e].code;
}

const char *ending_field(ending e)
{
        assert(e < ENDING_COUNT);
        return rows[e].field;
}
