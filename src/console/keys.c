#include "console/keys.h"

enum : uint8_t { PLAIN, ESCAPE, FUNCTION /* ESC O */, CONTROL /* ESC [ */, LINUX /* ESC [ [ */, STRING /* ESC ] */ };
/* No terminal's sequence of a key is longer; what runs on is text again. */
enum : uint8_t { SEQUENCE_MOST = 24 };

static key back(keys *k, key out)
{
        k->state = PLAIN;
        return out;
}

static key arrow(uint8_t byte)
{
        return byte == 'A' ? (key){.kind = KEY_UP} : byte == 'B' ? (key){.kind = KEY_DOWN} : (key){};
}

static key plain(keys *k, uint8_t byte, uint64_t now_ms)
{
        bool after_cr = k->after_cr;
        k->after_cr = byte == '\r';
        switch (byte) {
        case '\r':
                return (key){.kind = KEY_ENTER};
        case '\n':
                /* A terminal that sends both pressed once. */
                return after_cr ? (key){} : (key){.kind = KEY_ENTER};
        case '\b':
        case 0x7f:
                return (key){.kind = KEY_BACK};
        case '\t':
                return (key){.kind = KEY_DOWN};
        case 0x15:
                return (key){.kind = KEY_CLEAR};
        case 0x1b:
                k->state = ESCAPE;
                k->length = 0;
                k->escape_ms = now_ms;
                return (key){};
        default:
                return byte >= ' ' ? (key){KEY_CHARACTER, byte} : (key){};
        }
}

static key escaped(keys *k, uint8_t byte, uint64_t now_ms)
{
        switch (byte) {
        case '[':
                k->state = CONTROL;
                return (key){};
        case 'O':
                k->state = FUNCTION;
                return (key){};
        case ']':
        case 'P':
        case '^':
        case '_':
                k->state = STRING;
                return (key){};
        case 0x1b:
                k->escape_ms = now_ms;
                return (key){.kind = KEY_ESCAPE};
        default:
                /* Alt and a character. */
                return back(k, (key){});
        }
}

static key control(keys *k, uint8_t byte)
{
        if (byte == '[' && k->length == 2) {
                k->state = LINUX;
                return (key){};
        }
        if (byte == 'Z')
                return back(k, (key){.kind = KEY_UP});
        return byte >= '@' && byte <= '~' ? back(k, arrow(byte)) : (key){};
}

key keys_byte(keys *k, uint8_t byte, uint64_t now_ms)
{
        if (k->state == PLAIN)
                return plain(k, byte, now_ms);
        if (++k->length > SEQUENCE_MOST)
                return back(k, (key){});
        /* What begins anew ends what was there. */
        if (byte == 0x1b && k->state != ESCAPE) {
                k->state = ESCAPE;
                k->length = 0;
                k->escape_ms = now_ms;
                return (key){};
        }
        switch (k->state) {
        case ESCAPE:
                return escaped(k, byte, now_ms);
        case CONTROL:
                return control(k, byte);
        case STRING:
                return byte == '\a' ? back(k, (key){}) : (key){};
        case FUNCTION:
                return back(k, arrow(byte));
        default:
                return back(k, (key){});
        }
}

bool keys_waiting(const keys *k) { return k->state != PLAIN; }

key keys_late(keys *k, uint64_t now_ms)
{
        if (k->state == PLAIN || now_ms - k->escape_ms < KEYS_ALONE_MS)
                return (key){};
        bool alone = k->state == ESCAPE;
        k->state = PLAIN;
        return alone ? (key){.kind = KEY_ESCAPE} : (key){};
}
