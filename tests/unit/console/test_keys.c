#include "console/keys.h"

#include <string.h>

#include "support/tap.h"

static const char SUBJECT[] = "keys";

/* One letter a key: a character as itself, E enter, B back, C clear, X escape, U up, D down. */
static char letter(key k)
{
        static const char letters[] = {[KEY_NONE] = 0,   [KEY_ENTER] = 'E', [KEY_BACK] = 'B', [KEY_CLEAR] = 'C',
                                       [KEY_ESCAPE] = 'X', [KEY_UP] = 'U',  [KEY_DOWN] = 'D'};
        return k.kind == KEY_CHARACTER ? (char)k.byte : letters[k.kind];
}

/* `pause_at`: so long nothing came before that byte that a lone Escape would be one. */
static const char *typed(const char *bytes, size_t len, size_t pause_at)
{
        static char out[64];
        size_t      at = 0;
        uint64_t    now = 1000;
        keys        k = {};
        for (size_t i = 0; i < len; i++) {
                now += i == pause_at ? KEYS_ALONE_MS : 1;
                char c = letter(keys_late(&k, now));
                if (c != 0)
                        out[at++] = c;
                c = letter(keys_byte(&k, (uint8_t)bytes[i], now));
                if (c != 0)
                        out[at++] = c;
        }
        char c = letter(keys_late(&k, now + KEYS_ALONE_MS));
        if (c != 0)
                out[at++] = c;
        out[at] = '\0';
        return out;
}

static const struct {
        const char *sentence, *bytes, *want;
} rows[] = {
        {"text", "aB 9~", "aB 9~"},
        {"bytes of UTF-8 are characters", "\xc3\xa4", "\xc3\xa4"},
        {"enter in three spellings", "\ra\nb\r\nc", "EaEbEc"},
        {"taking away", "\b\x7f\x15", "BBC"},
        {"tab goes down, shift and tab up", "\t\x1b[Z", "DU"},
        {"arrows of a terminal", "\x1b[A\x1b[B\x1b[C\x1b[D", "UD"},
        {"arrows of another", "\x1bOA\x1bOB", "UD"},
        {"function keys of Linux are nothing", "\x1b[[A\x1b[[Bx", "x"},
        {"keys with numbers are nothing", "\x1b[3~\x1b[15~\x1b[1;5Ax", "Ux"},
        {"alt and a letter is nothing", "\x1b" "qx", "x"},
        {"an answer of the terminal is nothing", "\x1b]0;title\ax", "x"},
        {"escape", "\x1b", "X"},
        {"escape twice", "\x1b\x1b", "XX"},
        {"a sequence in a sequence", "\x1b[1\x1b[Ax", "Ux"},
        {"other control bytes are nothing", "\x01\x02\x03\x1c\x1fx", "x"},
};

int main(void)
{
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                if (!tap_ok(strcmp(typed(rows[i].bytes, strlen(rows[i].bytes), SIZE_MAX), rows[i].want) == 0, SUBJECT,
                            rows[i].sentence))
                        printf("# %s\n", typed(rows[i].bytes, strlen(rows[i].bytes), SIZE_MAX));
        tap_ok(strcmp(typed("\x1b[A", 3, 1), "X[A") == 0, SUBJECT, "an Escape that nothing followed is the key");
        tap_ok(strcmp(typed("\x1b[Ax", 4, 2), "Ax") == 0, SUBJECT, "half a sequence is nothing, the rest is text");
        /* However it is cut and wherever the rest is lost, text behind it is read again. */
        bool good = true;
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
                for (size_t cut = 0; cut <= strlen(rows[r].bytes); cut++) {
                        keys k = {};
                        for (size_t i = 0; i < cut; i++)
                                (void)keys_byte(&k, (uint8_t)rows[r].bytes[i], i);
                        (void)keys_late(&k, 1000);
                        good = good && !keys_waiting(&k) && letter(keys_byte(&k, 'z', 1001)) == 'z';
                }
        tap_ok(good, SUBJECT, "cut anywhere, the next key is itself");
        keys k = {};
        (void)keys_byte(&k, 0x1b, 0);
        (void)keys_byte(&k, '[', 0);
        for (int i = 0; i < 40; i++)
                (void)keys_byte(&k, '1', 0);
        tap_ok(!keys_waiting(&k), SUBJECT, "a sequence without an end has one");
        return tap_done();
}
