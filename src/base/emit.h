/* base/emit: a writer into a fixed buffer that remembers its first error, so that thirty calls need one check. */
#ifndef BASE_EMIT_H
#define BASE_EMIT_H

#include "base/result.h"
#include "base/view.h"

typedef struct emit {
        uint8_t *bytes; /* owned by the caller */
        size_t   len;   /* bytes written */
        size_t   cap;   /* bytes available */
        bool     full;  /* sticky: something did not fit and was left out whole */
} emit;

static inline emit emit_into(uint8_t *bytes, size_t cap) { return (emit){bytes, 0, cap, false}; }

void emit_view(emit *e, view v);
void emit_text(emit *e, const char *text);
void emit_byte(emit *e, uint8_t byte);
void emit_u64(emit *e, uint64_t n);
void emit_i64(emit *e, int64_t n);
/* Lower-case hexadecimal. */
void emit_hex(emit *e, view v);
/* A JSON string with its quotes, escaped as RFC 8785 wants. `v` is valid UTF-8. */
void emit_json(emit *e, view v);
/* As emit_json without the quotes. */
void emit_json_inner(emit *e, view v);

/* The bytes written so far. err NO_ROOM when something did not fit */
err emit_done(const emit *e, view *out);

#endif
