#include "firmware/text.h"

view text_line(view *rest)
{
        const uint8_t *end = rest->len == 0 ? nullptr : memchr(rest->data, '\n', rest->len);
        size_t         len = end == nullptr ? rest->len : (size_t)(end - rest->data);
        view           line = view_slice(*rest, 0, len);
        *rest = view_slice(*rest, end == nullptr ? len : len + 1, rest->len);
        if (line.len > 0 && line.data[line.len - 1] == '\r')
                line.len--;
        return line;
}

static bool is_blank(uint8_t c) { return c == ' ' || c == '\t'; }

view text_word(view *line)
{
        size_t from = 0;
        while (from < line->len && is_blank(line->data[from]))
                from++;
        size_t to = from;
        while (to < line->len && !is_blank(line->data[to]))
                to++;
        view word = view_slice(*line, from, to);
        *line = view_slice(*line, to, line->len);
        return word;
}

bool text_contains(view all, view part)
{
        return part.len == 0 || (all.len > 0 && memmem(all.data, all.len, part.data, part.len) != nullptr);
}

void notice_add(notice *s, view more)
{
        for (size_t i = 0; i < more.len && s->len < sizeof s->bytes; i++) {
                uint8_t c = more.data[i];
                s->bytes[s->len++] = c >= ' ' && c <= '~' ? c : '?';
        }
}

void notice_set(notice *s, const char *before, view middle, const char *after)
{
        s->len = 0;
        notice_add(s, view_of_text(before));
        notice_add(s, middle);
        notice_add(s, view_of_text(after));
}

err notice_fail(notice *s, const char *before, view middle, const char *after)
{
        notice_set(s, before, middle, after);
        return FAIL(SYSTEM);
}
