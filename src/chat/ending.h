/* chat/ending: how an exchange ended: exactly one of these each. The two letters are the caller's end code: who ended
 * it (C caller, V vendor, L this relay, - nobody: it is whole) and in which phase (K key, H head, B body, P policy,
 * R route, C connect, F first byte, S stream or answer, - done). A stream that was cut at one vendor and went on at
 * another to its end is whole; only its own code says how it came to be. */
#ifndef CHAT_ENDING_H
#define CHAT_ENDING_H

#include <stdint.h>

/*     name               code  export field */
#define ENDINGS(ROW)                                \
        ROW(WHOLE,            "--", "ok")                  \
        ROW(CLIENT_ABORT,     "CS", "client_abort")        \
        ROW(CLIENT_STALL,     "CW", "client_stall")        \
        ROW(UPSTREAM_ERROR,   "VF", "upstream_error")      \
        ROW(UPSTREAM_CUT,     "VS", "upstream_truncated")  \
        ROW(TIMEOUT,          "VT", "timeout")             \
        ROW(REJECTED_AUTH,    "LK", "rejected_auth")       \
        ROW(REJECTED_QUOTA,   "LQ", "rejected_quota")      \
        ROW(REJECTED_POLICY,  "LP", "rejected_policy")     \
        ROW(REJECTED_INPUT,   "LH", "rejected_input")      \
        ROW(SHED,             "LO", "shed")                \
        ROW(LOST,             "LX", "lost")

typedef enum ending : uint8_t {
#define ROW(name, code, field) ENDING_##name,
        ENDINGS(ROW)
#undef ROW
        ENDING_COUNT
} ending;

/* Two characters. */
const char *ending_code(ending e);
extern const char ending_continued[]; /* whole, in more than one attempt's words */
extern const char ending_mended[];    /* whole, but for an event that was none and was left out */
/* The counter's name in a usage export. */
const char *ending_field(ending e);

#endif
