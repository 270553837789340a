/* console/keys: keystrokes out of what a terminal sends. Escape sequences of any make are swallowed whole, however they
 * are cut; what is not a key is nothing. */
#ifndef CONSOLE_KEYS_H
#define CONSOLE_KEYS_H

#include <stdint.h>

typedef enum key_kind : uint8_t {
        KEY_NONE,
        KEY_CHARACTER, /* a byte from 0x20 on, but 0x7f: ASCII, or part of UTF-8 */
        KEY_ENTER,
        KEY_BACK,  /* takes the last character away */
        KEY_CLEAR, /* Ctrl-U */
        KEY_ESCAPE,
        KEY_UP,    /* also Shift-Tab */
        KEY_DOWN,  /* also Tab */
} key_kind;

typedef struct key {
        key_kind kind;
        uint8_t  byte; /* of a character */
} key;

enum : uint64_t { KEYS_ALONE_MS = 60 };

/* Zeros at the start. */
typedef struct keys {
        uint8_t  state;
        uint8_t  length; /* bytes of the sequence so far, up to a bound */
        bool     after_cr;
        uint64_t escape_ms;
} keys;

/* What this byte completes. */
key keys_byte(keys *k, uint8_t byte, uint64_t now_ms);
/* An Escape that nothing followed is the key of that name. */
key keys_late(keys *k, uint64_t now_ms);
/* True while one may be waiting: keys_late is to be asked in KEYS_ALONE_MS. */
bool keys_waiting(const keys *k);

#endif
