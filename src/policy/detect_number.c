#include "policy/number.h"

#include <assert.h>

static bool digit_at(const scan *s, size_t i) { return byte_is(scan_at(s, i), BYTE_DIGIT); }

/* The separator at i and its length; 0 when no further digits are joined here. Forms: one of " -./", a bracket that
 * closes or opens with at most one space or dash, and " / ". */
static size_t separator(const scan *s, size_t i, uint8_t *sep)
{
        uint8_t c = scan_at(s, i);
        *sep = c;
        switch (c) {
        case ' ':
                if (scan_at(s, i + 1) == '/' && scan_at(s, i + 2) == ' ' && digit_at(s, i + 3)) {
                        *sep = '/';
                        return 3;
                }
                [[fallthrough]];
        case '-':
        case '.':
        case '/':
                if (digit_at(s, i + 1))
                        return 1;
                *sep = '(';
                return c != '.' && scan_at(s, i + 1) == '(' && digit_at(s, i + 2) ? 2 : 0;
        case '(':
                return digit_at(s, i + 1) ? 1 : 0;
        case ')':
                if (digit_at(s, i + 1))
                        return 1;
                c = scan_at(s, i + 1);
                return (c == ' ' || c == '-') && digit_at(s, i + 2) ? 2 : 0;
        default:
                return 0;
        }
}

static void read_phrase(const scan *s, size_t at, phrase *p)
{
        p->count = 0;
        for (;;) {
                digit_group *g = &p->g[p->count++];
                g->start = (uint32_t)at;
                while (at < s->text.len && byte_is(s->text.data[at], BYTE_DIGIT))
                        at++;
                g->len = (uint32_t)at - g->start;
                p->end = (uint32_t)at;
                if (p->count == PHRASE_GROUPS)
                        return;
                size_t len = separator(s, at, &g->sep);
                if (len == 0) {
                        g->sep = 0;
                        return;
                }
                at += len;
        }
}

bool number_make(const scan *s, const phrase *p, size_t first, size_t past, number *out)
{
        assert(first < past);
        assert(past <= p->count);
        *out = (number){.p = p, .first = first, .past = past};
        for (size_t k = first; k < past; k++) {
                const digit_group *g = &p->g[k];
                if (g->len > 32 - out->digits)
                        return false;
                memcpy(out->text + out->digits, s->text.data + g->start, g->len);
                out->digits += g->len;
                if (k + 1 == past)
                        break;
                out->sep = out->sep == 0 || out->sep == g->sep ? g->sep : '?';
        }
        out->start = p->g[first].start;
        out->end = p->g[past - 1].start + p->g[past - 1].len;
        if (p->g[first].sep == ')' && out->start > 0 && s->text.data[out->start - 1] == '(')
                out->start--;
        return true;
}

bool number_shaped(const number *n, const char *lengths)
{
        size_t k = n->first;
        for (; *lengths != 0; lengths++) {
                if (*lengths == '-')
                        continue;
                uint32_t want = (uint32_t)(*lengths - '0');
                if (lengths[1] >= '0' && lengths[1] <= '9')
                        want = want * 10 + (uint32_t)(*++lengths - '0');
                if (k == n->past || n->p->g[k].len != want)
                        return false;
                k++;
        }
        return k == n->past;
}

bool number_all_equal(const number *n)
{
        for (size_t i = 1; i < n->digits; i++)
                if (n->text[i] != n->text[0])
                        return false;
        return true;
}

/* A UUID of digits only. */
static bool is_uuid(const phrase *p)
{
        static const uint8_t lens[] = {8, 4, 4, 4, 12};
        if (p->count != 5)
                return false;
        for (size_t k = 0; k < 5; k++)
                if (p->g[k].len != lens[k] || (k < 4 && p->g[k].sep != '-'))
                        return false;
        return true;
}

size_t detect_number(scan *s, size_t at)
{
        phrase p;
        read_phrase(s, at, &p);
        /* Most digits in a text are years, counts and dates: too few to be any kind of value. */
        if ((p.end - at < 8 && p.count < 3) || is_uuid(&p))
                return p.end;
        static size_t (*const kinds[])(scan *, const phrase *, size_t) = {
                number_cn_id, number_card, number_ssn, number_phone, number_ipv4,
        };
        size_t k = 0;
        /* A phrase cut at PHRASE_GROUPS is read again from its later half, so that no number is lost at the cut. */
        bool   cut = p.count == PHRASE_GROUPS;
        size_t stop = cut ? PHRASE_GROUPS / 2 : p.count;
        while (k < stop) {
                size_t past = 0;
                for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0] && past == 0; kind++)
                        past = kinds[kind](s, &p, k);
                k = past > k ? past : k + 1;
        }
        return k < p.count ? p.g[k].start : p.end;
}
