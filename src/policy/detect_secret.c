#include <assert.h>

#include "base/limit.h"
#include "policy/detect.h"

/* Which bytes a key goes on with. */
typedef enum key_body : uint8_t { BODY_ALNUM, BODY_WORD, BODY_DOTTED } key_body;

typedef struct key_shape {
        const char *prefix;
        uint8_t     anchor;   /* index in the prefix of the byte that starts the detector */
        key_body    body;
        uint8_t     shortest; /* bytes after the prefix */
        uint16_t    most;
} key_shape;

/* clang-format off */
/* Longer prefixes first where one begins with another. */
static const key_shape shapes[] = {
        /* OpenAI, Anthropic, OpenRouter, DeepSeek and all who copied the form */
        {"sk-",          2, BODY_WORD,   20, 300},
        /* Stripe */
        {"sk_live_",     2, BODY_ALNUM,  10, 250}, {"sk_test_",    2, BODY_ALNUM,  10, 250},
        {"rk_live_",     2, BODY_ALNUM,  10, 250}, {"rk_test_",    2, BODY_ALNUM,  10, 250},
        {"whsec_",       5, BODY_ALNUM,  24, 100},
        /* Google */
        {"AIza",         2, BODY_WORD,   35, 39},
        /* AWS */
        {"AKIA",         1, BODY_ALNUM,  16, 16},  {"ASIA",        1, BODY_ALNUM,  16, 16},
        /* GitHub */
        {"ghp_",         3, BODY_ALNUM,  36, 255}, {"gho_",        3, BODY_ALNUM,  36, 255},
        {"ghu_",         3, BODY_ALNUM,  36, 255}, {"ghs_",        3, BODY_ALNUM,  36, 255},
        {"ghr_",         3, BODY_ALNUM,  36, 255}, {"github_pat_", 6, BODY_WORD,   40, 255},
        /* GitLab */
        {"glpat-",       5, BODY_DOTTED, 20, 300}, {"gldt-",       4, BODY_WORD,   20, 64},
        {"glrt-",        4, BODY_DOTTED, 20, 300}, {"glptt-",      5, BODY_WORD,   40, 64},
        /* Slack */
        {"xoxb-",        4, BODY_WORD,   20, 255}, {"xoxp-",       4, BODY_WORD,   20, 255},
        {"xoxa-",        4, BODY_WORD,   20, 255}, {"xoxe-",       4, BODY_WORD,   20, 255},
        {"xoxr-",        4, BODY_WORD,   20, 255}, {"xoxs-",       4, BODY_WORD,   20, 255},
        {"xapp-",        4, BODY_WORD,   20, 255},
        /* Hugging Face, npm, SendGrid, Groq, xAI, Perplexity, Replicate, this relay */
        {"hf_",          2, BODY_ALNUM,  30, 64},  {"npm_",        3, BODY_ALNUM,  36, 36},
        {"SG.",          2, BODY_DOTTED, 60, 90},  {"gsk_",        3, BODY_ALNUM,  40, 80},
        {"xai-",         3, BODY_ALNUM,  40, 120}, {"pplx-",       4, BODY_ALNUM,  40, 80},
        {"r8_",          2, BODY_ALNUM,  37, 40},  {"lk1_",        3, BODY_WORD,   20, 128},
        /* Alibaba, Tencent */
        {"LTAI",         1, BODY_ALNUM,  16, 26},  {"AKID",        1, BODY_ALNUM,  32, 36},
};
/* clang-format on */

static bool in_body(uint8_t c, key_body body)
{
        switch (body) {
        case BODY_ALNUM:
                return byte_is(c, BYTE_DIGIT | BYTE_LETTER);
        case BODY_WORD:
                return byte_is(c, BYTE_WORD);
        case BODY_DOTTED:
                return byte_is(c, BYTE_WORD) || c == '.';
        }
        return false;
}

/* Not a placeholder or words: digits or both cases of letters, and not the same few over and over. */
static bool random_looking(view body)
{
        uint64_t seen[4] = {};
        unsigned distinct = 0, digits = 0, capitals = 0, run = 0, longest = 0;
        for (size_t i = 0; i < body.len; i++) {
                uint8_t c = body.data[i];
                if ((seen[c >> 6] >> (c & 63) & 1) == 0)
                        distinct++;
                seen[c >> 6] |= UINT64_C(1) << (c & 63);
                digits += byte_is(c, BYTE_DIGIT);
                capitals += c >= 'A' && c <= 'Z';
                run = byte_is(c, BYTE_DIGIT | BYTE_LETTER) ? run + 1 : 0;
                longest = run > longest ? run : longest;
        }
        bool mixed = capitals > 3 && capitals + 3 < body.len;
        return distinct >= 8 && (digits > 0 || mixed) && longest >= 10;
}

static size_t try_key(scan *s, size_t at, const key_shape *is)
{
        view   prefix = view_of_text(is->prefix);
        if (at < is->anchor || scan_at(s, at) != prefix.data[is->anchor])
                return 0;
        size_t start = at - is->anchor;
        if (!view_starts(view_slice(s->text, start, s->text.len), prefix) || !edge_left(s, start))
                return 0;
        size_t from = start + prefix.len;
        size_t end = from;
        while (end < s->text.len && end - from < is->most && in_body(s->text.data[end], is->body))
                end++;
        if (end < s->text.len && in_body(s->text.data[end], is->body) && is->body != BODY_DOTTED)
                return 0;
        while (end > from && !byte_is(s->text.data[end - 1], BYTE_DIGIT | BYTE_LETTER))
                end--;
        if (end - from < is->shortest || !random_looking(view_slice(s->text, from, end)))
                return 0;
        detect_take(s, (finding){(uint32_t)start, (uint32_t)end, ENTITY_API_KEY, RANK_SECRET, REGION_COUNT});
        return end;
}

/* The end of the base64url part at p. */
static size_t part_end(const scan *s, size_t p)
{
        while (p < s->text.len && byte_is(s->text.data[p], BYTE_WORD))
                p++;
        return p;
}

/* Three parts, or five of the encrypted form; the header is a JSON object, whose base64 begins with eyJ. */
static size_t try_jwt(scan *s, size_t at)
{
        if (at < 2 || s->text.data[at - 1] != 'y' || s->text.data[at - 2] != 'e' || !edge_left(s, at - 2))
                return 0;
        size_t start = at - 2;
        size_t end = part_end(s, start);
        size_t header = end;
        size_t parts = 1;
        while (parts < 5 && scan_at(s, end) == '.') {
                size_t next = part_end(s, end + 1);
                if (next == end + 1 && parts < 2 && scan_at(s, next) != '.')
                        break;
                end = next;
                parts++;
        }
        if (end == s->text.len && !s->last && header - start >= 12)
                detect_open(s, start, ENTITY_JWT);
        bool signed_form = parts >= 3 && view_starts(view_slice(s->text, header + 1, end), VIEW("eyJ"));
        if (header - start < 12 || end - header < 12 || (!signed_form && parts != 5))
                return 0;
        detect_take(s, (finding){(uint32_t)start, (uint32_t)end, ENTITY_JWT, RANK_SECRET, REGION_COUNT});
        return end;
}

size_t detect_secret(scan *s, size_t at)
{
        uint8_t c = s->text.data[at];
        if (c == 'J') {
                size_t end = detect_wants(s, ENTITY_JWT) ? try_jwt(s, at) : 0;
                return end > at ? end : at + 1;
        }
        if (!detect_wants(s, ENTITY_API_KEY) || at < 1)
                return at + 1;
        /* A full stop is mostly one: only SendGrid has it. */
        if (c == '.' && s->text.data[at - 1] != 'G')
                return at + 1;
        char before = (char)s->text.data[at - 1];
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
                const char *anchor = shapes[i].prefix + shapes[i].anchor;
                if (anchor[0] != (char)c || anchor[-1] != before)
                        continue;
                size_t end = try_key(s, at, &shapes[i]);
                if (end > at)
                        return end;
        }
        return at + 1;
}

/* Where the needle is in v from `from` on, if it begins within `most` bytes; SIZE_MAX when it is not. */
static size_t find_text(view v, size_t from, size_t most, view needle)
{
        view part = view_slice(v, from, most > SIZE_MAX - needle.len - from ? v.len : from + most + needle.len);
        if (part.len < needle.len)
                return SIZE_MAX;
        const uint8_t *at = memmem(part.data, part.len, needle.data, needle.len);
        return at == nullptr ? SIZE_MAX : (size_t)(at - v.data);
}

/* A line of a key: base64, a header, or nothing; quoted, indented or continued as files and mails do it. */
static bool key_line(view l)
{
        static const char before[] = " \t>\"'+,", behind[] = " \t\r\"',;\\";
        while (l.len > 0 && memchr(before, l.data[0], sizeof before - 1) != nullptr)
                l = view_slice(l, 1, l.len);
        while (l.len > 0 && memchr(behind, l.data[l.len - 1], sizeof behind - 1) != nullptr)
                l.len--;
        if (l.len == 0 || find_text(l, 0, l.len, VIEW(": ")) != SIZE_MAX)
                return true;
        for (size_t i = 0; i < l.len; i++)
                if (!byte_is(l.data[i], BYTE_B64))
                        return false;
        return true;
}

/* The end of the last line of a key from p on, p being inside a line. */
static size_t key_lines_end(view text, size_t p)
{
        size_t end = p;
        while (p < text.len) {
                const uint8_t *feed = memchr(text.data + p, '\n', text.len - p);
                size_t         stop = feed == nullptr ? text.len : (size_t)(feed - text.data);
                if (!key_line(view_slice(text, p, stop)))
                        return end;
                if (stop > p + 1)
                        end = stop;
                p = stop + 1;
        }
        return text.len;
}

/* Where the key whose head ends at `body` ends. *open: the text may hold only a part of it. */
static size_t key_end(view text, size_t body, bool *open)
{
        size_t end = key_lines_end(text, body);
        *open = end == text.len;
        size_t mark = find_text(text, body, SIZE_MAX, VIEW("-----"));
        if (mark == SIZE_MAX || !view_starts(view_slice(text, mark, text.len), VIEW("-----END ")))
                return end;
        /* Far behind the last line of base64 it is the end of something else. */
        if (mark > end + 64 && mark - body > LIMIT_VALUE_BYTES)
                return end;
        size_t last = find_text(text, mark + 9, 64, VIEW("-----"));
        *open = last == SIZE_MAX && text.len - mark < 80;
        return last == SIZE_MAX ? mark + 9 : last + 5;
}

size_t detect_private_key(scan *s, size_t at)
{
        size_t next = at;
        while (next < s->text.len && s->text.data[next] == '-')
                next++;
        view rest = view_slice(s->text, at, s->text.len);
        if (!detect_wants(s, ENTITY_PRIVATE_KEY) || !view_starts(rest, VIEW("-----BEGIN ")))
                return next;
        size_t close = find_text(rest, 11, 64, VIEW("-----"));
        if (close == SIZE_MAX || find_text(view_slice(rest, 0, close), 11, SIZE_MAX, VIEW("PRIVATE KEY")) == SIZE_MAX)
                return next;
        bool   open;
        size_t end = at + key_end(rest, close + 5, &open);
        if (open && !s->last)
                detect_open(s, at, ENTITY_PRIVATE_KEY);
        detect_take(s, (finding){(uint32_t)at, (uint32_t)end, ENTITY_PRIVATE_KEY, RANK_SECRET, REGION_COUNT});
        return end;
}
