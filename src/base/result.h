/* base/result: an error is a value from one table (result.def). */
#ifndef BASE_RESULT_H
#define BASE_RESULT_H

#include <stdint.h>

typedef enum err_code : uint16_t {
#define ERR(name, http, type, code, text) ERR_##name,
#include "base/result.def"
#undef ERR
        ERR_COUNT
} err_code;

typedef struct [[nodiscard]] err {
        err_code code;
} err;

static constexpr err OK = {ERR_NONE};
#define FAIL(name) ((err){ERR_##name})

static inline bool failed(err e) { return e.code != ERR_NONE; }

/* Leaves the function with the callee's error; scoped cleanups still run. */
#define TRY(expr)                               \
        do {                                    \
                err try_err_ = (expr);          \
                if (failed(try_err_))           \
                        return try_err_;        \
        } while (0)

typedef struct err_row {
        uint16_t    http; /* status for the caller */
        const char *type; /* error.type in the OpenAI shape */
        const char *code; /* error.code */
        const char *text; /* error.message; static, never built from input */
} err_row;

/* The table row of an error. Never null. */
const err_row *err_describe(err_code code);

#endif
