/* What callers and vendors say. An answer follows from its request alone, so that a caller knows every byte it must get
 * from whichever vendors, and every vendor can go on where another stopped. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sim/play.h"

struct play play;

void text_marker(uint32_t serial, char out[static MARKER_BYTES + 1])
{
        memcpy(out, "mk", 3);
        for (int i = 11; i >= 2; i--, serial /= 16)
                out[i] = (char)('a' + serial % 16);
        out[MARKER_BYTES] = '\0';
}

uint32_t text_serial(view v)
{
        uint32_t serial = 0;
        if (v.len < MARKER_BYTES || v.data[0] != 'm' || v.data[1] != 'k')
                return UINT32_MAX;
        for (size_t i = 2; i < MARKER_BYTES; i++) {
                if (v.data[i] < 'a' || v.data[i] > 'p')
                        return UINT32_MAX;
                serial = serial * 16 + (uint32_t)(v.data[i] - 'a');
        }
        return serial < play.request_count ? serial : UINT32_MAX;
}

void text_mail(uint32_t serial, char out[static MAIL_BYTES])
{
        char marker[MARKER_BYTES + 1];
        text_marker(serial, marker);
        snprintf(out, MAIL_BYTES, "anna%s" MAIL_DOMAIN, marker + 4);
}

void text_add(text *t, view v)
{
        if (v.len == 0)
                return;
        sim_room(&t->bytes, &t->room, t->len + v.len + 1);
        memcpy(t->bytes + t->len, v.data, v.len);
        t->len += v.len;
}

void text_put(text *t, const char *format, ...)
{
        char line[1024];
        va_list args;
        va_start(args, format);
        int n = vsnprintf(line, sizeof line, format, args);
        va_end(args);
        if (n < 0 || (size_t)n >= sizeof line)
                sim_fail("a line of the simulation is too long");
        text_add(t, (view){(const uint8_t *)line, (size_t)n});
}

void text_escaped(text *t, view v)
{
        for (size_t i = 0; i < v.len; i++) {
                uint8_t c = v.data[i];
                if (c == '"' || c == '\\')
                        text_put(t, "\\%c", c);
                else if (c == '\n')
                        text_put(t, "\\n");
                else
                        text_add(t, (view){&v.data[i], 1});
        }
}

void text_free(text *t)
{
        if (t->bytes != nullptr)
                sim_free(t->bytes);
        *t = (text){};
}

void text_answer(const request *r, view mail, text *out)
{
        char marker[MARKER_BYTES + 1];
        text_marker(r->serial, marker);
        for (unsigned i = 0; i < r->pieces; i++) {
                text_put(out, "%s:%u ", marker, i);
                if (i % 7 == 3)
                        text_put(out, "say \"so\"\n");
                if (i % 5 == 2 && mail.len > 0) {
                        text_add(out, mail);
                        text_put(out, " ");
                }
        }
        text_put(out, "fin");
}

size_t text_string(view json, size_t at, text *out)
{
        for (; at < json.len && json.data[at] != '"'; at++) {
                uint8_t c = json.data[at];
                if (c == '\\') {
                        if (++at == json.len)
                                return 0;
                        c = json.data[at] == 'n' ? '\n' : json.data[at];
                }
                text_add(out, (view){&c, 1});
        }
        return at < json.len ? at + 1 : 0;
}

size_t text_find(view v, size_t from, const char *what)
{
        if (from >= v.len)
                return SIZE_MAX;
        const uint8_t *at = memmem(v.data + from, v.len - from, what, strlen(what));
        return at == nullptr ? SIZE_MAX : (size_t)(at - v.data);
}
