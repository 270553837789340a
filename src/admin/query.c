#include "admin/query.h"

#include "codec/utf8.h"

static int digit(uint8_t c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c = ascii_lower(c);
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of a value, taken from the front. -1: it is none. */
static int take(view *v)
{
        uint8_t c = v->data[0];
        size_t used = 1;
        if (c == '%') {
                int high = v->len >= 3 ? digit(v->data[1]) : -1, low = v->len >= 3 ? digit(v->data[2]) : -1;
                if (high < 0 || low < 0)
                        return -1;
                c = (uint8_t)(high << 4 | low);
                used = 3;
        } else if (c == '+') {
                c = ' ';
        }
        *v = view_slice(*v, used, v->len);
        return c < ' ' || c == 0x7f ? -1 : c;
}

static err decode(view v, query_value *out)
{
        size_t len = 0;
        while (v.len > 0) {
                int c = take(&v);
                if (c < 0 || len + 1 == sizeof out->text)
                        return FAIL(OUT_OF_RANGE);
                out->text[len++] = (char)c;
        }
        out->text[len] = '\0';
        return utf8_valid((view){(const uint8_t *)out->text, len}) ? OK : FAIL(OUT_OF_RANGE);
}

static view cut_at(view *rest, char mark)
{
        const uint8_t *at = rest->len > 0 ? memchr(rest->data, mark, rest->len) : nullptr;
        size_t len = at == nullptr ? rest->len : (size_t)(at - rest->data);
        view piece = view_slice(*rest, 0, len);
        *rest = view_slice(*rest, at == nullptr ? len : len + 1, rest->len);
        return piece;
}

err query_read(view query, const char *const names[], query_value *out)
{
        for (size_t i = 0; names[i] != nullptr; i++)
                out[i] = (query_value){};
        while (query.len > 0) {
                view value = cut_at(&query, '&'), name = cut_at(&value, '=');
                size_t i = 0;
                while (names[i] != nullptr && !view_equal(name, view_of_text(names[i])))
                        i++;
                if (names[i] == nullptr || out[i].there)
                        return FAIL(OUT_OF_RANGE);
                out[i].there = true;
                TRY(decode(value, &out[i]));
        }
        return OK;
}
