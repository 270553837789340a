#include "policy/detect.h"

#include <assert.h>

/* clang-format off */
#define D (BYTE_DIGIT | BYTE_HEX | BYTE_WORD | BYTE_MAIL | BYTE_B64 | BYTE_START)
#define H (BYTE_LETTER | BYTE_HEX | BYTE_WORD | BYTE_MAIL | BYTE_B64)
#define L (BYTE_LETTER | BYTE_WORD | BYTE_MAIL | BYTE_B64)
#define T (L | BYTE_START)
const uint8_t byte_class[256] = {
        ['0'] = D, ['1'] = D, ['2'] = D, ['3'] = D, ['4'] = D, ['5'] = D, ['6'] = D, ['7'] = D, ['8'] = D, ['9'] = D,
        ['A'] = H, ['B'] = H, ['C'] = H, ['D'] = H, ['E'] = H, ['F'] = H,
        ['a'] = H, ['b'] = H, ['c'] = H, ['d'] = H, ['e'] = H, ['f'] = H,
        ['G'] = L, ['H'] = L, ['I'] = L, ['J'] = T, ['K'] = T, ['L'] = L, ['M'] = L, ['N'] = L, ['O'] = L, ['P'] = L,
        ['Q'] = L, ['R'] = L, ['S'] = T, ['T'] = T, ['U'] = L, ['V'] = L, ['W'] = L, ['X'] = L, ['Y'] = L, ['Z'] = L,
        ['g'] = L, ['h'] = L, ['i'] = L, ['j'] = L, ['k'] = L, ['l'] = L, ['m'] = L, ['n'] = L, ['o'] = L, ['p'] = L,
        ['q'] = L, ['r'] = L, ['s'] = L, ['t'] = L, ['u'] = L, ['v'] = L, ['w'] = L, ['x'] = L, ['y'] = L, ['z'] = T,
        ['-'] = BYTE_WORD | BYTE_MAIL | BYTE_START,
        ['_'] = BYTE_WORD | BYTE_MAIL | BYTE_START,
        ['.'] = BYTE_MAIL | BYTE_START,
        ['+'] = BYTE_MAIL | BYTE_B64, ['/'] = BYTE_B64, ['='] = BYTE_B64,
        ['%'] = BYTE_MAIL, ['\''] = BYTE_MAIL, ['&'] = BYTE_MAIL, ['!'] = BYTE_MAIL,
        ['@'] = BYTE_START, [':'] = BYTE_START,
};
/* clang-format on */
#undef D
#undef H
#undef L
#undef T

bool edge_left(const scan *s, size_t i)
{
        if (i == 0)
                return true;
        uint8_t before = s->text.data[i - 1];
        if (byte_is(before, BYTE_DIGIT | BYTE_LETTER) || before == '_')
                return false;
        if ((before == '.' || before == '-') && i >= 2)
                return !byte_is(s->text.data[i - 2], BYTE_WORD);
        return true;
}

bool edge_right(const scan *s, size_t i)
{
        uint8_t after = scan_at(s, i);
        if (byte_is(after, BYTE_DIGIT | BYTE_LETTER) || after == '_' || after == '%')
                return false;
        if (after == '.')
                return !byte_is(scan_at(s, i + 1), BYTE_DIGIT);
        if (after == '-')
                return !byte_is(scan_at(s, i + 1), BYTE_WORD);
        return true;
}

/* Which of two overlapping findings names the value. */
static bool stronger(const scan *s, const finding *a, const finding *b)
{
        bool block_a = s->decide[a->entity].action == POLICY_BLOCK;
        bool block_b = s->decide[b->entity].action == POLICY_BLOCK;
        if (block_a != block_b)
                return block_a;
        uint32_t len_a = a->end - a->start;
        uint32_t len_b = b->end - b->start;
        bool     a_in_b = a->start >= b->start && a->end <= b->end;
        bool     b_in_a = b->start >= a->start && b->end <= a->end;
        if (a_in_b != b_in_a)
                return b_in_a;
        if (a->rank != b->rank)
                return a->rank > b->rank;
        if (len_a != len_b)
                return len_a > len_b;
        return a->entity < b->entity;
}

void detect_take(scan *s, finding f)
{
        assert(f.start < f.end);
        assert(f.end <= s->text.len);
        if (f.start < s->from || !detect_wants(s, f.entity))
                return;
        /* A key before an @ is the login of an address, not a person's name. */
        if (s->count > 0 && f.entity == ENTITY_EMAIL_ADDRESS && s->found[s->count - 1].rank == RANK_SECRET
            && s->found[s->count - 1].end > f.start)
                return;
        /* Nothing that a finding labelled stays uncovered: the stronger one takes the whole of both. */
        while (s->count > 0 && s->found[s->count - 1].end > f.start) {
                finding  old = s->found[--s->count];
                uint32_t start = old.start < f.start ? old.start : f.start;
                uint32_t end = old.end > f.end ? old.end : f.end;
                if (stronger(s, &old, &f))
                        f = old;
                f.start = start;
                f.end = end;
        }
        if (s->count == SCAN_FINDINGS) {
                if (f.start < s->horizon)
                        s->horizon = f.start;
                return;
        }
        s->found[s->count++] = f;
}

void detect_open(scan *s, size_t start, entity_id entity)
{
        if (start < s->from || start >= s->open || !detect_wants(s, entity))
                return;
        s->open = start;
        s->open_entity = entity;
}

static size_t start_detector(scan *s, size_t at)
{
        switch (s->text.data[at]) {
        case '@':
                return detect_email(s, at);
        case ':':
                return detect_ipv6(s, at);
        case '-':
                if (scan_at(s, at + 1) == '-')
                        return detect_private_key(s, at);
                return detect_secret(s, at);
        case '_':
        case '.':
        case 'J':
        case 'K':
        case 'S':
        case 'T':
        case 'z':
                return detect_secret(s, at);
        default:
                if (at > 0 && byte_is(s->text.data[at - 1], BYTE_LETTER))
                        return detect_iban(s, at);
                return detect_number(s, at);
        }
}

void detect(scan *s)
{
        s->count = 0;
        s->open = SIZE_MAX;
        s->horizon = s->text.len;
        if (!s->last)
                s->horizon = s->text.len > SCAN_RIGHT ? s->text.len - SCAN_RIGHT : 0;
        const uint8_t *bytes = s->text.data;
        size_t         len = s->text.len;
        for (size_t at = 0; at < len;) {
                if (!byte_is(bytes[at], BYTE_START)) {
                        at++;
                        continue;
                }
                size_t next = start_detector(s, at);
                assert(next > at);
                at = next;
        }
        if (s->open < s->horizon)
                s->horizon = s->open;
}
